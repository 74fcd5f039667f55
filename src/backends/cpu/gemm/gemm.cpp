// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/gemm.h"

#include <algorithm>

#include "backends/cpu/numerics.h"
#include "base/core/round_up.h"
#include "base/threads/thread_pool.h"

namespace suanli::cpu {
namespace {

// A step of k of a panel of b (32 KB with AVX-512) stays in L1, of a block of a (256 KB) in L2,
// where half a MB of c joins it.
constexpr int64_t kDepth = Numerics::gemm_depth;
/// Rows of b that are read side by side, where it is not packed: as streams that the machine
/// fetches ahead by itself.
constexpr int64_t kThinDepth = Numerics::gemm_thin_depth;
/// Up to here dot products without packing are faster.
constexpr int64_t kDotRows = Numerics::gemm_dot_rows;

constexpr int64_t pieces(int64_t n, int64_t of) { return std::max<int64_t>(1, (n + of - 1) / of); }

}  // namespace

template <class T> Gemm<T>::Gemm(const GemmShape& shape, const GemmUse& use)
    : shape_(shape), use_(use), tile_(gemm_tile<T>()), tuning_(&cpu_tuning()) {
  GemmShape& s = shape_;
  if (s.a_row == 0) s.a_row = s.a_transposed ? s.m : s.k;
  if (s.b_row == 0) s.b_row = s.b_transposed ? s.k : s.n;
  if (s.c_row == 0) s.c_row = s.n;
  // One column is contiguous either way, and so is one row.
  if (s.n == 1 && !s.b_transposed && s.b_row == 1) {
    s.b_transposed = true;
    s.b_row = s.k;
  }
  if (s.m == 1 && s.a_transposed && s.a_row == 1) {
    s.a_transposed = false;
    s.a_row = s.k;
  }
  const bool thin = !use.b_packed && s.m <= tile_.rows && !s.b_transposed;
  k_steps_ = pieces(s.k, thin ? kThinDepth : kDepth);
  depth_ = round_up(pieces(s.k, k_steps_), Numerics::gemm_depth_multiple);
  k_steps_ = pieces(s.k, depth_);
  packed_columns_ = round_up(s.n, tile_.lanes);
  granule_ = std::clamp<int64_t>(round_up(s.m / tuning_->gemm_granules, 8), 8, 64);
  constexpr int64_t size = sizeof(T);
  block_rows_ = std::clamp<int64_t>(tuning_->gemm_block_bytes / (size * depth_), granule_,
                                    tuning_->gemm_block_rows);
  if (use.parts_done) {
    const int64_t n = std::max<int64_t>(1, s.n);
    block_rows_ = std::min(
        block_rows_, std::max(tuning_->gemm_min_rows,
                              std::min(tuning_->gemm_done_bytes / (size * n),
                                       tuning_->gemm_beside_bytes / ((size + use.beside) * n))));
  }
  block_rows_ = std::max(granule_, block_rows_ / granule_ * granule_);
  dot_ = !use.b_packed && !s.a_transposed && s.b_transposed && std::min(s.m, s.n) <= kDotRows;
  plan_shares(use.threads > 0 ? use.threads : pool_threads());
  const bool near =
      !use.b_packed && !s.b_transposed && s.k * s.n * size <= tuning_->gemm_unpacked_bytes;
  if (dot_ || thin || near) b_form_ = Columns::as_they_are;
  // Each for itself, where one block of rows is all that a thread has: what one core packed is slow
  // to read from another.
  else if (!use.b_packed && pieces(s.m, row_shares_) <= block_rows_)
    b_form_ = Columns::packed_one_by_one;
  plan_scratch();
}

template <class T> void Gemm<T>::plan_shares(int threads) {
  const GemmShape& s = shape_;
  // A thread's share should take some 10 µs.
  const double m = static_cast<double>(s.m), n = static_cast<double>(s.n),
               k = static_cast<double>(s.k);
  const double byte_flops = static_cast<double>(tuning_->byte_flops),
               work = 2 * m * n * k + byte_flops * sizeof(T) * (m * k + k * n + m * n);
  const int64_t shares = std::clamp<int64_t>(
      static_cast<int64_t>(work / static_cast<double>(tuning_->thread_flops)), 1, threads);
  const int64_t row_pieces = pieces(s.m, granule_), column_pieces = pieces(s.n, tile_.columns);
  // Where there are few rows every thread packs all of one operand: of the smaller one.
  const bool by_columns =
      dot_ ? s.n >= s.m : s.m < 2 * tuning_->gemm_min_rows || (s.m <= block_rows_ && s.m < s.n);
  if (by_columns) {
    column_shares_ = std::min(shares, column_pieces);
    row_shares_ = std::min(shares / column_shares_, row_pieces);
  } else {
    row_shares_ = std::min(shares, row_pieces);
    if (!dot_)
      row_shares_ = std::min(row_shares_, std::max<int64_t>(1, s.m / (tuning_->gemm_min_rows / 2)));
    column_shares_ = std::min(shares / row_shares_, column_pieces);
  }
  // as many for each share, but none without rows
  row_blocks_ = std::min(
      row_pieces, row_shares_ * pieces(pieces(row_pieces, row_shares_), block_rows_ / granule_));
}

template <class T> void Gemm<T>::plan_scratch() {
  constexpr int64_t size = sizeof(T);
  const GemmShape& s = shape_;
  auto add = [](int64_t& total, int64_t elements) {
    const int64_t at = total;
    total += round_up(elements * size, 64);
    return at;
  };
  int64_t& total = scratch_bytes_;
  if (b_form_ == Columns::packed && !use_.b_packed) b_at_ = add(total, packed_columns_ * s.k);
  share_at_ = total;
  const int64_t rows = std::min(block_rows_, s.m);
  if (dot_) {
    const int64_t columns = pieces(pieces(s.n, tile_.columns), column_shares_) * tile_.columns;
    const int64_t sums = gemm_dot_scratch<T>(rows, std::min(s.n, columns), s.k);
    dot_sums_ = sums > 0;
    add(share_bytes_, sums);
  } else {
    add(share_bytes_, rows * depth_ + tile_.lanes);
  }
  share_b_ = share_bytes_;
  if (!dot_ && b_form_ != Columns::packed)
    add(share_bytes_, std::min(packed_columns_, strip()) * depth_);
  share_c_ = share_bytes_;
  if (use_.no_c)
    add(share_bytes_,
        rows * std::min(s.n, pieces(pieces(s.n, tile_.columns), column_shares_) * tile_.columns));
  total += row_shares_ * column_shares_ * share_bytes_;
}

template <class T> typename Gemm<T>::Range Gemm<T>::rows_of(int64_t block) const {
  const int64_t all = pieces(shape_.m, granule_);
  return {all * block / row_blocks_ * granule_,
          std::min(shape_.m, all * (block + 1) / row_blocks_ * granule_)};
}
template <class T> typename Gemm<T>::Range Gemm<T>::columns_of(int64_t share) const {
  const int64_t all = pieces(shape_.n, tile_.columns);
  return {all * share / column_shares_ * tile_.columns,
          std::min(shape_.n, all * (share + 1) / column_shares_ * tile_.columns)};
}
template <class T> typename Gemm<T>::Range Gemm<T>::step(int64_t i) const {
  return {i * depth_, std::min(shape_.k, (i + 1) * depth_)};
}

template <class T> int64_t Gemm<T>::strip() const {
  return tile_.columns * std::max<int64_t>(1, kDepth / depth_);
}

template <class T> GemmOperand<T> Gemm<T>::left(const T* a) const {
  return shape_.a_transposed ? GemmOperand<T>{a, 1, shape_.a_row}
                             : GemmOperand<T>{a, shape_.a_row, 1};
}
template <class T> GemmOperand<T> Gemm<T>::right(const T* b) const {
  return shape_.b_transposed ? GemmOperand<T>{b, shape_.b_row, 1}
                             : GemmOperand<T>{b, 1, shape_.b_row};
}

template <class T> void Gemm<T>::pack(const T* b, void* packed) const {
  const int64_t panels = pieces(shape_.n, tile_.columns), all = panels * k_steps_;
  T* to = static_cast<T*>(packed);
  parallel_chunks(
      all, std::max<int64_t>(1, tuning_->gemm_pack_elements / (tile_.columns * depth_)),
      [&](int64_t begin, int64_t end) {
        while (begin < end) {
          const Range k = step(begin / panels);
          const int64_t first = begin % panels, last = std::min(panels, first + end - begin),
                        j = first * tile_.columns;
          gemm_pack_columns(right(b).at(j, k.begin), std::min(shape_.n, last * tile_.columns) - j,
                            k.size(), to + k.begin * packed_columns_ + j * k.size());
          begin += last - first;
        }
      });
}

template <class T> uint64_t Gemm<T>::packed_format() const {
  return 0x67656D6D00000000u ^
         static_cast<uint64_t>(shape_.k << 34 ^ shape_.n << 3 ^ (shape_.b_transposed ? 4 : 0) ^
                               int64_t{sizeof(T)} >> 2);
}

template <class T>
void Gemm<T>::run(const T* a, const T* b, T* c, void* scratch, PartsDone<T> parts_done,
                  std::span<const EpilogueOperand> beside) const {
  if (shape_.m == 0 || shape_.n == 0) return;
  auto place = [&](int64_t bytes) {
    return reinterpret_cast<T*>(static_cast<std::byte*>(scratch) + bytes);
  };
  const Operands x{left(a), right(b), use_.b_packed ? b : place(b_at_), c, beside};
  if (b_form_ == Columns::packed && !use_.b_packed) pack(b, place(b_at_));
  // Blocks of rows, or where one is all that a thread has, columns.
  parallel_for_stealing(
      row_blocks_ * column_shares_, static_cast<int>(row_shares_ * column_shares_),
      [&](int thread, WorkQueue& left) {
        const int64_t at = share_at_ + thread * share_bytes_;
        const Place own{place(at), place(at + share_b_),
                        use_.no_c ? place(at + share_c_) : nullptr};
        for (int64_t i, before = -1; (i = left.next()) >= 0; before = i) {
          const int64_t block = i % row_blocks_;
          const Range rows = rows_of(block), columns = columns_of(i / row_blocks_);
          const Range next =
              block + 1 < row_blocks_ ? rows_of(block + 1) : Range{rows.end, rows.end};
          const int64_t c_row = own.c ? columns.size() : shape_.c_row;
          T* to = own.c ? own.c : c + rows.begin * c_row + columns.begin;
          multiply(x, {rows, columns, next, block == 0 || before != i - 1}, own, to, c_row);
          if (parts_done) parts_done({rows.begin, rows.end, columns.begin, columns.end, to, c_row});
        }
      });
}

template <class T> void Gemm<T>::multiply(const Operands& x, const Block& part, const Place& own,
                                          T* c, int64_t c_row) const {
  const Range rows = part.rows, columns = part.columns;
  if (dot_) {
    gemm_dot<T>({rows.size(), columns.size(), shape_.k, x.a.at(rows.begin, 0),
                 x.b.at(columns.begin, 0), c, c_row, use_.add, dot_sums_ ? own.a : nullptr});
    return;
  }
  for (int64_t i = 0; i < k_steps_; ++i) {
    const Range k = step(i);
    gemm_pack_rows(x.a.at(rows.begin, k.begin), rows.size(), k.size(), own.a);
    GemmBlock<T> block{rows.size(), columns.size(), k.size(), own.a, nullptr,
                       0,           nullptr,        c,        c_row, use_.add || i > 0};
    block.near_bytes = tuning_->gemm_near_bytes;
    const bool last = i + 1 == k_steps_;
    Fetches fetches;
    if (last)
      for (const EpilogueOperand& b : x.beside)
        fetches.add({static_cast<const std::byte*>(b.data) +
                         (rows.begin * shape_.n + columns.begin) * b.itemsize,
                     rows.size(), columns.size() * b.itemsize, shape_.n * b.itemsize});
    const Range next_rows = last ? part.next : rows, next_k = step(last ? 0 : i + 1);
    fetches.add(x.a.at(next_rows.begin, next_k.begin).fetch(next_rows.size(), next_k.size()));
    if (b_form_ == Columns::packed) {
      block.b = x.packed_b + k.begin * packed_columns_ + columns.begin * k.size();
      block.far_b = part.first || columns.size() * shape_.k * static_cast<int64_t>(sizeof(T)) >
                                      tuning_->gemm_stay_bytes;
      gemm_multiply(block, fetches);
      continue;
    }
    int64_t j = 0;
    if (b_form_ == Columns::as_they_are) {
      // whole vectors: nothing is read behind a row
      block.columns = j = columns.size() / tile_.lanes * tile_.lanes;
      block.b = x.b.at(columns.begin, k.begin).data;
      block.b_row = shape_.b_row;
      block.far_b = true;
      gemm_multiply(block, fetches);
    }
    for (; j < columns.size(); j += block.columns) {
      const GemmOperand<T> b = x.b.at(columns.begin + j, k.begin);
      block.columns = std::min(strip(), columns.size() - j);
      // nothing is read behind a row
      const int64_t whole = block.columns / tile_.lanes * tile_.lanes;
      if (!shape_.b_transposed &&
          columns.size() * shape_.k * static_cast<int64_t>(sizeof(T)) <= tuning_->gemm_stay_bytes &&
          whole > 0) {
        // The multiply-adds hide it, unless b comes from memory: then they wait.
        block.columns = whole;
        block.b = b.data;
        block.b_row = shape_.b_row;
        block.pack_b = own.b;
      } else {
        gemm_pack_columns(b, block.columns, k.size(), own.b);
        block.b = own.b;
        block.b_row = 0;
        block.pack_b = nullptr;
      }
      block.far_b = false;
      block.c = c + j;
      const int64_t next = j + block.columns;
      if (next < columns.size())
        fetches.first(x.b.at(columns.begin + next, k.begin)
                          .fetch(std::min(strip(), columns.size() - next), k.size()));
      gemm_multiply(block, fetches);
    }
  }
}

template class Gemm<float>;
template class Gemm<double>;

}  // namespace suanli::cpu
