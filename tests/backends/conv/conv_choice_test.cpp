// SPDX-License-Identifier: Apache-2.0
// No convolution, and nothing around one, is left to oneDNN's reference code: neither of the zoo's
// networks nor of random geometries.
#include <cstdio>
#include <optional>
#include <random>

#include "backends/conv/conv_run.h"
#include "backends/cpu/onednn/onednn.h"
#include "plan/planned.h"
#include "plan/rehearsal.h"
#include "suanli/suanli.h"

namespace suanli::test {
namespace {

void expect_no_reference() {
  bool jit = false;
  for (const std::string& name : cpu::onednn_implementations()) {
    std::printf("%s\n", name.c_str());
    EXPECT_EQ(name.find("ref"), std::string::npos) << name;
    jit = jit || name.find("jit") != std::string::npos;
  }
  EXPECT_TRUE(jit) << "the names were not seen";
}

/// Geometries, in blocks, of which oneDNN may have reference code only; kernels of our own compute
/// them. In the zoo's networks none does.
bool may_fall_back(const ConvAttr& a, int64_t kernel) {
  return kernel > 3 || a.stride[0] > 2 || a.padding[0] > 1 || a.dilation[0] > 1;
}

/// Returns false if there is no such network.
bool plan_training_step(const char* name, int64_t size) {
  SCOPED_TRACE(std::string(name) + " at " + std::to_string(size));
  const auto make = [&] { return models::make(name, {.input_shape = {3, size, size}}); };
  std::optional<Rehearsal> rehearsal(std::in_place);  // so that no weight is drawn
  nn::AnyModule model;
  try {
    model = make();
    flush();
  } catch (const RehearsalError&) {  // it reads its weights
    rehearsal.reset();
    model = make();
  } catch (const Error&) {
    return false;  // made for pictures of other sizes
  }
  const Tensor loss = cross_entropy(model(tensor_f32({2, 3, size, size}, 1)),
                                    tensor(std::vector<int64_t>{1, 2}, Shape{2}));
  loss.backward();
  const int64_t before = cpu::onednn_refusals();
  EXPECT_NO_THROW(plan_of_pending());
  EXPECT_EQ(cpu::onednn_refusals(), before);
  return true;
}

TEST(ConvChoice, NoReferenceCodeInTheZoo) {
  int planned = 0;
  for (const models::Entry& entry : models::entries())
    planned += plan_training_step(entry.name, 32);
  for (const char* name :
       {"resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "convnext_tiny", "cnn_bn"})
    for (int64_t size : {96, 224}) planned += plan_training_step(name, size);
  EXPECT_GE(planned, 20);
  expect_no_reference();
}

TEST(ConvChoice, NoReferenceCodeForRandomGeometries) {
  std::mt19937 random(31);
  auto between = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
  };
  const int64_t block = std::max<int64_t>(1, cpu_backend().channel_block());
  for (int i = 0; i < 400; ++i) {
    const int64_t groups = between(0, 2) == 0 ? between(2, 32) : 1;
    const int64_t c = groups * (between(0, 1) ? block : between(1, 9)),
                  o = groups * (between(0, 1) ? block : between(1, 9));
    const int64_t kernel = between(1, 11), h = between(1, 40), n = between(1, 3);
    const auto stride = static_cast<int32_t>(between(1, 5)),
               dilation = static_cast<int32_t>(between(1, 3)),
               padding = static_cast<int32_t>(between(0, 8));
    const Case k{"random",
                 n,
                 c,
                 h,
                 h + between(0, 3),
                 o,
                 kernel,
                 kernel,
                 {stride, padding, dilation, static_cast<int32_t>(groups)}};
    if (dilation * (kernel - 1) + 1 > h + 2 * padding) continue;
    SCOPED_TRACE(geometry(k));
    const bool blocks = groups == 1 || (groups == c && groups == o);
    for (bool in_blocks : {false, true}) {
      if (in_blocks && (!blocks || block == 1)) continue;
      const ValueDesc x{DType::f32, in_blocks && c % block == 0 ? blocked(k.x(), block) : k.x()};
      const ValueDesc y{DType::f32, in_blocks && o % block == 0 ? blocked(k.y(), block) : k.y()};
      const ValueDesc w{DType::f32, k.weight()};
      const Step steps[] = {{conv2d_op.id(), &k.attr, {x, w}, {y}},
                            {conv2d_grad_input_op.id(), &k.attr, {y, w}, {x}},
                            {conv2d_grad_weight_op.id(), &k.attr, {x, y}, {w}}};
      for (const Step& step : steps) {
        const int64_t before = cpu::onednn_refusals();
        EXPECT_NO_THROW(cpu_backend().prepare(step));
        if (cpu::onednn_refusals() == before) continue;  // oneDNN has it, or was not asked
        EXPECT_TRUE(in_blocks && may_fall_back(k.attr, k.r));
      }
    }
  }
  expect_no_reference();
}

}  // namespace
}  // namespace suanli::test
