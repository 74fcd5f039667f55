// SPDX-License-Identifier: Apache-2.0
#include "train/stored/result.h"

#include <limits>
#include <variant>

namespace suanli {

namespace {
struct Field {
  const char* key;
  std::variant<std::string TrainResult::*, int64_t TrainResult::*, double TrainResult::*> member;
};
using R = TrainResult;
const Field kFields[] = {
    {"run", &R::run},
    {"model", &R::model},
    {"epochs", &R::epochs},
    {"steps", &R::steps},
    {"best_epoch", &R::best_epoch},
    {"seconds", &R::seconds},
    {"train_loss", &R::train_loss},
    {"val_loss", &R::val_loss},
    {"val_accuracy", &R::val_accuracy},
    {"test_loss", &R::test_loss},
    {"test_accuracy", &R::test_accuracy},
    {"val_balanced_accuracy", &R::val_balanced_accuracy},
    {"test_balanced_accuracy", &R::test_balanced_accuracy},
    {"val_rmse", &R::val_rmse},
    {"test_rmse", &R::test_rmse},
    {"samples_per_s", &R::samples_per_s},
    {"data_wait", &R::data_wait},
    {"flops_per_s", &R::flops_per_s},
    {"executed_flops_per_s", &R::executed_flops_per_s},
    {"grad_norm", &R::grad_norm},
    {"clipped", &R::clipped},
    {"peak_bytes", &R::peak_bytes},
};
}  // namespace

Json to_json(const TrainResult& result) {
  Json out = Json::Object();
  for (const Field& f : kFields)
    std::visit([&](auto member) { out.set(f.key, result.*member); }, f.member);
  return out;
}

TrainResult result_from_json(const Json& json) {
  TrainResult result;
  for (const Field& f : kFields) {
    const Json* given = json.find(f.key);
    auto* real = std::get_if<double TrainResult::*>(&f.member);
    if (!given && real) {  // runs of an earlier version know less
      result.** real = std::numeric_limits<double>::quiet_NaN();
      continue;
    }
    const Json& value = json.at(f.key);
    if (auto* text = std::get_if<std::string TrainResult::*>(&f.member))
      result.** text = value.string();
    else if (auto* whole = std::get_if<int64_t TrainResult::*>(&f.member))
      result.** whole = value.integer();
    else result.** real = value.number();
  }
  return result;
}

}  // namespace suanli
