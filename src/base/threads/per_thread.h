// SPDX-License-Identifier: Apache-2.0
// Objects of a thread that outlive its C++ thread_locals. A destructor of a thread_local, of a
// static object, or a handler of atexit() may still use the library: a C++ thread_local of ours
// could be gone by then.
#pragma once

namespace suanli {

namespace detail {
/// Calls end(context) when this thread ends, behind the destructors of all thread_locals; what was
/// asked for last is called first. Not called on the thread that ends the process.
void at_thread_end(void (*end)(void* context), void* context);
}  // namespace detail

/// The T of each thread, made at first use.
template <class T> class PerThread {
 public:
  static T& get() {
    if (T* t = here_) return *t;
    return make();
  }

 private:
  static T& make() {
    T* t = new T;
    here_ = t;
    detail::at_thread_end(
        [](void* made) {
          delete static_cast<T*>(made);  // may still get() it
          here_ = nullptr;
        },
        t);
    return *t;
  }
  static inline constinit thread_local T* here_ = nullptr;
};

}  // namespace suanli
