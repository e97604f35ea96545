// datasets/cifar.h: the binary version of CIFAR-10 and CIFAR-100.
//
// A file is a sequence of records; its length must be a whole number of them:
//   CIFAR-10    label (1 byte, 0 ... 9),                     pixels (3,072)
//   CIFAR-100   coarse label (0 ... 19), label (0 ... 99),   pixels (3,072)
// Pixels are [3, 32, 32]: the red plane, the green one, the blue one, each row by row.
// (Krizhevsky: Learning multiple layers of features from tiny images, 2009, and the README of the
// published archives.)
#pragma once

#include "datasets/dataset.h"

#include <cstddef>
#include <span>
#include <string>

namespace limpid::datasets {

enum class CifarKind { cifar10, cifar100 };

/// The content of one file, not compressed, with the name that messages give it.
struct CifarFile {
  std::string name = {};
  std::span<const std::byte> bytes = {};
};

/// All records of the files, one after the other: images [N, 3, 32, 32], kept as bytes that stand
/// for value / 255, and labels [N]; of CIFAR-100 the fine ones. Classes are numbered.
/// Throws FormatError for a file without records, for one that ends inside a record, and for a
/// label out of range.
Dataset parse_cifar(CifarKind kind, std::span<const CifarFile> files);

/// Reads a folder that holds either
///   data_batch_1.bin, data_batch_2.bin, ... (any number), test_batch.bin: CIFAR-10,
///   train.bin, test.bin: CIFAR-100, or
///   cifar-10-binary.tar.gz or cifar-100-binary.tar.gz as published.
/// Every file may be plain or .gz; where both exist the plain one is read, and files win over an
/// archive. Classes are named by batches.meta.txt or fine_label_names.txt beside them, if there is
/// one. Throws FormatError, listing the names, if files are missing or of both kinds.
Split load_cifar(const std::string& folder);

}  // namespace limpid::datasets
