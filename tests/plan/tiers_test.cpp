// The planned tier against the cold one, bit for bit: random programs and trainings.
#include <cstdlib>
#include <set>

#include "gtest/gtest.h"
#include "plan/planned.h"

namespace suanli {
namespace {

using namespace suanli::test;

struct Threads {
  explicit Threads(int n) : before(compute_threads()) { set_compute_threads(n); }
  ~Threads() { set_compute_threads(before); }
  int before;
};

std::string bits(const Tensor& t) {
  return {static_cast<const char*>(detail::host_data(t, t.dtype())), static_cast<size_t>(t.numel() * itemsize(t.dtype()))};
}

class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  size_t below(size_t n) {  // splitmix64
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<size_t>((z ^ (z >> 31)) % n);
  }

 private:
  uint64_t state_;
};

Tensor any_float(Draw& d, const Tensor& x) {
  switch (d.below(12)) {
    case 0: return exp(x * 0.1);
    case 1: return tanh(x);
    case 2: return relu(x);
    case 3: return sqrt(abs(x));
    case 4: return gelu(x);
    case 5: return sigmoid(x);
    case 6: return -x;
    case 7: return square(x) * 0.5;
    case 8: return x / 3.0;
    case 9: return floor(x * 4.0);
    case 10: return log1p(abs(x));
    default: return 1.5 - x;
  }
}

Tensor any_pair(Draw& d, const Tensor& x, const Tensor& y) {
  switch (d.below(7)) {
    case 0: return x + y;
    case 1: return x - y;
    case 2: return x * y;
    case 3: return x / (abs(y) + 1);
    case 4: return maximum(x, y);
    case 5: return minimum(x, y);
    default: return where(x < y, x, y);
  }
}

/// A program over tensors that broadcast to one another, of several dtypes, with reductions, products and other shapes in between.
std::vector<Tensor> random_program(uint64_t seed) {
  Draw d(seed);
  const bool large = seed % 16 == 0;  // more than a tile, and than a thread's share
  const int64_t rows = large ? 300 : 6, columns = large ? 301 : 5;
  const Shape shapes[] = {{rows, columns}, {rows, columns}, {rows, columns}, {columns}, {rows, 1}, {}};
  const DType dtypes[] = {f32, f32, f32, f64, i64, i32, u8, boolean};
  std::vector<Tensor> pool;
  for (uint64_t k = 0; k < 5; ++k) {
    Tensor leaf = tensor_f32(shapes[k < 2 ? 0 : d.below(std::size(shapes))], seed * 8 + k) * 4.0;
    pool.push_back(k < 2 ? leaf : cast(leaf, dtypes[d.below(std::size(dtypes))]));
  }
  flush();
  Parameter w(pool[0]);
  pool[0] = w;
  auto any = [&]() -> const Tensor& {
    return pool[d.below(3) ? pool.size() - 1 - d.below(std::min<size_t>(6, pool.size())) : d.below(pool.size())];
  };
  const size_t length = 10 + d.below(60);
  for (size_t k = 0; k < length; ++k) {
    const Tensor x = any(), y = any();
    Tensor z;
    switch (d.below(16)) {
      case 0: z = x.rank() ? sum(x, {x.rank() - 1}, true) : sum(x); break;
      case 1: z = x.rank() ? max(cast(x, f32), {0}, true) : x; break;
      case 2: z = x.rank() == 2 ? transpose(transpose(x) + 1) : x; break;
      case 3: z = reshape(reshape(x, {-1}) * 2, x.shape()); break;
      case 4: z = cast(x, dtypes[d.below(std::size(dtypes))]); break;
      case 5: z = where(cast(x, boolean), y, cast(x, y.dtype())); break;
      case 6: z = x == y; break;
      case 7: z = logical_or(cast(x, boolean), y > 0); break;
      case 8: z = x.rank() == 2 && x.shape()[1] == columns ? softmax(cast(x, f32)) : x; break;
      case 9:
      case 10: z = any_float(d, cast(x, x.dtype() == f64 ? f64 : f32)); break;
      default: z = any_pair(d, x, y);
    }
    pool.push_back(z);
  }
  std::vector<Tensor> out;
  for (size_t k = 0; k < 4; ++k) out.push_back(any());
  if (seed % 3 == 0) {
    Tensor total = sum(pool.back().dtype() == f64 ? cast(pool.back(), f32) : cast(pool.back(), f32) * Tensor(w));
    if (total.requires_grad()) {
      total.backward();
      if (w.grad().defined()) out.push_back(w.grad());
    }
  }
  return out;
}

TEST(Tiers, RandomProgramsHaveTheSameBits) {
  const uint64_t programs = std::getenv("SUANLI_TEST_FULL") ? 20000 : 400;
  int64_t kernels[2] = {};
  for (uint64_t seed = 0; seed < programs; ++seed) {
    std::vector<std::string> got[2];
    for (Tier t : {Tier::cold, Tier::planned}) {
      InTier in_tier(t);
      const int64_t before = plan_stats().kernels;
      const auto out = random_program(seed);
      flush();
      for (const Tensor& o : out) got[t == Tier::cold].push_back(bits(o));
      kernels[t == Tier::cold] += plan_stats().kernels - before;
    }
    ASSERT_EQ(got[0] == got[1], true) << "seed " << seed;
  }
  std::printf("kernels of %lu random programs: planned %ld, cold %ld\n", static_cast<unsigned long>(programs), long{kernels[0]},
              long{kernels[1]});
  EXPECT_LT(kernels[0], kernels[1] * 2 / 3);
}

TEST(Tiers, ThreadsDoNotChangeBits) {
  for (uint64_t seed = 0; seed < 160; seed += 16) {
    std::vector<std::string> got[2];
    for (int n : {1, 2}) {
      Threads threads(n);
      for (const Tensor& o : random_program(seed)) got[n - 1].push_back(bits(o));
    }
    ASSERT_EQ(got[0] == got[1], true) << "seed " << seed;
  }
}

/// Pointwise ops alone, of one shape, all from three tensors; no op twice, since equal ones become one.
Tensor one_shape(uint64_t seed, size_t ops) {
  Draw d(seed);
  std::vector<Tensor> pool{tensor_f32({6, 5}, 1), tensor_f32({6, 5}, 2), tensor_f32({6, 5}, 3)}, unread;
  std::set<std::pair<size_t, size_t>> seen;
  const size_t before = Recorder::current().pending().size();
  auto count = [&] { return Recorder::current().pending().size() - before; };
  while (count() + unread.size() < ops) {
    const size_t a = d.below(pool.size()), b = pool.size() - 1 - d.below(std::min<size_t>(4, pool.size()));
    const bool unary = d.below(2);
    if (!seen.emplace(a, unary ? SIZE_MAX : b).second) continue;
    Tensor z = unary ? tanh(pool[a]) : maximum(pool[a], pool[b]);
    pool.push_back(z);
    unread.push_back(z);
  }
  while (unread.size() > 1 && count() < ops) {  // everything is read
    unread[0] = unread[0] + unread.back();
    unread.pop_back();
  }
  return unread[0];
}

// Where one shape, at most 64 ops and at most 16 pointers leave nothing in the way, there is one kernel, however the ops hang together.
// Beyond, every unit keeps both bounds and every op is in one of them (chains: Fuse.LongChainsAreCutAtTheBound).
TEST(Tiers, FusionReachesItsBounds) {
  InTier planned(Tier::planned);
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Tensor y = one_shape(seed, 64);
    EXPECT_EQ(plan_of_pending()->steps.size(), 1u) << "seed " << seed;
  }
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const size_t ops = 65 + seed * 3;
    const Tensor y = one_shape(seed, ops);
    const auto plan = plan_of_pending();
    size_t ops_in_units = 0;
    for (const PlannedStep& s : plan->steps) {
      EXPECT_LE(s.in.size() + s.out.size(), static_cast<size_t>(Expr::kMaxPointers));
      const size_t ops_in_unit = s.expr ? s.expr->code.size() : 1;
      EXPECT_LE(ops_in_unit, static_cast<size_t>(Expr::kMaxInstructions));
      ops_in_units += ops_in_unit;
    }
    EXPECT_EQ(ops_in_units, plan_of_pending(Tier::cold)->steps.size()) << "each op once";
  }
}

struct ConvNet : nn::Module {
  nn::Conv2d conv1{1, 8, 3}, conv2{8, 8, 3};
  nn::MaxPool2d pool{2};
  nn::Dropout drop{0.25};
  nn::Linear fc{200, 3};
  SUANLI_FIELDS(conv1, conv2, pool, drop, fc)
  Tensor forward(const Tensor& x) { return fc(flatten(drop(pool(relu(conv2(gelu(conv1(x)))))), 1)); }
};
struct Mlp : nn::Module {
  nn::Linear fc1{196, 32}, fc2{32, 3};
  SUANLI_FIELDS(fc1, fc2)
  Tensor forward(const Tensor& x) { return fc2(tanh(fc1(flatten(x, 1)))); }
};

template <class M, class Opt> Bits trained(Tier t, int threads) {
  InTier in_tier(t);
  Threads pool(threads);
  manual_seed(7);
  M net;
  Opt opt = [&] {
    if constexpr (std::is_same_v<Opt, optim::Adam>) return optim::Adam(net.parameters(), {.lr = 0.01});
    else return optim::SGD(net.parameters(), {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-3});
  }();
  Bits losses(1);
  for (int i = 0; i < 10; ++i) {
    Batch b = batch(i, 9);
    b.x = tensor_f32({9, 1, 14, 14}, static_cast<uint64_t>(i));
    losses[0].push_back(static_cast<float>(train_step(net, opt, b).item()));
  }
  Bits out = values(net);
  out.push_back(losses[0]);
  return out;
}

TEST(Tiers, TrainingsHaveTheSameBits) {
  const Bits conv = trained<ConvNet, optim::Adam>(Tier::cold, 2), mlp = trained<Mlp, optim::SGD>(Tier::cold, 2);
  for (int threads : {1, 2}) {
    EXPECT_EQ((trained<ConvNet, optim::Adam>(Tier::planned, threads)), conv) << threads;
    EXPECT_EQ((trained<Mlp, optim::SGD>(Tier::planned, threads)), mlp) << threads;
  }
}

}  // namespace
}  // namespace suanli
