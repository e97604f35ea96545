// tests/cli/memory_test.cpp: running out of memory is an error with a text, not an abort.
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

using namespace limpid;
using namespace limpid::cli;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kIsSanitized = true;  // sanitizers reserve far more addresses than any limit here
#else
constexpr bool kIsSanitized = false;
#endif

// A limit of the address space under which the program itself works: the libraries below reserve
// some tens of megabytes for each core.
int64_t smallest_limit(const TempDir& folder) {
  for (int64_t bytes = int64_t{800} << 20; bytes <= int64_t{3200} << 20; bytes *= 2) {
    const ProcessOptions limited{.address_space = bytes, .time_limit = 10};
    const ProcessResult version = run(folder, "--version", limited);
    const ProcessResult bench = run(folder, "bench op_overhead_1000adds --reps 1", limited);
    if (version.status == 0 && bench.status == 0) return bytes;
  }
  return 0;
}

}  // namespace

TEST_CASE(
    "memory: too little for the libraries below is an error, not an endless wait" *
    doctest::skip(kIsSanitized)) {
  const TempDir folder;
  for (const int64_t megabytes : {200, 250, 300}) {
    INFO(megabytes, " MB");
    const ProcessResult result =
        run(folder, "bench op_overhead_1000adds --reps 1",
            {.address_space = megabytes << 20, .time_limit = 10});
    CHECK_FALSE(result.ran_out_of_time);
    if (result.status == 0) continue;  // some machines need less
    CHECK(result.status == 1);
    check_one_line(result.err, {"limpid: bench: ", " bytes"});
  }
}

TEST_CASE(
    "memory: a batch that does not fit ends with 1, naming bytes and shape (bad input 42)" *
    doctest::skip(kIsSanitized)) {
  const TempDir folder;
  const int64_t limit = smallest_limit(folder);
  REQUIRE(limit > 0);
  for (const char* threads : {"1", "2"}) {
    // The first convolution gives 2000 * 512 * 28 * 28 floats, 3.2 GB
    const ProcessResult result =
        run(folder,
            std::string("train --quiet --data fashion-2k --model convnet:512x2 --batch 2000") +
                " --epochs 1 --out r --threads " + threads,
            {.address_space = limit});
    CHECK_FALSE(result.ran_out_of_time);
    CHECK(result.status == 1);
    CHECK(result.out == "");
    check_one_line(result.err, {"limpid: train: ", "3211264000 bytes", "[2000, 512, 28, 28]"});
    CHECK_FALSE(exists(folder.file("r/last.safetensors")));
  }
  // The same folder can be used with a batch that fits
  const ProcessResult again =
      run(folder,
          "train --quiet --data fashion-2k --model convnet:4x2 --limit-train 40 --epochs 1"
          " --out r --threads 1",
          {.address_space = limit});
  CHECK(again.status == 0);
}
