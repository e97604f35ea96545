// tests/fuzz_replay/replay_test.cpp: every fuzz target on its corpus and on seeded mutations of it.
#include "framework/core/buffer.h"
#include "tests/fuzz_replay/allocations.h"
#include "tests/fuzz_replay/mutate.h"
#include "tests/fuzz_replay/targets.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
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

constexpr int64_t kMostMemory = 32 << 20;  // bytes that one input may cost

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
    int64_t most = 0;  // bytes that one input made the parser ask for
    const auto run = [&](const uint8_t* data, size_t size) {
      reset_peak_allocation();
      reset_peak();
      const int64_t before = memory().live_bytes;
      CHECK(target.run(data, size) == 0);
      most = std::max(most, peak_allocation() + memory().peak_bytes - before);
    };
    for (const Input& seed : seeds) run(seed.data(), seed.size());
    run(nullptr, 0);
    Rng rng(1);
    for (int64_t i = 0; i < mutations(); ++i) {
      CAPTURE(i);
      const Input input = mutated(seeds, rng);
      run(input.data(), input.size());
    }
    // No input is longer than a few kilobytes, and decompression is capped by the targets. The
    // pictures that stb decodes are not counted; their limit is kMaxImagePixels.
    CHECK_MESSAGE(most < kMostMemory, "asked for ", most, " bytes");
    std::printf("fuzz: %-12s asked for at most %lld KiB\n", target.name, most / 1024LL);
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
