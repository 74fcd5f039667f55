// SPDX-License-Identifier: Apache-2.0
#include "data/sources/progress.h"

#include "base/threads/per_thread.h"

namespace suanli::data {

namespace {
OpenListener& listener_of_this_thread() { return PerThread<OpenListener>::get(); }
}  // namespace

void set_open_listener(OpenListener listener) { listener_of_this_thread() = std::move(listener); }

Counted::Counted(const char* what, int64_t total)
    : listener_(listener_of_this_thread()), progress_{what, 0, total} {}

void Counted::one_more() {
  const int64_t done = ++done_;
  if (!listener_) return;
  // who works need not wait for who looks on
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || done <= progress_.done) return;
  progress_.done = done;
  listener_(progress_);
}

}  // namespace suanli::data
