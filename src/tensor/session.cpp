// SPDX-License-Identifier: Apache-2.0
// The session of a thread: its recorder knows it.
#include "runtime/session.h"

#include "tensor/recorder.h"

namespace suanli {

Session::State& Recorder::use_session(Session::State& session) {
  if (&session == session_) return session;
  flush();
  generator_ = nullptr;
  ThreadPool::exchange(&session.pool);
  return *std::exchange(session_, &session);
}

Session Session::current() { return Session(Recorder::current().session().shared_from_this()); }
Session::Session() : Session(std::make_shared<State>(Recorder::current().session())) {}

Session::Use::Use(Session session)
    : session_(std::move(session)), outer_(&Recorder::current().use_session(session_.state())) {}

Session::Use::~Use() {
  if (outer_ == &session_.state()) return;
  Recorder& rec = Recorder::current();
  try {
    rec.flush();
  } catch (...) {
    // The program was dropped; handles into it say so when they are used.
  }
  rec.use_session(*outer_);
}

}  // namespace suanli
