// SPDX-License-Identifier: Apache-2.0
// `random`: noise of any shape with labels that mean nothing, for measuring speed.
#include <cmath>

#include "base/core/philox.h"
#include "base/text/text.h"
#include "data/sources/sources.h"

namespace suanli::data {
namespace {

/// Sample i of a split is drawn from Philox(seed, split, i): nothing is kept in memory.
class Noise final : public Dataset {
 public:
  Noise(Info info, int64_t size, uint64_t seed, uint64_t split)
      : info_(std::move(info)), size_(size), seed_(seed), split_(split) {
    const uint64_t what[] = {static_cast<uint64_t>(size), seed, split,
                             static_cast<uint64_t>(info_.classes)};
    info_.fingerprint =
        fingerprint(fingerprint(0, what, sizeof what), info_.input_shape.begin(),
                    sizeof(int64_t) * static_cast<size_t>(info_.input_shape.rank()));
  }
  int64_t size() const override { return size_; }
  const Info& info() const override { return info_; }
  int64_t label(int64_t index) const override {
    PhiloxStream random = draws_of(index);
    return static_cast<int64_t>(random.below(static_cast<uint64_t>(info_.classes)));
  }
  void read(int64_t index, float* x, int64_t* y) const override {
    PhiloxStream random = draws_of(index);
    *y = static_cast<int64_t>(random.below(static_cast<uint64_t>(info_.classes)));
    for (float *at = x, *end = x + info_.input_shape.numel(); at != end; ++at)
      *at = uniform01(random.next_u32());
  }

 private:
  PhiloxStream draws_of(int64_t index) const {
    return PhiloxStream(
        seed_, philox_stream(PhiloxDomain::noise, (split_ << 48) | static_cast<uint64_t>(index)));
  }

  Info info_;
  int64_t size_;
  uint64_t seed_, split_;
};

}  // namespace

Source open_noise(const Shape& shape, int64_t classes, int64_t train, int64_t test, uint64_t seed) {
  std::string sizes;
  for (int64_t size : shape) sizes += str(sizes.empty() ? "" : "x", size);
  Info info{.kind = "random",
            .source = str("random:", sizes, "?classes=", classes, "&samples=", train,
                          "&test=", test, "&seed=", seed),
            .input_shape = shape,
            .classes = static_cast<int>(classes),
            .class_names = {},
            .mean = std::vector<double>(channels_of(shape), 0.5),
            // of the uniform distribution on [0, 1)
            .stddev = std::vector<double>(channels_of(shape), std::sqrt(1.0 / 12))};
  for (int64_t c = 0; c < classes; ++c) info.class_names.push_back(str(c));
  Source source;
  source.train = std::make_shared<Noise>(info, train, seed, 0);
  if (test > 0) source.test = std::make_shared<Noise>(info, test, seed, 1);
  return source;
}

}  // namespace suanli::data
