// SPDX-License-Identifier: Apache-2.0
// The kernels of one plan.
#pragma once
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "runtime/backend.h"
#include "tensor/node.h"

namespace suanli {

/// Prepares one kernel for all equal steps. A plan's steps run one after the other, so they may
/// share it; so may drafts of a plan that are weighed against each other, of which one will run.
/// Preparing kernels takes longer than all passes together.
class KernelTable {
 public:
  explicit KernelTable(Backend& backend) : backend_(backend) {}
  /// `attr`: what step.attr points to.
  std::shared_ptr<Kernel> kernel_for(const Step& step, const Attr& attr);

 private:
  struct Entry {
    Step step;  // without pointers
    Attr attr;
    std::unique_ptr<Expr> expr;
    std::shared_ptr<Kernel> kernel;
    bool is_for(const Step& other, const Attr& other_attr) const;
  };
  Backend& backend_;
  std::unordered_multimap<uint64_t, Entry> entries_;
};

}  // namespace suanli
