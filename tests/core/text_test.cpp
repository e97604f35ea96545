// tests/core/text_test.cpp: cutting texts.
#include "framework/core/text.h"

#include <doctest/doctest.h>

using namespace limpid;

TEST_CASE("split_text: empty parts are parts") {
  using Parts = std::vector<std::string>;
  CHECK(split_text("a:b", ':') == Parts{"a", "b"});
  CHECK(split_text("a::b:", ':') == Parts{"a", "", "b", ""});
  CHECK(split_text("", ',') == Parts{""});
  CHECK(split_text("a:b", ',') == Parts{"a:b"});
}
