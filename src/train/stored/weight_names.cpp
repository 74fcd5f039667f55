// SPDX-License-Identifier: Apache-2.0
#include "train/stored/weight_names.h"

#include <map>
#include <set>

#include "base/text/text.h"
#include "suanli/io.h"

namespace suanli {

namespace {

/// Modules that wrap another one and put their word before its names, also in the middle of a name.
/// No layer is called so.
constexpr std::string_view kWrappers[] = {"_orig_mod.", "_checkpoint_wrapped_module.",
                                          "_fsdp_wrapped_module."};

std::string unwrapped(std::string name) {
  for (std::string_view word : kWrappers)
    for (size_t at = name.find(word); at != std::string::npos; at = name.find(word, at))
      if (at == 0 || name[at - 1] == '.') name.erase(at, word.size());
      else at += word.size();
  return name;
}

using Names = std::set<std::string, std::less<>>;

Names names_of(const nn::Module& model) {
  Names names;
  for (auto& [name, parameter] : model.state_dict()) names.insert(name);
  return names;
}

/// The prefix without which the most names are the model's, and how many these are. "" counts for
/// more than a word.
std::pair<std::string, int64_t> prefix_for(const Names& of_model,
                                           const std::vector<std::string>& names) {
  std::map<std::string, int64_t> found;
  for (const std::string& name : names) {
    if (of_model.contains(name)) ++found[""];
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
      if (of_model.contains(std::string_view(name).substr(dot + 1)))
        ++found[name.substr(0, dot + 1)];
  }
  std::pair<std::string, int64_t> best{"", 0};
  for (auto& [prefix, count] : found)
    if (count > best.second) best = {prefix, count};
  return best;
}

}  // namespace

const StateDict& state_dict_for(const nn::Module& model, const std::vector<StateDict>& dicts,
                                const std::string& place) {
  if (dicts.size() == 1) return dicts.front();
  const Names of_model = names_of(model);
  int64_t most = 0;
  std::vector<const StateDict*> best;
  for (const StateDict& d : dicts) {
    std::vector<std::string> names;
    for (const std::string& name : d.names) names.push_back(unwrapped(name));
    const int64_t count = prefix_for(of_model, names).second;
    if (count > most) {
      most = count;
      best.clear();
    }
    if (count == most && count > 0) best.push_back(&d);
  }
  if (best.empty()) return usual_state_dict(dicts, place);  // whose names the error then lists
  if (best.size() == 1) return *best.front();
  std::vector<StateDict> equal;
  for (const StateDict* d : best) equal.push_back(*d);
  ask_for_key(equal, place);
}

std::string words_before_names(const nn::Module& model, const std::vector<std::string>& names) {
  std::string prefix = prefix_for(names_of(model), names).first;
  if (!prefix.empty()) prefix.pop_back();
  return prefix;
}

NamedTensors under_names_of(const nn::Module& model, const NamedTensors& state,
                            const std::string& place, std::vector<std::string>& left_out) {
  const Names of_model = names_of(model);
  std::vector<std::string> names;
  for (auto& [name, tensor] : state) names.push_back(unwrapped(name));
  const std::string prefix = prefix_for(of_model, names).first;
  NamedTensors out;
  std::vector<size_t> others;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i].starts_with(prefix))
      out.emplace_back(names[i].substr(prefix.size()), state[i].second);
    else others.push_back(i);
  // A few tensors beside the wrapped network belong to its loss or its metrics; where they are
  // many, this is another network.
  const bool beside = others.size() < out.size();
  for (size_t i : others)
    if (names[i] == "n_averaged") continue;
    else if (beside) left_out.push_back(names[i]);
    else out.emplace_back(names[i], state[i].second);
  std::erase_if(out,
                [&](auto& e) { return e.first == "n_averaged" && !of_model.contains(e.first); });
  Names once;
  for (auto& [name, tensor] : out)
    if (!once.insert(name).second)
      throw IoError({.argument = place,
                     .given = str("two tensors named ", name, " without the words of wrappers"),
                     .remedy = "Save one state dict alone."});
  return out;
}

}  // namespace suanli
