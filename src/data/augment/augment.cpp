// SPDX-License-Identifier: Apache-2.0
#include "data/augment/augment.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text/did_you_mean.h"
#include "base/text/split_list.h"
#include "base/text/text.h"
#include "data/augment/auto_augment.h"
#include "data/augment/color.h"
#include "data/augment/geometry.h"
#include "data/image/pixel_simd.h"
#include "data/image/resize.h"

namespace suanli::data {

namespace {
struct Word {
  AugmentWord word;
  double Augment::* value;
  double least, most;
};
const Word kWords[] = {
    {{"resized_crop", 0.35,
      "crop a random part (3:4 to 4:3) and scale it; number: its smallest share of the area"},
     &Augment::resized_crop,
     0,
     1},
    {{"crop", 0.125, "shift each way by up to this share of the side; uncovered pixels are black"},
     &Augment::crop,
     0,
     1},
    {{"reflect_crop", 0.125,
      "the same as crop, but uncovered pixels mirror the picture at its border"},
     &Augment::reflect_crop,
     0,
     0.5},
    {{"flip", 0.5, "mirror left to right with this probability"}, &Augment::flip, 0, 1},
    {{"alternating_flip", 0.5,
      "mirror in every other epoch; number: the share of pictures mirrored in the first"},
     &Augment::alternating_flip,
     0,
     1},
    {{"randaugment", 9, "apply two random operations of this strength, 0 to 30 (RandAugment)"},
     &Augment::randaugment,
     0,
     kStrengths},
    {{"trivialaugment", 1, "apply one random operation (TrivialAugment) with this probability"},
     &Augment::trivialaugment,
     0,
     1},
    {{"rotation", 15, "rotate by up to this many degrees"}, &Augment::rotation, 0, 180},
    {{"affine", 10, "rotate and shear by up to this many degrees; shift and scale by up to 10%"},
     &Augment::affine,
     0,
     89},
    {{"color_jitter", 0.4,
      "scale brightness, contrast and saturation by 1 ± this; turn hues by up to this / 4"},
     &Augment::color_jitter,
     0,
     1},
    {{"grayscale", 0.2, "convert to gray with this probability"}, &Augment::grayscale, 0, 1},
    {{"blur", 0.2, "blur with sigma 0.1 to 2 pixels, with this probability"}, &Augment::blur, 0, 1},
    {{"erasing", 0.25, "cover a rectangle of 2% to 33% of the area with this probability"},
     &Augment::erasing,
     0,
     1},
    {{"cutout", 0.5, "cover a square; number: its side as a share of the picture's side"},
     &Augment::cutout,
     0,
     1},
    {{"mixup", 0.2,
      "blend with another picture of the batch and its target; weights: Beta(this, this)"},
     &Augment::mixup,
     0,
     100},
    {{"cutmix", 1,
      "replace a part by another picture's and mix the targets; area: Beta(this, this)"},
     &Augment::cutmix,
     0,
     100},
};

/// Throws ArgumentError for `given`, one quoted word or two words of the list `all`.
[[noreturn]] void refuse(std::string given, const std::string& all, std::string expected,
                         std::string remedy = "") {
  const std::string list = str("'", all, "'");
  if (given != list) given += " in " + list;
  throw ArgumentError({.op = "augment_from_text",
                       .argument = "augment",
                       .given = std::move(given),
                       .expected = std::move(expected),
                       .remedy = std::move(remedy)});
}

double value_of(const Word& word, const std::string& text, const std::string& all) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() ||
      !(value > word.least && value <= word.most))
    refuse(str("'", word.word.name, "=", text, "'"), all,
           str("a number above ", word.least, ", at most ", word.most));
  return value;
}
}  // namespace

std::vector<AugmentWord> augment_words() {
  std::vector<AugmentWord> words;
  for (const Word& w : kWords) words.push_back(w.word);
  return words;
}

bool Augment::any() const {
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [this](const Word& w) { return this->*w.value > 0; });
}

Augment augment_from_text(const std::string& text) {
  std::vector<std::string> names = {"none"};
  std::string list;
  for (const Word& w : kWords) {
    names.push_back(w.word.name);
    list += str(list.empty() ? "" : ", ", w.word.name);
  }
  Augment out;
  for (const std::string& part : split_list(text)) {
    const std::string name = part.substr(0, part.find('='));
    const auto word = std::find_if(std::begin(kWords), std::end(kWords),
                                   [&](const Word& w) { return name == w.word.name; });
    if (word != std::end(kWords)) {
      out.*word->value =
          name == part ? word->word.usual : value_of(*word, part.substr(name.size() + 1), text);
    } else if (text != "none") {
      const std::string near =  // "none" is valid only alone
          name == "none" ? "" : suggestion(name, names, "Did you mean '", "'?");
      refuse(str("'", name, "'"), text, str("none, or some of ", list, " with commas between"),
             near);
    }
  }
  const std::pair<double Augment::*, const char*> parts[] = {
      {&Augment::crop, "crop"},
      {&Augment::reflect_crop, "reflect_crop"},
      {&Augment::resized_crop, "resized_crop"}};
  for (const auto& [one, first] : parts)
    for (const auto& [other, second] : parts)
      if (one != other && out.*one > 0 && out.*other > 0)
        refuse(str(first, " and ", second), text, "only one of them, because both crop");
  if (out.flip > 0 && out.alternating_flip > 0)
    refuse("flip and alternating_flip", text, "only one of them, because both mirror");
  return out;
}

ViewMaker::ViewMaker(const Dataset& dataset, const Augment& augment, uint64_t seed)
    : dataset_(dataset),
      augment_(augment),
      shape_(dataset.info().input_shape),
      seed_(seed),
      x_(static_cast<size_t>(shape_.numel())) {
  for (double v : dataset.info().mean)
    fill_.push_back(static_cast<uint8_t>(std::lround(255 * std::clamp(v, 0.0, 1.0))));
  fill_.resize(static_cast<size_t>(shape_[0]));
}

void ViewMaker::read(int64_t index, int64_t epoch, int64_t occurrence, float* x, int64_t* y) {
  PhiloxStream random = epoch_draws(seed_, PhiloxDomain::augmentation, epoch, index, occurrence);
  const Box box = augment_.resized_crop > 0
                      ? random_box(dataset_.picture_size(index), augment_.resized_crop, random)
                      : whole_view(dataset_, index);
  dataset_.read_view(index, box, x_.data(), y);
  if (augment_.alternating_flip > 0 && flipped(index, epoch, occurrence)) mirror(shape_, x_.data());
  move(random);
  recolor(random);
  cover(random);
  fractions(x_.data(), shape_.numel(), x);
}

/// Alternating flip (Jordan 2024, section 3.6). The first epoch mirrors a sample at random. Each
/// later epoch reverses the choice, so two epochs in a row show both sides of every sample.
bool ViewMaker::flipped(int64_t index, int64_t epoch, int64_t occurrence) const {
  PhiloxStream first = epoch_draws(seed_, PhiloxDomain::first_flip, 0, index);
  return (first.next_double() < augment_.alternating_flip) != ((epoch + occurrence) % 2 == 1);
}

void ViewMaker::move(PhiloxStream& random) {
  const Augment& a = augment_;
  uint8_t* x = x_.data();
  if (const double share = std::max(a.crop, a.reflect_crop); share > 0) {
    const int64_t furthest =
        a.reflect_crop > 0 ? std::min(shape_[1], shape_[2]) - 1 : std::max(shape_[1], shape_[2]);
    auto most = [&](int64_t side) {
      return std::min(
          furthest, std::max<int64_t>(1, static_cast<int64_t>(share * static_cast<double>(side))));
    };
    auto step = [&](int64_t side) {
      return static_cast<int64_t>(random.below(static_cast<uint64_t>(2 * most(side) + 1))) -
             most(side);
    };
    const int64_t down = step(shape_[1]);
    shift(shape_, down, step(shape_[2]), a.reflect_crop > 0 ? Outside::mirrored : Outside::black,
          x);
  }
  if (a.flip > 0 && random.next_double() < a.flip) mirror(shape_, x);
  if (a.randaugment > 0)
    rand_augment(shape_, static_cast<int>(std::lround(a.randaugment)), random, x);
  if (a.trivialaugment > 0 && random.next_double() < a.trivialaugment)
    trivial_augment(shape_, random, x);
  AffineOptions options;
  if (a.rotation > 0) options.angle = random.between(-a.rotation, a.rotation);
  if (a.affine > 0) {
    constexpr double kMax = 0.1;  // largest shift as a share of the side; largest change of scale
    options.angle += random.between(-a.affine, a.affine);
    options.shear_x = random.between(-a.affine, a.affine);
    options.scale = random.between(1 - kMax, 1 + kMax);
    options.right = random.between(-kMax, kMax) * static_cast<double>(shape_[2]);
    options.down = random.between(-kMax, kMax) * static_cast<double>(shape_[1]);
  }
  if (a.rotation > 0 || a.affine > 0) warp(shape_, affine(options), Interpolation::bilinear, x);
}

void ViewMaker::recolor(PhiloxStream& random) {
  const Augment& a = augment_;
  uint8_t* x = x_.data();
  if (a.color_jitter > 0) {
    auto factor = [&] { return random.between(1 - a.color_jitter, 1 + a.color_jitter); };
    adjust_brightness(shape_, factor(), x);
    adjust_contrast(shape_, factor(), x);
    adjust_saturation(shape_, factor(), x);
    adjust_hue(shape_, random.between(-a.color_jitter / 4, a.color_jitter / 4), x);
  }
  if (a.grayscale > 0 && random.next_double() < a.grayscale) grayscale(shape_, x);
  if (a.blur > 0 && random.next_double() < a.blur) {
    const double sigma = random.between(0.1, 2);
    gaussian_blur(shape_,
                  std::min<int64_t>(static_cast<int64_t>(std::ceil(3 * sigma)),
                                    std::min(shape_[1], shape_[2]) - 1),
                  sigma, x);
  }
}

void ViewMaker::cover(PhiloxStream& random) {
  if (augment_.erasing > 0 && random.next_double() < augment_.erasing)
    erase(shape_, random_area(shape_, random), fill_, x_.data());
  if (augment_.cutout > 0)
    erase(shape_, random_square(shape_, augment_.cutout, random), fill_, x_.data());
}

}  // namespace suanli::data
