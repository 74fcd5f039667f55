// SPDX-License-Identifier: Apache-2.0
#include "base/text/did_you_mean.h"

#include "gtest/gtest.h"

namespace suanli {
namespace {

struct Case {
  const char* typed;
  const char* meant;
};

TEST(DidYouMean, FindsTheNearest) {
  const std::vector<std::string> words = {"glyphs",  "mnist", "fashion-mnist", "train",
                                          "predict", "lr",    "Adam"};
  const Case cases[] = {
      {"mnist", "mnist"},
      {"mnsit", "mnist"},
      {"minst", "mnist"},
      {"glyph", "glyphs"},
      {"gliphs", "glyphs"},
      {"MNIST", "mnist"},
      {"fashion_mnist", "fashion-mnist"},
      {"fash", "fashion-mnist"},
      {"fashionmnist", "fashion-mnist"},
      {"trian", "train"},
      {"pred", "predict"},
      {"rl", "lr"},
      {"adam", "Adam"},
      {"cifar", ""},
      {"", ""},
      {"x", ""},
      {"qr", ""},
      {"l", ""},
      {"imagenet", ""},
  };
  for (const Case& c : cases) EXPECT_EQ(did_you_mean(c.typed, words), c.meant) << c.typed;
  EXPECT_EQ(did_you_mean("mnist", {}), "");
  EXPECT_EQ(did_you_mean("c", {"a", "b"}), "") << "another letter is another word";
  EXPECT_EQ(did_you_mean("no", {"on", "yes", "do"}), "on");
  EXPECT_EQ(did_you_mean(std::string(100'000, 'a'), words), "");
}

}  // namespace
}  // namespace suanli
