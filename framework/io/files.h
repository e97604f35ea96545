// framework/io/files.h: whole files in, whole files out.
//
// Reading takes regular files only, up to a stated size. Writing is atomic: whatever interrupts it,
// the path afterwards holds the complete old bytes or the complete new ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace limpid {

/// All bytes of a regular file. Throws FormatError `path: cannot read: reason` for a file that is
/// missing, unreadable or longer than max_bytes, for a directory, a pipe or a device.
std::vector<std::byte> read_file(const std::string& path, int64_t max_bytes);

/// A regular file that is read in pieces, so that it need not be in memory twice. It stays the same
/// file if another one takes its path meanwhile.
class InputFile {
 public:
  /// Opens it. Throws as read_file does.
  InputFile(const std::string& path, int64_t max_bytes);
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  int64_t size() const { return size_; }
  /// Fills `out` with the bytes from `offset` on. Throws FormatError if there are not as many.
  void read(int64_t offset, std::span<std::byte> out) const;

 private:
  std::string path_;
  int64_t size_ = 0;  // bytes, when it was opened
  int number_ = -1;   // of the open file
};

/// Replaces the file or creates it: a temporary file beside it is written, flushed to the disk and
/// renamed over it. Permissions of an old file and symbolic links are kept. Temporary files that a
/// killed process left for the same path are removed. Of several ranks (core/ranks.h) the first
/// alone writes.
/// Throws Error `path: cannot write: reason`; the old file is then untouched.
void write_file_atomic(const std::string& path, std::span<const std::byte> bytes);

/// The same bytes seen as text, and back; nothing is copied.
std::string_view as_text(std::span<const std::byte> bytes);
std::span<const std::byte> as_bytes(std::string_view text);

}  // namespace limpid
