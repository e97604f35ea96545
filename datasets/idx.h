// datasets/idx.h: the IDX files of MNIST and its relatives.
//
// Layout (big-endian):  0 0 type rank | size_1 ... size_rank (u32 each) | values, last axis fastest
// Only type 0x08, unsigned byte, is in use: images have rank 3 [N, H, W], labels rank 1 [N].
// (LeCun, Cortes, Burges: The MNIST database of handwritten digits, section "File formats".)
// Reading is strict: the sizes must account for every byte of the file.
#pragma once

#include "datasets/dataset.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace limpid::datasets {

struct IdxOptions {
  double scale = 255;   // the value that becomes 1; a larger one is an error
  int64_t classes = 0;  // 0: the largest label of the training part + 1, at least 2
};

/// Images [N, 1, H, W], kept as bytes that stand for value / scale. `name` is for messages.
/// Throws FormatError for a wrong magic number, type or rank, for no images at all, for sizes
/// that do not account for all bytes, and for a value above the scale.
Examples parse_idx_images(
    std::span<const std::byte> bytes, const std::string& name, double scale = 255);

/// Labels [N] as i64. Throws FormatError as parse_idx_images does, and for the label 255, which
/// marks "no label" and is not a class.
Tensor parse_idx_labels(std::span<const std::byte> bytes, const std::string& name);

/// The content of one file, not compressed, with the name that messages give it.
struct IdxFile {
  std::string name = {};
  std::span<const std::byte> bytes = {};
};

/// Images and their labels. Throws FormatError also if their numbers differ or a label is not
/// below options.classes (unless that is 0).
Dataset parse_idx_pair(
    const IdxFile& images, const IdxFile& labels, const IdxOptions& options = {});

/// Reads a folder that holds either
///   train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte,
///   t10k-labels-idx1-ubyte: both parts, or
///   NAME-images-idx3-ubyte, NAME-labels-idx1-ubyte: one part; `test` stays empty.
/// Every file may be plain or .gz; where both exist the plain one is read. Throws FormatError,
/// listing the names, if files are missing, and if the two parts disagree on sizes or classes.
Split load_idx(const std::string& folder, const IdxOptions& options = {});

}  // namespace limpid::datasets
