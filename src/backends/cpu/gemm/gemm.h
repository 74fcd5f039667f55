// SPDX-License-Identifier: Apache-2.0
// The matrix product c = a · b of row-major buffers, in blocks that fit the caches (Goto & van de
// Geijn, "Anatomy of high-performance matrix multiplication", 2008), on the compute threads. A
// consumer of c can take its parts while they are still in a cache.
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>

#include "backends/cpu/gemm/gemm_simd.h"
#include "backends/cpu/tuning.h"

namespace suanli::cpu {

/// The operands: a [m, k], or [k, m] transposed; b [k, n], or [n, k] transposed; c [m, n].
struct GemmShape {
  int64_t m, n, k;
  bool a_transposed = false, b_transposed = false;
  // elements from one row in memory to the next; 0: rows lie one behind the other
  int64_t a_row = 0, b_row = 0, c_row = 0;
};

/// Options of all calls of run().
struct GemmUse {
  bool parts_done = false;  // with somebody who takes finished parts
  bool no_c = false;  // without c, which then lives in scratch, block by block
  bool b_packed = false;  // with what pack() made of b
  bool add = false;  // c is added to; it lies in memory then
  int threads = 0;  // at most; 0: all compute threads
  // bytes that whoever takes finished parts reads for each element, beside that itself
  int64_t beside = 0;
};

/// Part of c: `values` is its first element, its rows lie `row` elements apart.
template <class T> struct GemmPart {
  int64_t row_begin, row_end, column_begin, column_end;
  const T* values;
  int64_t row;
};

/// Takes finished parts of c. Refers to a function object that outlives the call; may be called on
/// several threads at once.
template <class T> class PartsDone {
 public:
  PartsDone() = default;
  template <std::invocable<const GemmPart<T>&> F>
  PartsDone(const F& f)
      : context_(std::addressof(f)),
        call_([](const void* f, const GemmPart<T>& part) { (*static_cast<const F*>(f))(part); }) {}
  explicit operator bool() const { return call_ != nullptr; }
  void operator()(const GemmPart<T>& part) const { call_(context_, part); }

 private:
  const void* context_ = nullptr;
  void (*call_)(const void*, const GemmPart<T>&) = nullptr;
};

/// A product that was planned once and runs many times. The result's bits do not depend on the
/// number of threads: only rows and columns are shared out, and every element is summed over k in
/// an order that follows from the shape. T: float or double.
template <class T> class Gemm {
 public:
  explicit Gemm(const GemmShape& shape, const GemmUse& use = {});

  /// `scratch` has scratch_bytes() bytes, 64-byte aligned, contents undefined. Allocates nothing.
  ///
  /// `parts_done` is called once for each part of c, by the thread that computed it, when the part
  /// is final and still in that thread's cache: a block of rows of half a MB, or of some 60 rows
  /// where they are longer than 8 KB. Products of few rows are shared out by columns; then a part
  /// has one thread's columns. Data `beside` a part is prefetched while the part is multiplied.
  void run(const T* a, const T* b, T* c, void* scratch, PartsDone<T> parts_done = {},
           std::span<const EpilogueOperand> beside = {}) const;
  int64_t scratch_bytes() const { return scratch_bytes_; }

  /// True if run() packs b each time.
  bool packs_b() const { return !use_.b_packed && b_form_ != Columns::as_they_are; }
  /// Lays b out as run() wants it where GemmUse::b_packed is set. Products with the same format
  /// share what was packed.
  void pack(const T* b, void* packed) const;
  int64_t packed_bytes() const {
    return packed_columns_ * shape_.k * static_cast<int64_t>(sizeof(T));
  }
  uint64_t packed_format() const;

 private:
  struct Range {
    int64_t begin, end;
    int64_t size() const { return end - begin; }
  };
  /// A piece of c, and the rows that the same thread is likely to take next.
  struct Block {
    Range rows, columns, next;
    bool first;  // the thread has not read these columns of b before
  };
  /// A thread's in scratch.
  struct Place {
    T *a, *b, *c;  // c: null where it lies in memory
  };
  struct Operands {
    GemmOperand<T> a, b;
    const T* packed_b;
    T* c;
    std::span<const EpilogueOperand> beside;
  };
  enum class Columns { packed, packed_one_by_one, as_they_are };

  void plan_shares(int threads);
  void plan_scratch();
  Range rows_of(int64_t block) const;
  Range columns_of(int64_t share) const;
  Range step(int64_t i) const;
  /// Columns of b that are packed at once, where they are as they are needed.
  int64_t strip() const;
  void multiply(const Operands& x, const Block& part, const Place& own, T* c, int64_t c_row) const;
  GemmOperand<T> left(const T* a) const;
  GemmOperand<T> right(const T* b) const;

  GemmShape shape_;
  GemmUse use_;
  GemmTile tile_;
  const CpuTuning* tuning_;  // stays in memory
  int64_t depth_, k_steps_, packed_columns_, granule_, block_rows_;
  bool dot_ = false, dot_sums_ = false;
  Columns b_form_ = Columns::packed;
  int64_t row_shares_ = 1, column_shares_ = 1;  // for how many threads
  int64_t row_blocks_ = 1;
  int64_t b_at_ = 0, share_at_ = 0, share_bytes_ = 0, share_b_ = 0, share_c_ = 0,
          scratch_bytes_ = 0;
};

}  // namespace suanli::cpu
