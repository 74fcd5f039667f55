// SPDX-License-Identifier: Apache-2.0
#include "cli/framework/signals.h"

#include <unistd.h>

#include <csignal>
#include <initializer_list>

namespace suanli::cli {

namespace {
volatile std::sig_atomic_t caught = 0;
void remember(int signal) { caught = signal; }
void end(int signal) {
  constexpr char kWipe[] = "\r\033[K";
  // it ends either way
  if (isatty(STDERR_FILENO) && write(STDERR_FILENO, kWipe, sizeof kWipe - 1) < 0) {}
  _exit(128 + signal);
}
}  // namespace

void catch_stop_signals() {
  struct sigaction action{};
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART | SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // When a terminal is closed, the shell and the kernel both send one, so the second must not end
  // the saving. nohup ignores it.
  action.sa_flags = SA_RESTART;
  if (struct sigaction before{};
      sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN)
    sigaction(SIGHUP, &action, nullptr);
}

int stop_signal() { return caught; }

const char* stop_signal_name() {
  return caught == SIGINT ? "SIGINT" : caught == SIGHUP ? "SIGHUP" : "SIGTERM";
}

void end_on_stop_signals() {
  for (int signal : {SIGINT, SIGTERM}) {
    struct sigaction before{}, action{};
    // a job in the background of a script
    if (sigaction(signal, nullptr, &before) != 0 || before.sa_handler == SIG_IGN) continue;
    action.sa_handler = end;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
}

void ignore_write_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace suanli::cli
