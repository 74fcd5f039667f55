// SPDX-License-Identifier: Apache-2.0
#include "support/op_samples.h"

#include <string>
#include <unordered_map>

namespace suanli::test {

namespace {
struct Registered {
  std::unordered_map<const Op*, MakeSamples> samples;
  std::unordered_map<const Op*, Reference> references;
};
Registered& registered() {
  static auto* all = new Registered;
  return *all;
}
}  // namespace

RegisterSamples::RegisterSamples(const Op& op, MakeSamples make, Reference reference) {
  registered().samples[&op] = std::move(make);
  if (reference.value) registered().references[&op] = std::move(reference);
}

std::vector<Sample> samples_of(const Op& op) {
  const auto it = registered().samples.find(&op);
  return it == registered().samples.end() ? std::vector<Sample>() : it->second();
}

const Reference* registered_reference(std::string_view op) {
  for (const auto& [known, reference] : registered().references)
    if (op == known->name()) return &reference;
  return nullptr;
}

}  // namespace suanli::test
