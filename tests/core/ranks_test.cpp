// tests/core/ranks_test.cpp: shares, and what one rank by itself does; several: tests/cli.
#include "framework/core/ranks.h"

#include "framework/core/error.h"

#include <doctest/doctest.h>

#include <vector>

namespace limpid::ranks {

TEST_CASE("ranks: shares follow each other, cover everything and differ by one at most") {
  for (const int64_t n : {0, 1, 5, 64, 1000}) {
    for (const int parts : {1, 2, 3, 7, 100}) {
      int64_t at = 0;
      for (int part = 0; part < parts; ++part) {
        const Share own = share(n, part, parts);
        CHECK(own.begin == at);
        CHECK(own.of == n);
        CHECK((own.size() == n / parts || own.size() == n / parts + 1));
        at = own.end;
      }
      CHECK(at == n);
    }
  }
  CHECK_THROWS_WITH_AS(share(4, 2, 2), "share: there is no part 2 of 2 of 4 entries", ValueError);
  CHECK_THROWS_AS(share(-1, 0, 1), ValueError);
  CHECK_THROWS_AS(share(4, -1, 2), ValueError);
}

TEST_CASE("ranks: a process by itself is the only rank, and its sums are its values") {
  CHECK(count() == 1);
  CHECK(mine() == 0);
  CHECK(is_first());
  std::vector<float> values = {1.5F, -2};
  sum(values);
  CHECK(values == std::vector<float>{1.5F, -2});
  CHECK(any(true));
  CHECK_FALSE(any(false));
  CHECK(from_first(true));
  const std::vector<std::byte> bytes = {std::byte{1}, std::byte{2}};
  CHECK(gather(bytes) == std::vector<std::vector<std::byte>>{bytes});
  CHECK(gather({}).at(0).empty());
}

}  // namespace limpid::ranks
