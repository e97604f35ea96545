// framework/io/safetensors.cpp: the checks of the reader, and the writer.
#include "framework/io/safetensors.h"

#include "framework/core/error.h"
#include "framework/io/elements.h"
#include "framework/io/files.h"
#include "framework/io/json.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

namespace limpid {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;    // of the reference implementation
constexpr int64_t kMaxFileBytes = int64_t{1} << 40;  // load_safetensors(); any disk file
constexpr size_t kSizeBytes = 8;                     // of the number in front of the header
constexpr size_t kAlignment = 8;                     // of the data behind the header
constexpr std::string_view kMetadata = "__metadata__";

struct TypeName {
  std::string_view name;
  Stored type;
};
constexpr std::array<TypeName, 12> kTypeNames = {{
    {"BOOL", Stored::boolean},
    {"U8", Stored::u8},
    {"I8", Stored::i8},
    {"U16", Stored::u16},
    {"I16", Stored::i16},
    {"F16", Stored::f16},
    {"BF16", Stored::bf16},
    {"U32", Stored::u32},
    {"I32", Stored::i32},
    {"F32", Stored::f32},
    {"F64", Stored::f64},
    {"I64", Stored::i64},
}};

/// What the header says about one tensor, checked by itself.
struct Entry {
  const std::string* name;
  Stored type;
  Shape shape;
  int64_t begin;  // bytes from the end of the header
  int64_t end;
};

/// Bytes of the size and the header together, from the first bytes of a file of `file_bytes`. N is
/// compared as it stands, so that nothing can overflow.
size_t data_begin(std::span<const std::byte> first, size_t file_bytes, const std::string& name) {
  const auto fail = [&](const std::string& why) { throw FormatError(name, "", why); };
  if (file_bytes < kSizeBytes) {
    fail(join_text("header too small: ", file_bytes, " bytes, at least 8 needed"));
  }
  uint64_t size = 0;
  std::memcpy(&size, first.data(), kSizeBytes);
  if (size > kMaxHeaderBytes) {
    fail(join_text("header too large: ", size, " bytes, at most ", kMaxHeaderBytes));
  }
  const size_t rest = file_bytes - kSizeBytes;
  if (size > rest) {
    fail(join_text("invalid header length: ", size, " bytes, but the file has ", rest));
  }
  return kSizeBytes + size;
}

/// Reads the header of one file; `name_` stands in all error texts.
class Header {
 public:
  /// `bytes` are those before the data, `data_bytes` is how many follow.
  Header(std::span<const std::byte> bytes, size_t data_bytes, const std::string& name)
      : name_(name), data_bytes_(static_cast<int64_t>(data_bytes)) {
    // Parse it; leading white space is allowed, a byte order mark is not
    const std::string_view text = as_text(bytes.subspan(kSizeBytes));
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || text[first] != '{') {
      fail("", "invalid header: does not begin with {");
    }
    header_ = parse_json(text, name + ": invalid header");

    // Check each entry, then all of them together
    for (const auto& [key, value] : header_.members()) {
      if (key == kMetadata) {
        read_metadata(value);
      } else {
        entries_.push_back(read_entry(key, value));
      }
    }
    check_coverage();
  }

  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  [[noreturn]] void fail(const std::string& where, const std::string& why) const {
    throw FormatError(name_, where, why);
  }

  void read_metadata(const Json& value) {
    if (value.kind() != Json::Kind::object) fail("__metadata__", "not an object");
    for (const auto& [key, text] : value.members()) {
      if (text.kind() != Json::Kind::text) fail("__metadata__", excerpt(key) + " is not a text");
      metadata_.emplace(key, text.text());
    }
  }

  Entry read_entry(const std::string& key, const Json& value) const {
    const std::string where = "tensor " + excerpt(key);
    const auto member = [&](const char* name, Json::Kind kind) -> const Json& {
      const Json* found = value.find(name);
      if (found == nullptr) fail(where, join_text("invalid info: no ", name));
      if (found->kind() != kind) fail(where, join_text("invalid info: ", name, " of a wrong kind"));
      return *found;
    };
    if (value.kind() != Json::Kind::object) fail(where, "invalid info: not an object");
    const std::string& type_name = member("dtype", Json::Kind::text).text();
    const std::vector<int64_t> sizes = integers(member("shape", Json::Kind::array), where, "shape");
    const std::vector<int64_t> offsets =
        integers(member("data_offsets", Json::Kind::array), where, "offset");
    if (value.members().size() != 3) fail(where, "invalid info: unknown member");

    // Offsets: two, in order, inside the data
    if (offsets.size() != 2) {
      fail(where, join_text("invalid offset: ", offsets.size(), " numbers, expected 2"));
    }
    if (offsets[0] > offsets[1] || offsets[1] > data_bytes_) {
      fail(
          where, join_text(
                     "invalid offset: ", offsets[0], " to ", offsets[1], " of ", data_bytes_,
                     " data bytes"));
    }

    // Type and shape, which together must give the number of bytes
    const auto type = std::ranges::find(kTypeNames, std::string_view(type_name), &TypeName::name);
    if (type == kTypeNames.end()) fail(where, "unsupported dtype " + excerpt(type_name));
    if (std::ssize(sizes) > kMaxRank) {
      fail(where, join_text("rank ", sizes.size(), " is over ", kMaxRank));
    }
    const std::optional<int64_t> needed = stored_bytes(sizes, type->type);
    if (!needed) fail(where, "shape overflow: the product of the sizes is too large");
    if (*needed != offsets[1] - offsets[0]) {
      fail(
          where, join_text(
                     "invalid info: shape and dtype need ", *needed, " bytes, offsets give ",
                     offsets[1] - offsets[0]));
    }
    return {&key, type->type, Shape(std::span(sizes)), offsets[0], offsets[1]};
  }

  std::vector<int64_t> integers(
      const Json& array, const std::string& where, const char* what) const {
    std::vector<int64_t> values;
    for (const Json& item : array.items()) {
      if (item.kind() != Json::Kind::integer || item.integer() < 0) {
        fail(where, join_text("invalid ", what, ": not a non-negative integer"));
      }
      values.push_back(item.integer());
    }
    return values;
  }

  /// Sorted by place, each tensor must begin where the one before ended.
  void check_coverage() {
    std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    int64_t covered = 0;
    for (const Entry& entry : entries_) {
      const std::string where = "tensor " + excerpt(*entry.name);
      if (entry.begin < covered) {
        fail(where, join_text("invalid offset: ", entry.begin, " overlaps another tensor"));
      }
      if (entry.begin > covered) {
        fail(
            where,
            join_text("data not fully covered: hole from byte ", covered, " to ", entry.begin));
      }
      covered = entry.end;
    }
    if (covered != data_bytes_) {
      fail(
          "",
          join_text("data not fully covered: tensors end at byte ", covered, " of ", data_bytes_));
    }
  }

  const std::string& name_;
  int64_t data_bytes_;
  Json header_;  // the entries point to its keys
  std::map<std::string, std::string> metadata_;
  std::vector<Entry> entries_;
};

Stored stored_as(DType dtype) {
  switch (dtype) {
    case DType::f32: return Stored::f32;
    case DType::f64: return Stored::f64;
    case DType::i64: return Stored::i64;
  }
  raise<DTypeError>("safetensors", "unknown element type");
}

/// True if a tensor has the very bytes of the file.
bool is_kept(Stored type) {
  return type == Stored::f32 || type == Stored::f64 || type == Stored::i64;
}

/// The text itself, which must survive writing and reading.
const std::string& checked_text(const std::string& text) {
  check_value(is_utf8(text), "safetensors", excerpt(text), " is not UTF-8");
  return text;
}

using Named = std::pair<const std::string, Tensor>;

/// The JSON of the header for tensors in the order of their data.
std::string header_text(
    const std::vector<const Named*>& order, const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) {
    Json texts = Json::object();
    for (const auto& [key, text] : metadata) texts.set(checked_text(key), checked_text(text));
    header.set(kMetadata, std::move(texts));
  }
  int64_t begin = 0;
  for (const Named* named : order) {
    const auto& [name, tensor] = *named;
    check_value(name != kMetadata, "safetensors", "a tensor cannot be named ", excerpt(name));
    check_value(
        std::ssize(name) <= kMaxJsonKeyBytes, "safetensors", "name of ", name.size(),
        " bytes, at most ", kMaxJsonKeyBytes);
    const Stored type = stored_as(tensor.dtype());
    const auto type_name = std::ranges::find(kTypeNames, type, &TypeName::type);
    const int64_t end = begin + std::ssize(tensor.bytes());
    const auto sizes = tensor.shape().sizes();
    header.set(
        checked_text(name), Json::object(
                                {{"dtype", std::string(type_name->name)},
                                 {"shape", Json::array(Json::Items(sizes.begin(), sizes.end()))},
                                 {"data_offsets", Json::array({begin, end})}}));
    begin = end;
  }
  return to_text(header);
}

}  // namespace

SafetensorsFile read_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  const size_t begin = data_begin(bytes, bytes.size(), name);
  const auto data = bytes.subspan(begin);
  const Header header(bytes.first(begin), data.size(), name);
  SafetensorsFile file{.metadata = header.metadata(), .tensors = {}};
  for (const Entry& entry : header.entries()) {
    const auto part = data.subspan(
        static_cast<size_t>(entry.begin), static_cast<size_t>(entry.end - entry.begin));
    file.tensors.emplace(*entry.name, tensor_from(part, entry.shape, entry.type));
  }
  return file;
}

SafetensorsFile load_safetensors(const std::string& path) {
  const InputFile input(path, kMaxFileBytes);
  const auto size = static_cast<size_t>(input.size());
  std::vector<std::byte> bytes(std::min(size, kSizeBytes));
  input.read(0, bytes);
  const size_t begin = data_begin(bytes, size, path);
  bytes.resize(begin);
  input.read(0, bytes);
  const Header header(bytes, size - begin, path);

  // Straight into each tensor, unless its elements have to be widened
  SafetensorsFile file{.metadata = header.metadata(), .tensors = {}};
  for (const Entry& entry : header.entries()) {
    const auto place = static_cast<int64_t>(begin) + entry.begin;
    const auto length = static_cast<size_t>(entry.end - entry.begin);
    Tensor tensor;
    if (is_kept(entry.type)) {
      tensor = Tensor::empty(entry.shape, widened(entry.type));
      input.read(place, {tensor.buffer().data(), length});
    } else {
      std::vector<std::byte> part(length);
      input.read(place, part);
      tensor = tensor_from(part, entry.shape, entry.type);
    }
    file.tensors.emplace(*entry.name, tensor);
  }
  return file;
}

std::vector<std::byte> safetensors_bytes(
    const std::map<std::string, Tensor>& tensors,
    const std::map<std::string, std::string>& metadata) {
  // Wide elements first; the map has sorted by name already
  std::vector<const Named*> order;
  size_t data_bytes = 0;
  for (const Named& named : tensors) {
    order.push_back(&named);
    data_bytes += named.second.bytes().size();
  }
  std::ranges::stable_sort(order, [](const Named* a, const Named* b) {
    return size_of(a->second.dtype()) > size_of(b->second.dtype());
  });

  // Pad the header with spaces, so that the data begins aligned
  std::string header = header_text(order, metadata);
  header.append((kAlignment - (kSizeBytes + header.size()) % kAlignment) % kAlignment, ' ');
  const uint64_t header_bytes = header.size();
  check_value(
      header_bytes <= kMaxHeaderBytes, "safetensors", "header of ", header_bytes,
      " bytes, at most ", kMaxHeaderBytes);

  // Size, header, data
  std::vector<std::byte> bytes;
  bytes.reserve(kSizeBytes + header.size() + data_bytes);
  const auto append = [&](std::span<const std::byte> part) {
    bytes.insert(bytes.end(), part.begin(), part.end());
  };
  append(std::as_bytes(std::span(&header_bytes, 1)));
  append(as_bytes(header));
  for (const Named* named : order) append(named->second.bytes());
  return bytes;
}

void save_safetensors(
    const std::string& path, const std::map<std::string, Tensor>& tensors,
    const std::map<std::string, std::string>& metadata) {
  write_file_atomic(path, safetensors_bytes(tensors, metadata));
}

}  // namespace limpid
