// tests/core/text_test.cpp: cutting texts.
#include "framework/core/text.h"

#include <doctest/doctest.h>

using namespace limpid;

TEST_CASE("split_at: empty parts are parts") {
  using Parts = std::vector<std::string>;
  CHECK(split_at("a:b", ':') == Parts{"a", "b"});
  CHECK(split_at("a::b:", ':') == Parts{"a", "", "b", ""});
  CHECK(split_at("", ',') == Parts{""});
  CHECK(split_at("a:b", ',') == Parts{"a:b"});
}
