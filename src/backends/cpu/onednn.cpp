#include "backends/cpu/onednn.h"

#include <mutex>

#include "backends/cpu/kernels.h"
#include "base/fork.h"
#include "base/text.h"

namespace suanli::cpu {
namespace {

/// oneDNN's static objects appear at first use, and go when the process ends. Made here, when the library is loaded, they outlive the static
/// objects of programs, whose destructors may still compute. It takes 0.2 ms. This object goes right before them: programs that other
/// threads still run end first.
const struct LifeOfOneDnn {
  LifeOfOneDnn() {
    int capacity = 0;
    dnnl_get_primitive_cache_capacity(&capacity);
    dnnl_get_effective_cpu_isa();
    dnnl_get_cpu_isa_hints();
    // No implementation takes f64: the tables of implementations are made, and nothing else.
    const dnnl_dims_t sizes = {1, 1, 1, 1}, ones = {1, 1}, zeros = {0, 0};
    dnnl_engine_t engine = nullptr;
    dnnl_memory_desc_t x = nullptr, y = nullptr;
    dnnl_primitive_desc_t none = nullptr;
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) == dnnl_success &&
        dnnl_memory_desc_create_with_tag(&x, 4, sizes, dnnl_f64, dnnl_nchw) == dnnl_success &&
        dnnl_memory_desc_create_with_tag(&y, 4, sizes, dnnl_f64, dnnl_nhwc) == dnnl_success) {
      dnnl_convolution_forward_primitive_desc_create(&none, engine, dnnl_forward_training, dnnl_convolution_direct, x, x, nullptr, x, ones,
                                                     zeros, zeros, zeros, nullptr);
      dnnl_reorder_primitive_desc_create(&none, x, engine, y, engine, nullptr);
    }
    for (dnnl_memory_desc_t d : {x, y})
      if (d) dnnl_memory_desc_destroy(d);
    if (none) dnnl_primitive_desc_destroy(none);
    if (engine) dnnl_engine_destroy(engine);
  }
  ~LifeOfOneDnn() { end_programs(); }
} life_of_onednn [[gnu::init_priority(1000)]];  // also before objects of a program that links the library's objects

// Measured with oneDNN 3 on AVX-512 over a thousand different shapes: a convolution with its generated code, descriptors and stream takes some
// 40 KB of resident memory, a reorder 8 KB.
constexpr int64_t kPrimitiveBytes = 40 << 10, kReorderBytes = 8 << 10;

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

namespace {
struct Implementations {
  std::mutex mutex;
  std::set<std::string> names;
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

Primitive::Primitive(const dnnl::primitive_desc_base& desc, const std::vector<Argument>& arguments)
    : Primitive(desc, arguments, kPrimitiveBytes) {}

Primitive::Primitive(const dnnl::primitive_desc_base& desc, const std::vector<Argument>& arguments, int64_t bytes)
    : stream_(onednn_engine()) {
  const std::string implementation = desc.impl_info_str();
  if (is_reference(implementation)) throw ReferenceOnly();
  {
    const std::lock_guard lock(implementations().mutex);
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
    if (status != dnnl_success) throw Error(str("[onednn] a primitive failed with status ", static_cast<int>(status)));
  };
  size_t i = 0;
  for (const void* address : addresses) check(dnnl_memory_set_data_handle(arguments_[i++].memory, const_cast<void*>(address)));
  check(dnnl_memory_set_data_handle(arguments_[i].memory, scratch));
  check(dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(arguments_.size()), arguments_.data()));
}

}  // namespace suanli::cpu
