#include "cli/signals.h"

#include <csignal>

namespace suanli::cli {

namespace {
volatile std::sig_atomic_t caught = 0;
void remember(int signal) { caught = signal; }
}  // namespace

void catch_stop_signals() {
  struct sigaction action{};
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART | SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int stop_signal() { return caught; }

void ignore_write_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace suanli::cli
