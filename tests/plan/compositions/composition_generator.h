// SPDX-License-Identifier: Apache-2.0
// Draws compositions, and makes a failing one smaller.
#pragma once
#include "plan/compositions/composition.h"

namespace suanli::test {

/// Calls are made while they are drawn, so that every line has the shape that the library gives it.
class Composer {
 public:
  explicit Composer(uint64_t seed) : d_(seed) {
    c_.seed = seed;
    const size_t family = d_.below(10);
    c_.family = family < 7   ? Composition::exact
                : family < 9 ? Composition::close
                             : Composition::integer;
    c_.dtype = c_.family == Composition::exact && d_.below(3) == 0 ? f64 : f32;
    const size_t size = d_.below(40);
    // Now and then empty tensors, and tensors that are worth several threads and more than a tile.
    smallest_ = size == 0 ? 0 : 1;
    large_ = size == 1 && c_.family == Composition::exact;
  }

  Composition compose() {
    start();
    const size_t blocks = 2 + d_.below(large_ ? 5 : 12);
    for (size_t k = 0; k < blocks; ++k) block();
    finish();
    return std::move(c_);
  }

 private:
  static constexpr int kNone = -1;
  bool exact() const { return c_.family == Composition::exact; }
  bool whole() const { return c_.family == Composition::integer; }
  bool convolves() const { return !exact() || c_.dtype == f64; }
  template <class... N> const char* any_of(N... names) {
    const char* const all[] = {names...};
    return all[d_.below(sizeof...(names))];
  }
  int64_t size() {
    static constexpr int64_t sizes[] = {1, 1, 2, 3, 4, 5, 6, 8, 16, 17};
    if (smallest_ == 0 && d_.below(6) == 0) return 0;
    return sizes[d_.below(std::size(sizes))];
  }
  const Shape& shape(int i) const { return c_.body[static_cast<size_t>(i)].shape; }

  /// Adds a call, unless the library refuses it, it fails on an earlier refusal, or its result is
  /// too large.
  int add(const char* name, std::vector<int> in, std::vector<int64_t> n = {},
          const Shape& wanted = {}) {
    for (int i : in)
      if (i == kNone) return kNone;
    Call call{kind_of(name), std::move(in), std::move(n), wanted, c_.dtype, false};
    try {
      if (is_kind(call, "parameter")) {
        parameters_.emplace_back(
            data_of(wanted, c_.dtype, static_cast<uint64_t>(call.n[0]), whole()));
        values_.push_back(parameters_.back());
      } else {
        const Tensor v = applied(call, values_, c_.dtype);
        if (v.numel() > (large_ ? 200000 : 6000)) return kNone;
        values_.push_back(v);
      }
    } catch (const Error&) { return kNone; }
    call.shape = values_.back().shape();
    call.dtype = values_.back().dtype();

    call.requires_grad = values_.back().requires_grad();
    c_.body.push_back(std::move(call));
    return static_cast<int>(c_.body.size() - 1);
  }
  int parameter(const Shape& s) {
    return add("parameter", {}, {static_cast<int64_t>(d_.below(1 << 20)), whole()}, s);
  }
  int data(const Shape& s) {
    return add("data", {}, {static_cast<int64_t>(d_.below(1 << 20)), whole()}, s);
  }
  int labels(int64_t n, int64_t classes) {
    return classes > 0 ? add("labels", {}, {static_cast<int64_t>(d_.below(1 << 20)), classes}, {n})
                       : kNone;
  }

  bool usable(int i) const { return c_.body[static_cast<size_t>(i)].dtype == c_.dtype; }
  /// A value, often a late one.
  int any() {
    for (;;) {
      const size_t all = c_.body.size(),
                   k = d_.below(3) ? all - 1 - d_.below(std::min<size_t>(6, all)) : d_.below(all);
      if (usable(static_cast<int>(k))) return static_cast<int>(k);
    }
  }
  template <class F> int any_where(F&& fits) {
    for (int tries = 0; tries < 12; ++tries)
      if (const int i = any(); fits(shape(i))) return i;
    return kNone;
  }
  int of_rank(int rank) {
    return any_where([&](const Shape& s) { return s.rank() == rank; });
  }
  static bool broadcasts(const Shape& a, const Shape& b) {
    for (int i = 1; i <= std::min(a.rank(), b.rank()); ++i)
      if (a[a.rank() - i] != b[b.rank() - i] && a[a.rank() - i] != 1 && b[b.rank() - i] != 1)
        return false;
    return true;
  }
  int64_t some_axes(int i) {
    return shape(i).rank() ? 1 + static_cast<int64_t>(d_.below((size_t{1} << shape(i).rank()) - 1))
                           : 0;
  }

  void start() {
    const size_t rank = convolves() && d_.below(2) ? 4 : d_.below(large_ ? 3 : 6);
    Shape s;
    for (size_t k = 0; k < rank; ++k) s.push_back(size());
    if (large_ && rank > 0) {
      while (s.rank() > 2) s = {s[0], s[1]};
      s[0] = 300;
      if (s.rank() > 1) s[1] = 301;
    }
    d_.below(2) ? parameter(s) : data(s);
    parameter(s);
    if (d_.below(2)) parameter({});
    if (!exact()) {
      static constexpr int64_t channels[] = {1, 2, 3, 8, 16, 32};
      data({1 + static_cast<int64_t>(d_.below(3)), channels[d_.below(6)],
            2 + static_cast<int64_t>(d_.below(8)), 2 + static_cast<int64_t>(d_.below(8))});
      convolution();
    }
  }

  void block() {
    if (whole()) {
      switch (d_.below(8)) {
        case 0:
        case 1: convolution(); break;
        case 2: add(any_of("relu", "abs", "neg"), {any()}); break;
        case 3: pair(any_of("add", "sub", "maximum", "minimum")); break;
        case 4: add("max_pool2d", {of_rank(4)}, {2}); break;
        case 5: shapes(); break;
        // (equal maxima share a gradient: thirds)
        case 6: add("sum", {any()}, {some_axes(any()), 1}); break;
        default: pair(any_of("add", "sub"));
      }
      return;
    }
    switch (d_.below(20)) {
      case 0:
      case 1: one(); break;
      case 2:
      case 3:
        pair(exact() ? any_of("add", "sub", "mul", "div", "maximum", "minimum", "where")
                     : any_of("add", "sub", "mul", "div"));
        break;
      case 4: reduction(); break;
      case 5: shapes(); break;
      case 6: normalized(); break;
      case 7: linear(); break;
      case 8: gram(); break;
      case 9: attention(); break;
      case 10: squeeze_and_excite(); break;
      case 11: convolves() ? convolution() : void(linear()); break;
      case 12: norm_layer(); break;
      case 13: rows(); break;
      case 14: embedded(); break;
      case 15: add("dropout", {any()}); break;
      case 16: gradient(); break;
      case 17: penalty(); break;
      case 18: spread(); break;
      default: one();
    }
  }

  void one() {
    const int x = any();
    if (exact() && d_.below(2))
      add(any_of("relu", "abs", "mask", "truncate", "sqrt", "rsqrt", "log", "detach", "square"),
          {x});
    else
      add(any_of("exp", "tanh", "sigmoid", "sin", "gelu", "silu", "softplus", "neg", "scaled",
                 "twice"),
          {x});
  }
  int pair(const char* name) {
    const int x = any(), y = any_where([&](const Shape& s) { return broadcasts(s, shape(x)); });
    return d_.below(2) ? add(name, {x, y}) : add(name, {y, x});
  }
  void reduction() {
    const int x = any();
    const int64_t axes = some_axes(x), keep = static_cast<int64_t>(d_.below(2));
    const int r =
        add(exact() ? any_of("sum", "mean", "amax", "norm") : any_of("sum", "mean", "norm"), {x},
            {axes, keep});
    if (keep && d_.below(2)) add(any_of("sub", "mul"), {x, r});
  }
  void shapes() {
    const int x = any();
    const Shape s = shape(x);
    switch (d_.below(8)) {
      case 0: add("permute", {x}); break;
      case 1: s.rank() >= 2 ? add("swap", {x}) : kNone; break;
      case 2: s.rank() >= 2 ? add("rotate", {x}) : kNone; break;
      case 3: add("reshape", {x}, {}, {s.numel()}); break;
      case 4:
        for (int64_t f : {4, 3, 2})
          if (s.numel() > 0 && s.numel() % f == 0) {
            add("reshape", {x}, {},
                d_.below(2) ? Shape{f, s.numel() / f} : Shape{s.numel() / f, 1, f});
            break;
          }
        break;
      case 5:
        if (s.rank() > 0) {
          const auto axis = static_cast<int64_t>(d_.below(static_cast<size_t>(s.rank())));
          const int64_t n = s[static_cast<int>(axis)],
                        start = n ? static_cast<int64_t>(d_.below(static_cast<size_t>(n))) : 0;
          add("narrow", {x}, {axis, start, n - start});
        }
        break;
      case 6:
        s.rank() > 0
            ? add("flip", {x}, {static_cast<int64_t>(d_.below(static_cast<size_t>(s.rank())))})
            : kNone;
        break;
      default:
        if (s.rank() > 0) {
          const int axis = static_cast<int>(d_.below(static_cast<size_t>(s.rank())));
          const int y = any_where([&](const Shape& o) {
            bool fits = o.rank() == s.rank();
            for (int i = 0; fits && i < s.rank(); ++i) fits = i == axis || o[i] == s[i];
            return fits;
          });
          add("cat", {x, y}, {axis});
        }
    }
  }
  /// Rows, or all of it, divided by their norm.
  void normalized() {
    const int x = any(),
              n = add("norm", {x},
                      {d_.below(3) && shape(x).rank() ? int64_t{1} << (shape(x).rank() - 1)
                                                      : some_axes(x),
                       1});
    add("div", {x, n});
  }
  int linear() {
    const int x = any_where([](const Shape& s) { return s.rank() >= 2; });
    if (x == kNone) return kNone;
    const int64_t in = shape(x)[shape(x).rank() - 1], out = size();
    int y;
    if (d_.below(2)) y = add("matmul", {x, parameter({out, in})}, {0, 1});
    else y = add("matmul", {x, parameter({in, out})}, {0, 0});
    if (d_.below(2)) y = add("add", {y, parameter({out})});
    if (d_.below(2))
      y = add(exact() ? any_of("relu", "gelu", "tanh") : any_of("gelu", "tanh", "silu"), {y});
    return y;
  }
  /// A product with itself, beside what else becomes of it.
  void gram() {
    const int x = any_where([](const Shape& s) { return s.rank() >= 2; });
    const bool first = d_.below(2);
    const int g = add("matmul", {x, x}, {first, !first});
    if (d_.below(2)) add(any_of("scaled", "tanh"), {g});
    if (d_.below(2) && g != kNone) add("sub", {g, add("norm", {g}, {1, 1})});
  }
  void attention() {
    const int x = of_rank(3);
    if (x == kNone) return void(linear());
    if (d_.below(4) == 0) {
      const Shape s = shape(x);
      add("attention", {add("reshape", {x}, {}, {s[0], 1, s[1], s[2]})});
      return;
    }
    const int64_t dim = shape(x)[2], inner = 1 + static_cast<int64_t>(d_.below(6));
    const int q = add("matmul", {x, parameter({dim, inner})}, {0, 0}),
              k = add("matmul", {x, parameter({dim, inner})}, {0, 0});
    const int weights = add("softmax", {add("scaled", {add("matmul", {q, k}, {0, 1})})}, {2});
    add("add", {x, add("matmul", {d_.below(4) ? weights : add("dropout", {weights}), x}, {0, 0})});
  }
  void squeeze_and_excite() {
    const int x = of_rank(4);
    if (x == kNone) return gram();
    const int64_t n = shape(x)[0], c = shape(x)[1];
    int gate = add("matmul", {add("mean", {x}, {12, 0}), parameter({c, c})}, {0, 0});
    if (d_.below(2))
      gate = add("matmul", {add(any_of("silu", "tanh"), {gate}), parameter({c, c})}, {0, 1});
    add("mul", {x, add("reshape", {add("sigmoid", {gate})}, {}, {n, c, 1, 1})});
  }
  void convolution() {
    const int x = of_rank(4);
    if (x == kNone || !convolves()) return;
    const int64_t in = shape(x)[1], groups = d_.below(5) ? 1 : in;
    int64_t kernel = d_.below(2) ? 3 : 1, stride = d_.below(4) ? 1 : 2;
    // Winograd's algorithm, for 3×3 at stride 1, computes with thirds
    if (whole() && kernel == 3) stride = 2;
    static constexpr int64_t outs[] = {1, 3, 8, 16};
    const int64_t out = groups > 1 ? in : outs[d_.below(4)];
    if (groups == 0) return;
    if (whole() && ++convolutions_ > 2) return;
    const int w = parameter({out, in / groups, kernel, kernel});
    int y = add("conv2d", {x, w}, {stride, d_.below(3) ? kernel / 2 : 0, groups});
    if (d_.below(3) == 0) y = add("add", {y, parameter({out, 1, 1})});
    if (d_.below(2))
      y = add(whole() ? "relu" : exact() ? any_of("relu", "gelu") : any_of("gelu", "tanh"), {y});
    if (d_.below(3) == 0) add(whole() ? "max_pool2d" : "avg_pool2d", {y}, {2});
  }
  void norm_layer() {
    const int x = any_where([](const Shape& s) { return s.rank() == 4 || s.rank() == 2; });
    if (x == kNone) return;
    const Shape s = shape(x);
    if (s.rank() == 4 && s.numel() / std::max<int64_t>(1, s[1]) >= 8) {
      const int y = add("batch_norm", {x, parameter({s[1]}), parameter({s[1]})});
      if (d_.below(2)) add("rotate", {y});
    } else if (s[s.rank() - 1] > 2) {
      add("layer_norm", {x, parameter({s[s.rank() - 1]})});
    }
  }
  void rows() {
    const int x = any_where([](const Shape& s) { return s.rank() >= 1; });
    if (x == kNone) return;
    const auto axis = static_cast<int64_t>(d_.below(static_cast<size_t>(shape(x).rank())));
    const int y =
        add(exact() ? any_of("softmax", "log_softmax", "argmax") : any_of("softmax", "log_softmax"),
            {x}, {axis});
    if (d_.below(2)) add("mul", {x, y});
  }
  void embedded() {
    if (!exact()) return one();
    const int64_t words = 1 + static_cast<int64_t>(d_.below(6)),
                  n = 1 + static_cast<int64_t>(d_.below(8));
    const int index = labels(n, words);
    d_.below(3) ? add("embedding", {parameter({words, size()}), index})
                : add("one_hot", {index}, {words});
  }
  /// The gradient of one value by another that leads to it: programs of second and third order.
  void gradient() {
    if (c_.body.size() > 40 || ++gradients_ > 2) return one();
    const int y = any(), x = any();
    const int g = add("grad", {y, x});
    if (d_.below(2)) add(any_of("square", "scaled"), {g});
  }
  int scalar_of(int x) {
    if (x == kNone || whole()) return add("sum_all", {x});
    return add(any_of("sum_all", "mean_all"), {x});
  }
  int penalty() {
    const int p = any_parameter();
    if (p == kNone) return kNone;
    int total = d_.below(3) == 0
                    ? add("norm", {p}, {(int64_t{1} << shape(p).rank()) - 1, 0})
                    : add("sum_all", {add(exact() ? any_of("square", "abs") : "square", {p})});
    if (d_.below(2)) total = add("scaled", {total});
    const int other = any_where([](const Shape& s) { return s.rank() == 0; });
    return d_.below(2) ? add("mul", {total, other}) : total;
  }
  int any_parameter() {
    for (int tries = 0; tries < 20; ++tries)
      if (const auto i = d_.below(c_.body.size()); is_kind(c_.body[i], "parameter"))
        return static_cast<int>(i);
    return kNone;
  }
  void spread() {
    const int x = any();
    const Shape s = shape(x);
    Shape larger = s;
    for (int i = 0; i < s.rank(); ++i)
      if (s[i] == 1) larger[i] = size();
    add("expand", {x}, {},
        s.rank() < 5 && d_.below(2) ? [&] {
          Shape front{2};
          for (int64_t n : larger) front.push_back(n);
          return front;
        }()
                                    : larger);
  }

  int loss() {
    const int x = any();
    if (!whole() && shape(x).rank() == 2 && d_.below(2)) {
      const int64_t n = shape(x)[0], classes = shape(x)[1];
      const int y = labels(n, classes);
      switch (d_.below(4)) {
        case 0: return add("cross_entropy", {x, y});
        case 1: return add("weighted", {x, y, data({classes})});
        case 2:
          return scalar_of(
              add("mul", {add("log_softmax", {x}, {1}), add("one_hot", {y}, {classes})}));
        default: return add("mse", {x, data(shape(x))});
      }
    }
    if (whole()) return scalar_of(add("mul", {x, data(shape(x))}));
    return scalar_of(d_.below(2) ? add("square", {x}) : x);
  }

  void finish() {
    c_.mode = static_cast<Composition::Mode>(
        whole() ? d_.below(2) : d_.below(c_.family == Composition::close ? 3 : 6));
    const size_t losses = c_.mode >= Composition::sgd && d_.below(4) == 0 ? 2 : 1;
    for (size_t k = 0; k < losses && c_.mode != Composition::forward; ++k) {
      int total = loss();
      if (!whole())
        for (size_t i = c_.body.size(); i-- > 0;)
          if (is_kind(c_.body[i], "parameter") && d_.below(3) == 0) {
            const auto p = static_cast<int>(i);
            const int penalty = add("scaled", {add("sum_all", {add("square", {p})})});
            total = total == kNone ? penalty : add("add", {total, penalty});
          }
      if (total != kNone && shape(total).rank() == 0 &&
          c_.body[static_cast<size_t>(total)].requires_grad)
        c_.losses.push_back(total);
    }
    if (c_.losses.empty()) c_.mode = Composition::forward;
    if (c_.mode >= Composition::sgd) c_.steps = 1 + static_cast<int>(d_.below(3));
    for (size_t k = 0, n = 1 + d_.below(4); k < n; ++k) c_.held.push_back(any());
    values_.clear();
    parameters_.clear();
    flush();
  }

  Draw d_;
  Composition c_;
  int64_t smallest_;
  bool large_;
  int convolutions_ = 0, gradients_ = 0;
  std::vector<Tensor> values_;
  std::vector<Parameter> parameters_;
};

inline Composition composition(uint64_t seed) { return Composer(seed).compose(); }

/// Without the lines that nothing held or lost depends on.
inline Composition without_dead_lines(const Composition& c) {
  std::vector<uint8_t> needed(c.body.size(), 0);
  for (int i : c.held) needed[static_cast<size_t>(i)] = 1;
  for (int i : c.losses) needed[static_cast<size_t>(i)] = 1;
  Composition out = c;
  out.body.clear();
  std::vector<int> moved(c.body.size(), 0);
  for (size_t i = c.body.size(); i-- > 0;)
    for (int k : c.body[i].in) needed[static_cast<size_t>(k)] |= needed[i];
  for (size_t i = 0; i < c.body.size(); ++i) {
    if (!needed[i]) continue;
    moved[i] = static_cast<int>(out.body.size());
    out.body.push_back(c.body[i]);
    for (int& k : out.body.back().in) k = moved[static_cast<size_t>(k)];
  }
  for (auto* lines : {&out.held, &out.losses})
    for (int& k : *lines) k = moved[static_cast<size_t>(k)];
  return out;
}

/// Drops steps, results and ops, and puts parameters and data in the place of values, while the
/// program still `fails`.
inline Composition minimized(Composition c, const std::function<bool(const Composition&)>& fails) {
  auto take = [&](Composition smaller) {
    smaller = without_dead_lines(smaller);
    if (!fails(smaller)) return false;
    c = std::move(smaller);
    return true;
  };
  take(c);
  for (bool changed = true; changed;) {
    changed = false;
    auto attempt = [&](auto&& change) {
      Composition smaller = c;
      change(smaller);
      const bool taken = take(std::move(smaller));
      changed |= taken;
      return taken;
    };
    if (c.steps > 1) attempt([](Composition& s) { s.steps = 1; });
    if (c.losses.size() > 1) attempt([](Composition& s) { s.losses.pop_back(); });
    for (auto mode : {Composition::forward, Composition::gradients, Composition::sgd})
      if (mode < c.mode)
        attempt([&](Composition& s) {
          s.mode = mode;
          if (mode == Composition::forward) {
            s.held.insert(s.held.end(), s.losses.begin(), s.losses.end());
            s.losses.clear();
          }
        });
    for (size_t k = c.held.size(); k-- > 0;)
      if (k < c.held.size())
        attempt([&](Composition& s) { s.held.erase(s.held.begin() + static_cast<ptrdiff_t>(k)); });
    for (size_t i = c.body.size(); i-- > 0;) {
      if (i >= c.body.size() || c.body[i].in.empty()) continue;
      const std::vector<int> inputs = c.body[i].in;
      for (int in : inputs) {  // the value of an input instead, where it has the same shape
        if (c.body[static_cast<size_t>(in)].shape != c.body[i].shape) continue;
        const bool replaced = attempt([&](Composition& s) {
          for (Call& later : s.body)
            std::replace(later.in.begin(), later.in.end(), static_cast<int>(i), in);
          std::replace(s.held.begin(), s.held.end(), static_cast<int>(i), in);
          std::replace(s.losses.begin(), s.losses.end(), static_cast<int>(i), in);
        });
        if (replaced) break;  // the lines have other numbers now
      }
      for (const char* leaf : {"data", "parameter"})
        if (i < c.body.size() && !c.body[i].in.empty() && c.body[i].dtype == c.dtype)
          attempt([&](Composition& s) {
            const Shape shape = s.body[i].shape;
            s.body[i] = {
                kind_of(leaf), {},      {static_cast<int64_t>(i), s.family == Composition::integer},
                shape,         s.dtype, false};
          });
    }
  }
  return c;
}

}  // namespace suanli::test
