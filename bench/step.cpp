// SPDX-License-Identifier: Apache-2.0
// Suanli's side of bench/peers/compare.py: a process that loads a case and runs steps of it when
// told to. The line protocol stands in bench/peers/protocol.py; `bench/peers/compare.py` starts
// this program.
#include <memory>
#include <string>
#include <vector>

#include "bench/allocations.h"
#include "bench/worker.h"
#include "suanli/suanli.h"

using namespace suanli;
using bench::Work;

namespace {

// ---- what can be loaded: one row per network, one per optimizer ---------------------------------

struct Network {
  const char* name;
  nn::AnyModule (*make)();
  Loss loss;
};

nn::AnyModule mlp1024() {
  return nn::Sequential(nn::Linear(784, 1024), nn::ReLU(), nn::Linear(1024, 1024), nn::ReLU(),
                        nn::Linear(1024, 10));
}

const Loss kCrossEntropy = [](const Tensor& x, const Tensor& y) { return cross_entropy(x, y); };
const Loss kNll = [](const Tensor& x, const Tensor& y) { return nll_loss(x, y); };

const Network networks[] = {
    {"cnn_b", [] { return models::make("cnn_b"); }, kNll},
    {"resnet18", [] { return models::make("resnet18", {.input_shape = {3, 32, 32}}); },
     kCrossEntropy},
    {"mlp1024", mlp1024, kCrossEntropy},
    {"gpt",
     [] {
       return nn::AnyModule(
           models::Gpt({.vocab = 5000, .context = 256, .layers = 4, .width = 256, .heads = 8}));
     },
     kCrossEntropy},
};

using MakeOptimizer = std::unique_ptr<optim::Optimizer> (*)(std::vector<Parameter> parameters,
                                                            const Json& options);

double option(const Json& options, const char* name) {
  const Json* value = options.find(name);
  return value ? value->number() : 0;
}

const struct {
  const char* kind;
  MakeOptimizer make;
} optimizers[] = {
    {"sgd",
     [](std::vector<Parameter> p, const Json& o) -> std::unique_ptr<optim::Optimizer> {
       return std::make_unique<optim::SGD>(
           std::move(p), optim::SGDOptions{.lr = option(o, "lr"),
                                           .momentum = option(o, "momentum"),
                                           .weight_decay = option(o, "weight_decay")});
     }},
    {"adam",
     [](std::vector<Parameter> p, const Json& o) -> std::unique_ptr<optim::Optimizer> {
       return std::make_unique<optim::Adam>(
           std::move(p),
           optim::AdamOptions{.lr = option(o, "lr"), .weight_decay = option(o, "weight_decay")});
     }},
    {"adamw",
     [](std::vector<Parameter> p, const Json& o) -> std::unique_ptr<optim::Optimizer> {
       return std::make_unique<optim::AdamW>(
           std::move(p),
           optim::AdamWOptions{.lr = option(o, "lr"), .weight_decay = option(o, "weight_decay")});
     }},
};

template <class Table> const auto& row(const Table& table, auto key, const std::string& wanted,
                                       const char* what) {
  for (const auto& r : table)
    if (wanted == r.*key) return r;
  std::string known;
  for (const auto& r : table) known += str(known.empty() ? "" : ", ", r.*key);
  throw ArgumentError({.op = "bench_step",
                       .argument = what,
                       .given = str("'", wanted, "'"),
                       .expected = str("one of ", known)});
}

/// A network with weights, and its loss. A case with a side above 0 is one of the zoo, for pictures
/// of that side and ten classes.
struct Loaded {
  nn::AnyModule model;
  Loss loss;

  static Loaded from(const Json& request) {
    const Json& c = request.at("case");
    const std::string name = c.string("network");
    const Json* side = c.find("side");
    if (side && side->integer() > 0) {
      const bool logits = models::entry(name).output == models::Output::logits;
      return {models::make(name, {.input_shape = {3, side->integer(), side->integer()}}),
              logits ? kCrossEntropy : kNll};
    }
    const Network& network = row(networks, &Network::name, name, "network");
    return {network.make(), network.loss};
  }
};

// ---- the two kinds of work ----------------------------------------------------------------------

/// Row i of every tensor along the first axis, as tensors of their own that lie in memory.
std::vector<Tensor> rows(const Tensor& all) {
  std::vector<Tensor> out;
  for (int64_t i = 0; i < all.size(0); ++i) out.push_back(flatten(narrow(all, 0, i, 1), 0, 1));
  flush();
  return out;
}

struct Batches {
  std::vector<Tensor> x, y;
  explicit Batches(const std::string& path) {
    for (auto& [name, t] : load_safetensors(path)) (name == "x" ? x : y) = rows(t);
  }
};

/// Counts of one step: kernels, arena bytes, allocations. Every run of one program on one machine
/// gives the same.
Json counts_of(Work& work) {
  const PlanStats before = plan_stats();
  const long allocations = bench::allocations;
  work.step();
  const PlanStats after = plan_stats();
  return Json::Object{{"kernels", after.kernels - before.kernels},
                      {"arena_bytes", after.last_arena_bytes},
                      {"allocations", int64_t{bench::allocations - allocations}}};
}

struct Training : Work {
  Batches data;
  Loaded net;
  std::unique_ptr<optim::Optimizer> optimizer;
  size_t steps = 0;

  explicit Training(const Json& request)
      : data(request.string("data")), net(Loaded::from(request)) {
    const Json& options = request.at("case").at("optimizer");
    optimizer = row(optimizers, &std::remove_cvref_t<decltype(optimizers[0])>::kind,
                    options.string("kind"), "optimizer")
                    .make(net.model.parameters(), options);
  }
  double step() override {
    const Tensor &x = data.x[steps % data.x.size()], &target = data.y[steps % data.y.size()];
    // a handle to the output would keep it until the step's end
    Tensor loss = net.loss(flatten(net.model(x), 0, -2), flatten(target));
    loss.backward();
    optimizer->step();
    ++steps;
    return loss.item();
  }
  int64_t flops() override { return plan_stats().last_flops; }
  Json counts() override { return counts_of(*this); }
  int64_t parameters() override { return net.model.parameter_count(); }
};

struct Inference : Work {
  Batches data;
  nn::AnyModule model;
  size_t steps = 0;

  explicit Inference(const Json& request)
      : data(request.string("data")), model(Loaded::from(request).model) {
    model.eval();
  }
  double step() override {
    NoGrad no_grad;
    return model(data.x[steps++ % data.x.size()]).data<float>()[0];
  }
  int64_t flops() override { return plan_stats().last_flops; }
  Json counts() override { return counts_of(*this); }
  int64_t parameters() override { return model.parameter_count(); }
};

std::unique_ptr<Work> load(const Json& request) {
  const std::string kind = request.at("case").string("kind");
  manual_seed(1);
  if (kind == "train") return std::make_unique<Training>(request);
  if (kind == "infer") return std::make_unique<Inference>(request);
  throw ArgumentError({.op = "bench_step",
                       .argument = "kind",
                       .given = str("'", kind, "'"),
                       .expected = "train or infer"});
}

}  // namespace

int main() { return bench::serve(load); }
