// datasets/idx.cpp: strict reading of IDX files, and finding them in a folder.
#include "datasets/idx.h"

#include "framework/core/error.h"
#include "framework/core/text.h"
#include "framework/io/files.h"
#include "framework/io/gzip.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace limpid::datasets {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxBytes = int64_t{1} << 30;  // of one file, unpacked; MNIST has 47 million
constexpr int64_t kUnsignedByte = 0x08;          // the type code
constexpr int64_t kNoLabel = 255;
constexpr std::string_view kImages = "-images-idx3-ubyte";
constexpr std::string_view kLabels = "-labels-idx1-ubyte";

int64_t byte_at(std::span<const std::byte> bytes, size_t offset) {
  return std::to_integer<int64_t>(bytes[offset]);
}

int64_t big_endian(std::span<const std::byte> bytes, size_t offset) {
  int64_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value * 256 + byte_at(bytes, offset + i);
  return value;
}

// The sizes of a file of this rank, after checking that they account for all its bytes.
std::vector<int64_t> parse_header(
    std::span<const std::byte> bytes, const std::string& name, int64_t rank) {
  const size_t header = 4 + 4 * static_cast<size_t>(rank);
  if (bytes.size() < 4) throw FormatError(name, "byte 0", "too short for an IDX file");
  if (byte_at(bytes, 0) != 0 || byte_at(bytes, 1) != 0) {
    throw FormatError(name, "byte 0", "not an IDX file: it begins with two zero bytes");
  }
  if (byte_at(bytes, 2) != kUnsignedByte) {
    throw FormatError(
        name, "byte 2",
        join_text("element type ", byte_at(bytes, 2), ", expected 8 (unsigned byte)"));
  }
  if (byte_at(bytes, 3) != rank) {
    throw FormatError(name, "byte 3", join_text(byte_at(bytes, 3), " dimensions, expected ", rank));
  }
  if (bytes.size() < header) throw FormatError(name, "byte 4", "ends inside the header");

  // Multiply the sizes without ever exceeding the number of bytes that are there
  const auto present = static_cast<int64_t>(bytes.size() - header);
  std::vector<int64_t> sizes;
  int64_t declared = 1;
  for (size_t offset = 4; offset < header; offset += 4) {
    const int64_t size = big_endian(bytes, offset);
    if (size == 0) throw FormatError(name, join_text("byte ", offset), "holds no examples");
    if (size > present / declared) {
      throw FormatError(
          name, join_text("byte ", offset),
          join_text("the sizes need more than the ", present, " bytes after the header"));
    }
    sizes.push_back(size);
    declared *= size;
  }
  if (declared != present) {
    throw FormatError(
        name, join_text("byte ", header),
        join_text("the sizes need ", declared, " bytes, the file has ", present));
  }
  return sizes;
}

struct Contents {
  std::string path;
  std::vector<std::byte> bytes;  // unpacked

  IdxFile file() const { return {.name = path, .bytes = bytes}; }
};

// The file of this name, plain or .gz; an empty path if there is neither.
fs::path find_file(const fs::path& folder, const std::string& name) {
  for (const char* suffix : {"", ".gz"}) {
    std::error_code ignored;
    if (const fs::path path = folder / (name + suffix); fs::exists(path, ignored)) return path;
  }
  return {};
}

Contents read(const fs::path& path) {
  return {.path = path.string(), .bytes = read_unpacked(path.string(), kMaxBytes)};
}

// What stands before -images-idx3-ubyte and -labels-idx1-ubyte in the names of a folder.
std::set<std::string> prefixes_in(const fs::path& folder) {
  std::error_code error;
  std::set<std::string> found;
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != end(entry);
       entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (name.ends_with(".gz")) name.resize(name.size() - 3);
    for (const std::string_view ending : {kImages, kLabels}) {
      if (name.size() > ending.size() && name.ends_with(ending)) {
        found.insert(name.substr(0, name.size() - ending.size()));
      }
    }
  }
  if (error) throw FormatError(folder.string(), "", "cannot read folder: " + error.message());
  return found;
}

std::vector<std::string> file_names(const std::vector<std::string>& prefixes) {
  std::vector<std::string> names;
  for (const std::string& prefix : prefixes) {
    names.push_back(prefix + std::string(kImages));
    names.push_back(prefix + std::string(kLabels));
  }
  return names;
}

// The parts of a folder: {train, t10k} or one prefix. Throws unless all their files are there.
std::vector<std::string> parts_of(const fs::path& folder) {
  const std::set<std::string> found = prefixes_in(folder);
  const std::vector<std::string> both = {"train", "t10k"};
  std::vector<std::string> parts(found.begin(), found.end());
  if (found.empty() || found.contains("train") || found.contains("t10k")) parts = both;
  if (parts != both && parts.size() > 1) {
    throw FormatError(
        folder.string(), "",
        "holds several pairs (" + joined(parts, ", ") + "); keep one per folder");
  }

  const std::vector<std::string> expected = file_names(parts);
  std::vector<std::string> missing = expected;
  std::erase_if(missing, [&](const auto& name) { return !find_file(folder, name).empty(); });
  if (missing.empty()) return parts;
  const std::string why = found.empty() ? "holds no IDX files" : "missing " + joined(missing, ", ");
  throw FormatError(
      folder.string(), "",
      why + "; expected " + joined(expected, ", ") + ", or one pair " +
          joined(file_names({"NAME"}), ", ") + ", each plain or .gz");
}

Dataset load_part(const fs::path& folder, const std::string& prefix, const IdxOptions& options) {
  const Contents images = read(find_file(folder, prefix + std::string(kImages)));
  const Contents labels = read(find_file(folder, prefix + std::string(kLabels)));
  return parse_idx_pair(images.file(), labels.file(), options);
}

}  // namespace

Examples parse_idx_images(std::span<const std::byte> bytes, const std::string& name, double scale) {
  check_value(scale > 0, "parse_idx_images", "scale must be positive, got ", scale);
  const auto sizes = parse_header(bytes, name, 3);
  constexpr size_t kHeader = 16;
  for (size_t i = kHeader; i < bytes.size(); ++i) {
    if (byte_at(bytes, i) <= scale) continue;
    throw FormatError(
        name, join_text("byte ", i),
        join_text("pixel ", static_cast<int>(byte_at(bytes, i)), " exceeds ", scale));
  }
  return Examples::of_bytes({sizes[0], 1, sizes[1], sizes[2]}, bytes.subspan(kHeader), scale);
}

Tensor parse_idx_labels(std::span<const std::byte> bytes, const std::string& name) {
  const auto sizes = parse_header(bytes, name, 1);
  Tensor labels = Tensor::empty({sizes[0]}, DType::i64);  // [N]
  constexpr size_t kHeader = 8;
  int64_t* out = labels.mutable_data<int64_t>();
  for (size_t i = kHeader; i < bytes.size(); ++i) out[i - kHeader] = byte_at(bytes, i);
  check_labels(labels, kNoLabel, name);
  return labels;
}

Dataset parse_idx_pair(const IdxFile& images, const IdxFile& labels, const IdxOptions& options) {
  Dataset out;
  out.name = images.name;
  out.labels = parse_idx_labels(labels.bytes, labels.name);
  out.images = parse_idx_images(images.bytes, images.name, options.scale);
  if (out.images.shape()[0] != out.size()) {
    throw FormatError(
        labels.name, "",
        join_text(
            out.size(), " labels for the ", out.images.shape()[0], " images of ", images.name));
  }
  const auto values = out.labels.values<int64_t>();
  const int64_t largest = *std::ranges::max_element(values);
  out.classes = options.classes > 0 ? options.classes : std::max<int64_t>(2, largest + 1);
  check_labels(out.labels, out.classes, labels.name);
  out.class_names = numbered_classes(out.classes);
  return out;
}

Split load_idx(const std::string& folder, const IdxOptions& options) {
  const std::vector<std::string> parts = parts_of(folder);
  Split out;
  out.train = load_part(folder, parts[0], options);
  out.train.name = "idx:" + folder;
  if (parts.size() == 1) return out;

  // The training part decides on the number of classes
  const IdxOptions same = {.scale = options.scale, .classes = out.train.classes};
  out.test = load_part(folder, parts[1], same);
  if (out.test.example_shape() != out.train.example_shape()) {
    throw FormatError(
        out.test.name, "",
        join_text(
            "test images are ", out.test.example_shape(), " but training images are ",
            out.train.example_shape()));
  }
  out.test.name = out.train.name;
  return out;
}

}  // namespace limpid::datasets
