// SPDX-License-Identifier: Apache-2.0
// docs/zoo.md is what the registry and the networks say. SUANLI_UPDATE=1 writes it anew.
#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <sstream>

#include "plan/rehearsal.h"
#include "suanli/models.h"
#include "support/generated_page.h"
#include "tensor/node.h"

namespace suanli {
namespace {

struct Size {
  int64_t parameters, flops;  // of one forward pass of one sample
};

Size size_of(const models::Entry& e, const Shape& sample, int64_t classes) {
  NoGrad no_grad;
  const auto make = [&] {
    return models::make(e.name, {.input_shape = sample, .classes = classes});
  };
  std::optional<Rehearsal> rehearsal(std::in_place);  // so that no weight is drawn
  nn::AnyModule model;
  try {
    model = make();
  } catch (const RehearsalError&) {  // it reads its weights
    rehearsal.reset();
    model = make();
    rehearsal.emplace();
  }
  model.eval();
  flush();
  // As weights that were drawn: what is made of them alone is computed once, not in each pass.
  for (auto& [name, p] : model.state_dict()) p.value().node()->flags |= kOfCell;
  const size_t before = rehearsal->programs().size();
  Shape batch{1};
  for (int64_t d : sample) batch.push_back(d);
  const Tensor y = model(rehearsal->leaf(batch, f32));
  flush();
  Size size{model.parameter_count(), 0};
  for (size_t i = before; i < rehearsal->programs().size(); ++i)
    size.flops += rehearsal->programs()[i].flops;
  return size;
}

std::string thousands(int64_t n) {
  std::string digits = std::to_string(n);
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}
std::string mflop(int64_t flops) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", static_cast<double>(flops) / 1e6);
  return flops >= 1'000'000'000 ? thousands((flops + 500'000) / 1'000'000) : text;
}

std::string page() {
  std::ostringstream out;
  out << "# The zoo\n\nNetworks by name: `--model NAME`, or `models::make(NAME, options)` from C++ "
         "(`include/suanli/models.h`).\n\n"
         "- The parameters have PyTorch's names, and torchvision's if it has the network. So "
         "weights "
         "move both ways.\n"
         "- `tests/peer/zoo_torchvision.py` compares the networks' answers with torchvision's.\n"
         "- Pictures of up to 64 pixels get the small stem, larger ones the large stem. `--stem` "
         "overrides this.\n"
         "- MFLOP counts one forward pass of one sample, 2 per multiply-add.\n\n"
         "`SUANLI_UPDATE=1 ctest --test-dir build/test -R Docs` writes this page, and a test "
         "compares it.\n\n"
         "| name | what it is | source | sample, classes | parameters | MFLOP | sample, classes | "
         "parameters | MFLOP |\n"
         "|---|---|---|---|---:|---:|---|---:|---:|\n";
  for (const models::Entry& e : models::entries()) {
    out << "| `" << e.name << "` | " << e.line << " | " << e.source;
    const bool table = e.name == std::string("tabular");
    struct Column {
      Shape sample;
      int64_t classes;
    };
    const Column columns[] = {{table ? Shape{13} : Shape{3, 32, 32}, table ? 1 : 10},
                              {table ? Shape{100} : Shape{3, 224, 224}, table ? 10 : 1000}};
    for (const Column& c : columns) {
      const Size size = size_of(e, c.sample, c.classes);
      out << " | " << to_string(c.sample) << ", " << c.classes << " | "
          << thousands(size.parameters) << " | " << mflop(size.flops);
    }
    out << " |\n";
  }
  return out.str();
}

TEST(ZooDocs, ListEveryNetwork) {
  test::expect_page("zoo.md", page(), "test_models --gtest_filter=ZooDocs.*");
}

}  // namespace
}  // namespace suanli
