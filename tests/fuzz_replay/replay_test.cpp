// tests/fuzz_replay/replay_test.cpp: every fuzz target on its corpus and on seeded mutations of it.
#include "framework/core/error.h"
#include "tests/fuzz_replay/mutate.h"
#include "tests/fuzz_replay/targets.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace fs = std::filesystem;

using namespace limpid;

namespace {

/// The seeds of a target, sorted by name.
std::vector<Input> corpus_of(const std::string& target) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(fs::path(LIMPID_TEST_DATA) / "corpus" / target)) {
    paths.push_back(entry.path());
  }
  std::ranges::sort(paths);
  std::vector<Input> seeds;
  for (const fs::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return seeds;
}

/// Mutations per target; LIMPID_MUTATIONS asks for another number.
int64_t mutations() {
  const char* wanted = std::getenv("LIMPID_MUTATIONS");
  return wanted == nullptr ? 20'000 : std::atoll(wanted);
}

}  // namespace

TEST_CASE("fuzz: 20,000 mutations per target end in a value or in one of the library's errors") {
  for (const FuzzTarget& target : fuzz_targets()) {
    CAPTURE(target.name);
    const std::vector<Input> seeds = corpus_of(target.name);
    REQUIRE_FALSE(seeds.empty());
    const auto start = std::chrono::steady_clock::now();
    for (const Input& seed : seeds) CHECK(target.run(seed.data(), seed.size()) == 0);
    CHECK(target.run(nullptr, 0) == 0);
    Rng rng(1);
    for (int64_t i = 0; i < mutations(); ++i) {
      CAPTURE(i);
      const Input input = mutated(seeds, rng);
      CHECK(target.run(input.data(), input.size()) == 0);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    CHECK_MESSAGE(seconds.count() < 120, "took ", seconds.count(), " s");
  }
}

TEST_CASE("fuzz: mutations are a function of the seed") {
  const std::vector<Input> seeds = {{'1', '2', 'a', 'b'}, Input(300, 7)};
  Rng one(5), two(5), other(6);
  int same = 0;
  for (int i = 0; i < 1000; ++i) {
    const Input input = mutated(seeds, one);
    CHECK(input == mutated(seeds, two));
    same += input == mutated(seeds, other);
  }
  CHECK(same < 20);
}
