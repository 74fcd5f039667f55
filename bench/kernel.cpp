// SPDX-License-Identifier: Apache-2.0
// One product or convolution by itself, in one direction, for bench/peers/compare.py (protocol in
// bench/peers/protocol.py). A request says whose: "suanli", the kernel that Backend::prepare gives,
// or "onednn", its primitive. Operands lie as each side wants them and are laid out before the
// clock starts, with one exception to our disadvantage: weights that a training step would change
// lie plain here and come as oneDNN likes them there.
#include <omp.h>

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "bench/worker.h"
#include "ops/op.h"
#include "ops/schema/attributes.h"
#include "runtime/backend.h"
#include "suanli/suanli.h"

using namespace suanli;
using bench::Work;

namespace {

/// A request.
struct Product {
  explicit Product(const Json& c)
      : convolution(c.string("op") == "conv2d"),
        direction(c.string("direction")),
        x(shape(c.at("x"))),
        w(shape(c.at("w"))) {
    if (const Json* inference = c.find("inference")) constant_weights = inference->boolean();
    if (convolution) {
      stride = c.integer("stride");
      padding = c.integer("padding");
      auto size = [&](int i) { return (x[i] + 2 * padding - w[i]) / stride + 1; };
      y = {x[0], w[0], size(2), size(3)};
    } else {
      y = {x[0], w[0]};
    }
  }
  static Shape shape(const Json& sizes) {
    Shape s;
    for (const Json& size : sizes.array()) s.push_back(size.integer());
    return s;
  }
  /// Two for each product of numbers that the definition has, those with padding too, as PyTorch
  /// counts.
  int64_t flops() const { return 2 * y.numel() * w.numel() / w[0]; }
  [[noreturn]] void unknown() const {
    throw ArgumentError({.op = "bench_kernel",
                         .argument = "direction",
                         .given = str("'", direction, "'"),
                         .expected = "forward, grad_input or grad_weight"});
  }

  bool convolution, constant_weights = false;
  std::string direction;
  Shape x, w, y;
  int64_t stride = 1, padding = 0;
};

void fill(float* to, int64_t n) {
  uint32_t state = 1;
  for (int64_t i = 0; i < n; ++i)
    to[i] = static_cast<float>(state = state * 1664525 + 1013904223) * 0x1p-31f - 1;
}

// ---- ours ---------------------------------------------------------------------------------------

class Memory {
 public:
  explicit Memory(int64_t bytes) : bytes_(bytes), data_(cpu_backend().allocate(bytes)) {
    fill(static_cast<float*>(data_), bytes / 4);
  }
  Memory(Memory&& other) noexcept
      : bytes_(other.bytes_), data_(std::exchange(other.data_, nullptr)) {}
  ~Memory() {
    if (data_) cpu_backend().free(data_, bytes_);
  }
  void* data() const { return data_; }

 private:
  int64_t bytes_;
  void* data_;
};

class Ours : public Work {
 public:
  explicit Ours(const Product& p) : flops_(p.flops()) {
    const MatmulAttr matmul{p.direction == "grad_weight", p.direction == "forward"};
    const ConvAttr conv{p.stride, p.padding, 1, 1};
    auto f32 = [](const Shape& s) { return ValueDesc{DType::f32, s}; };
    Step step;
    step.attr = p.convolution ? static_cast<const void*>(&conv) : &matmul;
    const Op* op = p.convolution ? &conv2d_op : &matmul_op;
    if (p.direction == "forward") {
      step.in = {f32(p.x), f32(p.w)};
      step.out = {f32(p.y)};
    } else if (p.direction == "grad_input") {
      step.in = {f32(p.y), f32(p.w)};
      step.out = {f32(p.x)};
      if (p.convolution) op = &conv2d_grad_input_op;
    } else if (p.direction == "grad_weight") {
      step.in = {f32(p.convolution ? p.x : p.y), f32(p.convolution ? p.y : p.x)};

      step.out = {f32(p.w)};
      if (p.convolution) op = &conv2d_grad_weight_op;
    } else {
      p.unknown();
    }
    step.op = op->id();
    step.constant = p.constant_weights ? 2 : 0;
    const BlockedOperands blocked = cpu_backend().blocked_operands(step);
    for (size_t i = 0; i < step.in.size(); ++i)
      if (blocked.in >> i & 1) block(step.in[i].shape);
    if (blocked.out & 1) block(step.out[0].shape);
    kernel_ = cpu_backend().prepare(step);
    for (const auto& values : {step.in, step.out})
      for (const ValueDesc& v : values) memory_.emplace_back(4 * v.shape.numel());
    memory_.emplace_back(kernel_->workspace_bytes);
    for (size_t i = 0; i < 2; ++i) in_[i] = memory_[i].data();
    out_ = memory_[2].data();
    workspace_ = memory_[3].data();
    if (kernel_->packing.input < 0) return;
    memory_.emplace_back(kernel_->packing.bytes);
    kernel_->pack(in_[kernel_->packing.input], memory_.back().data());
    in_[kernel_->packing.input] = memory_.back().data();
  }
  double step() override {
    kernel_->run(in_, &out_, workspace_);
    return static_cast<const float*>(out_)[0];
  }
  int64_t flops() override { return flops_; }

 private:
  static void block(Shape& s) {
    const int64_t b = cpu_backend().channel_block();
    s = {s[0], s[1] / b, s[2], s[3], b};
  }
  int64_t flops_;
  std::unique_ptr<Kernel> kernel_;
  std::vector<Memory> memory_;
  const void* in_[2];
  void *out_, *workspace_;
};

// ---- oneDNN's -----------------------------------------------------------------------------------

class OneDnn : public Work {
 public:
  explicit OneDnn(const Product& p) : flops_(p.flops()), stream_(engine_) {
    omp_set_num_threads(Session::current().threads());
    p.convolution ? convolution(p) : matmul(p);
  }
  double step() override {
    primitive_.execute(stream_, arguments_);
    stream_.wait();
    return static_cast<const float*>(arguments_.at(result_).get_data_handle())[0];
  }
  int64_t flops() override { return flops_; }

 private:
  using Desc = dnnl::memory::desc;
  static Desc any(const Shape& s) {
    dnnl::memory::dims dims;
    for (int i = 0; i < s.rank(); ++i) dims.push_back(s[i]);
    return {dims, dnnl::memory::data_type::f32, dnnl::memory::format_tag::any};
  }
  void add(int argument, const Desc& desc) {
    dnnl::memory memory(desc, engine_);
    fill(static_cast<float*>(memory.get_data_handle()), static_cast<int64_t>(desc.get_size() / 4));
    arguments_.emplace(argument, memory);
    result_ = argument;  // the last one
  }
  void matmul(const Product& p) {
    const int64_t m = p.x[0], k = p.x[1], n = p.w[0];
    Shape a{m, k}, b{k, n}, c{m, n};
    if (p.direction == "grad_input") {
      a = {m, n};
      b = {n, k};
      c = {m, k};
    } else if (p.direction == "grad_weight") {
      a = {n, m};
      b = {m, k};
      c = {n, k};
    } else if (p.direction != "forward") p.unknown();
    const dnnl::matmul::primitive_desc pd(engine_, any(a), any(b), any(c));
    primitive_ = dnnl::matmul(pd);
    add(DNNL_ARG_SRC, pd.src_desc());
    add(DNNL_ARG_WEIGHTS, pd.weights_desc());

    add(DNNL_ARG_DST, pd.dst_desc());
  }
  void convolution(const Product& p) {
    constexpr auto direct = dnnl::algorithm::convolution_direct;
    const dnnl::memory::dims stride(2, p.stride), padding(2, p.padding);
    const dnnl::convolution_forward::primitive_desc forward(
        engine_, dnnl::prop_kind::forward_training, direct, any(p.x), any(p.w), any(p.y), stride,
        padding, padding);
    if (p.direction == "forward") {
      primitive_ = dnnl::convolution_forward(forward);
      add(DNNL_ARG_SRC, forward.src_desc());
      add(DNNL_ARG_WEIGHTS, forward.weights_desc());

      add(DNNL_ARG_DST, forward.dst_desc());
    } else if (p.direction == "grad_input") {
      const dnnl::convolution_backward_data::primitive_desc pd(
          engine_, direct, any(p.x), any(p.w), any(p.y), stride, padding, padding, forward);
      primitive_ = dnnl::convolution_backward_data(pd);
      add(DNNL_ARG_DIFF_DST, pd.diff_dst_desc());
      add(DNNL_ARG_WEIGHTS, pd.weights_desc());

      add(DNNL_ARG_DIFF_SRC, pd.diff_src_desc());
    } else if (p.direction == "grad_weight") {
      const dnnl::convolution_backward_weights::primitive_desc pd(
          engine_, direct, any(p.x), any(p.w), any(p.y), stride, padding, padding, forward);
      primitive_ = dnnl::convolution_backward_weights(pd);
      add(DNNL_ARG_SRC, pd.src_desc());
      add(DNNL_ARG_DIFF_DST, pd.diff_dst_desc());

      add(DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc());
    } else {
      p.unknown();
    }
  }

  int64_t flops_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_;
  dnnl::primitive primitive_;
  std::unordered_map<int, dnnl::memory> arguments_;
  int result_ = 0;
};

std::unique_ptr<Work> load(const Json& request) {
  const Product product(request.at("case"));
  const std::string library = request.string("library");
  if (library == "suanli") return std::make_unique<Ours>(product);
  if (library == "onednn") return std::make_unique<OneDnn>(product);
  throw ArgumentError({.op = "bench_kernel",
                       .argument = "library",
                       .given = str("'", library, "'"),
                       .expected = "suanli or onednn"});
}

}  // namespace

int main() { return bench::serve(load); }
