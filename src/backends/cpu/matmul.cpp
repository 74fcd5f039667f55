// Matrix products of plain row-major buffers: oneDNN in f32, our own in f64.
#include <algorithm>
#include <cstring>

#include "backends/cpu/gemm_f64.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/onednn.h"
#include "base/thread_pool.h"
#include "ops/products.h"

namespace suanli::cpu {
namespace {

/// A matmul as a loop over equal products. Strides count elements; those of a broadcast operand are 0.
struct Product {
  struct Axis { int64_t size, a, b; };
  struct Matrix { int64_t row, column; };

  Product(const Shape& a_shape, const Shape& b_shape, const Shape& out, const MatmulAttr& attr) {
    const int rank = out.rank();
    m = out[rank - 2], n = out[rank - 1], k = a_shape[a_shape.rank() - (attr.transpose_a ? 2 : 1)];
    a = attr.transpose_a ? Matrix{1, m} : Matrix{k, 1};
    b = attr.transpose_b ? Matrix{1, k} : Matrix{n, 1};
    int64_t a_stride = m * k, b_stride = k * n;
    for (int i = 3; i <= rank; ++i) {  // leading axes, the last one first
      const int64_t size = out[rank - i], a_size = i <= a_shape.rank() ? a_shape[a_shape.rank() - i] : 1,
                    b_size = i <= b_shape.rank() ? b_shape[b_shape.rank() - i] : 1;
      const Axis axis{size, a_size == 1 ? 0 : a_stride, b_size == 1 ? 0 : b_stride};
      a_stride *= a_size, b_stride *= b_size;
      if (size == 1) continue;
      if (!outer.empty() && axis.a == outer.back().a * outer.back().size && axis.b == outer.back().b * outer.back().size)
        outer.back().size *= size;
      else outer.push_back(axis);
    }
    if (outer.empty()) return;
    if (outer[0].b == 0 && !attr.transpose_a && outer[0].a == m * k) m *= outer[0].size;  // one b for all: a taller product
    else batch = outer[0];
    outer.erase(outer.begin());
  }

  double flops() const {
    double f = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) * static_cast<double>(batch.size);
    for (const Axis& axis : outer) f *= static_cast<double>(axis.size);
    return f;
  }
  int64_t outer_size() const {
    int64_t size = 1;
    for (const Axis& axis : outer) size *= axis.size;
    return size;
  }

  int64_t m, n, k;
  Matrix a, b;
  Axis batch{1, 0, 0};      // innermost
  std::vector<Axis> outer;  // the innermost first
};

/// How a product is shared out: every step of the outer loop in `pieces`, bands of the batch, the rows or the columns.
struct Cut {
  explicit Cut(const Product& p) : size(p.batch.size) {
    // Each lane gets at least 2 MFLOP: less takes a core some ten microseconds, about what waking it costs.
    const int64_t wanted = std::clamp<int64_t>(static_cast<int64_t>(p.flops() / 2e6), 1, pool_threads());
    if (p.batch.size < wanted && p.outer_size() < wanted) {
      axis = p.m >= p.n ? rows : columns;
      size = axis == rows ? p.m : p.n;
    }
    const int64_t shares = p.outer_size() >= wanted ? 1 : std::min(wanted, size);
    piece = (size + shares - 1) / shares;
    if (axis != batch) piece = (piece + 15) / 16 * 16;
    pieces = (size + piece - 1) / piece;
    tasks = p.outer_size() * pieces;
    lanes = std::min(wanted, tasks);
  }
  enum { batch, rows, columns } axis = batch;
  int64_t size, piece, pieces, tasks, lanes;
  bool has_rest() const { return size % piece != 0; }
};

/// Where one task begins, in elements.
struct Offsets { int64_t a = 0, b = 0, out = 0; };

Offsets task_offsets(const Product& p, const Cut& cut, int64_t task) {
  const int64_t first = task % cut.pieces * cut.piece;
  Offsets at;
  if (cut.axis == Cut::batch) at = {first * p.batch.a, first * p.batch.b, first * p.m * p.n};
  else if (cut.axis == Cut::rows) at = {first * p.a.row, 0, first * p.n};
  else at = {0, first * p.b.column, first};
  int64_t index = task / cut.pieces;
  at.out += index * p.batch.size * p.m * p.n;
  for (const Product::Axis& axis : p.outer) {
    at.a += index % axis.size * axis.a;
    at.b += index % axis.size * axis.b;
    index /= axis.size;
  }
  return at;
}

class MatmulF32 final : public Kernel {
 public:
  explicit MatmulF32(const Product& product) : product_(product), cut_(product) {
    OneOmpThread one;
    Places places;
    for (int64_t i = 0; i < cut_.lanes; ++i) {
      Lane lane{primitive(cut_.piece), cut_.has_rest() ? primitive(cut_.size % cut_.piece) : Primitive(), 0};
      lane.scratch = places.add(std::max(lane.whole.scratch_bytes(), lane.rest.scratch_bytes()));
      lanes_.push_back(std::move(lane));
    }
    workspace_bytes = places.total();
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    parallel_parts(static_cast<int>(cut_.lanes), [&](int i) {
      OneOmpThread one;
      const Lane& lane = lanes_[static_cast<size_t>(i)];
      for (int64_t task = cut_.tasks * i / cut_.lanes; task < cut_.tasks * (i + 1) / cut_.lanes; ++task) {
        const Offsets o = task_offsets(product_, cut_, task);
        const bool rest = cut_.has_rest() && task % cut_.pieces == cut_.pieces - 1;
        (rest ? lane.rest : lane.whole).run({at(in[0], 4 * o.a), at(in[1], 4 * o.b), at(out[0], 4 * o.out)}, at(workspace, lane.scratch));
      }
    });
  }

 private:
  struct Lane {
    Primitive whole, rest;
    int64_t scratch;
  };

  /// The product of one piece of `size` batches, rows or columns.
  Primitive primitive(int64_t size) const {
    using Dims = dnnl::memory::dims;
    const Product& p = product_;
    const int64_t batch = cut_.axis == Cut::batch ? size : p.batch.size, m = cut_.axis == Cut::rows ? size : p.m,
                  n = cut_.axis == Cut::columns ? size : p.n;
    Dims a_dims{m, p.k}, a_strides{p.a.row, p.a.column}, b_dims{p.k, n}, b_strides{p.b.row, p.b.column}, dims{m, n}, strides{p.n, 1};
    if (batch > 1) {
      auto lead = [](Dims& to, int64_t value) { to.insert(to.begin(), value); };
      lead(a_dims, p.batch.a == 0 ? 1 : batch), lead(a_strides, p.m * p.k);
      lead(b_dims, p.batch.b == 0 ? 1 : batch), lead(b_strides, p.k * p.n);
      lead(dims, batch), lead(strides, p.m * p.n);
      if (p.batch.a != 0) a_strides[0] = p.batch.a;
      if (p.batch.b != 0) b_strides[0] = p.batch.b;
    }
    using Desc = dnnl::memory::desc;
    constexpr auto f32 = dnnl::memory::data_type::f32;
    const Desc a(a_dims, f32, a_strides), b(b_dims, f32, b_strides), out(dims, f32, strides);
    const dnnl::matmul::primitive_desc pd(onednn_engine(), a, b, out, onednn_attr());
    return {dnnl::matmul(pd), {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, out}}, pd.scratchpad_desc()};
  }

  Product product_;
  Cut cut_;
  std::vector<Lane> lanes_;
};

class MatmulF64 final : public Kernel {
 public:
  explicit MatmulF64(const Product& product) : product_(product), cut_(product) {
    Places places;
    for (int64_t i = 0; i < cut_.lanes; ++i) lanes_.push_back(places.add(gemm_f64_workspace(product.m, product.n, product.k)));
    workspace_bytes = places.total();
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    parallel_parts(static_cast<int>(cut_.lanes), [&](int i) {
      for (int64_t task = cut_.tasks * i / cut_.lanes; task < cut_.tasks * (i + 1) / cut_.lanes; ++task) {
        const Product& p = product_;
        const Offsets o = task_offsets(p, cut_, task);
        const int64_t size = std::min(cut_.piece, cut_.size - task % cut_.pieces * cut_.piece);
        const int64_t batch = cut_.axis == Cut::batch ? size : p.batch.size, m = cut_.axis == Cut::rows ? size : p.m,
                      n = cut_.axis == Cut::columns ? size : p.n;
        for (int64_t j = 0; j < batch; ++j)
          gemm_f64(m, n, p.k, {static_cast<const double*>(in[0]) + o.a + j * p.batch.a, p.a.row, p.a.column},
                   {static_cast<const double*>(in[1]) + o.b + j * p.batch.b, p.b.row, p.b.column},
                   static_cast<double*>(out[0]) + o.out + j * p.m * p.n, p.n, false, at(workspace, lanes_[static_cast<size_t>(i)]));
      }
    });
  }

 private:
  Product product_;
  Cut cut_;
  std::vector<int64_t> lanes_;  // places of the workspaces
};

/// Sums over nothing.
class Zeros final : public Kernel {
 public:
  explicit Zeros(int64_t bytes) : bytes_(static_cast<size_t>(bytes)) {}
  void run(const void* const*, void* const* out, void*) override {
    if (bytes_ != 0) std::memset(out[0], 0, bytes_);
  }

 private:
  size_t bytes_;
};

std::unique_ptr<Kernel> make(const Step& step) {
  const DType dtype = step.out[0].dtype;
  if ((dtype != DType::f32 && dtype != DType::f64) || step.in[0].dtype != dtype || step.in[1].dtype != dtype) return nullptr;
  const Shape& out = step.out[0].shape;
  if (out.numel() == 0 || step.in[0].shape.numel() == 0) return std::make_unique<Zeros>(out.numel() * itemsize(dtype));
  const Product product(step.in[0].shape, step.in[1].shape, out, *static_cast<const MatmulAttr*>(step.attr));
  if (dtype == DType::f64) return std::make_unique<MatmulF64>(product);
  return std::make_unique<MatmulF32>(product);
}

const RegisterKernel kernel("matmul", make);

}  // namespace
}  // namespace suanli::cpu
