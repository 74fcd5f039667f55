// SPDX-License-Identifier: Apache-2.0
// A profile as a trace file that Perfetto (ui.perfetto.dev) and Chrome (about:tracing) draw.
#pragma once
#include <string>

#include "suanli/profile.h"

namespace suanli::cli {

/// Complete events ("ph": "X", times in µs) of the Trace Event Format (Duan, Nakhimovsky: "Trace
/// Event Format", 2016); kernels carry module, FLOPs and bytes. Throws IoError if the file
/// cannot be written.
void write_trace(const std::string& path, const std::vector<ProfileEvent>& events);

}  // namespace suanli::cli
