// framework/io/zip.h: the archives that .npz files are.
//
// Layout (PKWARE APPNOTE): for each member a local header and its packed bytes; then the directory
// with one entry per member; then the end record, which says where the directory is. Members are
// stored or deflated. Refused: encryption, zip64 (archives of 4 GiB and more), several volumes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid {

struct ZipMember {
  std::string name = {};                   // a key, never a path
  std::span<const std::byte> packed = {};  // inside the archive
  bool is_deflated = false;
  uint32_t crc = 0;   // of the content
  uint32_t size = 0;  // of the content, as the archive claims
};

/// The members in the order of the directory; nothing is unpacked. `archive` is for messages.
/// Throws FormatError for a file that is no whole zip archive, for members that overlap each other,
/// that occur twice, that disagree with their local header, or whose names lead out of a folder
/// ("../x", "/x"), and for what is refused above.
std::vector<ZipMember> parse_zip(std::span<const std::byte> bytes, const std::string& archive);

/// The content of a member, whose length must be the claimed one and at most max_bytes. Throws
/// FormatError if it is not, for damaged data and for a wrong checksum.
std::vector<std::byte> zip_content(
    const ZipMember& member, int64_t max_bytes, const std::string& archive);

/// The first bytes of a content, at most max_bytes; no checksum is looked at.
std::vector<std::byte> zip_content_begin(
    const ZipMember& member, int64_t max_bytes, const std::string& archive);

/// A file to be packed.
struct ZipSource {
  std::string name = {};
  std::vector<std::byte> bytes = {};
};

/// An archive of stored members: the same bytes for the same members. Throws ValueError for
/// 65,535 members and more, and for an archive of 4 GiB and more.
std::vector<std::byte> zip_bytes(std::span<const ZipSource> sources);

}  // namespace limpid
