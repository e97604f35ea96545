// tests/datasets/sample_files.h: tiny IDX and gzip files, made byte by byte.
#pragma once

#include "framework/io/gzip.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace limpid::datasets {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of(const std::vector<int>& values) {
  Bytes out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

/// 0 0 8 rank, the sizes as big-endian u32, the values.
inline Bytes idx_bytes(const std::vector<uint32_t>& sizes, const std::vector<int>& values) {
  Bytes out = bytes_of({0, 0, 8, static_cast<int>(sizes.size())});
  for (const uint32_t size : sizes) {
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(std::byte(size >> shift & 255));
  }
  const Bytes data = bytes_of(values);
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

/// A gzip file of one stored block, with a file name in its header unless that is empty.
inline Bytes gzip_bytes(const Bytes& content, const std::string& name) {
  Bytes out = bytes_of({0x1f, 0x8b, 8, name.empty() ? 0 : 8, 0, 0, 0, 0, 0, 3});
  if (!name.empty()) {
    for (const char c : name) out.push_back(static_cast<std::byte>(c));
    out.push_back(std::byte{0});
  }
  const auto put = [&](uint32_t value, int count) {
    for (int k = 0; k < count; ++k) out.push_back(std::byte(value >> 8 * k & 255));
  };
  const auto size = static_cast<uint32_t>(content.size());
  out.push_back(std::byte{1});  // last block, stored
  put(size, 2);
  put(~size, 2);
  out.insert(out.end(), content.begin(), content.end());
  put(crc32(content), 4);
  put(size, 4);
  return out;
}

inline void write_bytes(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

/// Images [3, 2, 2] with values 0, 20, ..., 220, and three labels.
inline Bytes sample_images() {
  return idx_bytes({3, 2, 2}, {0, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220});
}
inline Bytes sample_labels(const std::vector<int>& labels = {2, 0, 1}) {
  return idx_bytes({static_cast<uint32_t>(labels.size())}, labels);
}

/// The four files of the MNIST family; `ending` is "" or ".gz".
inline void write_quadruple(const std::filesystem::path& folder, const std::string& ending) {
  const auto pack = [&](const Bytes& content, const std::string& name) {
    return ending.empty() ? content : gzip_bytes(content, name);
  };
  std::filesystem::create_directories(folder);
  write_bytes(folder / ("train-images-idx3-ubyte" + ending), pack(sample_images(), ""));
  write_bytes(folder / ("train-labels-idx1-ubyte" + ending), pack(sample_labels(), "labels"));
  write_bytes(folder / ("t10k-images-idx3-ubyte" + ending), pack(sample_images(), "images"));
  write_bytes(folder / ("t10k-labels-idx1-ubyte" + ending), pack(sample_labels({1, 1, 0}), ""));
}

}  // namespace limpid::datasets
