// tests/core/text_test.cpp: cutting and joining texts.
#include "framework/core/text.h"

#include <doctest/doctest.h>

using namespace limpid;
using Parts = std::vector<std::string>;

TEST_CASE("split_text: empty parts are parts") {
  CHECK(split_text("a:b", ':') == Parts{"a", "b"});
  CHECK(split_text("a::b:", ':') == Parts{"a", "", "b", ""});
  CHECK(split_text("", ',') == Parts{""});
  CHECK(split_text("a:b", ',') == Parts{"a:b"});
}

TEST_CASE("joined: a separator between items, whose texts may be made") {
  CHECK(joined(Parts{"a", "b", "c"}, ", ") == "a, b, c");
  CHECK(joined(Parts{"a"}, ", ") == "a");
  CHECK(joined(Parts{}, ", ") == "");
  const auto text_of = [](int n) { return std::to_string(n); };
  CHECK(joined(std::vector<int>{1, -2}, "/", text_of) == "1/-2");
  CHECK(joined(Parts{"ab", "c"}, " ", [](const std::string& part) {
          return part + "!";
        }) == "ab! c!");
}
