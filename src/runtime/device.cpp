// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <ostream>

#include "base/system/proc.h"
#include "base/text/text.h"
#include "runtime/backend.h"
#include "suanli/roofs.h"

namespace suanli {

std::string to_string(Device device) {
  return device.kind == DeviceKind::cpu ? "cpu" : str("cuda:", static_cast<int>(device.index));
}

std::ostream& operator<<(std::ostream& out, Device device) { return out << to_string(device); }

namespace {

[[noreturn]] void no_cuda(std::string_view asked) {
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  std::string missing = driver ? "this build has no CUDA backend (libsuanli_cuda.so)"
                               : "no NVIDIA driver answers (libcuda.so.1 is not on this machine), "
                                 "and this build has no CUDA backend (libsuanli_cuda.so)";
  if (driver) dlclose(driver);
  throw DeviceError(str("device ", asked, " is not available: ", missing,
                        ". Use --device cpu, or --device auto to take the best that is there."));
}

}  // namespace

Device device_from_name(std::string_view name) {
  if (name == "cpu" || name == "auto") return {};
  if (name == "cuda" || name.substr(0, 5) == "cuda:") no_cuda(name);
  throw UsageError(str("device '", name, "' is not known: expected cpu, cuda, cuda:N or auto"));
}

Backend& backend(Device device) {
  if (device.kind == DeviceKind::cpu) return cpu_backend();
  no_cuda(to_string(device));
}

std::string isa() { return cpu_backend().isa(); }
std::string cpu_model() {
  const std::string model = proc_value("/proc/cpuinfo", "model name");
  return model.empty() ? "unknown" : model;
}

}  // namespace suanli
