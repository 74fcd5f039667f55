// SPDX-License-Identifier: Apache-2.0
#include "runtime/attributes.h"

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/threads/fork.h"

namespace suanli {

namespace {

struct Hash {
  using is_transparent = void;
  size_t operator()(std::string_view bytes) const { return std::hash<std::string_view>()(bytes); }
};

struct Interned {
  Interned() { hold_across_fork(ForkOrder::attributes, &mutex); }
  std::mutex mutex;
  // Its elements do not move, and none fits into the string object itself: all are allocated, and
  // so aligned for any member.
  std::unordered_set<std::string, Hash, std::equal_to<>> all;
};
Interned& interned() {
  static auto* i = new Interned;
  return *i;
}

}  // namespace

const void* intern_attributes(const void* bytes, size_t size) {
  const std::string_view wanted(static_cast<const char*>(bytes), size);
  Interned& i = interned();
  std::lock_guard lock(i.mutex);
  auto it = i.all.find(wanted);
  if (it == i.all.end()) it = i.all.emplace(wanted).first;
  return it->data();
}

}  // namespace suanli
