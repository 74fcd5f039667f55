// SPDX-License-Identifier: Apache-2.0
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

[[noreturn]] void no_cuda(const char* op, std::string_view asked) {
  throw DeviceError({.op = op,
                     .argument = "device",
                     .given = str("'", asked, "'"),
                     .expected = "an available device",
                     .remedy = "There is no CUDA backend yet. Choose cpu or auto.",
                     .settings = {"device"}});
}

}  // namespace

Device device_from_name(std::string_view name) {
  if (name == "cpu" || name == "auto") return {};
  if (name == "cuda" || name.substr(0, 5) == "cuda:") no_cuda("device_from_name", name);
  throw ArgumentError({.op = "device_from_name",
                       .argument = "device",
                       .given = str("'", name, "'"),
                       .expected = "cpu, cuda, cuda:N or auto",
                       .settings = {"device"}});
}

Backend& backend(Device device) {
  if (device.kind == DeviceKind::cpu) return cpu_backend();
  no_cuda("backend", to_string(device));
}

std::string isa() { return cpu_backend().isa(); }
std::string cpu_model() {
  const std::string model = proc_value("/proc/cpuinfo", "model name");
  return model.empty() ? "unknown" : model;
}

}  // namespace suanli
