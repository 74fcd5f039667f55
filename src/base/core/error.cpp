// SPDX-License-Identifier: Apache-2.0
#include "suanli/error.h"

namespace suanli {

namespace {
std::string text_of(const Fault& f) {
  std::string text;
  if (!f.op.empty()) text += "[" + f.op + "]";
  const auto add = [&](const std::string& part, const char* before) {
    if (part.empty()) return;
    if (!text.empty()) text += before;
    text += part;
  };
  add(f.argument, " ");
  add(f.given, f.argument.empty() ? " " : ": ");
  if (!f.expected.empty()) add("expected " + f.expected, ", ");
  if (!f.module.empty()) text += " (in " + f.module + ")";
  add(f.remedy, ". ");
  return text;
}
}  // namespace

const char* name(ErrorCode code) {
  switch (code) {
    case ErrorCode::argument: return "argument";
    case ErrorCode::shape: return "shape";
    case ErrorCode::dtype: return "dtype";
    case ErrorCode::device: return "device";
    case ErrorCode::state: return "state";
    case ErrorCode::io: return "io";
    case ErrorCode::memory: return "memory";
    case ErrorCode::numeric: return "numeric";
    case ErrorCode::internal: return "internal";
  }
  return "unknown";
}

Error::Error(ErrorCode code, Fault fault)
    : std::runtime_error(text_of(fault)),
      code_(code),
      fault_(std::make_shared<const Fault>(std::move(fault))) {}

}  // namespace suanli
