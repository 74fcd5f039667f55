// SPDX-License-Identifier: Apache-2.0
#include "io/weight_file.h"

#include <algorithm>
#include <filesystem>

#include "base/files/file.h"
#include "base/text/text.h"
#include "io/safetensors.h"

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

}  // namespace

std::string place_of(const StateDict& dict, const std::string& place) {
  return dict.key.empty() ? place : str(place.substr(0, path_end(place)), kKey, dict.key);
}

void ask_for_key(const std::vector<StateDict>& equal, const std::string& place) {
  throw IoError({.argument = place,
                 .given = str("several state dicts that fit equally well: ", keys_of(equal)),
                 .remedy = str("Choose one, such as '", place_of(equal.back(), place), "'.")});
}

std::string advice_to_take_part(const std::vector<StateDict>& dicts, const std::string& words,
                                const std::string& place) {
  const size_t end = path_end(place);
  if (words.empty()) return "";
  for (const StateDict& d : dicts)
    if (const size_t n = part_of(d, words + ".").names.size(); n > 0 && n < d.names.size())
      return str(" To take the tensors below '", words, "' alone, give '", place.substr(0, end),
                 kKey, d.key, d.key.empty() ? "" : ".", words, "'.");
  return "";
}

std::vector<StateDict> state_dicts_of(const std::string& place) {
  const size_t end = path_end(place);
  const std::string path = place.substr(0, end);
  const bool torch = begins_with(path, 0, "PK") || begins_with(path, 0, "\x80\x02") ||
                     begins_with(path, 257, "ustar");
  std::vector<StateDict> dicts;
  if (torch) dicts = torch_state_dicts(path);
  else
    dicts.push_back({.key = "", .names = safetensors_names(path), .read = [path] {
                       return load_safetensors(path);
                     }});
  if (end == place.size()) return dicts;
  const std::string key = place.substr(end + kKey.size());
  const auto chosen =
      std::find_if(dicts.begin(), dicts.end(), [&](const StateDict& d) { return d.key == key; });
  if (chosen != dicts.end()) return {*chosen};
  for (const StateDict& d : dicts) {
    if (StateDict part = part_of(d, key + "."); !part.names.empty()) return {part};
    if (d.key.empty() || !key.starts_with(d.key + ".")) continue;
    if (StateDict part = part_of(d, key.substr(d.key.size() + 1) + "."); !part.names.empty())
      return {part};
  }
  throw IoError({.argument = path,
                 .given = str("no state dict at '", key, "'"),
                 .expected = str("one of ", keys_of(dicts))});
}

const StateDict& usual_state_dict(const std::vector<StateDict>& dicts, const std::string& place) {
  for (const char* usual :
       {"state_dict", "model_state_dict", "model", "net", "network", "module", "weights"})
    for (const StateDict& d : dicts)
      if (d.key == usual) return d;
  std::vector<StateDict> most;
  for (const StateDict& d : dicts) {
    if (!most.empty() && d.names.size() > most.front().names.size()) most.clear();
    if (most.empty() || d.names.size() == most.front().names.size()) most.push_back(d);
  }
  if (most.size() > 1) ask_for_key(most, place);
  return *std::find_if(dicts.begin(), dicts.end(),
                       [&](const StateDict& d) { return d.key == most.front().key; });
}

NamedTensors load_weights(const std::string& path) {
  const std::vector<StateDict> dicts = state_dicts_of(path);
  return usual_state_dict(dicts, path).read();
}

}  // namespace suanli
