// tests/core/ranks_test.cpp: shares, and what one rank by itself does; several: tests/cli.
#include "framework/core/ranks.h"

#include "framework/core/error.h"
#include "framework/core/pack.h"
#include "framework/core/rank_map.h"

#include <doctest/doctest.h>

#include <string>
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

struct Row {
  std::string name;
  std::vector<double> values;
  int64_t number = 0;
  bool operator==(const Row&) const = default;

  template <class Self, class Visit>
  static void fields(Self& self, Visit& visit) {
    visit(self.name, self.values, self.number);
  }
};

TEST_CASE("pack: what comes out is what went in") {
  const std::vector<Row> rows = {{"a", {1.5, -2}, 7}, {"", {}, -1}};
  const std::vector<std::string> words = {"one", "", "three"};
  const bool is_on = true;
  Packer packer;
  packer(rows, words, is_on);
  std::vector<Row> same_rows(5);
  std::vector<std::string> same_words;
  bool same = false;
  Unpacker unpacker(packer.bytes());
  unpacker(same_rows, same_words, same);
  CHECK(same_rows == rows);
  CHECK(same_words == words);
  CHECK(same);
  CHECK_THROWS_WITH_AS(unpacker(same), "unpack: the bytes end too early", Error);
}

TEST_CASE("map: results in order, of any kind; what one throws goes on") {
  const auto squares = map<double>(5, [](int64_t i) { return static_cast<double>(i * i); });
  CHECK(squares == std::vector<double>{0, 1, 4, 9, 16});
  CHECK(
      map<Row>(2, [](int64_t i) { return Row{.name = "n", .values = {}, .number = i}; })[1]
          .number == 1);
  CHECK(map<double>(0, [](int64_t) { return 1.0; }).empty());
  CHECK_THROWS_AS(
      map<double>(3, [](int64_t i) -> double { raise<ValueError>("f", i); }), ValueError);
}

}  // namespace limpid::ranks
