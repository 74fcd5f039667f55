// SPDX-License-Identifier: Apache-2.0
#include "plan/explain/tuning_report.h"

#include <cmath>
#include <cstdio>

#include "plan/ir/tuning.h"
#include "runtime/backend.h"

namespace suanli {
namespace {

Json by_name(const std::vector<TuningValue>& values) {
  Json::Object all;
  for (const TuningValue& v : values)
    all.push_back({v.name, v.value == std::floor(v.value) ? Json(static_cast<int64_t>(v.value))
                                                          : Json(v.value)});
  return all;
}

}  // namespace

std::string numerics_in_force(Device device) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(backend(device).numerics()));
  return text;
}

Json tuning_in_force(Device device) {
  return Json::Object{{"device", by_name(backend(device).tuning())},
                      {"plan", by_name(values_of(plan_tuning()))}};
}

}  // namespace suanli
