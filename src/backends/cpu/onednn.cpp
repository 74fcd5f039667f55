#include "backends/cpu/onednn.h"

#include "base/text.h"

namespace suanli::cpu {
namespace {

/// Static objects inside oneDNN, which are destroyed when the process ends. Made when this library is loaded, they outlive the static objects
/// of programs, whose destructors may still compute.
const int oldest_of_onednn = [] {
  int capacity = 0;
  dnnl_get_primitive_cache_capacity(&capacity);
  return capacity + static_cast<int>(dnnl_get_effective_cpu_isa()) + static_cast<int>(dnnl_get_cpu_isa_hints());
}();

}  // namespace

const dnnl::engine& onednn_engine() {
  static const dnnl::engine* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);  // kernels may outlive static destruction
  return *engine;
}

uint64_t layout_hash(const dnnl::memory::desc& desc) {
  uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a, a number at a time
  for (const auto& numbers : {desc.get_dims(), desc.get_padded_dims(), desc.get_strides(), desc.get_inner_blks(), desc.get_inner_idxs()})
    for (auto n : numbers) hash = (hash ^ static_cast<uint64_t>(n)) * 0x100000001B3u;
  return hash;
}

dnnl::primitive_attr onednn_attr() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

Primitive::Primitive(const dnnl::primitive& primitive, const std::vector<Argument>& arguments, const dnnl::memory::desc& scratchpad)
    : primitive_(primitive), stream_(onednn_engine()), scratch_bytes_(static_cast<int64_t>(scratchpad.get_size())) {
  auto add = [&](int index, const dnnl::memory::desc& desc) {
    memories_.push_back({desc, onednn_engine(), DNNL_MEMORY_NONE});
    arguments_.push_back({index, memories_.back().get()});
  };
  for (const Argument& a : arguments) add(a.index, a.desc);
  add(DNNL_ARG_SCRATCHPAD, scratchpad);
}

Primitive Primitive::reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to) {
  if (from == to) return {};
  dnnl::reorder::primitive_desc pd(onednn_engine(), from, onednn_engine(), to, onednn_attr());
  return {dnnl::reorder(pd), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}, pd.scratchpad_desc()};
}

void Primitive::run(std::initializer_list<const void*> addresses, void* scratch) const {
  auto check = [](dnnl_status_t status) {
    if (status != dnnl_success) throw Error(str("[onednn] a primitive failed with status ", static_cast<int>(status)));
  };
  size_t i = 0;
  for (const void* address : addresses) check(dnnl_memory_set_data_handle(arguments_[i++].memory, const_cast<void*>(address)));
  check(dnnl_memory_set_data_handle(arguments_[i].memory, scratch));
  check(dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(arguments_.size()), arguments_.data()));
}

}  // namespace suanli::cpu
