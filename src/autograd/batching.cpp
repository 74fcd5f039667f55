// SPDX-License-Identifier: Apache-2.0
#include "autograd/batching.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

namespace suanli {

Shape with_first(int64_t first, const Shape& s) {
  Shape out{first};
  for (int64_t size : s) out.push_back(size);
  return out;
}

Tensor BatchedRecord::all(int i) const {
  return batched(i) ? in(i) : expand(in(i), with_first(size_, in(i).shape()));
}
std::vector<Tensor> BatchedRecord::all() const {
  std::vector<Tensor> every;
  for (int i = 0; i < inputs(); ++i) every.push_back(all(i));
  return every;
}
Tensor BatchedRecord::with_rank(int i, int rank) const {
  if (!batched(i)) return in(i);
  Shape s{size_};
  for (int d = shape(i).rank(); d < rank; ++d) s.push_back(1);
  for (int64_t size : shape(i)) s.push_back(size);
  return reshape(in(i), s);
}

namespace {

using Results = std::vector<Tensor>;

/// The same op on other inputs.
Results again(const BatchedRecord& b, const std::vector<Tensor>& inputs, const Attr& attr,
              const Shape& shape = {}) {
  return record_all(b.op(), inputs, attr, &shape);
}

// ---- ops whose leading dimensions are independent -----------------------------------------------

Results elementwise(const BatchedRecord& b) {
  int rank = 0;
  bool scalars = false, mixed = false;
  std::optional<DType> dtype;
  for (int i = 0; i < b.inputs(); ++i) {
    rank = std::max(rank, b.shape(i).rank());
    scalars |= b.batched(i) && b.shape(i).rank() == 0;
    if (b.in(i).node()->is(kWeak)) continue;
    mixed |= dtype && *dtype != b.dtype(i);
    dtype = b.dtype(i);
  }
  // a 0-d tensor that gets a dimension would decide the dtype
  if (scalars && mixed) return {};
  std::vector<Tensor> in;
  for (int i = 0; i < b.inputs(); ++i) in.push_back(b.with_rank(i, rank));
  return again(b, in, b.attr());
}

Results leading(const BatchedRecord& b) { return again(b, b.all(), b.attr()); }

Results first_batched(const BatchedRecord& b) {
  for (int i = 1; i < b.inputs(); ++i)
    if (b.batched(i)) return {};
  std::vector<Tensor> in;
  for (int i = 0; i < b.inputs(); ++i) in.push_back(b.in(i));
  return again(b, in, b.attr());
}

Results product(const BatchedRecord& b) {
  const int rank = std::max(b.shape(0).rank(), b.shape(1).rank());
  return again(b, {b.with_rank(0, rank), b.with_rank(1, rank)}, b.attr());
}

/// The sums of attention: [B, 2, …] ↔ [2, B, …].
Tensor swapped(const Tensor& sums) {
  Dims order{1, 0};
  for (int d = 2; d < sums.rank(); ++d) order.push_back(d);
  return permute(sums, order);
}

Results attention(const BatchedRecord& b) {
  if (b.inputs() == 4 && b.batched(3)) return {};
  std::vector<Tensor> in{b.all(0), b.all(1), b.all(2)};
  if (b.inputs() == 4) in.push_back(b.in(3));
  const Results made = again(b, in, b.attr());
  return {made[0], swapped(made[1])};
}

Results attention_gradient(const BatchedRecord& b) {
  std::vector<Tensor> in = b.all();
  in.back() = swapped(in.back());
  return again(b, in, b.attr());
}

// ---- ops that name dimensions -------------------------------------------------------------------

Results reduction(const BatchedRecord& b) {
  auto a = b.attr<ReduceAttr>();
  a.dim.bits <<= 1;
  return again(b, {b.in(0)}, a);
}

Results along_dim(const BatchedRecord& b) {
  auto a = b.attr<DimAttr>();
  ++a.dim;
  return again(b, b.all(), a);
}

Results permuted(const BatchedRecord& b) {
  PermuteAttr a{};
  for (int d = 0; d < b.shape(0).rank(); ++d)
    a.dims[d + 1] = static_cast<int8_t>(b.attr<PermuteAttr>().dims[d] + 1);
  return again(b, {b.in(0)}, a);
}

Results narrowed(const BatchedRecord& b) {
  const int start = b.inputs() - 1;
  if (b.batched(start)) return {};
  auto a = b.attr<NarrowAttr>();
  ++a.dim;
  std::vector<Tensor> in;
  for (int i = 0; i < start; ++i) in.push_back(b.all(i));
  in.push_back(b.in(start));
  return again(b, in, a);
}

Results reshaped(const BatchedRecord& b) {
  return again(b, {b.in(0)}, {}, with_first(b.size(), b.result(0).shape));
}

Results expanded(const BatchedRecord& b) {
  const Shape& to = b.result(0).shape;
  return again(b, {b.with_rank(0, to.rank())}, {}, with_first(b.size(), to));
}

// ---- ops on pictures [N, …]: the batch becomes a part of N --------------------------------------

Tensor merged(const Tensor& t) {  // [B, N, …] → [B·N, …]
  Shape s{t.shape()[0] * t.shape()[1]};
  for (int d = 2; d < t.rank(); ++d) s.push_back(t.shape()[d]);
  return reshape(t, s);
}

Results pictures(const BatchedRecord& b) {
  std::vector<Tensor> in;
  for (int i = 0; i < b.inputs(); ++i) in.push_back(merged(b.all(i)));
  Shape wanted = b.result(0).shape;
  wanted[0] *= b.size();
  Results made = again(b, in, b.attr(), wanted);
  for (int r = 0; r < static_cast<int>(made.size()); ++r) {
    Tensor& y = made[static_cast<size_t>(r)];
    y = reshape(y, with_first(b.size(), b.result(r).shape));
  }
  return made;
}

// Packed queries, keys and values are [N, T, 3C], and the sums [2, N, …].
Results packed_attention(const BatchedRecord& b) {
  const Results made = again(b, {merged(b.in(0))}, b.attr());
  const Shape& one = b.result(1).shape;
  const Shape sums{2, b.size(), one[1], one[2], one[3]};
  return {reshape(made[0], with_first(b.size(), b.result(0).shape)),
          swapped(reshape(made[1], sums))};
}

Results packed_attention_gradient(const BatchedRecord& b) {
  const Shape& s = b.shape(3);  // [2, N, H, T]
  const Tensor sums = reshape(swapped(b.all(3)), {2, b.size() * s[1], s[2], s[3]});
  const Tensor y =
      again(b, {merged(b.all(0)), merged(b.all(1)), merged(b.all(2)), sums}, b.attr())[0];
  return {reshape(y, with_first(b.size(), b.result(0).shape))};
}

/// A weight for all examples: their batch becomes a part of N.
Results shared_weight(const BatchedRecord& b) {
  std::vector<Tensor> in{merged(b.in(0))};
  for (int i = 1; i < b.inputs(); ++i) in.push_back(b.in(i));
  Shape wanted = b.result(0).shape;
  wanted[0] *= b.size();
  const Tensor y = again(b, in, b.attr(), wanted)[0];
  return {reshape(y, with_first(b.size(), b.result(0).shape))};
}

// A weight for each example: their batch becomes a part of the groups.
Tensor to_groups(const Tensor& x) {  // [B, N, C, H, W] → [N, B·C, H, W]
  const Shape& s = x.shape();
  return reshape(permute(x, {1, 0, 2, 3, 4}), {s[1], s[0] * s[2], s[3], s[4]});
}
Tensor from_groups(const Tensor& y, int64_t size) {
  const Shape& s = y.shape();
  return permute(reshape(y, {s[0], size, s[1] / size, s[2], s[3]}), {1, 0, 2, 3, 4});
}
ConvAttr grouped(const BatchedRecord& b) {
  auto a = b.attr<ConvAttr>();
  a.groups *= static_cast<int32_t>(b.size());
  return a;
}

Results convolved(const BatchedRecord& b) {
  const bool weight = b.batched(1), bias = b.inputs() == 3 && b.batched(2);
  if (!weight && !bias) return shared_weight(b);
  std::vector<Tensor> in{to_groups(b.all(0)), merged(b.all(1))};
  if (b.inputs() == 3) in.push_back(reshape(b.all(2), {-1}));
  return {from_groups(again(b, in, grouped(b))[0], b.size())};
}

Results convolution_grad_input(const BatchedRecord& b) {
  if (!b.batched(1)) return shared_weight(b);
  Shape wanted = b.result(0).shape;
  wanted[1] *= b.size();
  const Tensor y = again(b, {to_groups(b.all(0)), merged(b.all(1))}, grouped(b), wanted)[0];
  return {from_groups(y, b.size())};
}

Results convolution_grad_weight(const BatchedRecord& b) {
  Shape wanted = b.result(0).shape;
  wanted[0] *= b.size();
  const Tensor y = again(b, {to_groups(b.all(0)), to_groups(b.all(1))}, grouped(b), wanted)[0];
  return {reshape(y, with_first(b.size(), b.result(0).shape))};
}

// ---- indices ------------------------------------------------------------------------------------

/// Indices into V rows of every example → into B·V rows.
Tensor into_all_rows(const BatchedRecord& b, int index, int64_t rows) {
  Shape s{b.size()};
  for (int d = 0; d < b.shape(index).rank(); ++d) s.push_back(1);
  return b.all(index) + reshape(arange(b.size()) * rows, s);
}

Results embedded(const BatchedRecord& b) {
  if (!b.batched(0)) return again(b, {b.in(0), b.in(1)}, b.attr());
  return again(b, {merged(b.in(0)), into_all_rows(b, 1, b.shape(0)[0])}, b.attr());
}

Results embedding_gradient(const BatchedRecord& b) {
  const Shape& table = b.result(0).shape;
  const Tensor y = again(b, {b.all(0), into_all_rows(b, 1, table[0])}, b.attr(),
                         {b.size() * table[0], table[1]})[0];
  return {reshape(y, with_first(b.size(), table))};
}

// ---- losses -------------------------------------------------------------------------------------

/// Class numbers of every example, of which those of ignore_index do not count.
struct Counted {
  Counted(const Tensor& target, int64_t ignore_index, DType dtype) {
    const Tensor counts = target != Tensor(ignore_index);
    number = where(counts, target, zeros(target.shape(), i64));
    share = cast(counts, dtype);
    const Dims rows{1, 2};
    share = share / sum(share, rows, true);
  }
  Tensor number, share;  // [B, N, 1]
};

Results class_loss(const BatchedRecord& b) {
  const Counted t(reshape(b.all(1), {b.size(), b.shape(1)[0], 1}),
                  b.attr<IgnoreAttr>().ignore_index, b.dtype(0));
  const Tensor x = b.all(0), m = amax(x, {2}, true), total = log(sum(exp(x - m), {2}, true));
  return {-sum(multiply_no_nan(gather(x - m - total, 2, t.number), t.share), {1, 2}),
          permute(cat({m, total}, 2), {0, 2, 1})};
}

Results class_loss_gradient(const BatchedRecord& b) {
  const Shape& s = b.shape(1);
  const Counted t(reshape(b.all(2), {b.size(), s[0], 1}), b.attr<IgnoreAttr>().ignore_index,
                  b.dtype(1));
  const Tensor sums = permute(b.all(3), {0, 2, 1}), m = narrow(sums, 2, 0, 1),
               total = narrow(sums, 2, 1, 1), p = exp(b.all(1) - m - total),
               hot = one_hot(reshape(t.number, {b.size(), s[0]}), s[1], b.dtype(1));
  return {(p - hot) * (t.share * reshape(b.all(0), {b.size(), 1, 1}))};
}

const std::unordered_map<const Op*, BatchingRule>& rules() {
  static const auto* all = new std::unordered_map<const Op*, BatchingRule>{
      {&cast_op, leading},
      {&one_hot_op, leading},
      {&layer_norm_op, first_batched},
      {&matmul_op, product},
      {&scaled_dot_product_attention_op, attention},
      {&scaled_dot_product_attention_grad_op, attention_gradient},
      {&self_attention_op, packed_attention},
      {&self_attention_grad_op, packed_attention_gradient},
      {&argmax_op, along_dim},
      {&cumsum_op, along_dim},
      {&cumprod_op, along_dim},
      {&softmax_op, along_dim},
      {&log_softmax_op, along_dim},
      {&cat_op, along_dim},
      {&gather_op, along_dim},
      {&scatter_add_op, along_dim},
      {&permute_op, permuted},
      {&narrow_op, narrowed},
      {&slice_update_op, narrowed},
      {&reshape_op, reshaped},
      {&expand_op, expanded},
      {&max_pool2d_op, pictures},
      {&max_pool2d_grad_op, pictures},
      {&mean_pool2d_op, pictures},
      {&mean_pool2d_grad_op, pictures},
      {&conv2d_op, convolved},
      {&conv2d_grad_input_op, convolution_grad_input},
      {&conv2d_grad_weight_op, convolution_grad_weight},
      {&embedding_op, embedded},
      {&embedding_grad_op, embedding_gradient},
      {&cross_entropy_rows_op, class_loss},
      {&cross_entropy_grad_op, class_loss_gradient},
  };
  return *all;
}

}  // namespace

BatchingRule batching_rule(const Op& op) {
  if (const auto it = rules().find(&op); it != rules().end()) return it->second;
  if (op.has(Trait::pointwise)) return elementwise;
  return op.has(Trait::reduction) && op.schema().attributes == &attribute_type<ReduceAttr>()
             ? reduction
             : nullptr;
}

}  // namespace suanli
