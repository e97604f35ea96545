// framework/io/gzip.h: inflating, and the checksum that gzip, zip, PNG and checkpoints share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid {

/// True if the bytes begin like a gzip file (1F 8B).
bool is_gzip(std::span<const std::byte> bytes);

/// The content of a gzip file (RFC 1952) of one or more members; zeros behind the last one are
/// padding. Memory grows with what is really inflated, never with what the file claims.
/// Throws FormatError, with `name` in its text, if the file is damaged or cut short, if a checksum
/// or length differs, or if the content is longer than max_bytes.
std::vector<std::byte> gunzip(
    std::span<const std::byte> bytes, int64_t max_bytes, const std::string& name);

/// The content of a bare DEFLATE stream (RFC 1951), as in zip archives. Content that goes on behind
/// max_bytes is an error, or with `is_prefix` left out. Throws FormatError as gunzip does, and for
/// bytes behind the stream.
std::vector<std::byte> inflate_raw(
    std::span<const std::byte> bytes, int64_t max_bytes, const std::string& name,
    bool is_prefix = false);

/// A file as read_file gives it, inflated if it is a gzip file; both forms are at most max_bytes.
std::vector<std::byte> read_unpacked(const std::string& path, int64_t max_bytes);

/// CRC-32 as in gzip and PNG (reflected polynomial 0xEDB88320); `before` is that of the bytes that
/// come before these.
uint32_t crc32(std::span<const std::byte> bytes, uint32_t before = 0);

}  // namespace limpid
