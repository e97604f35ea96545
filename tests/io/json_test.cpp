// tests/io/json_test.cpp: values, strict reading, ordered writing.
#include "framework/io/json.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <bit>
#include <clocale>
#include <cmath>
#include <limits>

using namespace limpid;

namespace {

Json parse(std::string_view text) { return parse_json(text, "a.json"); }

/// The text of the error that reading gives; empty if there is none.
std::string error_of(std::string_view text) {
  return failure([&] { parse(text); });
}

double random_double(Rng& rng) {
  const auto high = static_cast<uint64_t>(rng.integer(int64_t{1} << 32));
  return std::bit_cast<double>(high << 32 | static_cast<uint64_t>(rng.integer(int64_t{1} << 32)));
}

/// A value of random kind and content, with at most `depth` levels below it.
Json random_value(Rng& rng, int depth) {
  switch (rng.integer(depth > 0 ? 7 : 5)) {
    case 0: return nullptr;
    case 1: return rng.integer(2) == 1;
    case 2: return rng.integer(std::numeric_limits<int64_t>::max()) - (int64_t{1} << 62);
    case 3: {
      const double value = random_double(rng);
      return std::isfinite(value) ? value : 0.5;
    }
    case 4: {
      std::string text;
      for (int64_t i = rng.integer(6); i > 0; --i) text += static_cast<char>(rng.integer(128));
      return text + "\xC3\xA9";
    }
    case 5: {
      Json array = Json::array();
      for (int64_t i = rng.integer(5); i > 0; --i) array.push(random_value(rng, depth - 1));
      return array;
    }
    default: {
      Json object = Json::object();
      for (int64_t i = rng.integer(5); i > 0; --i) {
        object.set("key" + std::to_string(rng.integer(9)), random_value(rng, depth - 1));
      }
      return object;
    }
  }
}

}  // namespace

TEST_CASE("json: the example of the header") {
  Json line = Json::object({{"epoch", 3}, {"loss", 0.25}, {"shape", Json::array({2, 3})}});
  line.set("seconds", 1.5);
  const std::string text = to_text(line);
  CHECK(text == R"({"epoch":3,"loss":0.25,"shape":[2,3],"seconds":1.5})");
  CHECK(parse(text).integer("epoch") == 3);
  CHECK(parse(text) == line);
}

TEST_CASE("json: kinds and access") {
  const Json json =
      parse(R"( {"n": null, "b": true, "i": -7, "r": 2.0, "t": "x", "a": [1, "2"]} )");
  CHECK(json.at("n").is_null());
  CHECK(json.boolean("b"));
  CHECK(json.integer("i") == -7);
  CHECK(json.number("r") == 2.0);
  CHECK(json.number("i") == -7.0);  // an integer is a number
  CHECK(json.text("t") == "x");
  CHECK(json.at("a").items().size() == 2);
  CHECK(json.members()[4].key == "t");
  CHECK(json.at("r").kind() == Json::Kind::real);
  CHECK(json.contains("n"));
  CHECK_FALSE(json.contains("z"));
  CHECK(json.get_or("i", 1).integer() == -7);
  CHECK(json.get_or("z", "other").text() == "other");
}

TEST_CASE("json: an array of any values") {
  CHECK(to_text(Json::array_of(std::vector<int64_t>{3, -1})) == "[3,-1]");
  CHECK(to_text(Json::array_of(std::vector<std::string>{"a", "b"})) == R"(["a","b"])");
  CHECK(to_text(Json::array_of(std::vector<double>{})) == "[]");
}

TEST_CASE("json: errors of access name the key and both kinds") {
  const Json json = Json::object({{"epochs", "ten"}, {"rate", 0.5}});
  CHECK_THROWS_WITH_AS(
      json.at("seed"), R"(json: no key "seed" (keys: "epochs", "rate"))", ValueError);
  CHECK_THROWS_WITH_AS(
      json.integer("epochs"), R"(json: key "epochs": expected an integer, found a text)",
      ValueError);
  CHECK_THROWS_WITH_AS(
      json.integer("rate"), R"(json: key "rate": expected an integer, found a number)", ValueError);
  CHECK_THROWS_AS(json.boolean("rate"), ValueError);
  CHECK_THROWS_AS(json.text("rate"), ValueError);
  CHECK_THROWS_AS(json.number("epochs"), ValueError);
  CHECK_THROWS_WITH_AS(json.items(), "json: expected an array, found an object", ValueError);
  CHECK_THROWS_AS(Json(1).members(), ValueError);
  CHECK_THROWS_AS(Json(1).set("a", 2), ValueError);
  CHECK_THROWS_AS(Json::object().push(2), ValueError);
}

TEST_CASE("json: building keeps the order, replaces in place, refuses what cannot be kept") {
  Json json;
  json.set("z", 1).set("a", 2).set("z", Json::array({true, nullptr, "t"}));
  CHECK(to_text(json) == R"({"z":[true,null,"t"],"a":2})");
  Json list;
  list.push(1).push(Json::object());
  CHECK(to_text(list) == "[1,{}]");
  CHECK_THROWS_WITH_AS(
      Json::object({{"a", 1}, {"a", 2}}), R"(json: key "a" given twice)", ValueError);
  CHECK(Json(std::numeric_limits<int64_t>::min()).integer() == INT64_MIN);
  CHECK_THROWS_AS(Json(uint64_t{1} << 63), ValueError);
  CHECK(Json(1) != Json(1.0));
  CHECK(Json(1) != Json(true));
}

TEST_CASE("json: malformed texts are refused with the place") {
  CHECK(
      error_of("[1, 2") ==
      "a.json: byte 5: syntax error while parsing array - unexpected end "
      "of input; expected ']'");
  CHECK(error_of("[1, x]").starts_with("a.json: byte 5: syntax error"));
  for (const char* text :
       {"",
        " ",
        "{",
        "}",
        "[",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "{'a':1}",
        "[1 2]",
        "{} {}",
        "{}x",
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "0x10",
        "NaN",
        "Infinity",
        "-Infinity",
        "nul",
        "True",
        "\"",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "[1]//",
        "/**/1",
        "\xEF\xBB\xBF",
        "\"\xFF\"",
        "\"\xC0\x80\"",
        "\"\xED\xA0\x80\"",
        "\xC3\xA9"}) {
    CAPTURE(text);
    CHECK(error_of(text) != "");
  }
  // The parser below would stop at a zero byte and call the rest good
  CHECK(error_of(std::string_view("{}\0x", 4)) == "a.json: byte 2: zero byte");
  CHECK(error_of("\"\\u0000\"") == "");  // an escaped one is text
}

TEST_CASE("json: numbers") {
  CHECK(parse("9223372036854775807").integer() == INT64_MAX);
  CHECK(parse("-9223372036854775808").integer() == INT64_MIN);
  CHECK(error_of("9223372036854775808").find("exceeds 2^63 - 1") != std::string::npos);
  CHECK(error_of("18446744073709551616").find("exceeds 64 bits") != std::string::npos);
  CHECK(error_of("-9223372036854775809").find("exceeds 64 bits") != std::string::npos);
  CHECK(error_of("1e400").find("number overflow") != std::string::npos);
  CHECK(parse("1e3").kind() == Json::Kind::real);
  CHECK(parse("1e-400").number() == 0);
  CHECK(parse("0.1").number() == 0.1);

  CHECK(to_text(0.1) == "0.1");
  CHECK(to_text(3.0) == "3.0");
  CHECK(to_text(-0.0) == "-0.0");
  CHECK(to_text(1e300) == "1e+300");
  CHECK(to_text(1.0 / 3) == "0.3333333333333333");
  CHECK(to_text(5e-324) == "5e-324");
  CHECK(to_text(std::nan("")) == "null");
  CHECK(to_text(-HUGE_VAL) == "null");
  CHECK(to_text(INT64_MIN) == "-9223372036854775808");
}

TEST_CASE("json: a locale with a decimal comma changes nothing") {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* locale : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"}) {
    if (std::setlocale(LC_ALL, locale) != nullptr) break;  // none installed: checked in "C"
  }
  CHECK(to_text(1234567.5) == "1234567.5");
  CHECK(parse("1234567.5").number() == 1234567.5);
  std::setlocale(LC_ALL, before.c_str());
}

TEST_CASE("json: depth, doubled keys, long keys, many values") {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(error_of(nested(16)) == "");
  CHECK(error_of(nested(17)) == "a.json: byte 17: nested deeper than 16");
  CHECK(error_of(nested(100'000)) == "a.json: byte 17: nested deeper than 16");
  CHECK(error_of(R"({"a":{"b":{"c":[{"d":1}]}}})") == "");

  CHECK(
      error_of(R"({"a": 1, "b": 2, "a": 3})") ==
      R"(a.json: byte 24: key "a" occurs twice in one object)");
  CHECK(error_of(R"({"a": 1, "\u0061": 3})").find("occurs twice") != std::string::npos);
  CHECK(error_of(R"([{"x": {"a": 1, "a": 3}}])").find("occurs twice") != std::string::npos);
  CHECK(error_of(R"({"a": {"a": 1}, "A": [{"a": 1}, {"a": 1}]})") == "");

  const std::string key(static_cast<size_t>(kMaxJsonKeyBytes), 'k');
  CHECK(error_of("{\"" + key + "\":1}") == "");
  CHECK(error_of("{\"" + key + "k\":1}").find("key of 65537 bytes") != std::string::npos);

  std::string many = "[";
  for (int64_t i = 1; i < kMaxJsonValues; ++i) many += "0,";
  CHECK(error_of(many + "0]").find("more than 2000000 values") != std::string::npos);
}

TEST_CASE("json: texts are escaped, and always become valid UTF-8") {
  CHECK(to_text("a\"b\\c\n\t\x01\x1F/") == R"("a\"b\\c\n\t\u0001\u001f/")");
  CHECK(to_text(std::string("\0", 1)) == R"("\u0000")");
  CHECK(
      to_text("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80") ==
      "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
  CHECK(to_text("a\xFFz\xC3") == "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\"");
  CHECK(is_utf8("\xC3\xA9\xF4\x8F\xBF\xBF"));
  // Alone, overlong, surrogate, beyond U+10FFFF, cut
  for (const char* text :
       {"\x80", "\xC0\x80", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xE2\x82", "\xC3("}) {
    CAPTURE(text);
    CHECK_FALSE(is_utf8(text));
    CHECK(error_of(to_text(text)) == "");
  }
  CHECK(parse(R"("\u00e9\ud83d\ude00")").text() == "\xC3\xA9\xF0\x9F\x98\x80");
}

TEST_CASE("json: indented layout") {
  const Json json = Json::object(
      {{"a", Json::array({1, 2})},
       {"b", Json::object({{"c", Json::array({Json::array({}), 1})}})},
       {"d", Json::object()}});
  CHECK(to_text(json, 2) == R"({
  "a": [1, 2],
  "b": {
    "c": [
      [],
      1
    ]
  },
  "d": {}
})");
  CHECK(parse(to_text(json, 2)) == json);
}

TEST_CASE("json: random values and random doubles are read back exactly") {
  Rng rng(1);
  for (int i = 0; i < 300; ++i) {
    const Json json = random_value(rng, 5);
    const std::string text = to_text(json);
    CAPTURE(text);
    CHECK(parse(text) == json);
    CHECK(parse(to_text(json, 3)) == json);
  }
  for (int i = 0; i < 2000; ++i) {
    const double value = random_double(rng);
    if (!std::isfinite(value)) continue;
    CHECK(
        std::bit_cast<uint64_t>(parse(to_text(value)).number()) == std::bit_cast<uint64_t>(value));
  }
}

TEST_CASE("json: excerpts of hostile texts are short and stay on one line") {
  CHECK(excerpt("a\nb") == R"("a\nb")");
  CHECK(excerpt(std::string(1000, 'x')) == "\"" + std::string(60, 'x') + "\"...");
  CHECK(error_of("[" + std::string(100'000, 'x') + "]").size() < 300);
  CHECK(error_of("[1" + std::string(100'000, '0') + "]").size() < 300);
  CHECK(error_of("{\"a\n\": 1}").find('\n') == std::string::npos);
}
