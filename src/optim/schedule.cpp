// SPDX-License-Identifier: Apache-2.0
// Learning rates over a run.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/text/did_you_mean.h"
#include "base/text/split_list.h"
#include "base/text/text.h"
#include "suanli/optim.h"

namespace suanli::optim {

namespace {

/// From 1 at u = 0 to `end` at u = 1 along half a cosine.
double cosine_to(double end, double u) {
  return end + (1 - end) * (1 + std::cos(std::numbers::pi * u)) / 2;
}

/// Both phases end on a step of their own: the peak lies on step peak · steps − 1, the end on the
/// last one.
double onecycle(const Schedule& s, double step, double steps) {
  const double peak = s.warmup * steps - 1;
  if (step <= peak) return cosine_to(s.start, 1 - (peak > 0 ? step / peak : 1));
  const double fall = steps - 1 - peak;
  return cosine_to(s.end, fall > 0 ? (step - peak) / fall : 1);
}

struct Named {
  const char* name;
  Schedule schedule;
};
const std::vector<Named>& named_schedules() {
  using enum Schedule::Shape;
  // Never destroyed: static objects may use it when the process ends.
  static const auto& all = *new std::vector<Named>{
      {"constant", {.shape = constant}},
      {"cosine", {.shape = cosine}},
      {"linear", {.shape = linear}},
      // PyTorch's defaults
      {"onecycle", {.shape = onecycle, .warmup = 0.3, .start = 1.0 / 25, .end = 1.0 / 25 / 1e4}},
      {"step", {.shape = step, .milestones = {0.5, 0.75}}},
  };
  return all;
}

}  // namespace

double Schedule::factor(int64_t step, int64_t steps) const {
  auto require = [](bool ok, const char* what, double value, const char* expected) {
    if (!ok)
      throw ArgumentError(
          {.op = "Schedule", .argument = what, .given = str(value), .expected = expected});
  };
  auto number = [](double v) { return v >= 0 && std::isfinite(v); };
  require(warmup >= 0 && warmup < 1, "warmup", warmup, "a share from 0 to less than 1");
  require(number(start), "start", start, "a finite number from 0 on");
  require(number(end), "end", end, "a finite number from 0 on");
  require(number(gamma), "gamma", gamma, "a finite number from 0 on");
  for (double m : milestones) require(number(m), "milestones", m, "a finite number from 0 on");
  const auto t = static_cast<double>(step), length = static_cast<double>(steps);
  if (shape == Shape::onecycle) return onecycle(*this, t, length);
  const double rise = std::floor(warmup * length);
  if (t < rise) return start + (1 - start) * t / rise;
  const double u = (t - rise) / std::max(1.0, length - rise);
  if (shape == Shape::cosine) return cosine_to(end, u);
  if (shape == Shape::linear) return 1 + (end - 1) * u;
  if (shape == Shape::step)
    return std::pow(gamma, std::count_if(milestones.begin(), milestones.end(),
                                         [&](double m) { return t >= std::floor(m * length); }));
  return 1;
}

Schedule schedule_from_name(const std::string& name) {
  std::vector<std::string> names;
  for (const Named& n : named_schedules()) {
    if (name == n.name) return n.schedule;
    names.push_back(n.name);
  }
  throw ArgumentError({.op = "schedule_from_name",
                       .argument = "schedule",
                       .given = str("'", name, "'"),
                       .expected = str("one of ", join_list(names)),
                       .remedy = suggestion(name, names, "Did you mean '", "'?"),
                       .settings = {"schedule"}});
}

}  // namespace suanli::optim
