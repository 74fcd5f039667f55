// SPDX-License-Identifier: Apache-2.0
// Errors: every exception of Suanli names what was called, what was given and what is expected.
#pragma once
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "suanli/export.h"

namespace suanli {

/// The kind of an error. Each has a class of its own.
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

/// The parts of an error, from which its text is made:
/// `[op] argument: given, expected … (in module). remedy`. Parts that are empty are left out.
struct Fault {
  std::string op;        ///< The op or function that was called; empty for files.
  std::string argument;  ///< Its argument or setting. For a file: `path: position`.
  std::string given;     ///< The value, shape or dtype that was given; the fault of a file.
  std::string expected;  ///< The values, shapes or dtypes that are allowed in its place.
  std::string module;    ///< Path of the module whose forward() made the call.
  std::string remedy;    ///< Advice, in whole sentences.
  /// Names of the settings that help, as in a run's configuration: "batch_size". A front end words
  /// them as its own options.
  std::vector<std::string> settings{};
};

/// Root of everything Suanli throws. Copies share the parts, so that copying never throws.
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

/// An argument, an option or a setting has a value that is not allowed.
class SUANLI_API ArgumentError : public Error {
 public:
  explicit ArgumentError(Fault fault) : Error(ErrorCode::argument, std::move(fault)) {}
};
/// An op was called with shapes or axes that do not fit.
class SUANLI_API ShapeError : public Error {
 public:
  explicit ShapeError(Fault fault) : Error(ErrorCode::shape, std::move(fault)) {}
};
/// An op was called with a dtype that it does not take.
class SUANLI_API DTypeError : public Error {
 public:
  explicit DTypeError(Fault fault) : Error(ErrorCode::dtype, std::move(fault)) {}
};
/// A device that is missing or unknown, or a tensor used on the wrong device.
class SUANLI_API DeviceError : public Error {
 public:
  explicit DeviceError(Fault fault) : Error(ErrorCode::device, std::move(fault)) {}
};
/// A call that the object's state does not allow: a graph that was consumed, a gradient that does
/// not exist, an undefined tensor, an empty module, a value that is pending on another thread.
class SUANLI_API StateError : public Error {
 public:
  explicit StateError(Fault fault) : Error(ErrorCode::state, std::move(fault)) {}
};
/// A value was read while its program was only rehearsed, to know its memory beforehand.
class SUANLI_API RehearsalError : public StateError {
 public:
  using StateError::StateError;
};
/// A file or other data from outside are missing, damaged or unfit.
class SUANLI_API IoError : public Error {
 public:
  explicit IoError(Fault fault) : Error(ErrorCode::io, std::move(fault)) {}
};
/// A reservation failed; the text says who holds what.
class SUANLI_API OutOfMemory : public Error {
 public:
  explicit OutOfMemory(Fault fault) : Error(ErrorCode::memory, std::move(fault)) {}
};
/// A value became NaN or infinite where that ends the run.
class SUANLI_API NumericError : public Error {
 public:
  explicit NumericError(Fault fault) : Error(ErrorCode::numeric, std::move(fault)) {}
};
/// A fault of Suanli itself. Please report it.
class SUANLI_API InternalError : public Error {
 public:
  explicit InternalError(Fault fault) : Error(ErrorCode::internal, std::move(fault)) {}
};

}  // namespace suanli
