// SPDX-License-Identifier: Apache-2.0
// Reports the progress of open(): see set_open_listener().
#pragma once
#include <atomic>
#include <mutex>

#include "suanli/dataset.h"

namespace suanli::data {

/// Counts the files or samples of one pass. Made on the thread that opens; one_more() may come from
/// any.
class Counted {
 public:
  Counted(const char* what, int64_t total);
  void one_more();

 private:
  const OpenListener& listener_;
  OpenProgress progress_;
  std::atomic<int64_t> done_ = 0;
  std::mutex mutex_;
};

}  // namespace suanli::data
