// SPDX-License-Identifier: Apache-2.0
#include "tensor/calls.h"

#include <algorithm>

#include "tensor/recorder.h"

namespace suanli {

namespace {
bool same(const Edge& a, const Edge& b) { return a.node == b.node && a.index == b.index; }
bool any(std::span<const Edge> all, const Edge& one) {
  return std::any_of(all.begin(), all.end(), [&](const Edge& e) { return same(e, one); });
}

/// Keeps the inputs that a part reads, or that the call gives back.
void keep_read(CompositeCall& call, std::span<Node* const> parts) {
  for (Edge& input : call.in()) {
    bool read = any(call.result(), input);
    for (size_t i = 0; !read && i < parts.size(); ++i)
      read = any({parts[i]->in(), parts[i]->n_in}, input);
    if (!read) input = {nullptr, 0};
  }
}
}  // namespace

void Calls::flushed(size_t count) {
  if (count == 0) return;
  cut_open();
  std::erase_if(noted_, [&](const CompositeCall& c) { return c.begin < count; });
  for (CompositeCall& c : noted_) {
    c.begin -= count;
    c.end -= count;
  }
}

void Calls::dropped(size_t first) {
  cut_open();
  std::erase_if(noted_, [&](const CompositeCall& c) { return c.end > first; });
}

void Calls::cut_open() {
  for (Open* o = open_; o; o = o->outer_) o->cut_ = true;
}

size_t Calls::boundary(size_t cut) const {
  for (const CompositeCall& c : noted_)
    if (c.begin < cut && cut < c.end) return c.begin > 0 ? c.begin : c.end;
  return cut;
}

Calls::Open::Open(uint16_t op, const Attr& attr, std::span<const Tensor* const> inputs)
    : calls_(Recorder::current().calls()), outer_(calls_.open_) {
  const Recorder& recorder = Recorder::current();
  call_.op = op;
  call_.scope = recorder.scope();
  call_.begin = recorder.pending().size();
  call_.attr = attr;
  call_.inputs = static_cast<uint16_t>(inputs.size());
  if (inputs.size() > CompositeCall::kNear) call_.far.resize(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    call_.in()[i] = {inputs[i]->node(), inputs[i]->index()};
  if (outer_) call_.depth = static_cast<uint16_t>(outer_->call_.depth + 1);
  calls_.open_ = this;
}

Calls::Open::~Open() {
  if (ended_) return;
  calls_.open_ = outer_;
  if (!cut_)
    std::erase_if(calls_.noted_, [&](const CompositeCall& c) { return c.begin >= call_.begin; });
}

void Calls::Open::end(std::span<const Tensor> results) {
  Recorder& recorder = Recorder::current();
  const std::vector<Node*>& pending = recorder.pending();
  if (!cut_ && pending.size() > call_.begin) {
    call_.end = pending.size();
    call_.results = static_cast<uint8_t>(results.size());
    for (size_t i = 0; i < results.size(); ++i)
      call_.out[i] = {results[i].node(), results[i].index()};
    keep_read(call_, {pending.data() + call_.begin, pending.size() - call_.begin});
    auto& noted = calls_.noted_;
    const auto within = std::find_if(
        noted.begin(), noted.end(), [&](const CompositeCall& c) { return c.begin >= call_.begin; });
    noted.insert(within, std::move(call_));
  }
  calls_.open_ = outer_;
  ended_ = true;
  recorder.settle();
}

}  // namespace suanli
