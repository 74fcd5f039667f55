// SPDX-License-Identifier: Apache-2.0
// A worker of bench/peers/compare.py in C++: the line protocol of bench/peers/protocol.py over
// stdin and stdout.
#pragma once
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "base/text/json.h"
#include "base/text/text.h"
#include "suanli/session.h"

namespace bench {

using suanli::Json;

/// Something that was loaded and can do a step.
struct Work {
  virtual ~Work() = default;
  /// One step; returns a number that depends on all of it: the loss, or an element of the result.
  virtual double step() = 0;
  /// Floating-point operations of the last step.
  virtual int64_t flops() = 0;
  virtual int64_t parameters() { return 0; }
  /// Counts of one step, by name.
  virtual Json counts() { return Json::Object{}; }
};

/// Resident memory now and at its highest so far, in kB, as the kernel counts it.
inline Json memory() {
  Json::Object out;
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    for (const char* key : {"VmRSS", "VmHWM"})
      if (line.rfind(suanli::str(key, ":"), 0) == 0)
        out.emplace_back(key, int64_t{std::strtoll(line.c_str() + 6, nullptr, 10)});
  return out;
}

inline Json run(Work& work, int64_t steps) {
  Json::Array ms, values;
  for (int64_t i = 0; i < steps; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    values.emplace_back(work.step());
    ms.emplace_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
            .count());
  }
  return Json::Object{{"ms", std::move(ms)}, {"values", std::move(values)}};
}

/// Answers requests until end of file; load(request) makes the work. Returns the exit status of
/// main().
template <class Load> int serve(Load&& load) {
  const Json baseline = memory();  // the libraries are loaded; no network, no data
  std::unique_ptr<Work> work;
  auto answer = [&](const Json& request) -> Json {
    const std::string what = request.string("do");
    if (what == "load") {
      work.reset();
      suanli::Session::current().set_threads(static_cast<int>(request.integer("threads")));
      work = load(request);
      return Json::Object{{"parameters", work->parameters()},
                          {"threads", suanli::Session::current().threads()},
                          {"isa", suanli::isa()},
                          {"version", suanli::version()}};
    }
    if (what == "memory") return Json::Object{{"baseline", baseline}, {"now", memory()}};
    if (!work)
      throw suanli::StateError({.op = "worker",
                                .argument = "do",
                                .given = suanli::str("'", what, "' before anything is loaded"),
                                .expected = "'load' first"});
    if (what == "run") return run(*work, request.integer("steps"));
    if (what == "flops") return Json::Object{{"value", work->flops()}};
    if (what == "counts") return Json::Object{{"value", work->counts()}};
    throw suanli::ArgumentError({.op = "worker",
                                 .argument = "do",
                                 .given = suanli::str("'", what, "'"),
                                 .expected = "one of load, memory, run, flops, counts"});
  };
  for (std::string line; std::getline(std::cin, line);) {
    Json reply;
    try {
      reply = answer(Json::parse(line, "request"));
    } catch (const suanli::Error& e) { reply = Json::Object{{"error", e.what()}}; }
    std::cout << reply.dump() << std::endl;
  }
  return 0;
}

}  // namespace bench
