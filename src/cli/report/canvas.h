// SPDX-License-Identifier: Apache-2.0
// Pictures with words in them, as PNG: rectangles and text.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace suanli::cli {

struct Color {
  float red, green, blue;  // 0 … 1
};

/// White to begin with. Parts outside are not drawn.
class Canvas {
 public:
  Canvas(int64_t height, int64_t width);
  void fill(int64_t y, int64_t x, int64_t height, int64_t width, Color color);
  /// Letters of 5×7 dots, `dot` pixels each, from their upper left corner; what is not ASCII
  /// becomes a "?".
  void text(int64_t y, int64_t x, std::string_view words, int64_t dot, Color color);
  /// The same, turned to the left: from the lower left corner upward.
  void text_upward(int64_t bottom, int64_t x, std::string_view words, int64_t dot, Color color);
  /// `planes` is a picture [channels, height, width], of one channel or three.
  void picture(int64_t y, int64_t x, const float* planes, int64_t channels, int64_t height,
               int64_t width);
  /// Throws IoError if the file cannot be written.
  void write(const std::string& path) const;

  static int64_t text_width(std::string_view words, int64_t dot);
  static int64_t text_height(int64_t dot) { return 7 * dot; }

 private:
  int64_t height_, width_;
  std::vector<float> planes_;  // [3, height, width]
};

/// The label of a class in a picture: its number and the beginning of its name, or the number
/// alone where the name has none of the letters that are there.
std::string drawn_name(size_t number, const std::string& name);

}  // namespace suanli::cli
