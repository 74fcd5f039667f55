// SPDX-License-Identifier: Apache-2.0
// Records put into a program.
#pragma once
#include "plan/ir/program.h"

namespace suanli {

/// Records that are put in front of others, refs to which count on from the program's records, and
/// who reads them. The program itself stays as it is until all are known.
class ProgramEdits {
 public:
  explicit ProgramEdits(Program& p) : p_(p), first_(static_cast<uint32_t>(p.size())) {}
  /// Its first result. Insertions in front of one record keep their order.
  Ref add(Record r, uint32_t before);
  /// Wherever a record reads one value it shall read another.
  void replace(uint32_t reader, const Ref& value, const Ref& by) {
    replaced_.push_back({reader, value, by});
  }
  /// Indexes anew; what nobody reads any more is dropped.
  void apply();

 private:
  struct Added {
    uint32_t before;
    Record record;
  };
  struct Replaced {
    uint32_t reader;
    Ref value, by;
  };
  Program& p_;
  uint32_t first_;
  std::vector<Added> added_;
  std::vector<Replaced> replaced_;
};

}  // namespace suanli
