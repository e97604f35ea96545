// tests/datasets/sample_tar.h: tiny tar archives and CIFAR records, made byte by byte.
#pragma once

#include "tests/datasets/sample_files.h"

#include <cstdio>
#include <string>

namespace limpid::datasets {

/// Puts a text at a place of a header block.
inline void put_text(Bytes& block, size_t at, const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i) block[at + i] = static_cast<std::byte>(text[i]);
}

inline std::string octal(size_t value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*zo", digits, value);
  return text;
}

/// Makes the checksum right again after a change of the header that begins at `at`.
inline void sign_header(Bytes& archive, size_t at) {
  size_t sum = 8 * ' ';
  for (size_t i = 0; i < 512; ++i) {
    if (i < 148 || i >= 156) sum += std::to_integer<size_t>(archive[at + i]);
  }
  Bytes block(archive.begin() + std::ptrdiff_t(at), archive.begin() + std::ptrdiff_t(at) + 512);
  put_text(block, 148, octal(sum, 6) + '\0' + ' ');
  std::copy(block.begin(), block.end(), archive.begin() + std::ptrdiff_t(at));
}

/// Adds a member: one header block in ustar form, then the content in whole blocks.
inline void add_member(
    Bytes& archive, const std::string& name, const Bytes& content, char kind = '0') {
  const size_t at = archive.size();
  Bytes header(512, std::byte{0});
  put_text(header, 0, name.substr(0, 100));
  put_text(header, 124, octal(content.size(), 11));
  header[156] = static_cast<std::byte>(kind);
  put_text(header, 257, std::string("ustar\0") + "00");
  archive.insert(archive.end(), header.begin(), header.end());
  sign_header(archive, at);
  archive.insert(archive.end(), content.begin(), content.end());
  archive.resize((archive.size() + 511) / 512 * 512, std::byte{0});
}

inline void end_archive(Bytes& archive) { archive.resize(archive.size() + 1024, std::byte{0}); }

/// Records with these labels; pixel i of record n is (7 n + i) mod 256. CIFAR-100 has a coarse
/// label 1 in front.
inline Bytes cifar_records(const std::vector<int>& labels, bool is_hundred = false) {
  Bytes out;
  for (size_t n = 0; n < labels.size(); ++n) {
    if (is_hundred) out.push_back(std::byte{1});
    out.push_back(static_cast<std::byte>(labels[n]));
    for (size_t i = 0; i < 3072; ++i) out.push_back(static_cast<std::byte>(7 * n + i));
  }
  return out;
}

inline Bytes bytes_of_text(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

}  // namespace limpid::datasets
