// Gives the peer test of augmentation a picture and views of it, as raw f32 files: plain, mirrored, moved, parts of it scaled.
#include <cstdlib>
#include <string>

#include "base/file.h"
#include "data/augment.h"

int main(int argc, char** argv) {  // views OUT mirror | shift DOWN RIGHT | box TOP LEFT HEIGHT WIDTH | plain
  using namespace suanli;
  const auto set = data::open("random:3x32x40?samples=4", {.val_fraction = 0}).train;
  const Shape shape = set->info().input_shape;
  std::vector<float> x(static_cast<size_t>(shape.numel()));
  int64_t y = 0;
  const std::string what = argc > 2 ? argv[2] : "";
  auto number = [&](int i) { return i < argc ? std::atoll(argv[i]) : 0; };
  set->read(2, x.data(), &y);
  if (what == "mirror") data::mirror(shape, x.data());
  if (what == "shift") data::shift(shape, number(3), number(4), x.data());
  if (what == "box")
    set->read_box(
        2, {static_cast<double>(number(3)), static_cast<double>(number(4)), static_cast<double>(number(5)), static_cast<double>(number(6))},
        x.data(), &y);
  write_file_atomically(argv[1], {reinterpret_cast<const char*>(x.data()), x.size() * sizeof(float)});
}
