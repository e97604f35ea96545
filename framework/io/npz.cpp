// framework/io/npz.cpp: .npy files inside a zip archive.
#include "framework/io/npz.h"

#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/npy.h"
#include "framework/io/zip.h"

#include <string_view>
#include <utility>

namespace limpid {

namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 32;  // of an archive without zip64
constexpr std::string_view kEnding = ".npy";

/// One array. Its header, read first, says how much may be inflated: what the archive says is not
/// trusted, and has to agree.
Tensor read_member(const ZipMember& member, const std::string& archive) {
  const std::string name = archive + ": member " + excerpt(member.name);
  const NpyHeader header = read_npy_header(zip_content_begin(member, kMaxNpyHeader, archive), name);
  if (header.begin + header.size != int64_t{member.size}) {
    throw FormatError(
        name, join_text("byte ", header.begin),
        join_text(
            "shape needs ", header.size, " bytes, the archive says ",
            int64_t{member.size} - header.begin));
  }
  return read_npy(zip_content(member, header.begin + header.size, archive), name);
}

}  // namespace

std::map<std::string, Tensor> read_npz(std::span<const std::byte> bytes, const std::string& name) {
  std::map<std::string, Tensor> arrays;
  for (const ZipMember& member : parse_zip(bytes, name)) {
    if (!member.name.ends_with(kEnding))
      throw FormatError(name, "member " + excerpt(member.name), "not an .npy file");
    std::string key = member.name.substr(0, member.name.size() - kEnding.size());
    arrays.emplace(std::move(key), read_member(member, name));
  }
  return arrays;
}

std::map<std::string, Tensor> load_npz(const std::string& path) {
  return read_npz(read_file(path, kMaxFileBytes), path);
}

std::vector<std::byte> npz_bytes(const std::map<std::string, Tensor>& arrays) {
  std::vector<ZipSource> sources;
  for (const auto& [name, tensor] : arrays) {
    sources.push_back({.name = name + std::string(kEnding), .bytes = npy_bytes(tensor)});
  }
  return zip_bytes(sources);
}

void save_npz(const std::string& path, const std::map<std::string, Tensor>& arrays) {
  write_file_atomic(path, npz_bytes(arrays));
}

}  // namespace limpid
