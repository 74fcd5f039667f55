// Matrix products of plain row-major buffers: oneDNN in f32, our own in f64.
#include <algorithm>
#include <cstring>

#include "backends/cpu/gemm_f64.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/onednn.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "ops/products.h"

namespace suanli::cpu {
namespace {

/// A matmul as a loop over equal products. Strides count elements; those of a broadcast operand are 0.
struct Product {
  struct Axis {
    int64_t size, a, b;
  };
  struct Matrix {
    int64_t row, column;
    bool transposed;  // beside the strides, which leave it open where a side is 1
    char form() const { return transposed ? 'T' : 'N'; }
    int64_t leading() const { return transposed ? column : row; }
  };

  Product(const Shape& a_shape, const Shape& b_shape, const Shape& out, const MatmulAttr& attr) {
    const int rank = out.rank();
    m = out[rank - 2], n = out[rank - 1], k = a_shape[a_shape.rank() - (attr.transpose_a ? 2 : 1)];
    a = attr.transpose_a ? Matrix{1, m, true} : Matrix{k, 1, false};
    b = attr.transpose_b ? Matrix{1, k, true} : Matrix{n, 1, false};
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

/// One axis cut into equal pieces, the last of which may be smaller.
struct Bands {
  Bands(int64_t n, int64_t wanted, int64_t multiple) : size(n), piece(((n + wanted - 1) / wanted + multiple - 1) / multiple * multiple) {}
  int64_t size, piece;
  int64_t count() const { return (size + piece - 1) / piece; }
  int64_t begin(int64_t i) const { return i * piece; }
  int64_t length(int64_t i) const { return std::min(piece, size - i * piece); }
};

/// How a product is shared out: tasks are the steps of the outer loop times bands of the batch, the rows and the columns. It follows
/// from the shapes alone: oneDNN may sum a band of 32 rows in another order than one of 64, so the threads must not choose the bands.
struct Cut {
  explicit Cut(const Product& p) : batch(p.batch.size, 1, 1), rows(p.m, 1, 16), columns(p.n, 1, 16) {
    // Halving by halving the longer side: every band of rows packs all of b and every band of columns all of a. The first tasks need some
    // 8 MFLOP each to be worth their share of that, half a tenth of a millisecond; more than four of them 32 MFLOP.
    const double flops = p.flops();
    const int64_t outer = p.outer_size();
    const int64_t wanted = static_cast<int64_t>(flops / 8e6);
    batch = Bands(p.batch.size, std::clamp<int64_t>(wanted / outer, 1, std::min<int64_t>(p.batch.size, 64)), 1);
    int64_t pieces = outer * batch.count(), row_bands = 1, column_bands = 1;
    for (; 2 * pieces <= (pieces < 4 ? wanted : wanted / 4) && pieces < 64; pieces *= 2) {
      const int64_t row_piece = p.m / row_bands, column_piece = p.n / column_bands, longer = std::max(row_piece, column_piece);
      if (longer < (pieces < 2 ? 128 : pieces < 4 ? 256 : pieces < 16 ? 512 : 1024)) break;
      (row_piece > column_piece ? row_bands : column_bands) *= 2;
    }
    rows = Bands(p.m, row_bands, 16);
    columns = Bands(p.n, column_bands, 16);
    tasks = outer * batch.count() * rows.count() * columns.count();
    lanes = std::min<int64_t>({tasks, pool_threads(), std::max<int64_t>(1, static_cast<int64_t>(flops / 2e6))});
  }
  Bands batch, rows, columns;
  int64_t tasks, lanes;
};

/// Where one task begins, in elements, and how much it is.
struct Task {
  Task(const Product& p, const Cut& cut, int64_t index) {
    auto take = [&](const Bands& bands) {
      const int64_t i = index % bands.count();
      index /= bands.count();
      return i;
    };
    const int64_t row = take(cut.rows), column = take(cut.columns), first = take(cut.batch);
    batch = cut.batch.length(first), m = cut.rows.length(row), n = cut.columns.length(column);
    a = cut.batch.begin(first) * p.batch.a + cut.rows.begin(row) * p.a.row;
    b = cut.batch.begin(first) * p.batch.b + cut.columns.begin(column) * p.b.column;
    out = ((index * p.batch.size + cut.batch.begin(first)) * p.m + cut.rows.begin(row)) * p.n + cut.columns.begin(column);
    for (const Product::Axis& axis : p.outer) {
      a += index % axis.size * axis.a;
      b += index % axis.size * axis.b;
      index /= axis.size;
    }
  }
  int64_t batch, m, n, a, b, out;
};

/// oneDNN's sgemm, which packs both operands and so takes any of the four forms alike. Its matmul primitive on plain layouts was up to a
/// fifth slower where an operand is transposed, and up to four times where there are few rows (docs/benchmarks.md). sgemm takes its packing
/// buffers, a few MB, from malloc.
class MatmulF32 final : public Kernel {
 public:
  explicit MatmulF32(const Product& product) : product_(product), cut_(product) {}

  void run(const void* const* in, void* const* out, void*) override {
    const Product& p = product_;
    parallel_parts(static_cast<int>(cut_.lanes), [&](int lane) {
      OneOmpThread one;
      for (int64_t i = cut_.tasks * lane / cut_.lanes; i < cut_.tasks * (lane + 1) / cut_.lanes; ++i) {
        const Task task(p, cut_, i);
        for (int64_t j = 0; j < task.batch; ++j)
          multiply(task, static_cast<const float*>(in[0]) + task.a + j * p.batch.a,
                   static_cast<const float*>(in[1]) + task.b + j * p.batch.b, static_cast<float*>(out[0]) + task.out + j * p.m * p.n);
      }
    });
  }

 private:
  void multiply(const Task& task, const float* a, const float* b, float* c) const {
    const Product& p = product_;
    const dnnl_status_t status = dnnl_sgemm(p.a.form(), p.b.form(), task.m, task.n, p.k, 1, a, p.a.leading(), b, p.b.leading(), 0, c, p.n);
    if (status != dnnl_success) throw Error(str("[matmul] oneDNN's sgemm failed with status ", static_cast<int>(status)));
  }

  Product product_;
  Cut cut_;
};

class MatmulF64 final : public Kernel {
 public:
  explicit MatmulF64(const Product& product)
      : product_(product), cut_(product), lane_bytes_((gemm_f64_workspace(product.m, product.n, product.k) + 63) / 64 * 64) {
    workspace_bytes = cut_.lanes * lane_bytes_;
  }

  void run(const void* const* in, void* const* out, void* workspace) override {
    const Product& p = product_;
    parallel_parts(static_cast<int>(cut_.lanes), [&](int lane) {
      for (int64_t i = cut_.tasks * lane / cut_.lanes; i < cut_.tasks * (lane + 1) / cut_.lanes; ++i) {
        const Task task(p, cut_, i);
        for (int64_t j = 0; j < task.batch; ++j)
          gemm_f64(task.m, task.n, p.k, {static_cast<const double*>(in[0]) + task.a + j * p.batch.a, p.a.row, p.a.column},
                   {static_cast<const double*>(in[1]) + task.b + j * p.batch.b, p.b.row, p.b.column},
                   static_cast<double*>(out[0]) + task.out + j * p.m * p.n, p.n, false, at(workspace, lane * lane_bytes_));
      }
    });
  }

 private:
  Product product_;
  Cut cut_;
  int64_t lane_bytes_;
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
