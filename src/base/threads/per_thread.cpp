// SPDX-License-Identifier: Apache-2.0
#include "base/threads/per_thread.h"

#include <pthread.h>

#include <new>
#include <utility>

namespace suanli {
namespace {

struct End {
  void (*call)(void*);
  void* context;
  End* next;
};
constinit thread_local End* ends = nullptr;

/// Keys end after all thread_locals, and once more for what a key's end begins.
void end_thread(void*) {
  while (End* e = ends) {
    ends = e->next;
    e->call(e->context);
    delete e;
  }
}

pthread_key_t thread_key() {
  static const pthread_key_t key = [] {
    pthread_key_t made;
    if (pthread_key_create(&made, end_thread) != 0) throw std::bad_alloc();
    return made;
  }();
  return key;
}

}  // namespace

void detail::at_thread_end(void (*end)(void*), void* context) {
  if (pthread_setspecific(thread_key(), &ends) != 0) throw std::bad_alloc();
  ends = new End{end, context, ends};
}

}  // namespace suanli
