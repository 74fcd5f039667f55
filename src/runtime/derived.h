// SPDX-License-Identifier: Apache-2.0
// Values derived from storages that stay as they are over many runs: weights in a kernel's layout,
// results that depend on weights alone. They are computed once and dropped with their sources.
#pragma once
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "runtime/storage.h"

namespace suanli {

/// Storages computed from others. They live until no run uses them and a source is gone or changed.
struct Derived {
  std::vector<Storage*> values;  // counted
  Derived() = default;
  Derived(const Derived&) = delete;
  ~Derived();
};
using DerivedRef = std::shared_ptr<const Derived>;

/// The values that `key` names, derived from `sources`, of which there is at least one. At first
/// sight make(values) appends the storages; a second thread that asks for them meanwhile waits.
/// The caller holds a reference to every source. `make` may ask for other derived values. Part of a
/// program (see Running): a fork() then finds no values half made.
///
/// Keys that agree in their first `stem` words and in the sources are variants, such as one value
/// for each number that was bound. The oldest of more than kMaxVariants is dropped, and so is the
/// oldest of more than kMaxDerived values of one source. Runs that use it keep it until they end.
template <class F>
DerivedRef derive(std::span<const uint64_t> key, size_t stem, std::span<Storage* const> sources,
                  F&& make);
inline constexpr size_t kMaxVariants = 4, kMaxDerived = 64;
/// Drops what is derived from a storage that is about to change.
void forget_derived(Storage* source);
/// Bytes of all derived values.
int64_t derived_bytes(Device device);

namespace detail {
using DeriveFn = void (*)(void* context, std::vector<Storage*>& values);
DerivedRef derive(std::span<const uint64_t> key, size_t stem, std::span<Storage* const> sources,
                  DeriveFn make, void* context);
}  // namespace detail
template <class F>
DerivedRef derive(std::span<const uint64_t> key, size_t stem, std::span<Storage* const> sources,
                  F&& make) {
  using G = std::remove_reference_t<F>;
  return detail::derive(
      key, stem, sources,
      [](void* context, std::vector<Storage*>& values) { (*static_cast<G*>(context))(values); },
      &make);
}

}  // namespace suanli
