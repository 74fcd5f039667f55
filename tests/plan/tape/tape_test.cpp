// SPDX-License-Identifier: Apache-2.0
// The canonical form of a pending program: what it tells apart, what it does not, and what it gives
// back.
#include <gtest/gtest.h>

#include <functional>

#include "plan/tape/tape.h"
#include "suanli/suanli.h"

namespace suanli {
namespace {

struct Form {
  std::vector<uint32_t> words, inputs;
  uint64_t hash;
  bool operator==(const Form&) const = default;
};

void record_tape(Tape& tape) {
  Recorder& rec = Recorder::current();
  tape.build(rec.pending(), rec.pending().size(), rec.touched());
}

Form form_of(const std::function<Tensor()>& program) {
  Tensor result = program();
  Tape tape;
  record_tape(tape);
  const auto words = tape.words.all(), inputs = tape.inputs.all();
  Form form{{words.begin(), words.end()}, {inputs.begin(), inputs.end()}, tape.hash};
  drop_pending();
  return form;
}

struct Pair {
  const char* what;
  std::function<Tensor()> one, other;
  bool same;
};

TEST(Tape, TellsProgramsApart) {
  const Tensor a = ones({4, 4}), b = ones({4, 4}), row = ones({1, 4}), wide = ones({4, 4}, f64);
  const Parameter p(ones({4, 4}));
  Tensor kept;
  flush();
  const Pair pairs[] = {
      {"the same", [&] { return a + b; }, [&] { return a + b; }, true},
      {"other values in memory", [&] { return a + b; }, [&] { return b + a; }, true},
      {"another number in a slot", [&] { return a * 2; }, [&] { return a * 3; }, true},
      {"something that nobody reads", [&] { return a + b; },
       [&] {
         exp(a);
         return a + b;
       },
       true},
      {"another op", [&] { return a + b; }, [&] { return a * b; }, false},
      {"another attribute", [&] { return sum(a, {0}, true); },
       [&] { return reshape(sum(a, {1}, true), {1, 4}); }, false},
      {"another attribute alone", [&] { return amax(a, {0}, false); },
       [&] { return amax(a, {1}, false); }, false},
      {"one value read twice", [&] { return a + b; }, [&] { return a + a; }, false},
      {"inputs the other way round", [&] { return exp(a) - b; }, [&] { return b - exp(a); }, false},
      {"another shape in", [&] { return exp(a); }, [&] { return exp(row); }, false},
      {"another shape out", [&] { return reshape(a, {16}); }, [&] { return reshape(a, {2, 8}); },
       false},
      {"another dtype", [&] { return exp(a); }, [&] { return exp(wide); }, false},
      {"a slot of another dtype", [&] { return a * 2; }, [&] { return a * 2.5; }, false},
      {"a parameter in the place of a tensor", [&] { return exp(a); }, [&] { return exp(p); },
       false},
      {"a value between that someone holds", [&] { return exp(a) + b; },
       [&] { return (kept = exp(a)) + b; }, false},
      {"another order",
       [&] {
         Tensor e = exp(a), s = sin(b);
         return e * s;
       },
       [&] {
         Tensor s = sin(b), e = exp(a);
         return e * s;
       },
       false},
  };
  for (const Pair& pair : pairs) {
    kept = Tensor();
    const Form one = form_of(pair.one), other = form_of(pair.other);
    EXPECT_EQ(one == other, pair.same) << pair.what;
    EXPECT_EQ(one.hash == other.hash, pair.same) << pair.what << ": the hash";
  }
}

TEST(Tape, GivesBackWhoReadsWhat) {
  const Tensor a = ones({4, 4}), b = ones({4, 4});
  flush();
  Tensor x = a * 2, both = cat({x, b, x}, 0), y = sum(both) * 3;
  Tape tape;
  record_tape(tape);
  const std::vector<Ref> refs = tape.refs();
  size_t at = 0;
  int slots = 0;
  for (uint32_t i = 0; i < tape.nodes.size(); ++i) {
    Node* n = tape.nodes[i];
    for (int k = 0; k < n->n_in; ++k, ++at) {
      const Edge& e = n->in()[k];
      ASSERT_LT(at, refs.size());
      const Ref& r = refs[at];
      if (r.kind == Ref::record) {
        EXPECT_EQ(tape.nodes.at(r.index), e.node);
        EXPECT_EQ(r.result, e.index);
      } else if (r.kind == Ref::leaf) {
        EXPECT_EQ(tape.leaves.at(r.index).storage, e.node->out(e.index).storage);
        EXPECT_EQ(tape.leaves.at(r.index).desc().shape, (Shape{4, 4}));
      } else {
        EXPECT_EQ(tape.slots.at(r.index).integer, e.node->attr.as<ScalarAttr>().integer);
        ++slots;
      }
    }
  }
  EXPECT_EQ(at, refs.size());
  EXPECT_EQ(slots, 2);
  EXPECT_EQ(tape.leaves.size(), 2u);
  drop_pending();
}

// Every word and its place: the four chains of the hash and the words that are left over.
TEST(Tape, TheHashDependsOnEveryWord) {
  for (size_t n : {1u, 7u, 8u, 9u, 31u, 64u}) {
    std::vector<uint32_t> words(n, 7);
    const uint64_t before = hash_of(words, 0);
    std::vector<uint64_t> seen{before, hash_of(words, 1)};
    for (uint32_t& w : words) {
      w = 8;
      seen.push_back(hash_of(words, 0));
      w = 7;
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end()) << n << " words";
    EXPECT_EQ(hash_of(words, 0), before);
  }
}

}  // namespace
}  // namespace suanli
