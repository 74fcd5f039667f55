// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/onednn/onednn.h"

#include <mutex>

#include "backends/cpu/kernels.h"
#include "base/text/text.h"
#include "base/threads/fork.h"

namespace suanli::cpu {
namespace {

/// oneDNN's static objects appear at first use, and go when the process ends. Made here, when the
/// library is loaded, they outlive the static objects of programs, whose destructors may still
/// compute. It takes half a millisecond. This object goes right before them: programs that other
/// threads still run end first.
const struct LifeOfOneDnn {
  LifeOfOneDnn() {
    int capacity = 0;
    dnnl_get_primitive_cache_capacity(&capacity);
    dnnl_get_effective_cpu_isa();
    dnnl_get_cpu_isa_hints();
    try {
      meet_implementations();
    } catch (const dnnl::error&) {
      // Whoever needs the primitive says what is missing.
    }
  }
  ~LifeOfOneDnn() { end_programs(); }

 private:
  /// Asks for descriptors of what kernels are made of; none is compiled.
  static void meet_implementations() {
    using Desc = dnnl::memory::desc;
    using Tag = dnnl::memory::format_tag;
    const auto f32 = dnnl::memory::data_type::f32;
    const auto direct = dnnl::algorithm::convolution_direct;
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const dnnl::memory::dims ones = {1, 1};
    for (const int64_t kernel : {1, 3}) {
      const dnnl::memory::dims padding = {kernel / 2, kernel / 2};
      const Desc x({1, 16, 4, 4}, f32, Tag::any), w({16, 16, kernel, kernel}, f32, Tag::any);
      const dnnl::convolution_forward::primitive_desc forward(
          engine, dnnl::prop_kind::forward_training, direct, x, w, x, ones, padding, padding);
      const dnnl::convolution_backward_data::primitive_desc data(engine, direct, x, w, x, ones,
                                                                 padding, padding, forward);
      const dnnl::convolution_backward_weights::primitive_desc weights(
          engine, direct, x, w, x, ones, padding, padding, forward);
    }
    const Desc rows({4, 4}, f32, Tag::ab), columns({4, 4}, f32, Tag::ba);
    dnnl::reorder::primitive_desc(engine, rows, engine, columns);
    dnnl::matmul::primitive_desc(engine, rows, columns, rows);
  }
// also before objects of a program that links the library's objects
} life_of_onednn [[gnu::init_priority(1000)]];

// Measured with oneDNN 3 on AVX-512 over a thousand different shapes: a convolution with its
// generated code, descriptors and stream takes some 40 KB of resident memory, a reorder 8 KB.
constexpr int64_t kPrimitiveBytes = 40 << 10, kReorderBytes = 8 << 10;

}  // namespace

const dnnl::engine& onednn_engine() {
  // kernels may outlive static destruction
  static const dnnl::engine* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

uint64_t layout_hash(const dnnl::memory::desc& desc) {
  uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a, a number at a time
  for (const auto& numbers : {desc.get_dims(), desc.get_padded_dims(), desc.get_strides(),
                              desc.get_inner_blks(), desc.get_inner_idxs()})
    for (auto n : numbers) hash = (hash ^ static_cast<uint64_t>(n)) * 0x100000001B3u;
  return hash;
}

dnnl::primitive_attr onednn_attr() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

namespace {
struct Implementations {
  std::mutex mutex;
  std::set<std::string> names;
  int64_t refusals = 0;
};
Implementations& implementations() {
  static auto* all = new Implementations;
  return *all;
}
}  // namespace

std::set<std::string> onednn_implementations() {
  const std::lock_guard lock(implementations().mutex);
  return implementations().names;
}

int64_t onednn_refusals() {
  const std::lock_guard lock(implementations().mutex);
  return implementations().refusals;
}

Primitive::Primitive(const dnnl::primitive_desc_base& desc, const std::vector<Argument>& arguments)
    : Primitive(desc, arguments, kPrimitiveBytes) {}

Primitive::Primitive(const dnnl::primitive_desc_base& desc, const std::vector<Argument>& arguments,
                     int64_t bytes)
    : stream_(onednn_engine()) {
  const std::string implementation = desc.impl_info_str();
  {
    const std::lock_guard lock(implementations().mutex);
    if (is_reference(implementation)) {
      ++implementations().refusals;
      throw ReferenceOnly();
    }
    implementations().names.insert(implementation);
  }
  primitive_ = dnnl::primitive(desc.get());
  const dnnl::memory::desc scratchpad = desc.scratchpad_desc();
  scratch_bytes_ = static_cast<int64_t>(scratchpad.get_size());
  auto add = [&](int index, const dnnl::memory::desc& desc) {
    memories_.push_back({desc, onednn_engine(), DNNL_MEMORY_NONE});
    arguments_.push_back({index, memories_.back().get()});
  };
  for (const Argument& a : arguments) add(a.index, a.desc);
  add(DNNL_ARG_SCRATCHPAD, scratchpad);
  count_held(bytes);
}

Primitive Primitive::reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to) {
  if (from == to) return {};
  dnnl::reorder::primitive_desc pd(onednn_engine(), from, onednn_engine(), to, onednn_attr());
  return {pd, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}, kReorderBytes};
}

void Primitive::run(std::initializer_list<const void*> addresses, void* scratch) const {
  auto check = [](dnnl_status_t status) {
    if (status != dnnl_success)
      throw InternalError(
          Fault{.op = "onednn",
                .given = str("a primitive failed with status ", static_cast<int>(status))});
  };
  size_t i = 0;
  for (const void* address : addresses)
    check(dnnl_memory_set_data_handle(arguments_[i++].memory, const_cast<void*>(address)));
  check(dnnl_memory_set_data_handle(arguments_[i].memory, scratch));
  check(dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(arguments_.size()),
                               arguments_.data()));
}

}  // namespace suanli::cpu
