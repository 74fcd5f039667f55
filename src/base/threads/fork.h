// SPDX-License-Identifier: Apache-2.0
// Support for fork(): the library works in the child. The child has the forking thread alone: locks
// that other threads held would stay locked, programs that they ran would stay half done, and their
// work would never be finished.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace suanli {

/// This thread runs a program while it lives. A fork() on another thread waits for its end, so that
/// no value is half written in the child and every plan and arena is free.
class Running {
 public:
  Running();
  ~Running();
  Running(const Running&) = delete;
};

/// When the process ends: waits for the programs of other threads (ten seconds at most), which
/// begin none any more.
void end_programs();

/// Returns the number of forks between the process that loaded the library and this one. Owners of
/// threads compare it.
uint32_t fork_generation();

/// Global locks in the order in which fork() takes them; a lock that is held while another is taken
/// comes first.
enum class ForkOrder : uint8_t {
  unknown_parameters,
  scopes,
  plans,
  derived,
  cells,
  memory,
  making_pool,
  pools,
  attributes,
  slabs,
  count
};
/// fork() holds these locks, so that what they guard is whole in the child.
void hold_across_fork(ForkOrder order, std::mutex* first, size_t count = 1);

}  // namespace suanli
