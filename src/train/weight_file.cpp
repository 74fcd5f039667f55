#include "train/weight_file.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "train/safetensors.h"

namespace suanli {

namespace {

constexpr std::string_view kKey = "?key=";

bool begins_with(const std::string& path, uint64_t at, std::string_view bytes) {
  FileReader file(path);
  if (file.size() < at + bytes.size()) return false;
  std::string head(bytes.size(), '\0');
  file.read(at, head.data(), head.size());
  return head == bytes;
}

/// Where the path of "FILE?key=KEY" ends. A file that exists under the whole name has no key.
size_t path_end(const std::string& place) {
  std::error_code error;
  const size_t at = place.rfind(kKey);
  return at == std::string::npos || std::filesystem::exists(place, error) ? place.size() : at;
}

std::string shown(const std::string& key) { return key.empty() ? "the file itself" : key; }

std::string keys_of(const std::vector<StateDict>& dicts) {
  std::string out;
  for (const StateDict& d : dicts) out += (out.empty() ? "" : ", ") + shown(d.key);
  return out;
}

/// The tensors whose names begin with a prefix, which is left on.
StateDict part_of(const StateDict& whole, const std::string& prefix) {
  StateDict part{.key = whole.key, .names = {}, .read = [read = whole.read, prefix] {
                   NamedTensors tensors = read();
                   std::erase_if(tensors, [&](auto& e) { return !e.first.starts_with(prefix); });
                   return tensors;
                 }};
  for (const std::string& name : whole.names)
    if (name.starts_with(prefix)) part.names.push_back(name);
  return part;
}

/// Modules that wrap another one and put their word before its names, also in the middle of a name. No layer is called so.
constexpr std::string_view kWrappers[] = {"_orig_mod.", "_checkpoint_wrapped_module.", "_fsdp_wrapped_module."};

std::string unwrapped(std::string name) {
  for (std::string_view word : kWrappers)
    for (size_t at = name.find(word); at != std::string::npos; at = name.find(word, at))
      if (at == 0 || name[at - 1] == '.') name.erase(at, word.size());
      else at += word.size();
  return name;
}

using Names = std::set<std::string, std::less<>>;

Names names_of(nn::Module& model) {
  Names names;
  for (auto& [name, parameter] : model.state_dict()) names.insert(name);
  return names;
}

/// The prefix without which the most names are the model's, and how many these are. "" counts for more than a word.
std::pair<std::string, int64_t> prefix_for(const Names& of_model, const std::vector<std::string>& names) {
  std::map<std::string, int64_t> found;
  for (const std::string& name : names) {
    if (of_model.contains(name)) ++found[""];
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
      if (of_model.contains(std::string_view(name).substr(dot + 1))) ++found[name.substr(0, dot + 1)];
  }
  std::pair<std::string, int64_t> best{"", 0};
  for (auto& [prefix, count] : found)
    if (count > best.second) best = {prefix, count};
  return best;
}

}  // namespace

std::string place_of(const StateDict& dict, const std::string& place) {
  return dict.key.empty() ? place : str(place.substr(0, path_end(place)), kKey, dict.key);
}

void ask_for_key(const std::vector<StateDict>& equal, const std::string& place) {
  throw InputError(str(place, ": holds several state dicts that fit equally well: ", keys_of(equal), ". Choose one, such as '",
                       place_of(equal.back(), place), "'."));
}

std::vector<StateDict> state_dicts_of(const std::string& place) {
  const size_t end = path_end(place);
  const std::string path = place.substr(0, end);
  const bool torch = begins_with(path, 0, "PK") || begins_with(path, 0, "\x80\x02") || begins_with(path, 257, "ustar");
  std::vector<StateDict> dicts;
  if (torch) dicts = torch_state_dicts(path);
  else dicts.push_back({.key = "", .names = safetensors_names(path), .read = [path] { return load_safetensors(path); }});
  if (end == place.size()) return dicts;
  const std::string key = place.substr(end + kKey.size());
  const auto chosen = std::find_if(dicts.begin(), dicts.end(), [&](const StateDict& d) { return d.key == key; });
  if (chosen != dicts.end()) return {*chosen};
  for (const StateDict& d : dicts)
    if (StateDict part = part_of(d, key + "."); !part.names.empty()) return {part};
  throw InputError(str(path, ": has no state dict at '", key, "'. There are: ", keys_of(dicts), "."));
}

const StateDict& usual_state_dict(const std::vector<StateDict>& dicts, const std::string& place) {
  for (const char* usual : {"state_dict", "model_state_dict", "model", "net", "network", "module", "weights"})
    for (const StateDict& d : dicts)
      if (d.key == usual) return d;
  std::vector<StateDict> most;
  for (const StateDict& d : dicts) {
    if (!most.empty() && d.names.size() > most.front().names.size()) most.clear();
    if (most.empty() || d.names.size() == most.front().names.size()) most.push_back(d);
  }
  if (most.size() > 1) ask_for_key(most, place);
  return *std::find_if(dicts.begin(), dicts.end(), [&](const StateDict& d) { return d.key == most.front().key; });
}

const StateDict& state_dict_for(nn::Module& model, const std::vector<StateDict>& dicts, const std::string& place) {
  if (dicts.size() == 1) return dicts.front();
  const Names of_model = names_of(model);
  int64_t most = 0;
  std::vector<const StateDict*> best;
  for (const StateDict& d : dicts) {
    std::vector<std::string> names;
    for (const std::string& name : d.names) names.push_back(unwrapped(name));
    const int64_t count = prefix_for(of_model, names).second;
    if (count > most) most = count, best.clear();
    if (count == most && count > 0) best.push_back(&d);
  }
  if (best.empty()) return usual_state_dict(dicts, place);  // whose names the error then lists
  if (best.size() == 1) return *best.front();
  std::vector<StateDict> equal;
  for (const StateDict* d : best) equal.push_back(*d);
  ask_for_key(equal, place);
}

NamedTensors under_names_of(nn::Module& model, const NamedTensors& state, const std::string& place, std::vector<std::string>& left_out) {
  const Names of_model = names_of(model);
  std::vector<std::string> names;
  for (auto& [name, tensor] : state) names.push_back(unwrapped(name));
  const std::string prefix = prefix_for(of_model, names).first;
  NamedTensors out;
  std::vector<size_t> others;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i].starts_with(prefix)) out.emplace_back(names[i].substr(prefix.size()), state[i].second);
    else others.push_back(i);
  // A few tensors beside the wrapped network belong to its loss or its metrics; where they are many, this is another network.
  const bool beside = others.size() < out.size();
  for (size_t i : others)
    if (names[i] == "n_averaged") continue;
    else if (beside) left_out.push_back(names[i]);
    else out.emplace_back(names[i], state[i].second);
  std::erase_if(out, [&](auto& e) { return e.first == "n_averaged" && !of_model.contains(e.first); });
  Names once;
  for (auto& [name, tensor] : out)
    if (!once.insert(name).second)
      throw InputError(str(place, ": two tensors are named ", name, " without the words of wrappers. Save one state dict alone."));
  return out;
}

NamedTensors load_weights(const std::string& path) {
  const std::vector<StateDict> dicts = state_dicts_of(path);
  return usual_state_dict(dicts, path).read();
}

}  // namespace suanli
