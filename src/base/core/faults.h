// SPDX-License-Identifier: Apache-2.0
// Parts of errors that are thrown on with more said.
#pragma once
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "suanli/error.h"

namespace suanli {

/// `fault` as that of the file or run at `place`, which stands before the argument.
inline Fault fault_in(const std::string& place, Fault fault) {
  fault.op.clear();
  fault.argument = fault.argument.empty() ? place : place + ": " + fault.argument;
  return fault;
}

/// `remedy` and further sentences behind it.
inline std::string joined_sentences(std::string remedy, std::string_view sentences) {
  sentences.remove_prefix(std::min(sentences.find_first_not_of(' '), sentences.size()));
  if (!remedy.empty() && !sentences.empty()) remedy += ' ';
  return remedy.append(sentences);
}

/// `fault` with further sentences of advice, and further settings that help.
inline Fault with_advice(Fault fault, std::string_view sentences,
                         std::vector<std::string> settings = {}) {
  fault.remedy = joined_sentences(std::move(fault.remedy), sentences);
  std::move(settings.begin(), settings.end(), std::back_inserter(fault.settings));
  return fault;
}

}  // namespace suanli
