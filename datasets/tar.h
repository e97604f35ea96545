// datasets/tar.h: the members of a tar archive, as CIFAR is published in one.
//
// Layout (POSIX ustar): blocks of 512 bytes. A header block holds name, size (octal, or base 256
// for large files), checksum and kind; the content follows, filled up to whole blocks; a block of
// zeros ends the archive.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace limpid::datasets {

struct TarMember {
  std::string name = {};                  // as written, folders included: a key, never a path
  std::span<const std::byte> bytes = {};  // inside the archive
};

/// The regular files of an archive that is not compressed, in its order. GNU long names are
/// understood; pax headers, folders, links and devices are passed over. `archive` is for messages.
/// Throws FormatError for a wrong checksum or size, for content that ends behind the archive, and
/// for an archive that is cut short or goes on behind its end.
std::vector<TarMember> parse_tar(std::span<const std::byte> bytes, const std::string& archive);

}  // namespace limpid::datasets
