// SPDX-License-Identifier: Apache-2.0
// The boundary between the core and a device. Core code includes this header and never one of
// src/backends/.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "runtime/step.h"
#include "runtime/tuning.h"

namespace suanli {

class Backend {
 public:
  virtual ~Backend() = default;
  virtual Device device() const = 0;
  /// True if `prepare` knows this op for these dtypes.
  virtual bool supports(const Step& step) const = 0;
  /// Throws Error naming op and dtypes when there is no kernel.
  virtual std::unique_ptr<Kernel> prepare(const Step& step) = 0;

  /// Returns the number of channels per block in the layout that convolutions want; 0: plain.
  virtual int64_t channel_block() const { return 0; }
  /// The operands of a step (given plain) that may be blocked; `prepare` then takes the operand
  /// with the shape [N, C/b, H, W, b].
  virtual BlockedOperands blocked_operands(const Step&) const { return {}; }

  /// Returns the FLOPs that this kernel saves of those that the op's definition counts. 0 but for
  /// algorithms such as Winograd's.
  virtual int64_t saved_flops(const Kernel&) const { return 0; }

  /// True if `prepare` takes this step (which has none yet) with an epilogue.
  virtual bool takes_epilogue(const Step&) const { return false; }

  /// 64-byte aligned, contents undefined. Null when the device has no more.
  virtual void* allocate(int64_t bytes) = 0;
  virtual void free(void* data, int64_t bytes) = 0;
  /// An address range that never moves; `commit` makes the first `bytes` usable. Null where there
  /// is no such range.
  virtual void* reserve(int64_t bytes) = 0;
  virtual bool commit(void* range, int64_t bytes) = 0;
  virtual void unreserve(void* range, int64_t bytes) = 0;

  virtual void copy_to_host(void* host, const void* device, int64_t bytes) = 0;
  virtual void copy_from_host(void* device, const void* host, int64_t bytes) = 0;
  virtual std::string isa() const = 0;
  /// A number for the instruction set that kernels are prepared for. Plans of another one are not
  /// used.
  virtual int64_t instruction_set() const { return 0; }

  /// A hash of all constants that decide in which order kernels add. Results under another one
  /// differ in their last bits.
  virtual uint64_t numerics() const { return 0; }
  /// The numbers that decide speed and memory and no bit, as they are in force.
  virtual std::vector<TuningValue> tuning() const { return {}; }
  /// Equal tunings have the same number. Plans of another one are not used.
  virtual int64_t tuning_number() const { return 0; }
};

/// The backend of a device; throws DeviceError saying what is missing.
Backend& backend(Device device);

/// Defined by src/backends/cpu. A function rather than a static registration: the linker may not
/// drop it.
Backend& cpu_backend();

}  // namespace suanli
