// framework/io/json.cpp: the only file that uses nlohmann-json, and of it only the SAX parser.
#include "framework/io/json.h"

#include "framework/core/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

namespace limpid {

namespace {

const char* name_of(Json::Kind kind) {
  switch (kind) {
    case Json::Kind::null: return "null";
    case Json::Kind::boolean: return "a truth value";
    case Json::Kind::integer: return "an integer";
    case Json::Kind::real: return "a number";
    case Json::Kind::text: return "a text";
    case Json::Kind::array: return "an array";
    case Json::Kind::object: return "an object";
  }
  return "unknown";
}

/// An integer is a number too; otherwise the kinds must be equal.
bool fits(Json::Kind found, Json::Kind expected) {
  return found == expected || (expected == Json::Kind::real && found == Json::Kind::integer);
}

}  // namespace

// ---- Values ----

Json Json::array(Items items) {
  Json json;
  json.value_ = std::move(items);
  return json;
}

Json Json::object(std::initializer_list<Member> members) {
  Json json;
  json.value_ = Members();
  for (const Member& member : members) {
    check_value(!json.contains(member.key), "json", "key ", excerpt(member.key), " given twice");
    json.set(member.key, member.value);
  }
  return json;
}

void Json::expect(Kind expected) const {
  check_value(
      fits(kind(), expected), "json", "expected ", name_of(expected), ", found ", name_of(kind()));
}

const Json& Json::expect(Kind expected, std::string_view key) const {
  const Json& member = at(key);
  check_value(
      fits(member.kind(), expected), "json", "key ", excerpt(key), ": expected ", name_of(expected),
      ", found ", name_of(member.kind()));
  return member;
}

bool Json::boolean() const {
  expect(Kind::boolean);
  return std::get<bool>(value_);
}

int64_t Json::integer() const {
  expect(Kind::integer);
  return std::get<int64_t>(value_);
}

double Json::number() const {
  expect(Kind::real);
  return kind() == Kind::integer ? static_cast<double>(integer()) : std::get<double>(value_);
}

const std::string& Json::text() const {
  expect(Kind::text);
  return std::get<std::string>(value_);
}

const Json::Items& Json::items() const {
  expect(Kind::array);
  return std::get<Items>(value_);
}

const Json::Members& Json::members() const {
  expect(Kind::object);
  return std::get<Members>(value_);
}

bool Json::operator==(const Json& other) const { return value_ == other.value_; }

// ---- Members ----

const Json* Json::find(std::string_view key) const {
  const Members& all = members();
  const auto member = std::ranges::find(all, key, &Member::key);
  return member == all.end() ? nullptr : &member->value;
}

const Json& Json::at(std::string_view key) const {
  if (const Json* member = find(key)) return *member;
  std::string keys =
      joined(members(), ", ", [](const Member& member) { return excerpt(member.key); });
  constexpr size_t kLongest = 300;
  if (keys.size() > kLongest) keys = keys.substr(0, kLongest) + "...";
  raise<ValueError>("json", "no key ", excerpt(key), " (keys: ", keys, ")");
}

Json Json::get_or(std::string_view key, const Json& fallback) const {
  const Json* member = find(key);
  return member != nullptr ? *member : fallback;
}

bool Json::boolean(std::string_view key) const { return expect(Kind::boolean, key).boolean(); }

int64_t Json::integer(std::string_view key) const { return expect(Kind::integer, key).integer(); }

double Json::number(std::string_view key) const { return expect(Kind::real, key).number(); }

const std::string& Json::text(std::string_view key) const { return expect(Kind::text, key).text(); }

Json& Json::set(std::string_view key, Json value) {
  if (is_null()) value_ = Members();
  expect(Kind::object);
  auto& all = std::get<Members>(value_);
  const auto member = std::ranges::find(all, key, &Member::key);
  if (member != all.end()) {
    member->value = std::move(value);
  } else {
    all.push_back({std::string(key), std::move(value)});
  }
  return *this;
}

Json& Json::push(Json value) {
  if (is_null()) value_ = Items();
  expect(Kind::array);
  std::get<Items>(value_).push_back(std::move(value));
  return *this;
}

// ---- Reading ----

namespace {

/// Walks over a text and counts, so that the events of the parser can be given a place.
struct CountingIterator {
  // NOLINTBEGIN(readability-identifier-naming): the names that std::iterator_traits looks for
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  // NOLINTEND(readability-identifier-naming)

  reference operator*() const { return *at; }
  CountingIterator& operator++() {
    ++at;
    ++*count;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at == other.at; }

  const char* at;
  size_t* count;
};

}  // namespace

/// Receives the events of the parser, enforces the limits and builds the value.
class JsonBuilder {
 public:
  explicit JsonBuilder(const std::string& name) : name_(name) {}

  size_t* position() { return &position_; }
  Json result() { return std::move(root_); }

  bool null() { return add(Json()); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(int64_t value) { return add(value); }
  bool number_unsigned(uint64_t value) {
    if (!std::in_range<int64_t>(value)) fail(join_text("integer ", value, " exceeds 2^63 - 1"));
    return add(static_cast<int64_t>(value));
  }
  bool number_float(double value, const std::string& digits) {
    // The parser turns integers beyond 64 bits into real numbers
    if (digits.find_first_of(".eE") == std::string::npos) {
      fail("integer " + excerpt(digits) + " exceeds 64 bits");
    }
    return add(value);
  }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(std::vector<uint8_t>&) { fail("binary value"); }

  bool start_array(size_t) { return open(Json::array()); }
  bool end_array() { return close(); }
  bool start_object(size_t) { return open(Json::object()); }
  bool end_object() {
    const Json::Members& all = open_.back()->members();
    std::vector<const std::string*> keys;
    keys.reserve(all.size());
    for (const Json::Member& member : all) keys.push_back(&member.key);
    const auto text = [](const std::string* key) -> const std::string& { return *key; };
    std::ranges::sort(keys, {}, text);
    const auto twice = std::ranges::adjacent_find(keys, {}, text);
    if (twice != keys.end()) fail("key " + excerpt(**twice) + " occurs twice in one object");
    return close();
  }
  bool key(std::string& key) {
    if (std::ssize(key) > kMaxJsonKeyBytes) {
      fail(join_text("key of ", key.size(), " bytes, at most ", kMaxJsonKeyBytes));
    }
    key_ = std::move(key);
    return true;
  }

  /// The texts of the parser look like `[...] parse error at line 1, column 2: why; last read: x`.
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) {
    std::string_view why = error.what();
    why.remove_prefix(std::min(why.find("] ") + 2, why.size()));
    const size_t place = why.find(", column ");
    if (place != std::string_view::npos) why.remove_prefix(why.find(": ", place) + 2);
    why = why.substr(0, why.find("; last read"));
    constexpr size_t kLongest = 120;
    fail(std::string(why.substr(0, kLongest)));
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw FormatError(name_, join_text("byte ", position_), why);
  }

  bool add(Json value) {
    if (++values_ > kMaxJsonValues) fail(join_text("more than ", kMaxJsonValues, " values"));
    newest_ = &place(std::move(value));
    return true;
  }

  /// Puts the value where it belongs. An open value is the last one of its parent, which does not
  /// grow until the value is closed: so pointers to open values stay valid.
  Json& place(Json value) {
    if (open_.empty()) return root_ = std::move(value);
    Json& parent = *open_.back();
    if (auto* items = std::get_if<Json::Items>(&parent.value_)) {
      return items->emplace_back(std::move(value));
    }
    auto& members = std::get<Json::Members>(parent.value_);
    return members.emplace_back(Json::Member{std::move(key_), std::move(value)}).value;
  }

  bool open(Json container) {
    if (std::ssize(open_) == kMaxJsonDepth) fail(join_text("nested deeper than ", kMaxJsonDepth));
    add(std::move(container));
    open_.push_back(newest_);
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& name_;
  size_t position_ = 0;  // bytes the parser has taken
  Json root_;
  std::vector<Json*> open_;  // from the root to the innermost open array or object
  Json* newest_ = nullptr;
  std::string key_;
  int64_t values_ = 0;
};

Json parse_json(std::string_view text, const std::string& name) {
  // The parser takes a zero byte for the end of the text
  const size_t zero = text.find('\0');
  if (zero != std::string_view::npos) {
    throw FormatError(name, join_text("byte ", zero), "zero byte");
  }
  JsonBuilder builder(name);
  const char* begin = text.data();
  nlohmann::json::sax_parse(
      CountingIterator{begin, builder.position()},
      CountingIterator{begin + text.size(), builder.position()}, &builder);
  return builder.result();
}

// ---- Writing ----

namespace {

/// Length of the well-formed UTF-8 sequence that begins here, or 0 (Unicode 15, table 3-7).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xC2 || first > 0xF4 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  // Overlong forms, surrogates, and beyond U+10FFFF
  if (first == 0xE0 && byte(1) < 0xA0) return 0;
  if (first == 0xED && byte(1) > 0x9F) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return length;
}

/// Length of the longest beginning that needs no escape and no look at its neighbours.
size_t plain_length(std::string_view text) {
  const auto plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  const auto end = std::ranges::find_if_not(text, plain);
  return static_cast<size_t>(end - text.begin());
}

void write_string(std::string& out, std::string_view text) {
  out += '"';
  for (;;) {
    const size_t plain = plain_length(text);
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;

    // A byte that needs an escape, or a sequence beyond ASCII
    const size_t length = utf8_length(text);
    const char first = text[0];
    if (length == 0) {
      out += "\xEF\xBF\xBD";  // U+FFFD
    } else if (first == '"' || first == '\\') {
      out += {'\\', first};
    } else if (first == '\n') {
      out += "\\n";
    } else if (first == '\t') {
      out += "\\t";
    } else if (length == 1 && first < ' ') {
      constexpr std::string_view kDigits = "0123456789abcdef";
      out += "\\u00";
      out += {kDigits[static_cast<size_t>(first) >> 4], kDigits[static_cast<size_t>(first) & 15]};
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  out += '"';
}

template <class Number>
std::string_view digits_of(Number value, std::array<char, 32>& room) {
  const auto end = std::to_chars(room.data(), room.data() + room.size(), value);
  return {room.data(), end.ptr};
}

void write_real(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::array<char, 32> room;
  const std::string_view digits = digits_of(value, room);
  out += digits;
  if (digits.find_first_of(".e") == std::string_view::npos) out += ".0";
}

/// Writes a value whose line begins `level` spaces from the left; indent 0 means one line.
class JsonWriter {
 public:
  JsonWriter(std::string& out, int indent) : out_(out), indent_(indent) {}

  void write(const Json& json, int level) {
    std::array<char, 32> room;
    switch (json.kind()) {
      case Json::Kind::null: out_ += "null"; break;
      case Json::Kind::boolean: out_ += json.boolean() ? "true" : "false"; break;
      case Json::Kind::integer: out_ += digits_of(json.integer(), room); break;
      case Json::Kind::real: write_real(out_, json.number()); break;
      case Json::Kind::text: write_string(out_, json.text()); break;
      case Json::Kind::array: write_array(json.items(), level); break;
      case Json::Kind::object: write_object(json.members(), level); break;
    }
  }

 private:
  void write_array(const Json::Items& items, int level) {
    const bool plain = std::ranges::none_of(items, [](const Json& item) {
      return item.kind() == Json::Kind::array || item.kind() == Json::Kind::object;
    });
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += ',';
      if (!plain) {
        new_line(level + indent_);
      } else if (i > 0 && indent_ > 0) {
        out_ += ' ';
      }
      write(items[i], level + indent_);
    }
    if (!plain) new_line(level);
    out_ += ']';
  }

  void write_object(const Json::Members& members, int level) {
    out_ += '{';
    for (size_t i = 0; i < members.size(); ++i) {
      if (i > 0) out_ += ',';
      new_line(level + indent_);
      write_string(out_, members[i].key);
      out_ += indent_ > 0 ? ": " : ":";
      write(members[i].value, level + indent_);
    }
    if (!members.empty()) new_line(level);
    out_ += '}';
  }

  void new_line(int level) {
    if (indent_ == 0) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(level), ' ');
  }

  std::string& out_;
  int indent_;
};

}  // namespace

std::string to_text(const Json& json, int indent) {
  std::string out;
  JsonWriter(out, indent).write(json, 0);
  return out;
}

std::string excerpt(std::string_view text) {
  constexpr size_t kLongest = 60;
  if (text.size() <= kLongest) return to_text(std::string(text));
  return to_text(std::string(text.substr(0, kLongest))) + "...";
}

bool is_utf8(std::string_view text) {
  for (;;) {
    text.remove_prefix(plain_length(text));
    if (text.empty()) return true;
    const size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
}

}  // namespace limpid
