// framework/io/json.h: JSON values, read strictly and written in the order they were given.
//
//     Json line = Json::object({{"epoch", 3}, {"loss", 0.25}, {"shape", Json::array({2, 3})}});
//     line.set("seconds", 1.5);
//     std::string text = to_text(line);      // {"epoch":3,"loss":0.25,"shape":[2,3],"seconds":1.5}
//     int64_t epoch = parse_json(text, "metrics.jsonl").integer("epoch");
//
// Serves config.json, metrics.jsonl, the --json output and the header of safetensors files.
#pragma once

#include "framework/core/error.h"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace limpid {

/// A member of an object. A template only so that it can be completed after Json.
template <class Value>
struct Keyed {
  std::string key;
  Value value;
  bool operator==(const Keyed&) const = default;
};

/// null, a truth value, an integer, a real number, a text, an array or an object.
/// Every access throws ValueError if the value is of another kind, naming both kinds.
class Json {
 public:
  using Member = Keyed<Json>;
  using Items = std::vector<Json>;
  using Members = std::vector<Member>;
  enum class Kind { null, boolean, integer, real, text, array, object };

  Json() = default;  // null
  Json(std::nullptr_t) {}
  /// A truth value or an integer. Throws ValueError beyond 2^63 - 1.
  template <std::integral Value>
  Json(Value value) {
    if constexpr (std::same_as<Value, bool>) {
      value_ = value;
    } else {
      check_value(std::in_range<int64_t>(value), "json", "integer ", value, " exceeds 2^63 - 1");
      value_ = static_cast<int64_t>(value);
    }
  }
  Json(double value) : value_(value) {}
  Json(std::string value) : value_(std::move(value)) {}
  Json(const char* value) : value_(std::string(value)) {}

  static Json array(Items items = {});
  /// An array of the values of any range.
  template <class Values>
  static Json array_of(const Values& values) {
    Json list = array();
    for (const auto& value : values) list.push(value);
    return list;
  }
  /// Throws ValueError if a key is given twice.
  static Json object(std::initializer_list<Member> members = {});

  Kind kind() const { return static_cast<Kind>(value_.index()); }
  bool is_null() const { return kind() == Kind::null; }

  // ---- Values ----

  bool boolean() const;
  int64_t integer() const;
  double number() const;  // an integer too
  const std::string& text() const;
  const Items& items() const;      // of an array
  const Members& members() const;  // of an object, in the order given

  // ---- Members of an object ----

  /// The member, or nullptr.
  const Json* find(std::string_view key) const;
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  /// Throws ValueError `json: no key "epochs" (keys: "model", "seed")`.
  const Json& at(std::string_view key) const;
  Json get_or(std::string_view key, const Json& fallback) const;

  /// The member as a value of one kind; errors name the key.
  bool boolean(std::string_view key) const;
  int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  const std::string& text(std::string_view key) const;

  // ---- Building. Both make an object or array of a null value first. ----

  /// Replaces the member, or adds it at the end. Returns *this.
  Json& set(std::string_view key, Json value);
  /// Adds an item at the end of an array. Returns *this.
  Json& push(Json value);

  /// Same kind and value; the order of members counts. NaN differs from itself.
  bool operator==(const Json& other) const;

 private:
  friend class JsonBuilder;
  void expect(Kind kind) const;
  const Json& expect(Kind kind, std::string_view key) const;

  // In the order of Kind
  std::variant<std::monostate, bool, int64_t, double, std::string, Items, Members> value_;
};

/// What parse_json() accepts of an untrusted text; enough for every file of this library.
inline constexpr int kMaxJsonDepth = 16;              // arrays and objects inside each other
inline constexpr int64_t kMaxJsonValues = 2'000'000;  // bounds memory to about 300 MB
inline constexpr int64_t kMaxJsonKeyBytes = 64 << 10;

/// Exactly one JSON value (RFC 8259) in UTF-8. Numbers without fraction and exponent are integers.
/// Throws FormatError `name: byte 17: why` for malformed text, a key that occurs twice in one
/// object, an integer beyond 64 bits, a number beyond double, and beyond the limits above.
Json parse_json(std::string_view text, const std::string& name);

/// One line without spaces, or one member per line with `indent` spaces per level; arrays of plain
/// values stay on one line. Real numbers have the fewest digits that read back as the same double,
/// and a point or an exponent; NaN and infinities become null; bytes that are not UTF-8 become
/// U+FFFD. No locale is involved.
std::string to_text(const Json& json, int indent = 0);

/// A text from outside, made fit for an error message: in quotes, escaped, cut after 60 bytes.
std::string excerpt(std::string_view text);

/// True if all of the text is well-formed UTF-8.
bool is_utf8(std::string_view text);

}  // namespace limpid
