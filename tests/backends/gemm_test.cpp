// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/gemm.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <string>

#include "backends/instruction_set.h"
#include "backends/kernel_run.h"

namespace suanli::test {
namespace {

using cpu::Gemm;
using cpu::GemmPart;
using cpu::GemmShape;
using cpu::GemmUse;
using cpu::PartsDone;

std::string text(const GemmShape& s) {
  return str(s.m, "×", s.n, "×", s.k, s.a_transposed ? " T" : " N", s.b_transposed ? "T" : "N",
             ", rows ", s.a_row, " ", s.b_row, " ", s.c_row);
}

/// A product's operands; rows of `a_row` … elements, where those are set, have NaNs between them.
template <class T> struct Problem {
  explicit Problem(const GemmShape& shape) : s(shape) {
    a_row = s.a_row ? s.a_row : s.a_transposed ? s.m : s.k;
    b_row = s.b_row ? s.b_row : s.b_transposed ? s.k : s.n;
    c_row = s.c_row ? s.c_row : s.n;
    a = matrix(s.a_transposed ? s.k : s.m, s.a_transposed ? s.m : s.k, a_row, 1);
    b = matrix(s.b_transposed ? s.n : s.k, s.b_transposed ? s.k : s.n, b_row, 2);
  }
  static std::vector<T> matrix(int64_t rows, int64_t columns, int64_t row, uint64_t seed) {
    const Buffer<T> values = random_buffer<T>({rows, columns}, seed);
    std::vector<T> out(static_cast<size_t>(rows * row), std::numeric_limits<T>::quiet_NaN());
    for (int64_t i = 0; i < rows; ++i)
      std::copy_n(values.values.data() + i * columns, columns, out.data() + i * row);
    return out;
  }
  double element(int64_t i, int64_t j) const {
    const T *const x = a.data() + (s.a_transposed ? i : i * a_row), *const y =
                                                                        b.data() + (s.b_transposed
                                                                                        ? j * b_row
                                                                                        : j);
    const int64_t x_step = s.a_transposed ? a_row : 1, y_step = s.b_transposed ? 1 : b_row;
    double sum = 0;
    for (int64_t k = 0; k < s.k; ++k)
      sum += static_cast<double>(x[k * x_step]) * static_cast<double>(y[k * y_step]);
    return sum;
  }
  GemmShape s;
  int64_t a_row, b_row, c_row;
  std::vector<T> a, b;
};

/// Scratch between guards, all NaN; the test fails if something is written outside.
class Scratch {
 public:
  explicit Scratch(int64_t bytes)
      : bytes_(static_cast<size_t>(bytes)), memory_(bytes_ + 2 * kGuard + 64, 0xFF) {
    void* p = memory_.data() + kGuard;
    size_t space = bytes_ + 64;
    begin_ = static_cast<unsigned char*>(std::align(64, bytes_, p, space));
  }
  ~Scratch() {
    auto untouched = [](unsigned char c) { return c == 0xFF; };
    EXPECT_TRUE(std::all_of(memory_.data(), begin_, untouched))
        << "written in front of the scratch";
    EXPECT_TRUE(std::all_of(begin_ + bytes_, memory_.data() + memory_.size(), untouched))
        << "written behind the scratch";
  }
  void* data() { return begin_; }

 private:
  static constexpr size_t kGuard = 4096;
  size_t bytes_;
  std::vector<unsigned char> memory_;
  unsigned char* begin_;
};

template <class T> bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// c [m, n] as the product makes it in the way that `use` says, with every check of that way.
template <class T> std::vector<T> run(const Problem<T>& p, GemmUse use) {
  const GemmShape& s = p.s;
  if (use.parts_done) use.beside = 2 * sizeof(T);
  const Gemm<T> gemm(s, use);
  std::vector<T> packed(static_cast<size_t>(gemm.packed_bytes()) / sizeof(T));
  if (use.b_packed) gemm.pack(p.b.data(), packed.data());
  constexpr T kBefore = 3;
  std::vector<T> c(static_cast<size_t>(s.m * p.c_row),
                   use.add ? kBefore : std::numeric_limits<T>::quiet_NaN());
  std::vector<T> seen(static_cast<size_t>(s.m * s.n), std::numeric_limits<T>::quiet_NaN());
  std::vector<std::atomic<int>> times(seen.size());
  auto take = [&](const GemmPart<T>& part) {
    for (int64_t i = part.row_begin; i < part.row_end; ++i)
      for (int64_t j = part.column_begin; j < part.column_end; ++j) {
        const auto at = static_cast<size_t>(i * s.n + j);
        seen[at] = part.values[(i - part.row_begin) * part.row + j - part.column_begin];
        ++times[at];
      }
  };
  Scratch scratch(gemm.scratch_bytes());
  // only fetched: any address will do
  const cpu::EpilogueOperand beside[] = {{seen.data(), sizeof(T)}, {nullptr, sizeof(T)}};
  gemm.run(p.a.data(), use.b_packed ? packed.data() : p.b.data(), use.no_c ? nullptr : c.data(),
           scratch.data(), use.parts_done ? PartsDone<T>(take) : PartsDone<T>(), beside);
  for (const auto& t : times) EXPECT_EQ(t, use.parts_done ? 1 : 0);
  if (use.no_c) return seen;
  std::vector<T> out(static_cast<size_t>(s.m * s.n));
  for (int64_t i = 0; i < s.m; ++i) {
    std::copy_n(c.data() + i * p.c_row, s.n, out.data() + i * s.n);
    for (int64_t j = s.n; j < p.c_row; ++j)
      EXPECT_TRUE(use.add || std::isnan(c[static_cast<size_t>(i * p.c_row + j)]))
          << "written between rows";
  }
  EXPECT_TRUE(!use.parts_done || same(seen, out)) << "others than in c";
  if (use.add)
    for (T& v : out) v -= kBefore;
  return out;
}

const GemmShape shapes[] = {{1, 1, 1},      {1, 1, 700},     {3, 5, 7},       {13, 17, 19},
                            {14, 32, 256},  {15, 33, 257},   {16, 16, 16},    {1, 300, 513},
                            {2, 67, 300},   {7, 1, 100},     {300, 1, 41},    {5, 200, 600},
                            {16, 257, 64},  {17, 129, 530},  {33, 31, 1031},  {97, 101, 103},
                            {128, 10, 64},  {10, 128, 40},   {131, 67, 11},   {257, 241, 300},
                            {530, 37, 260}, {1100, 70, 20},  {70, 1100, 20},  {600, 600, 70},
                            {16, 10, 6607}, {11, 261, 6037}, {135, 7, 11003}, {0, 5, 4},
                            {5, 0, 4},      {6, 7, 0},       {300, 40, 0}};

std::vector<GemmShape> forms(GemmShape s) {
  std::vector<GemmShape> out;
  for (int form = 0; form < 4; ++form) {
    s.a_transposed = (form & 1) != 0;
    s.b_transposed = (form & 2) != 0;
    out.push_back(s);
  }
  return out;
}

template <class T> void check_values(const GemmShape& s) {
  SCOPED_TRACE(text(s));
  const Problem<T> p(s);
  std::vector<double> expected;
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t j = 0; j < s.n; ++j) expected.push_back(p.element(i, j));
  expect_near(run<T>(p, {}), expected, static_cast<double>(s.k));
  expect_near(run<T>(p, {.add = true}), expected, static_cast<double>(s.k) + 8);
}

TEST(Gemm, EqualsTheSum) {
  PoolThreads two(2);
  for (const GemmShape& shape : shapes)
    for (const GemmShape& s : forms(shape)) {
      check_values<float>(s);
      check_values<double>(s);
    }
}

TEST(Gemm, EqualsTheSumWithEveryInstructionSet) {
  PoolThreads two(2);
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    const InstructionSet only(target);
    SCOPED_TRACE(hwy::TargetName(target));
    for (const GemmShape& shape : shapes)
      for (const GemmShape& s : forms(shape)) {
        if (s.m * s.n * s.k > 3'000'000) continue;
        check_values<float>(s);
        check_values<double>(s);
      }
  }
}

TEST(Gemm, TakesRowsThatLieApart) {
  PoolThreads two(2);
  for (GemmShape shape : shapes) {
    shape.a_row = std::max(shape.m, shape.k) + 5;
    shape.b_row = std::max(shape.n, shape.k) + 9;
    shape.c_row = shape.n + 3;
    for (const GemmShape& s : forms(shape)) check_values<float>(s);
  }
}

/// All ways of running a product give the bits of the plain one on one thread; packed operands
/// those of one that packs.
template <class T> void check_bits(const GemmShape& s) {
  SCOPED_TRACE(text(s));
  const Problem<T> p(s);
  const std::vector<T> plain = run<T>(p, {.threads = 1}),
                       packed = run<T>(p, {.b_packed = true, .threads = 1});
  for (int threads : {1, 2, 3, 7}) {
    PoolThreads pool(threads);
    for (int way = 0; way < 8; ++way) {
      const GemmUse use{.parts_done = way % 4 >= 1,
                        .no_c = way % 4 == 2,
                        .b_packed = way >= 4,
                        .threads = way % 4 == 3 ? threads : 0};
      if (use.no_c && s.n == 0) continue;
      EXPECT_TRUE(same(run<T>(p, use), use.b_packed ? packed : plain))
          << threads << " threads, way " << way;
    }
  }
}

TEST(Gemm, BitsDependOnNeitherThreadsNorUse) {
  for (const GemmShape& shape : shapes)
    for (const GemmShape& s : forms(shape)) {
      check_bits<float>(s);
      check_bits<double>(s);
    }
}

/// Random shapes of a few rows or columns, contiguous or not, against sums in f64; outliers meet
/// their row or column and nothing else; as many threads as one likes give the same bits.
TEST(Gemm, ThinProducts) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInf = std::numeric_limits<float>::infinity();
  std::mt19937 random(7);
  auto between = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
  };
  for (int round = 0; round < 60; ++round) {
    const int64_t thin = between(0, 20), other = between(0, 300),
                  k = between(0, 3) ? between(0, 700) : between(3000, 9000);
    GemmShape s{thin, other, k, between(0, 1) == 1, between(0, 1) == 1};
    if (between(0, 1)) std::swap(s.m, s.n);
    if (between(0, 1)) {
      s.a_row = 9013;
      s.b_row = 9007;
      s.c_row = 331;
    }
    SCOPED_TRACE(text(s));
    Problem<float> p(s);
    std::vector<double> expected;
    for (int64_t i = 0; i < s.m; ++i)
      for (int64_t j = 0; j < s.n; ++j) expected.push_back(p.element(i, j));
    expect_near(run<float>(p, {}), expected, static_cast<double>(k));
    const int64_t row = between(0, s.m), column = between(0, s.n);
    if (row < s.m && column < s.n && k > 0) {
      const int64_t at = between(0, k - 1);
      p.a[static_cast<size_t>(s.a_transposed ? at * p.a_row + row : row * p.a_row + at)] = kNan;
      p.b[static_cast<size_t>(s.b_transposed ? column * p.b_row + at : at * p.b_row + column)] =
          kInf;
    }
    PoolThreads one(1);
    const std::vector<float> alone = run<float>(p, {});
    for (int64_t i = 0; i < s.m; ++i)
      for (int64_t j = 0; j < s.n; ++j) {
        const double want = p.element(i, j), got = alone[static_cast<size_t>(i * s.n + j)];
        if (std::isfinite(want)) EXPECT_NEAR(got, want, 1e-6 * static_cast<double>(k) + 1e-6);
        else EXPECT_TRUE(std::isnan(want) ? std::isnan(got) : got == want) << i << ", " << j;
      }
    for (int threads : {2, 3, 4, 5}) {
      PoolThreads pool(threads);
      EXPECT_TRUE(same(run<float>(p, {}), alone)) << threads << " threads";
    }
  }
}

/// Sums that wait between blocks of depth, as many rows make them, are those of a row by itself.
TEST(Gemm, BlocksOfDepthDoNotChangeBits) {
  PoolThreads two(2);
  const GemmShape all{16, 137, 7003, false, true}, row{1, 137, 7003, false, true};
  EXPECT_GT(cpu::gemm_dot_scratch<float>(all.m, all.n, all.k), 0);
  EXPECT_EQ(cpu::gemm_dot_scratch<float>(row.m, row.n, row.k), 0);
  const Problem<float> p(all);
  const std::vector<float> whole = run<float>(p, {});
  Problem<float> one(row);
  one.b = p.b;
  for (int64_t i = 0; i < all.m; ++i) {
    one.a.assign(p.a.begin() + i * all.k, p.a.begin() + (i + 1) * all.k);
    EXPECT_TRUE(same(run<float>(one, {}), std::vector<float>(whole.begin() + i * all.n,
                                                             whole.begin() + (i + 1) * all.n)))
        << "row " << i;
  }
}

// Blocks of one granule: an odd number of them, for an even number of threads.
TEST(Gemm, NoBlockIsWithoutRows) {
  const PoolThreads two(2);
  const Problem<float> p({4000, 2100, 3});
  const std::vector<float> c = run(p, {.parts_done = true});
  for (int64_t i : {0, 31, 32, 1999, 3999})
    for (int64_t j : {0, 1000, 2099})
      EXPECT_NEAR(static_cast<double>(c[static_cast<size_t>(i * 2100 + j)]), p.element(i, j), 1e-6)
          << i << ", " << j;
}

TEST(Gemm, HandsOutPartsWhileTheyAreInTheCache) {
  PoolThreads two(2);
  for (const GemmShape& s :
       {GemmShape{2048, 1024, 64}, GemmShape{3000, 5000, 3}, GemmShape{4096, 30, 256}}) {
    SCOPED_TRACE(text(s));
    const Problem<float> p(s);
    const Gemm<float> gemm(s, {.parts_done = true, .no_c = true});
    const Gemm<float> with_others(s, {.parts_done = true, .no_c = true, .beside = 24});
    std::mutex mutex;
    int64_t most = 0;
    Scratch scratch(gemm.scratch_bytes());
    auto take = [&](const GemmPart<float>& part) {
      std::lock_guard lock(mutex);
      most = std::max(most, part.row_end - part.row_begin);
    };
    gemm.run(p.a.data(), p.b.data(), nullptr, scratch.data(), take);
    EXPECT_GT(most, 0);
    EXPECT_LE(most * s.n * 4, s.n > 2048 ? 64 * s.n * 4 : 512 << 10);
    most = 0;
    Scratch more(with_others.scratch_bytes());
    with_others.run(p.a.data(), p.b.data(), nullptr, more.data(), take);
    EXPECT_GT(most, 0);
    EXPECT_LE(most * s.n * 28, s.n > 585 ? 64 * s.n * 28 : 1 << 20);
  }
}

TEST(Gemm, FormatsTellPackedOperandsApart) {
  const Gemm<float> a({10, 20, 30}), taller({999, 20, 30}), transposed({10, 20, 30, false, true}),
      wider({10, 21, 30}), deeper({10, 20, 31});
  const Gemm<double> f64({10, 20, 30});
  EXPECT_EQ(a.packed_format(), taller.packed_format());
  for (uint64_t other : {transposed.packed_format(), wider.packed_format(), deeper.packed_format(),
                         f64.packed_format()})
    EXPECT_NE(a.packed_format(), other);
}

}  // namespace
}  // namespace suanli::test
