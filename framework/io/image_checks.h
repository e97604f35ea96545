// framework/io/image_checks.h: what a decoder trusts and should not, checked before it runs.
//
// stb takes files from friends: it ignores checksums, fills missing data with whatever its memory
// holds, and stb 2.27 (Debian 12) writes behind its arrays for some Huffman tables. These functions
// walk over a file without decoding it and throw FormatError, with `name` in the text, for a file
// that is incomplete, that refers to tables it does not define, or that is far too short for its
// number of pixels.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace limpid {

/// Every chunk is complete and has its checksum, up to IEND.
void check_png(std::span<const std::byte> bytes, const std::string& name);

/// Every segment is complete, up to the end mark; every component is scanned at least once, with
/// quantisers and Huffman tables (of at most 256 codes) that are there.
void check_jpeg(std::span<const std::byte> bytes, const std::string& name);

/// An uncompressed file holds all its rows.
void check_bmp(std::span<const std::byte> bytes, const std::string& name);

/// The number in `count` bytes from `at` on.
uint32_t number_at(std::span<const std::byte> bytes, size_t at, size_t count, std::endian order);

}  // namespace limpid
