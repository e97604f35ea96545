// framework/io/zip.cpp: from the end record to the directory to the members, and back.
#include "framework/io/zip.h"

#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/io/gzip.h"
#include "framework/io/json.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace limpid {

namespace {

using Bytes = std::span<const std::byte>;

// Signatures and sizes of the three records, without names and extra fields
constexpr uint32_t kLocal = 0x04034B50, kEntry = 0x02014B50, kEnd = 0x06054B50;
constexpr size_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22;
constexpr size_t kMaxComment = 0xFFFF;
constexpr uint32_t kTooLarge = 0xFFFFFFFF;  // the true number stands in a zip64 field

constexpr uint32_t kEncrypted = 1, kDescriptor = 8, kUtf8 = 0x800;  // flags
constexpr uint32_t kKnownFlags = kDescriptor | kUtf8 | 6;           // 6: how hard it was packed
constexpr uint32_t kStored = 0, kDeflated = 8;                      // methods
constexpr uint32_t kZip64Field = 1;                                 // of the extra fields

uint64_t little_endian(Bytes bytes, size_t at, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= std::to_integer<uint64_t>(bytes[at + i]) << (8 * i);
  return value;
}
uint32_t u16(Bytes bytes, size_t at) { return static_cast<uint32_t>(little_endian(bytes, at, 2)); }
uint32_t u32(Bytes bytes, size_t at) { return static_cast<uint32_t>(little_endian(bytes, at, 4)); }

/// An entry of the directory, and what its local header must repeat.
struct Entry {
  ZipMember member;
  uint32_t flags, method, packed_size;
  size_t place;    // of the local header
  size_t end = 0;  // of the packed bytes
};

/// Walks over one archive; the name stands in all error texts.
class Reader {
 public:
  Reader(Bytes bytes, const std::string& archive) : bytes_(bytes), archive_(archive) {}

  std::vector<ZipMember> members() {
    std::vector<Entry> entries = read_directory();
    std::vector<ZipMember> members;
    for (Entry& entry : entries) {
      find_data(entry);
      members.push_back(entry.member);
    }
    check_overlap(entries);
    return members;
  }

 private:
  [[noreturn]] void fail(size_t at, const std::string& why) const {
    throw FormatError(archive_, join_text("byte ", at), "zip: " + why);
  }
  [[noreturn]] void fail(const std::string& member, const std::string& why) const {
    throw FormatError(archive_, "member " + excerpt(member), "zip: " + why);
  }

  /// The end record is the last thing in the file, but for a comment whose length it gives.
  size_t find_end() const {
    if (bytes_.size() >= kEndBytes) {
      const size_t last = bytes_.size() - kEndBytes;
      for (size_t comment = 0; comment <= std::min(last, kMaxComment); ++comment) {
        const size_t at = last - comment;
        if (u32(bytes_, at) == kEnd && u16(bytes_, at + 20) == comment) return at;
      }
    }
    fail(bytes_.size(), "no end record: not a zip archive, or cut short");
  }

  std::vector<Entry> read_directory() {
    const size_t end = find_end();
    const Bytes record = bytes_.subspan(end, kEndBytes);
    const uint32_t count = u16(record, 10), size = u32(record, 12), begin = u32(record, 16);
    if (count == 0xFFFF || size == kTooLarge || begin == kTooLarge) fail(end, "zip64");
    if (u16(record, 4) != 0 || u16(record, 6) != 0 || u16(record, 8) != count) {
      fail(end, "one of several volumes");
    }
    if (uint64_t{begin} + size != end) {
      fail(end, join_text("the directory (", size, " bytes from ", begin, ") does not end here"));
    }
    directory_ = begin;

    std::vector<Entry> entries;
    std::set<std::string> names;
    size_t at = begin;
    for (uint32_t i = 0; i < count; ++i) {
      entries.push_back(read_entry(at, end));
      const std::string& name = entries.back().member.name;
      if (!names.insert(name).second) fail(name, "two members have this name");
    }
    if (at != end) fail(at, "the directory has more entries than it says");
    return entries;
  }

  /// Reads the entry at `at` and moves to the next one.
  Entry read_entry(size_t& at, size_t end) const {
    if (end - at < kEntryBytes || u32(bytes_, at) != kEntry) fail(at, "no directory entry");
    const Bytes record = bytes_.subspan(at, kEntryBytes);
    const size_t name_bytes = u16(record, 28);
    const size_t length = kEntryBytes + name_bytes + u16(record, 30) + u16(record, 32);
    if (end - at < length) fail(at, "a directory entry is longer than the directory");
    Entry entry{
        .member = {.name = std::string(as_text(bytes_.subspan(at + kEntryBytes, name_bytes)))},
        .flags = u16(record, 8),
        .method = u16(record, 10),
        .packed_size = u32(record, 20),
        .place = u32(record, 42)};
    entry.member.crc = u32(record, 16);
    entry.member.size = u32(record, 24);
    entry.member.is_deflated = entry.method == kDeflated;
    check_entry(entry);
    if (u16(record, 34) != 0) fail(entry.member.name, "on another volume");
    at += length;
    return entry;
  }

  void check_entry(const Entry& entry) const {
    const std::string& name = entry.member.name;
    if ((entry.flags & kEncrypted) != 0) fail(name, "encrypted");
    if ((entry.flags & ~kKnownFlags) != 0) fail(name, join_text("unknown flags ", entry.flags));
    if (entry.method != kStored && entry.method != kDeflated) {
      fail(name, join_text("packed by method ", entry.method, "; stored and deflated are read"));
    }
    if (entry.packed_size == kTooLarge || entry.member.size == kTooLarge ||
        entry.place == kTooLarge) {
      fail(name, "zip64");
    }
    if (entry.method == kStored && entry.packed_size != entry.member.size) {
      fail(
          name,
          join_text(
              "stored, but ", entry.packed_size, " bytes are said to hold ", entry.member.size));
    }
    const auto outside = [&](std::string_view part) {
      return ("/" + name + "/").find(part) != std::string::npos;
    };
    if (name.empty() || outside("/../") || name.starts_with('/') || outside("\\") ||
        outside(std::string_view("\0", 1))) {
      fail(name, "a name that leads out of a folder");
    }
  }

  /// The packed bytes stand behind the local header, which must agree with the directory.
  void find_data(Entry& entry) const {
    const std::string& name = entry.member.name;
    if (entry.place > directory_ || directory_ - entry.place < kLocalBytes ||
        u32(bytes_, entry.place) != kLocal) {
      fail(name, join_text("no local header at byte ", entry.place));
    }
    const Bytes record = bytes_.subspan(entry.place, kLocalBytes);
    const size_t name_bytes = u16(record, 26), extra_bytes = u16(record, 28);
    const size_t begin = entry.place + kLocalBytes + name_bytes + extra_bytes;
    if (begin > directory_ || directory_ - begin < entry.packed_size) {
      fail(name, join_text("its ", entry.packed_size, " bytes reach into the directory"));
    }
    const Bytes extra = bytes_.subspan(begin - extra_bytes, extra_bytes);
    const bool has_same_name =
        as_text(bytes_.subspan(entry.place + kLocalBytes, name_bytes)) == name;
    if (!has_same_name || u16(record, 6) != entry.flags || u16(record, 8) != entry.method ||
        !sizes_agree(record, extra, entry)) {
      fail(name, "the local header and the directory disagree");
    }
    entry.member.packed = bytes_.subspan(begin, entry.packed_size);
    entry.end = begin + entry.packed_size;
  }

  /// The local header repeats checksum and sizes, or leaves them to a record behind the data, or
  /// gives the sizes in a zip64 field, as numpy does for arrays of any size.
  static bool sizes_agree(Bytes record, Bytes extra, const Entry& entry) {
    const uint32_t crc = u32(record, 14), packed = u32(record, 18), size = u32(record, 22);
    if ((entry.flags & kDescriptor) != 0 && crc == 0) return true;
    if (crc != entry.member.crc) return false;
    if (packed != kTooLarge || size != kTooLarge) {
      return packed == entry.packed_size && size == entry.member.size;
    }
    size_t at = 0;
    while (extra.size() - at >= 4) {
      const size_t length = u16(extra, at + 2);
      if (extra.size() - at - 4 < length) return false;
      if (u16(extra, at) == kZip64Field) {
        return length >= 16 && little_endian(extra, at + 4, 8) == entry.member.size &&
               little_endian(extra, at + 12, 8) == entry.packed_size;
      }
      at += 4 + length;
    }
    return false;
  }

  /// Two members must not share bytes: small archives that inflate to petabytes do that.
  void check_overlap(std::vector<Entry>& entries) const {
    std::ranges::sort(entries, {}, &Entry::place);
    for (size_t i = 1; i < entries.size(); ++i) {
      if (entries[i].place < entries[i - 1].end) {
        fail(entries[i].member.name, "overlaps " + excerpt(entries[i - 1].member.name));
      }
    }
  }

  Bytes bytes_;
  const std::string& archive_;
  size_t directory_ = 0;  // where it begins
};

std::string place_of(const ZipMember& member, const std::string& archive) {
  return archive + ": member " + excerpt(member.name);
}

// ---- Writing ----

void append(std::vector<std::byte>& out, Bytes part) {
  out.insert(out.end(), part.begin(), part.end());
}

void append(std::vector<std::byte>& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

/// The part that local header and directory entry have in common, from the version on.
void append_common(std::vector<std::byte>& out, const ZipSource& source) {
  constexpr uint32_t kVersion = 20;                 // 2.0, needed to unpack
  constexpr uint32_t kFirstOfJanuary1980 = 0x0021;  // no archive is older
  const bool is_ascii = std::ranges::all_of(source.name, [](char c) { return (c & 0x80) == 0; });
  append(out, kVersion, 2);
  append(out, is_ascii ? 0 : kUtf8, 2);
  append(out, kStored, 2);
  append(out, 0, 2);  // time
  append(out, kFirstOfJanuary1980, 2);
  append(out, crc32(source.bytes), 4);
  append(out, source.bytes.size(), 4);
  append(out, source.bytes.size(), 4);
  append(out, source.name.size(), 2);
  append(out, 0, 2);  // no extra field
}

}  // namespace

std::vector<ZipMember> parse_zip(std::span<const std::byte> bytes, const std::string& archive) {
  return Reader(bytes, archive).members();
}

std::vector<std::byte> zip_content(
    const ZipMember& member, int64_t max_bytes, const std::string& archive) {
  const std::string name = place_of(member, archive);
  if (int64_t{member.size} > max_bytes) {
    throw FormatError(
        name, "", join_text("zip: ", member.size, " bytes, at most ", max_bytes, " are read"));
  }
  const auto content = member.is_deflated
                           ? inflate_raw(member.packed, member.size, name)
                           : std::vector<std::byte>(member.packed.begin(), member.packed.end());
  if (content.size() != member.size) {
    throw FormatError(
        name, "", join_text("zip: ", content.size(), " bytes, said to be ", member.size));
  }
  if (crc32(content) != member.crc) throw FormatError(name, "", "zip: the checksum differs");
  return content;
}

std::vector<std::byte> zip_content_begin(
    const ZipMember& member, int64_t max_bytes, const std::string& archive) {
  if (member.is_deflated) {
    return inflate_raw(member.packed, max_bytes, place_of(member, archive), true);
  }
  const auto part =
      member.packed.first(std::min(member.packed.size(), static_cast<size_t>(max_bytes)));
  return {part.begin(), part.end()};
}

std::vector<std::byte> zip_bytes(std::span<const ZipSource> sources) {
  check_value(sources.size() < 0xFFFF, "zip", sources.size(), " members, at most 65534");
  std::vector<std::byte> out;
  std::vector<std::byte> directory;
  for (const ZipSource& source : sources) {
    check_value(source.name.size() < 0xFFFF, "zip", "a name of ", source.name.size(), " bytes");
    check_value(
        out.size() + source.bytes.size() < kTooLarge - (1U << 20), "zip",
        "archives of 4 GiB and more are not written");
    append(directory, kEntry, 4);
    append(directory, 20, 2);  // version that made it
    append_common(directory, source);
    append(directory, 0, 4);           // no comment, first volume
    append(directory, 0, 6);           // no attributes
    append(directory, out.size(), 4);  // place of the local header
    append(directory, as_bytes(source.name));

    append(out, kLocal, 4);
    append_common(out, source);
    append(out, as_bytes(source.name));
    append(out, source.bytes);
  }
  const size_t begin = out.size();
  check_value(begin + directory.size() < kTooLarge, "zip", "archives of 4 GiB are not written");
  append(out, directory);
  append(out, kEnd, 4);
  append(out, 0, 4);  // first and only volume
  append(out, sources.size(), 2);
  append(out, sources.size(), 2);
  append(out, directory.size(), 4);
  append(out, begin, 4);
  append(out, 0, 2);  // no comment
  return out;
}

}  // namespace limpid
