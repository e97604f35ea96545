// datasets/npy_pair.h: a data set in two .npy files, one for the inputs and one for the labels.
//
// X [N, D], [N, H, W] (one channel) or [N, C, H, W]; [N] is one feature. Unsigned bytes stay bytes
// and stand for value / 255; all other numbers are taken as they are, as f32.
// y [N] or [N, 1]; whole numbers are classes, real ones are targets.
#pragma once

#include "datasets/dataset.h"

#include <cstddef>
#include <span>
#include <string>

namespace limpid::datasets {

/// The content of one file, with the name that messages give it.
struct NpyFile {
  std::string name = {};
  std::span<const std::byte> bytes = {};
};

/// Classes are numbered up to the largest label, and at least two. Throws FormatError as read_npy
/// does, for other shapes, for no examples, for numbers of examples that differ, for a value that
/// is not finite as f32, and for a label that is negative or above 9,999.
Dataset parse_npy_pair(const NpyFile& inputs, const NpyFile& labels);

/// From `X.npy,y.npy`. Throws ValueError unless these are two names.
Dataset load_npy_pair(const std::string& paths);

}  // namespace limpid::datasets
