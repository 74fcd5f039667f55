// SPDX-License-Identifier: Apache-2.0
// Methods of Tensor: the functions of the same names. Those of tables of ops are generated.
#include "ops/op.h"

namespace suanli {

namespace {

/// name_(): x becomes `value` in x's dtype. As in PyTorch, x's shape and kind of dtype
/// remain.
Tensor& rebind(Tensor& x, const Tensor& value) {
  if (value.shape() != x.shape())
    throw ShapeError({.op = "in-place method",
                      .argument = "result",
                      .given = to_string(value.shape()),
                      .expected = str(x.shape(), ", the shape of the tensor that it replaces"),
                      .module = module_path()});
  if (is_float(value.dtype()) && !is_float(x.dtype()))
    throw DTypeError({.op = "in-place method",
                      .argument = "result",
                      .given = name(value.dtype()),
                      .expected = str("a dtype that becomes ", x.dtype(), " without loss of kind"),
                      .module = module_path(),
                      .remedy = "Assign the result instead: x = x + y."});
  return x = cast(value, x.dtype());
}

}  // namespace

const Tensor& PointwiseMethods::self() const { return static_cast<const Tensor&>(*this); }
Tensor& PointwiseMethods::self() { return static_cast<Tensor&>(*this); }

#include "suanli/pointwise_methods.inc"

Tensor Tensor::T() const {
  Dims order;
  for (int i = rank(); i-- > 0;) order.push_back(i);
  return rank() < 2 ? *this : suanli::permute(*this, order);
}
Tensor Tensor::mT() const { return suanli::transpose(*this, -2, -1); }
Tensor Tensor::to(DType dtype) const { return cast(*this, dtype); }
Tensor Tensor::to(const Tensor& other) const { return cast(*this, other.dtype()); }

Tensor Tensor::view(const Shape& shape) const { return suanli::reshape(*this, shape); }
Tensor Tensor::view_as(const Tensor& other) const { return suanli::reshape(*this, other.shape()); }
Tensor Tensor::reshape(const Shape& shape) const { return suanli::reshape(*this, shape); }
Tensor Tensor::reshape_as(const Tensor& other) const {
  return suanli::reshape(*this, other.shape());
}
Tensor Tensor::flatten(int start_dim, int end_dim) const {
  return suanli::flatten(*this, start_dim, end_dim);
}
Tensor Tensor::unflatten(int dim, const Shape& sizes) const {
  return suanli::unflatten(*this, dim, sizes);
}
Tensor Tensor::ravel() const { return suanli::ravel(*this); }
Tensor Tensor::permute(const Dims& dims) const { return suanli::permute(*this, dims); }
Tensor Tensor::transpose(int dim0, int dim1) const { return suanli::transpose(*this, dim0, dim1); }
Tensor Tensor::swapaxes(int dim0, int dim1) const { return suanli::swapaxes(*this, dim0, dim1); }
Tensor Tensor::movedim(const Dims& source, const Dims& destination) const {
  return suanli::movedim(*this, source, destination);
}
Tensor Tensor::t() const { return suanli::t(*this); }
Tensor Tensor::squeeze() const { return suanli::squeeze(*this); }
Tensor Tensor::squeeze(const Dims& dim) const { return suanli::squeeze(*this, dim); }
Tensor Tensor::unsqueeze(int dim) const { return suanli::unsqueeze(*this, dim); }
Tensor Tensor::expand(const Shape& shape) const { return suanli::expand(*this, shape); }
Tensor Tensor::expand_as(const Tensor& other) const { return suanli::expand(*this, other.shape()); }
Tensor Tensor::broadcast_to(const Shape& shape) const { return suanli::broadcast_to(*this, shape); }
Tensor Tensor::repeat(const Shape& repeats) const { return suanli::repeat(*this, repeats); }
Tensor Tensor::tile(const Shape& repeats) const { return suanli::tile(*this, repeats); }
Tensor Tensor::repeat_interleave(int64_t repeats) const {
  return suanli::repeat_interleave(*this, repeats);
}
Tensor Tensor::repeat_interleave(int64_t repeats, int dim) const {
  return suanli::repeat_interleave(*this, repeats, dim);
}
Tensor Tensor::flip(const Dims& dims) const { return suanli::flip(*this, dims); }
Tensor Tensor::roll(const Dims& shifts, const Dims& dims) const {
  return suanli::roll(*this, shifts, dims);
}
Tensor Tensor::rot90(int k, const Dims& dims) const { return suanli::rot90(*this, k, dims); }
Tensor Tensor::tril(int64_t diagonal) const { return suanli::tril(*this, diagonal); }
Tensor Tensor::triu(int64_t diagonal) const { return suanli::triu(*this, diagonal); }
Tensor Tensor::diag(int64_t diagonal) const { return suanli::diag(*this, diagonal); }
Tensor Tensor::diagonal(int64_t offset, int dim1, int dim2) const {
  return suanli::diagonal(*this, offset, dim1, dim2);
}
Tensor Tensor::trace() const { return suanli::trace(*this); }
std::vector<Tensor> Tensor::split(int64_t split_size, int dim) const {
  return suanli::split(*this, split_size, dim);
}
std::vector<Tensor> Tensor::split(const std::vector<int64_t>& sizes, int dim) const {
  return suanli::split(*this, sizes, dim);
}
std::vector<Tensor> Tensor::chunk(int64_t chunks, int dim) const {
  return suanli::chunk(*this, chunks, dim);
}
std::vector<Tensor> Tensor::unbind(int dim) const { return suanli::unbind(*this, dim); }
Tensor Tensor::select(int dim, int64_t index) const { return suanli::select(*this, dim, index); }
Tensor Tensor::narrow(int dim, const Tensor& start, int64_t length) const {
  return suanli::narrow(*this, dim, start, length);
}
Tensor Tensor::slice(int dim, int64_t start, int64_t end, int64_t step) const {
  return suanli::slice(*this, dim, start, end, step);
}
Tensor Tensor::type_as(const Tensor& other) const { return suanli::cast(*this, other.dtype()); }
Tensor Tensor::new_zeros(const Shape& shape) const { return suanli::full(shape, 0.0, dtype()); }
Tensor Tensor::new_ones(const Shape& shape) const { return suanli::full(shape, 1.0, dtype()); }
Tensor Tensor::new_empty(const Shape& shape) const { return suanli::full(shape, 0.0, dtype()); }
Tensor Tensor::new_full(const Shape& shape, const Tensor& value) const {
  return suanli::full(shape, value, dtype());
}
Tensor Tensor::sum(const Dims& dim, bool keepdim) const { return suanli::sum(*this, dim, keepdim); }
Tensor Tensor::mean(const Dims& dim, bool keepdim) const {
  return suanli::mean(*this, dim, keepdim);
}
Tensor Tensor::amax(const Dims& dim, bool keepdim) const {
  return suanli::amax(*this, dim, keepdim);
}
Tensor Tensor::max() const { return suanli::max(*this); }
Tensor Tensor::max(const Tensor& other) const { return suanli::max(*this, other); }
Extremes Tensor::max(int dim, bool keepdim) const { return suanli::max(*this, dim, keepdim); }
Tensor Tensor::min() const { return suanli::min(*this); }
Tensor Tensor::min(const Tensor& other) const { return suanli::min(*this, other); }
Extremes Tensor::min(int dim, bool keepdim) const { return suanli::min(*this, dim, keepdim); }
Tensor Tensor::argmin() const { return suanli::argmin(*this); }
Tensor Tensor::argmin(int dim, bool keepdim) const { return suanli::argmin(*this, dim, keepdim); }
Tensor Tensor::logsumexp(const Dims& dim, bool keepdim) const {
  return suanli::logsumexp(*this, dim, keepdim);
}
Tensor Tensor::argmax() const { return suanli::argmax(*this); }
Tensor Tensor::argmax(int dim, bool keepdim) const { return suanli::argmax(*this, dim, keepdim); }
Tensor Tensor::var(const Dims& dim, bool unbiased, bool keepdim) const {
  return suanli::var(*this, dim, unbiased, keepdim);
}
Tensor Tensor::std(const Dims& dim, bool unbiased, bool keepdim) const {
  return suanli::std(*this, dim, unbiased, keepdim);
}
Tensor Tensor::norm(double p, const Dims& dim, bool keepdim) const {
  return suanli::norm(*this, p, dim, keepdim);
}
Tensor Tensor::count_nonzero(const Dims& dim) const { return suanli::count_nonzero(*this, dim); }
Tensor Tensor::cumsum(int dim) const { return suanli::cumsum(*this, dim); }
Tensor Tensor::cumprod(int dim) const { return suanli::cumprod(*this, dim); }
Tensor Tensor::softmax(int dim) const { return suanli::softmax(*this, dim); }
Tensor Tensor::log_softmax(int dim) const { return suanli::log_softmax(*this, dim); }
bool Tensor::equal(const Tensor& other) const { return suanli::equal(*this, other); }
bool Tensor::allclose(const Tensor& other, double rtol, double atol, bool equal_nan) const {
  return suanli::allclose(*this, other, rtol, atol, equal_nan);
}
Tensor Tensor::isclose(const Tensor& other, double rtol, double atol, bool equal_nan) const {
  return suanli::isclose(*this, other, rtol, atol, equal_nan);
}
Tensor Tensor::matmul(const Tensor& other) const { return suanli::matmul(*this, other); }
Tensor Tensor::mm(const Tensor& other) const { return suanli::mm(*this, other); }
Tensor Tensor::bmm(const Tensor& other) const { return suanli::bmm(*this, other); }
Tensor Tensor::mv(const Tensor& vector) const { return suanli::mv(*this, vector); }
Tensor Tensor::dot(const Tensor& other) const { return suanli::dot(*this, other); }
Tensor Tensor::outer(const Tensor& other) const { return suanli::outer(*this, other); }
Tensor Tensor::addmm(const Tensor& a, const Tensor& b, double beta, double alpha) const {
  return suanli::addmm(*this, a, b, beta, alpha);
}
Tensor Tensor::where(const Tensor& condition, const Tensor& other) const {
  return suanli::where(condition, *this, other);
}
Tensor Tensor::gather(int dim, const Tensor& index) const {
  return suanli::gather(*this, dim, index);
}
Tensor Tensor::index_select(int dim, const Tensor& index) const {
  return suanli::index_select(*this, dim, index);
}
Tensor Tensor::take_along_dim(const Tensor& index, int dim) const {
  return suanli::take_along_dim(*this, index, dim);
}
Tensor Tensor::masked_select(const Tensor& mask) const {
  return suanli::masked_select(*this, mask);
}
Tensor Tensor::masked_fill(const Tensor& mask, const Tensor& value) const {
  return suanli::masked_fill(*this, mask, value);
}
Tensor Tensor::scatter(int dim, const Tensor& index, const Tensor& src) const {
  return suanli::scatter(*this, dim, index, src);
}
Tensor Tensor::scatter_add(int dim, const Tensor& index, const Tensor& src) const {
  return suanli::scatter_add(*this, dim, index, src);
}
Tensor Tensor::index_add(int dim, const Tensor& index, const Tensor& source, double alpha) const {
  return suanli::index_add(*this, dim, index, source, alpha);
}
Tensor Tensor::index_copy(int dim, const Tensor& index, const Tensor& source) const {
  return suanli::index_copy(*this, dim, index, source);
}
Tensor Tensor::index_fill(int dim, const Tensor& index, const Tensor& value) const {
  return suanli::index_fill(*this, dim, index, value);
}
Tensor Tensor::nonzero() const { return suanli::nonzero(*this); }
Sorted Tensor::sort(int dim, bool descending) const { return suanli::sort(*this, dim, descending); }
Tensor Tensor::argsort(int dim, bool descending) const {
  return suanli::argsort(*this, dim, descending);
}
Tensor Tensor::median() const { return suanli::median(*this); }
Sorted Tensor::median(int dim, bool keepdim) const { return suanli::median(*this, dim, keepdim); }
Sorted Tensor::topk(int64_t k, int dim, bool largest) const {
  return suanli::topk(*this, k, dim, largest);
}

// ---- rebinding ----------------------------------------------------------------------------------
Tensor& Tensor::fill_(const Tensor& value) & {
  return *this = suanli::expand(cast(value, dtype()), shape());
}
Tensor& Tensor::zero_() & { return *this = full(shape(), 0.0, dtype()); }
Tensor& Tensor::copy_(const Tensor& source) & { return fill_(source); }
Tensor& Tensor::masked_fill_(const Tensor& mask, const Tensor& value) & {
  return rebind(*this, suanli::masked_fill(*this, mask, value));
}
Tensor& Tensor::scatter_(int dim, const Tensor& index, const Tensor& src) & {
  return *this = suanli::scatter(*this, dim, index, src);
}
Tensor& Tensor::scatter_add_(int dim, const Tensor& index, const Tensor& src) & {
  return *this = suanli::scatter_add(*this, dim, index, src);
}
Tensor& Tensor::index_add_(int dim, const Tensor& index, const Tensor& source, double alpha) & {
  return *this = suanli::index_add(*this, dim, index, source, alpha);
}
Tensor& Tensor::index_copy_(int dim, const Tensor& index, const Tensor& source) & {
  return *this = suanli::index_copy(*this, dim, index, source);
}
Tensor& Tensor::index_fill_(int dim, const Tensor& index, const Tensor& value) & {
  return *this = suanli::index_fill(*this, dim, index, value);
}
Tensor& Tensor::squeeze_() & { return *this = suanli::squeeze(*this); }
Tensor& Tensor::unsqueeze_(int dim) & { return *this = suanli::unsqueeze(*this, dim); }

}  // namespace suanli
