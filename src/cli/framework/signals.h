// SPDX-License-Identifier: Apache-2.0
// SIGINT, SIGTERM and SIGHUP ask a training run to save and end; a second SIGINT or SIGTERM ends it
// at once.
#pragma once

namespace suanli::cli {

void catch_stop_signals();
/// The signal that came, or 0.
int stop_signal();
/// "SIGINT", "SIGTERM" or "SIGHUP".
const char* stop_signal_name();

/// Until catch_stop_signals(): SIGINT and SIGTERM end the program at once, with 130 or 143 and
/// without a word; a progress bar on the terminal is wiped away.
void end_on_stop_signals();

/// A write to a closed pipe or beyond the file-size limit becomes an error that can be explained,
/// instead of a silent death.
void ignore_write_signals();

}  // namespace suanli::cli
