// framework/io/npy.cpp: a parser for the one dictionary of the header, and the writer.
#include "framework/io/npy.h"

#include "framework/core/error.h"
#include "framework/core/text.h"
#include "framework/io/files.h"
#include "framework/io/json.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <optional>
#include <string_view>

namespace limpid {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeaderBytes = kMaxNpyHeader - 12;  // as in version 1.0: enough for any array
constexpr size_t kAlignment = 64;                       // of the elements behind the header
constexpr int64_t kMaxFileBytes = int64_t{1} << 40;     // load_npy(); any disk file

struct TypeCode {
  std::string_view code;  // without the byte order
  Stored type;
};
constexpr std::array<TypeCode, 11> kTypeCodes = {{
    {"f2", Stored::f16},
    {"f4", Stored::f32},
    {"f8", Stored::f64},
    {"b1", Stored::boolean},
    {"i1", Stored::i8},
    {"i2", Stored::i16},
    {"i4", Stored::i32},
    {"i8", Stored::i64},
    {"u1", Stored::u8},
    {"u2", Stored::u16},
    {"u4", Stored::u32},
}};

/// What the dictionary says.
struct Dictionary {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> sizes;
};

/// Reads the subset of Python that numpy writes: texts, True, False, tuples of integers.
class DictionaryParser {
 public:
  /// `offset` is the place of the text in the file, for error texts.
  DictionaryParser(std::string_view text, size_t offset, const std::string& name)
      : text_(text), offset_(offset), name_(name) {}

  Dictionary parse() {
    Dictionary header;
    bool has_descr = false;
    bool has_order = false;
    bool has_shape = false;
    expect('{');
    while (!take('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr") {
        once(has_descr, key);
        header.descr = descr();
      } else if (key == "fortran_order") {
        once(has_order, key);
        header.fortran_order = boolean();
      } else if (key == "shape") {
        once(has_shape, key);
        header.sizes = tuple();
      } else {
        fail("unknown key " + excerpt(key));
      }
      if (!take(',') && !next_is('}')) fail("expected , or }");
    }
    skip_space();
    if (at_ != text_.size()) fail("text behind the dictionary");
    if (!has_descr) fail("no key descr");
    if (!has_order) fail("no key fortran_order");
    if (!has_shape) fail("no key shape");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw FormatError(name_, join_text("byte ", offset_ + at_), "invalid header: " + why);
  }

  void once(bool& seen, const std::string& key) const {
    if (seen) fail("key " + key + " occurs twice");
    seen = true;
  }

  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\n", at_), text_.size()); }

  bool next_is(char c) {
    skip_space();
    return at_ < text_.size() && text_[at_] == c;
  }

  bool take(char c) {
    if (!next_is(c)) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!take(c)) fail(std::string("expected ") + c);
  }

  /// A text in single or double quotes; numpy writes no escapes.
  std::string string() {
    if (!next_is('\'') && !next_is('"')) fail("expected a text");
    const size_t end = text_.find(text_[at_], at_ + 1);
    if (end == std::string_view::npos) fail("text without an end");
    const std::string_view text = text_.substr(at_ + 1, end - at_ - 1);
    if (text.find('\\') != std::string_view::npos) fail("escape in a text");
    at_ = end + 1;
    return std::string(text);
  }

  std::string descr() {
    if (next_is('[')) fail("structured types are not supported");
    return string();
  }

  bool boolean() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    fail("expected True or False");
  }

  /// (), (3,), (2, 3) or (2, 3,); a parenthesis around one number without a comma is no tuple.
  std::vector<int64_t> tuple() {
    std::vector<int64_t> numbers;
    bool comma = true;
    expect('(');
    while (!take(')')) {
      if (!comma) fail("expected , or )");
      if (numbers.size() == kMaxRank) fail(join_text("rank is over ", kMaxRank));
      numbers.push_back(integer());
      comma = take(',');
    }
    if (numbers.size() == 1 && !comma) fail("shape is not a tuple");
    return numbers;
  }

  int64_t integer() {
    skip_space();
    int64_t value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) fail("shape overflow: size beyond 64 bits");
    if (error != std::errc()) fail("expected an integer");
    if (value < 0) fail("negative size");
    at_ += static_cast<size_t>(end - begin);
    return value;
  }

  std::string_view text_;
  size_t offset_;
  const std::string& name_;
  size_t at_ = 0;
};

/// The element type and byte order of a descr such as "<f4". Throws FormatError.
std::pair<Stored, std::endian> parse_descr(const std::string& descr, const std::string& name) {
  const auto fail = [&](const std::string& why) { throw FormatError(name, "descr", why); };
  if (descr.starts_with("|O") || descr == "O") {
    fail("object arrays are pickles, which are never loaded");
  }
  const std::string_view code = std::string_view(descr).substr(std::min<size_t>(1, descr.size()));
  const auto found = std::ranges::find(kTypeCodes, code, &TypeCode::code);
  const char order = descr.empty() ? ' ' : descr[0];
  const bool known_order = order == '<' || order == '>' || order == '=' || order == '|';
  if (found == kTypeCodes.end() || !known_order) {
    fail("unsupported type " + excerpt(descr));
  }
  if (order == '|' && size_of(found->type) > 1) fail("type " + excerpt(descr) + " has no order");
  return {found->type, order == '>' ? std::endian::big : std::endian::little};
}

/// The transpose: element (i, j, ..., z) of the result is element (z, ..., j, i) of the input.
template <class T>
void reverse_axes(const T* in, const Shape& out_shape, T* out) {
  // Distance in `in` between neighbours along each axis of `out`: the first axis runs fastest
  std::array<int64_t, kMaxRank> stride{};
  int64_t step = 1;
  for (int d = 0; d < out_shape.rank(); ++d) {
    stride[static_cast<size_t>(d)] = step;
    step *= out_shape[d];
  }

  // Walk over `out` in memory order, counting the indices like an odometer
  std::array<int64_t, kMaxRank> index{};
  int64_t at = 0;
  for (int64_t i = 0; i < out_shape.numel(); ++i) {
    out[i] = in[at];
    for (int d = out_shape.rank() - 1; d >= 0; --d) {
      const auto axis = static_cast<size_t>(d);
      at += stride[axis];
      if (++index[axis] < out_shape[d]) break;
      at -= stride[axis] * out_shape[d];
      index[axis] = 0;
    }
  }
}

/// The elements of a column-major array of this shape, in row-major order.
Tensor from_fortran(const Tensor& columns, const Shape& shape) {
  Tensor rows = Tensor::empty(shape, columns.dtype());
  visit_any(columns.dtype(), [&]<class T>() {
    reverse_axes(columns.data<T>(), shape, rows.mutable_data<T>());
  });
  return rows;
}

}  // namespace

NpyHeader read_npy_header(std::span<const std::byte> bytes, const std::string& name) {
  const auto fail = [&](const std::string& where, const std::string& why) {
    throw FormatError(name, where, why);
  };
  const auto byte = [&](size_t i) { return std::to_integer<uint32_t>(bytes[i]); };

  // Magic, version and length: 16 bits in version 1, 32 bits later
  if (!as_text(bytes).starts_with(kMagic)) fail("", "not an npy file: no magic number");
  if (bytes.size() < 8) fail("byte 6", "truncated: no version");
  if (byte(6) < 1 || byte(6) > 3 || byte(7) != 0) {
    fail("byte 6", join_text("unsupported version ", byte(6), ".", byte(7)));
  }
  const size_t length_bytes = byte(6) == 1 ? 2 : 4;
  const size_t start = 8 + length_bytes;
  if (bytes.size() < start) fail("byte 8", "truncated: no header length");
  size_t length = 0;
  for (size_t i = 0; i < length_bytes; ++i) length |= size_t{byte(8 + i)} << (8 * i);
  if (length > kMaxHeaderBytes) {
    fail("byte 8", join_text("header too large: ", length, " bytes, at most ", kMaxHeaderBytes));
  }
  if (length > bytes.size() - start) fail("byte 8", "truncated: header longer than the file");

  // The dictionary, and the size it asks for
  const std::string_view text = as_text(bytes.subspan(start, length));
  const Dictionary dictionary = DictionaryParser(text, start, name).parse();
  const auto [type, order] = parse_descr(dictionary.descr, name);
  const std::optional<int64_t> size = stored_bytes(dictionary.sizes, type);
  if (!size) fail("shape", "overflow: the product of the sizes is too large");
  return {
      .type = type,
      .order = order,
      .is_fortran = dictionary.fortran_order,
      .shape = Shape(std::span(dictionary.sizes)),
      .begin = static_cast<int64_t>(start + length),
      .size = *size};
}

Tensor read_npy(std::span<const std::byte> bytes, const std::string& name) {
  const NpyHeader header = read_npy_header(bytes, name);
  const auto elements = bytes.subspan(static_cast<size_t>(header.begin));
  if (header.size != std::ssize(elements)) {  // before anything is allocated
    throw FormatError(
        name, join_text("byte ", header.begin),
        join_text("shape needs ", header.size, " bytes, the file has ", elements.size()));
  }
  const Tensor tensor = tensor_from(elements, header.shape, header.type, header.order);
  return header.is_fortran && header.shape.rank() > 1 ? from_fortran(tensor, header.shape) : tensor;
}

Tensor load_npy(const std::string& path) { return read_npy(read_file(path, kMaxFileBytes), path); }

std::vector<std::byte> npy_bytes(const Tensor& tensor) {
  // The dictionary as numpy writes it: sorted keys, a comma behind every item
  const char* code = tensor.dtype() == DType::f32   ? "<f4"
                     : tensor.dtype() == DType::f64 ? "<f8"
                                                    : "<i8";
  std::string tuple =
      joined(tensor.shape().sizes(), ", ", [](int64_t size) { return std::to_string(size); });
  if (tensor.rank() == 1) tuple += ",";
  std::string header =
      join_text("{'descr': '", code, "', 'fortran_order': False, 'shape': (", tuple, "), }");

  // Spaces and a line feed bring the elements to the next multiple of 64
  constexpr size_t kPrefix = 10;  // magic, version, length
  const size_t used = kPrefix + header.size() + 1;
  header.append((kAlignment - used % kAlignment) % kAlignment, ' ');
  header += '\n';

  std::string prefix(kMagic);
  prefix += {'\x01', '\x00', static_cast<char>(header.size() & 0xFF)};
  prefix += static_cast<char>(header.size() >> 8);
  std::vector<std::byte> bytes;
  for (const auto part : {as_bytes(prefix), as_bytes(header), tensor.bytes()}) {
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  return bytes;
}

void save_npy(const std::string& path, const Tensor& tensor) {
  write_file_atomic(path, npy_bytes(tensor));
}

}  // namespace limpid
