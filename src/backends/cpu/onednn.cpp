#include "backends/cpu/onednn.h"

namespace suanli::cpu {

const dnnl::engine& onednn_engine() {
  static const dnnl::engine* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);  // kernels may outlive static destruction
  return *engine;
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
  auto set = [](dnnl_memory_t memory, const void* address) {
    dnnl::error::wrap_c_api(dnnl_memory_set_data_handle(memory, const_cast<void*>(address)), "[onednn] an address was refused");
  };
  size_t i = 0;
  for (const void* address : addresses) set(arguments_[i++].memory, address);
  set(arguments_[i].memory, scratch);
  dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(arguments_.size()), arguments_.data()),
                          "[onednn] a primitive failed");
}

}  // namespace suanli::cpu
