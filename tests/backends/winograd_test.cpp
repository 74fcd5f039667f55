// Winograd's convolutions at kernel level, beyond what conv_test.cpp asks of all convolutions.
#include <random>

#include "backends/conv_run.h"

namespace suanli::test {
namespace {

/// A convolution that Winograd's algorithm takes in blocks of channels. Every third one has more weights
/// than a lane sums a gradient of by itself.
Case winograd_case(std::mt19937& random, int index) {
  auto between = [&](int64_t low, int64_t high) { return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1)); };
  const bool wide = index % 3 == 2;
  const int64_t c = 16 * (wide ? between(9, 12) : between(2, 5));
  const int64_t o = 16 * (wide ? between(9, 12) : between(2, 5));
  const int64_t h = between(6, wide ? 12 : 30), w = between(6, wide ? 12 : 30);
  const int64_t tiles = (h + 3) / 4 * ((w + 3) / 4);
  const int64_t n = std::max<int64_t>(1, (wide ? 160 : 40) / tiles + between(0, 5));
  const auto padding = static_cast<int32_t>(between(0, 2));
  return {"random", n, c, h, w, o, 3, 3, {1, padding, 1, 1}};
}

std::string geometry(const Case& c) {
  std::string text;
  for (int64_t v : {c.n, c.c, c.h, c.w, c.o, c.r, c.s}) text += std::to_string(v) + " ";
  for (int32_t v : {c.attr.stride, c.attr.padding, c.attr.dilation, c.attr.groups}) text += std::to_string(v) + " ";
  return text;
}

TEST(Winograd, BitsDoNotDependOnTheThreads) {
  std::mt19937 random(7);
  for (int i = 0; i < 24; ++i) {
    const Case c = winograd_case(random, i);
    SCOPED_TRACE(geometry(c));
    const InBlocks in(c);
    std::vector<std::vector<float>> first;
    for (int threads : {1, 2, 3, 5}) {
      PoolThreads pool(threads);
      const auto results = in.results();
      if (threads == 1) first = results;
      for (size_t k = 0; k < results.size(); ++k) {
        ASSERT_EQ(results[k].size(), first[k].size());
        EXPECT_EQ(std::memcmp(results[k].data(), first[k].data(), first[k].size() * sizeof(float)), 0)
            << "result " << k << " on " << threads << " threads";
      }
    }
  }
}

}  // namespace
}  // namespace suanli::test
