// SPDX-License-Identifier: Apache-2.0
// References of convolutions.
#include "ops/schema/attributes.h"
#include "support/op_reference_arrays.h"
#include "support/op_reference_nn.h"

namespace suanli::test {

namespace {

size_t flat(int64_t a, int64_t b, int64_t c, int64_t d, const Shape& s) {
  return static_cast<size_t>(((a * s[1] + b) * s[2] + c) * s[3] + d);
}
/// Calls f(flat place in y, in x, in w) for every product of a convolution: y[n,o,p,q] +=
/// x[n,c,h,v] · w[o,c−first of the group,r,s].
template <class F> void convolution(const Shape& x, const Shape& w, const Shape& y,
                                    const ConvAttr& a, F&& f) {
  const int64_t outputs_per_group = w[0] / a.groups;
  for (int64_t n = 0; n < y[0]; ++n)
    for (int64_t o = 0; o < y[1]; ++o)
      for (int64_t p = 0; p < y[2]; ++p)
        for (int64_t q = 0; q < y[3]; ++q)
          for (int64_t c = 0; c < w[1]; ++c)
            for (int64_t r = 0; r < w[2]; ++r)
              for (int64_t s = 0; s < w[3]; ++s) {
                const int64_t row = p * a.stride[0] + r * a.dilation[0] - a.padding[0],
                              column = q * a.stride[1] + s * a.dilation[1] - a.padding[1];
                if (row < 0 || row >= x[2] || column < 0 || column >= x[3]) continue;
                const int64_t channel = o / outputs_per_group * w[1] + c;
                f(flat(n, o, p, q, y), flat(n, channel, row, column, x), flat(o, c, r, s, w));
              }
}
/// By the definition: every x is spread over the results that its kernel reaches.
std::vector<Array> transposed(const Array& x, const Array& w, const Array* b,
                              const ConvTransposeAttr& a) {
  const auto size = [&](int axis) {
    return (x.shape[2 + axis] - 1) * a.stride[axis] - 2 * a.padding[axis] +
           a.dilation[axis] * (w.shape[2 + axis] - 1) + a.output_padding[axis] + 1;
  };
  const int64_t outputs = w.shape[1], inputs = x.shape[1] / a.groups;
  Array y = sums({x.shape[0], outputs * a.groups, size(0), size(1)}, x.dtype);
  for (size_t i = 0; i < x.v.size(); ++i) {
    const Index at = unravel(static_cast<int64_t>(i), x.shape);
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t r = 0; r < w.shape[2]; ++r)
        for (int64_t s = 0; s < w.shape[3]; ++s) {
          const int64_t row = at[2] * a.stride[0] + r * a.dilation[0] - a.padding[0],
                        column = at[3] * a.stride[1] + s * a.dilation[1] - a.padding[1];
          if (row < 0 || row >= y.shape[2] || column < 0 || column >= y.shape[3]) continue;
          add_term(y, flat(at[0], at[1] / inputs * outputs + o, row, column, y.shape),
                   x.v[i] * w.v[flat(at[1], o, r, s, w.shape)]);
        }
  }
  if (b)
    for (size_t i = 0; i < y.v.size(); ++i)
      add_term(y, i, b->v[static_cast<size_t>(unravel(static_cast<int64_t>(i), y.shape)[1])]);
  return {y};
}
Array with_row(Array x) {
  x.shape = {x.shape[0], x.shape[1], 1, x.shape[2]};
  return x;
}
std::vector<Array> without_row(std::vector<Array> y) {
  const Shape s = y[0].shape;
  y[0].shape = {s[0], s[1], s[3]};
  return y;
}

}  // namespace

std::vector<Array> conv2d(const Call& c) {
  const auto& a = c.attr.as<ConvAttr>();
  const Array &x = c.in[0], &w = c.in[1];
  Array y = sums({x.shape[0], w.shape[0],
                  windows(x.shape[2], w.shape[2], a.stride[0], a.padding[0], a.dilation[0]),
                  windows(x.shape[3], w.shape[3], a.stride[1], a.padding[1], a.dilation[1])},
                 x.dtype);
  convolution(x.shape, w.shape, y.shape, a, [&](size_t to, size_t from, size_t weight) {
    add_term(y, to, x.v[from] * w.v[weight]);
  });
  if (c.in.size() == 3)
    for (size_t i = 0; i < y.v.size(); ++i)
      add_term(y, i, c.in[2].v[static_cast<size_t>(unravel(static_cast<int64_t>(i), y.shape)[1])]);
  return {y};
}
std::vector<Array> conv2d_grad_input(const Call& c) {
  const Array &g = c.in[0], &w = c.in[1];
  Array x = sums(c.shape, g.dtype);
  convolution(
      x.shape, w.shape, g.shape, c.attr.as<ConvAttr>(),
      [&](size_t to, size_t from, size_t weight) { add_term(x, from, g.v[to] * w.v[weight]); });
  return {x};
}
std::vector<Array> conv_transpose2d(const Call& c) {
  return transposed(c.in[0], c.in[1], c.in.size() == 3 ? &c.in[2] : nullptr,
                    c.attr.as<ConvTransposeAttr>());
}
std::vector<Array> conv_transpose1d(const Call& c) {
  const auto& a = c.attr.as<ConvTranspose1dAttr>();
  return without_row(transposed(
      with_row(c.in[0]), with_row(c.in[1]), c.in.size() == 3 ? &c.in[2] : nullptr,
      {{1, a.stride}, {0, a.padding}, {0, a.output_padding}, {1, a.dilation}, a.groups}));
}
std::vector<Array> conv1d(const Call& c) {
  const auto& a = c.attr.as<Conv1dAttr>();
  std::vector<Array> in = c.in;
  for (size_t i : {0, 1}) in[i] = with_row(in[i]);
  const Attr attr = ConvAttr{{1, a.stride}, {0, a.padding}, {1, a.dilation}, a.groups};
  return without_row(conv2d({in, attr, c.shape}));
}
std::vector<Array> conv2d_grad_weight(const Call& c) {
  const Array &x = c.in[0], &g = c.in[1];
  Array w = sums(c.shape, g.dtype);
  convolution(
      x.shape, w.shape, g.shape, c.attr.as<ConvAttr>(),
      [&](size_t to, size_t from, size_t weight) { add_term(w, weight, g.v[to] * x.v[from]); });
  return {w};
}

}  // namespace suanli::test
