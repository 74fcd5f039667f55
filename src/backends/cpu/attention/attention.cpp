// SPDX-License-Identifier: Apache-2.0
// Attention over the heads of a batch: which head lies where, and who computes it.
#include <vector>

#include "backends/cpu/attention/attention_simd.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/tuning.h"
#include "base/core/round_up.h"
#include "base/threads/thread_pool.h"
#include "ops/schema/attributes.h"

namespace suanli::cpu {

namespace {

/// Where the heads of a tensor lie: head h at (h / inner) · outer_step + (h % inner) · inner_step,
/// its rows `row` apart.
struct Heads {
  int64_t inner, outer_step, inner_step, row;
  int64_t at(int64_t head) const { return head / inner * outer_step + head % inner * inner_step; }
};

/// One problem for all heads. q, k and v begin at their own addresses.
struct Problem {
  int64_t heads, queries, keys, size;
  double scale;
  int64_t seen;  // keys that the first query sees; each further one sees one more
  Heads q, kv, y;

  /// q [.., T, D], k and v [.., S, D].
  static Problem separate(const Shape& q, const Shape& k, const AttentionAttr& a) {
    const int rank = q.rank();
    const int64_t t = q[rank - 2], s = k[rank - 2], d = q[rank - 1];
    int64_t heads = 1;
    for (int i = 0; i < rank - 2; ++i) heads *= q[i];
    return {
        heads,           t, s, d, a.scale, a.is_causal ? 1 : s, {1, t * d, 0, d}, {1, s * d, 0, d},
        {1, t * d, 0, d}};
  }
  /// qkv [B, T, 3·H·D].
  static Problem packed(const Shape& qkv, const AttentionAttr& a) {
    const int64_t t = qkv[1], c = qkv[2] / 3, d = c / a.num_heads;
    const Heads in{a.num_heads, t * 3 * c, d, 3 * c};
    return {qkv[0] * a.num_heads,      t, t, d, a.scale, a.is_causal ? 1 : t, in, in,
            {a.num_heads, t * c, d, c}};
  }
  template <class T> AttentionHead<T> head(int64_t h, const T* q_data, const T* k, const T* v,
                                           int64_t first_sees) const {
    return {q_data + q.at(h), k + kv.at(h), v + kv.at(h), q.row, kv.row,
            queries,          keys,         size,         scale, first_sees};
  }
  /// Threads worth waking for it.
  int64_t lanes(int64_t tasks) const {
    const int64_t work = heads * queries * keys * size;
    return std::max<int64_t>(1, std::min<int64_t>({tasks, pool_threads(),
                                                   work / cpu_tuning().thread_attention_products}));
  }
};

/// Blocks of queries make pieces of as many tiles of keys (by `p`: an offset that is given later
/// only moves work between them). Each is computed alone, so the bits are the same for any cut.
/// `seen(in)`: keys that the first query sees.
template <class T, class Split, class Seen> std::unique_ptr<Kernel> make_forward(const Problem& p,
                                                                                 Split split,
                                                                                 Seen seen) {
  struct Forward final : Kernel {
    Forward(const Problem& p, Split split, Seen seen) : p(p), split(split), seen(seen) {
      blocks = (p.queries + kAttentionBlock - 1) / kAttentionBlock;
      before.push_back(0);
      for (int64_t b = 0; b < blocks; ++b)
        before.push_back(before.back() + attention_tiles(b, p.queries, p.keys, p.seen));
      lanes = p.lanes(p.heads * blocks);
      pieces = lanes == 1 ? 1 : std::min(p.heads * blocks, lanes * cpu_tuning().pieces_per_thread);
      lane_bytes = round_up(
          attention_forward_workspace(p.queries, p.keys, p.size) * static_cast<int64_t>(sizeof(T)),
          64);
      workspace_bytes = lanes * lane_bytes;
    }
    int64_t piece_of(int64_t head, int64_t block) const {
      const auto place = static_cast<size_t>(block);
      return (head * before.back() + before[place]) * pieces / (p.heads * before.back());
    }
    void run(const void* const* in, void* const* out, void* workspace) override {
      const auto [q, k, v] = split(in);
      const int64_t first_sees = seen(in);
      parallel_for_stealing(
          pieces, static_cast<int>(lanes), [&, q = q, k = k, v = v](int lane, WorkQueue& left) {
            for (int64_t piece; (piece = left.next()) >= 0;)
              for (int64_t h = piece * p.heads / pieces; h <= ((piece + 1) * p.heads - 1) / pieces;
                   ++h) {
                int64_t first = 0, last = blocks;
                while (first < last && piece_of(h, first) < piece) ++first;
                while (last > first && piece_of(h, last - 1) > piece) --last;
                if (first == last) continue;
                attention_forward(
                    p.head(h, q, k, v, first_sees), first, last,
                    static_cast<T*>(out[0]) + p.y.at(h), p.y.row,
                    AttentionSums<T>::of_head(static_cast<T*>(out[1]), h, p.heads, p.queries),
                    static_cast<char*>(workspace) + lane * lane_bytes);
              }
          });
    }
    Problem p;
    Split split;
    Seen seen;
    int64_t blocks, lanes, pieces, lane_bytes;
    std::vector<int64_t> before;  // tiles of the blocks before each
  };
  return std::make_unique<Forward>(p, split, seen);
}

/// A head's gradients are sums over its blocks in order, so a head is the least that a thread
/// takes.
template <class T, class Split, class Gradients> std::unique_ptr<Kernel> make_backward(
    const Problem& p, Split split, Gradients gradients) {
  struct Backward final : Kernel {
    Backward(const Problem& p, Split split, Gradients gradients)
        : p(p), split(split), gradients(gradients), lanes(p.lanes(p.heads)) {
      lane_bytes = round_up(
          attention_backward_workspace(p.keys, p.size) * static_cast<int64_t>(sizeof(T)), 64);
      workspace_bytes = lanes * lane_bytes;
    }
    void run(const void* const* in, void* const* out, void* workspace) override {
      const auto [q, k, v] = split(in + 1);
      const AttentionGradient<T> all = gradients(in, out);
      parallel_for_stealing(
          p.heads, static_cast<int>(lanes), [&, q = q, k = k, v = v](int lane, WorkQueue& left) {
            for (int64_t h; (h = left.next()) >= 0;) {
              const AttentionGradient<T> g{
                  all.g + p.y.at(h),
                  all.y + p.y.at(h),
                  AttentionSums<const T>::of_head(all.sums.top, h, p.heads, p.queries),
                  p.y.row,
                  all.dq + p.q.at(h),
                  all.dk + p.kv.at(h),
                  all.dv + p.kv.at(h)};
              attention_backward(p.head(h, q, k, v, p.seen), g,
                                 static_cast<char*>(workspace) + lane * lane_bytes);
            }
          });
    }
    Problem p;
    Split split;
    Gradients gradients;
    int64_t lanes, lane_bytes;
  };
  return std::make_unique<Backward>(p, split, gradients);
}

template <class T> struct Inputs {
  const T *q, *k, *v;
};
template <class T> auto separate_inputs() {
  return [](const void* const* in) {
    return Inputs<T>{static_cast<const T*>(in[0]), static_cast<const T*>(in[1]),
                     static_cast<const T*>(in[2])};
  };
}
template <class T> auto packed_inputs(int64_t width) {
  return [width](const void* const* in) {
    const T* qkv = static_cast<const T*>(in[0]);
    return Inputs<T>{qkv, qkv + width, qkv + 2 * width};
  };
}

auto as_planned(const Problem& p) {
  return [seen = p.seen](const void* const*) { return seen; };
}

template <class F> std::unique_ptr<Kernel> for_floats(DType dtype, F&& f) {
  return dtype == DType::f32 ? f(float{}) : dtype == DType::f64 ? f(double{}) : nullptr;
}
const AttentionAttr& attr_of(const Step& s) { return *static_cast<const AttentionAttr*>(s.attr); }

const RegisterKernel register_attention(scaled_dot_product_attention_op, [](const Step& s) {
  return for_floats(s.in[0].dtype, [&](auto t) {
    using T = decltype(t);
    const Problem p = Problem::separate(s.in[0].shape, s.in[1].shape, attr_of(s));
    if (s.in.size() == 3) return make_forward<T>(p, separate_inputs<T>(), as_planned(p));
    return make_forward<T>(p, separate_inputs<T>(),
                           [keys = p.keys, type = s.in[3].dtype](const void* const* in) {
                             return std::clamp<int64_t>(read_integer(in[3], type), 0, keys - 1) + 1;
                           });
  });
});
const RegisterKernel register_attention_grad(
    scaled_dot_product_attention_grad_op, [](const Step& s) {
      return for_floats(s.in[0].dtype, [&](auto t) {
        using T = decltype(t);
        return make_backward<T>(Problem::separate(s.in[1].shape, s.in[2].shape, attr_of(s)),
                                separate_inputs<T>(), [](const void* const* in, void* const* out) {
                                  return AttentionGradient<T>{
                                      static_cast<const T*>(in[0]),
                                      static_cast<const T*>(in[4]),
                                      {static_cast<const T*>(in[5]), nullptr},
                                      0,
                                      static_cast<T*>(out[0]),
                                      static_cast<T*>(out[1]),
                                      static_cast<T*>(out[2])};
                                });
      });
    });
const RegisterKernel register_self_attention(self_attention_op, [](const Step& s) {
  return for_floats(s.in[0].dtype, [&](auto t) {
    using T = decltype(t);
    const Problem p = Problem::packed(s.in[0].shape, attr_of(s));
    return make_forward<T>(p, packed_inputs<T>(s.in[0].shape[2] / 3), as_planned(p));
  });
});
const RegisterKernel register_self_attention_grad(self_attention_grad_op, [](const Step& s) {
  return for_floats(s.in[0].dtype, [&](auto t) {
    using T = decltype(t);
    const int64_t width = s.in[0].shape[2];
    return make_backward<T>(Problem::packed(s.in[1].shape, attr_of(s)), packed_inputs<T>(width),
                            [width](const void* const* in, void* const* out) {
                              T* d = static_cast<T*>(out[0]);
                              return AttentionGradient<T>{static_cast<const T*>(in[0]),
                                                          static_cast<const T*>(in[2]),
                                                          {static_cast<const T*>(in[3]), nullptr},
                                                          0,
                                                          d,
                                                          d + width,
                                                          d + 2 * width};
                            });
  });
});

}  // namespace

}  // namespace suanli::cpu
