// SPDX-License-Identifier: Apache-2.0
#include "cli/report/trace.h"

#include <unistd.h>

#include "base/files/file.h"
#include "base/text/json.h"

namespace suanli::cli {

void write_trace(const std::string& path, const std::vector<ProfileEvent>& events) {
  const int64_t process = getpid();
  write_file_atomically(path, [&](FileWriter& file) {
    // Event by event: a long trace as one Json value would take more memory than the training.
    file.write("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
    file.write(Json(Json::Object{{"name", "process_name"},
                                 {"ph", "M"},
                                 {"pid", process},
                                 {"args", Json::Object{{"name", "suanli"}}}})
                   .dump());
    for (const ProfileEvent& e : events) {
      Json event = Json::Object{{"name", e.name},
                                {"cat", e.kernel ? "kernel" : "host"},
                                {"ph", "X"},
                                {"pid", process},
                                {"tid", e.thread + 1},
                                {"ts", e.start * 1e6},
                                {"dur", e.seconds * 1e6}};
      if (e.kernel)
        event.set(
            "args",
            Json::Object{
                {"module", e.module},
                {"flops", e.flops},
                {"bytes", e.bytes},
                {"GFLOP/s", e.seconds > 0 ? static_cast<double>(e.flops) / e.seconds / 1e9 : 0.0}});
      file.write(",\n" + event.dump());
    }
    file.write("\n]}\n");
  });
}

}  // namespace suanli::cli
