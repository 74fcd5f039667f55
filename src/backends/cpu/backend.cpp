// SPDX-License-Identifier: Apache-2.0
// The CPU backend: kernel table, memory, and the kernels of pointwise.def.
#include "runtime/backend.h"
#include "base/core/round_up.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "backends/cpu/fused/fused_kernel.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/numerics.h"
#include "backends/cpu/tuning.h"
#include "base/text/text.h"
#include "ops/schema/pointwise.h"

namespace suanli {
namespace cpu {

namespace {

/// The parts of the kernel table, by op.
struct Tables {
  std::unordered_map<const Op*, Factory> kernels;
  std::unordered_map<const Op*, Blocked> blocked;
  std::unordered_map<const Op*, bool (*)(const Step&)> epilogues;
};
Tables& tables() {
  static auto* t = new Tables;
  return *t;
}
/// The entry of a step's op, or null.
template <class T> T find(const std::unordered_map<const Op*, T>& table, const Step& step) {
  const auto it = table.find(&op_of(step.op));
  return it == table.end() ? nullptr : it->second;
}

// of a usual kernel: the object, and the shapes that it keeps
constexpr int64_t kKernelBytes = 1024;
constinit thread_local int64_t held_bytes = 0;

std::unique_ptr<Kernel> pointwise_factory(const Step& step) {
  return make_pointwise(*static_cast<const PointwiseAttr*>(step.attr), step.in, step.out[0]);
}

const struct RegisterPointwise {
  RegisterPointwise() {
    for (int row = 0; row < pointwise_count; ++row)
      RegisterKernel(pointwise_op(row), pointwise_factory);
    RegisterKernel(pointwise_gradient_op, pointwise_factory);
    RegisterKernel(fused_op, make_fused);
  }
} register_pointwise;

const RegisterKernel register_cast(cast_op,
                                   [](const Step& s) { return make_cast(s.in[0], s.out[0]); });

class CpuBackend : public Backend {
 public:
  Device device() const override { return {}; }
  bool supports(const Step& step) const override {
    const Factory make = find(tables().kernels, step);
    return make && make(step) != nullptr;
  }
  std::unique_ptr<Kernel> prepare(const Step& step) override {
    held_bytes = kKernelBytes;
    if (const Factory make = find(tables().kernels, step))
      if (auto kernel = make(step)) {
        kernel->bytes_held = held_bytes;
        return kernel;
      }
    std::string dtypes;
    for (const auto& v : step.in) dtypes += str(dtypes.empty() ? "" : ", ", v.dtype);
    throw DTypeError({.op = op_of(step.op).name(),
                      .argument = "dtypes",
                      .given = str("(", dtypes, ") → ", step.out[0].dtype),
                      .expected = "a combination that the CPU has a kernel for"});
  }
  int64_t channel_block() const override {
    static const int64_t block = onednn_channel_block();
    return block;
  }
  BlockedOperands blocked_operands(const Step& step) const override {
    const Blocked blocked = find(tables().blocked, step);
    return blocked ? blocked(step, channel_block()) : BlockedOperands{};
  }
  int64_t saved_flops(const Kernel& kernel) const override {
    const auto* saves = dynamic_cast<const SavesFlops*>(&kernel);
    return saves ? saves->saved_flops() : 0;
  }
  bool takes_epilogue(const Step& step) const override {
    const auto takes = find(tables().epilogues, step);
    return takes && takes(step);
  }
  void* allocate(int64_t bytes) override {
    if (bytes < (1 << 20)) return std::aligned_alloc(64, static_cast<size_t>(round_up(bytes, 64)));
    void* p = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return nullptr;
    // first touch costs one fault per 2 MiB instead of per 4 KiB
    madvise(p, static_cast<size_t>(bytes), MADV_HUGEPAGE);
    return p;
  }
  void free(void* data, int64_t bytes) override {
    if (bytes < (1 << 20)) std::free(data);
    else munmap(data, static_cast<size_t>(bytes));
  }
  void* reserve(int64_t bytes) override {
    void* p = mmap(nullptr, static_cast<size_t>(bytes), PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return nullptr;
    madvise(p, static_cast<size_t>(bytes), MADV_HUGEPAGE);
    return p;
  }
  bool commit(void* range, int64_t bytes) override {
    return mprotect(range, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE) == 0;
  }
  void unreserve(void* range, int64_t bytes) override { munmap(range, static_cast<size_t>(bytes)); }
  void copy_to_host(void* host, const void* device, int64_t bytes) override {
    std::memcpy(host, device, static_cast<size_t>(bytes));
  }
  void copy_from_host(void* device, const void* host, int64_t bytes) override {
    std::memcpy(device, host, static_cast<size_t>(bytes));
  }
  int64_t instruction_set() const override { return chosen_target(); }
  uint64_t numerics() const override { return numerics_hash(); }
  std::vector<TuningValue> tuning() const override { return values_of(cpu_tuning()); }
  int64_t tuning_number() const override { return cpu_tuning_number(); }
  std::string isa() const override {
    return str(simd_target(), " (own kernels), ", onednn_isa(), " (oneDNN)",
               direct_convolutions() ? ", direct convolutions" : "");
  }
};

}  // namespace

RegisterBlocked::RegisterBlocked(const Op& op, Blocked blocked) { tables().blocked[&op] = blocked; }
RegisterEpilogue::RegisterEpilogue(const Op& op, bool (*takes)(const Step&)) {
  tables().epilogues[&op] = takes;
}
void count_held(int64_t bytes) { held_bytes += bytes; }
int64_t counted_held() { return held_bytes; }

RegisterKernel::RegisterKernel(const Op& op, Factory factory) { tables().kernels[&op] = factory; }

}  // namespace cpu

Backend& cpu_backend() {
  static auto* backend = new cpu::CpuBackend;
  return *backend;
}

}  // namespace suanli
