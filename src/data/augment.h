// Training samples in other views: mirrored, moved, cut out and scaled.
#pragma once
#include "base/philox.h"
#include "suanli/data.h"

namespace suanli::data {

/// Reads sample `index` as `augment` says, by draws from `random` alone.
void read_augmented(const Dataset& dataset, int64_t index, const Augment& augment, PhiloxStream random, float* x, int64_t* y);

// ---- its parts, on a sample x of `shape` [channels, height, width] -------------------------------------------------------------

/// Left becomes right.
void mirror(const Shape& shape, float* x);
/// Pixel (r, c) comes from (r + down, c + right); from outside comes black, 0.
void shift(const Shape& shape, int64_t down, int64_t right, float* x);
/// A part of a picture with an area of least_area … 1 of it and sides in a ratio of 3:4 … 4:3, its edges on whole pixels: the choice that
/// Szegedy et al., Going deeper with convolutions (2014), section 6, describe and torchvision's RandomResizedCrop makes.
Box random_box(const Shape& picture, double least_area, PhiloxStream& random);

}  // namespace suanli::data
