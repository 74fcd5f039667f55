// SPDX-License-Identifier: Apache-2.0
// Errors: every exception of Suanli names the call, the given value and the expected value.
#pragma once
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "suanli/export.h"

namespace suanli {

/// The kind of an error. Each kind has its own class.
enum class ErrorCode : uint8_t {
  argument,  ///< ArgumentError
  shape,     ///< ShapeError
  dtype,     ///< DTypeError
  device,    ///< DeviceError
  state,     ///< StateError
  io,        ///< IoError
  memory,    ///< OutOfMemory
  numeric,   ///< NumericError
  internal   ///< InternalError
};
SUANLI_API const char* name(ErrorCode code);  ///< "argument", "shape", …

/// The parts of an error. Its text is made from them: `[op] argument: given, expected … (in
/// module). remedy`. Empty parts are left out.
struct Fault {
  std::string op;        ///< The op or function that was called; empty for files.
  std::string argument;  ///< Its argument or setting. For a file: `path: position`.
  std::string given;     ///< The given value, shape or dtype; for a file, the fault.
  std::string expected;  ///< The allowed values, shapes or dtypes.
  std::string module;    ///< Path of the module whose forward() made the call.
  std::string remedy;    ///< Advice, in complete sentences.
  /// Settings that help, as in a run's configuration: "batch_size", or "model=mlp" with a value. A
  /// front end prints them as its own options.
  std::vector<std::string> settings{};
};

/// The base class of everything that Suanli throws. Copies share the parts, so copying never
/// throws.
class SUANLI_API Error : public std::runtime_error {
 public:
  ErrorCode code() const { return code_; }
  const Fault& fault() const { return *fault_; }
  const std::string& op() const { return fault_->op; }
  const std::string& argument() const { return fault_->argument; }
  const std::string& given() const { return fault_->given; }
  const std::string& expected() const { return fault_->expected; }

 protected:
  Error(ErrorCode code, Fault fault);

 private:
  ErrorCode code_;
  std::shared_ptr<const Fault> fault_;
};

/// An argument, option or setting has a value that is not allowed.
class SUANLI_API ArgumentError : public Error {
 public:
  explicit ArgumentError(Fault fault) : Error(ErrorCode::argument, std::move(fault)) {}
};
/// An op was called with shapes or axes that do not fit.
class SUANLI_API ShapeError : public Error {
 public:
  explicit ShapeError(Fault fault) : Error(ErrorCode::shape, std::move(fault)) {}
};
/// An op was called with a dtype that it does not support.
class SUANLI_API DTypeError : public Error {
 public:
  explicit DTypeError(Fault fault) : Error(ErrorCode::dtype, std::move(fault)) {}
};
/// A device is missing or unknown, or a tensor was used on the wrong device.
class SUANLI_API DeviceError : public Error {
 public:
  explicit DeviceError(Fault fault) : Error(ErrorCode::device, std::move(fault)) {}
};
/// The object's state does not allow the call: the graph was consumed, the gradient does not exist,
/// the tensor is undefined, the module is empty, the value is pending on another thread.
class SUANLI_API StateError : public Error {
 public:
  explicit StateError(Fault fault) : Error(ErrorCode::state, std::move(fault)) {}
};
/// A value was read while its program was only rehearsed for its memory forecast.
class SUANLI_API RehearsalError : public StateError {
 public:
  using StateError::StateError;
};
/// A file or other external data is missing, damaged or unsuitable.
class SUANLI_API IoError : public Error {
 public:
  explicit IoError(Fault fault) : Error(ErrorCode::io, std::move(fault)) {}
};
/// A reservation failed. The text lists the holders of memory.
class SUANLI_API OutOfMemory : public Error {
 public:
  explicit OutOfMemory(Fault fault) : Error(ErrorCode::memory, std::move(fault)) {}
};
/// A value became NaN or infinite, and that ends the run.
class SUANLI_API NumericError : public Error {
 public:
  explicit NumericError(Fault fault) : Error(ErrorCode::numeric, std::move(fault)) {}
};
/// A bug in Suanli. Please report it.
class SUANLI_API InternalError : public Error {
 public:
  explicit InternalError(Fault fault) : Error(ErrorCode::internal, std::move(fault)) {}
};

}  // namespace suanli
