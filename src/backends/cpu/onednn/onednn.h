// SPDX-License-Identifier: Apache-2.0
// Helpers around oneDNN for convolutions and products; only their .cpp files include it.
#pragma once
#include <omp.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <oneapi/dnnl/dnnl.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>
#include "base/core/round_up.h"

namespace suanli::cpu {

/// While it lives, oneDNN computes on this thread alone; the thread's own OpenMP setting then comes
/// back. Needed around creation (the thread count becomes part of a primitive) and around every
/// execution (each primitive opens its own parallel region).
class OneOmpThread {
 public:
  OneOmpThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneOmpThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneOmpThread(const OneOmpThread&) = delete;
  OneOmpThread& operator=(const OneOmpThread&) = delete;

 private:
  int before_;
};

const dnnl::engine& onednn_engine();

/// A number that is equal for equal layouts.
uint64_t layout_hash(const dnnl::memory::desc& desc);

/// Attributes of every primitive here: the scratchpad is given at execution, so nothing is
/// allocated then.
dnnl::primitive_attr onednn_attr();

/// True if a primitive's implementation is oneDNN's reference code.
inline bool is_reference(std::string_view implementation) {
  return implementation.starts_with("ref");
}
/// Thrown instead of making a primitive that oneDNN has only reference code for, which is slower
/// than ours by orders of magnitude.
struct ReferenceOnly : std::exception {
  const char* what() const noexcept override { return "oneDNN has reference code only"; }
};
/// The implementations that oneDNN chose so far, in this process.
std::set<std::string> onednn_implementations();
/// Returns the number of times that this process threw ReferenceOnly.
int64_t onednn_refusals();

/// A primitive with its arguments made once; an execution only puts in the addresses. For one
/// thread at a time.
class Primitive {
 public:
  struct Argument {
    int index;
    dnnl::memory::desc desc;
  };
  Primitive() = default;
  /// Throws ReferenceOnly.
  Primitive(const dnnl::primitive_desc_base& desc, const std::vector<Argument>& arguments);
  /// Copies between two layouts of the same elements; empty if the layouts are the same.
  static Primitive reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to);

  explicit operator bool() const { return static_cast<bool>(primitive_); }
  int64_t scratch_bytes() const { return scratch_bytes_; }
  /// `addresses` follow the arguments of the constructor. The caller holds a OneOmpThread.
  void run(std::initializer_list<const void*> addresses, void* scratch) const;

 private:
  Primitive(const dnnl::primitive_desc_base& desc, const std::vector<Argument>& arguments,
            int64_t bytes_held);
  dnnl::primitive primitive_;
  dnnl::stream stream_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
  int64_t scratch_bytes_ = 0;
};

/// Divides a workspace into 64-byte aligned places.
class Places {
 public:
  int64_t add(int64_t bytes) {
    int64_t place = total_;
    total_ += round_up(bytes, 64);
    return place;
  }
  int64_t total() const { return total_; }

 private:
  int64_t total_ = 0;
};

inline void* at(void* base, int64_t bytes) { return static_cast<std::byte*>(base) + bytes; }
inline const void* at(const void* base, int64_t bytes) {
  return static_cast<const std::byte*>(base) + bytes;
}

}  // namespace suanli::cpu
