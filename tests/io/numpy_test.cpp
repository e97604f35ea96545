// tests/io/numpy_test.cpp: numpy writes, we read and write, numpy compares; skipped without numpy.
#include "framework/io/npy.h"
#include "framework/io/npz.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace limpid;

namespace {

using Words = std::vector<std::string>;

/// A Python that has numpy, as the beginning of a command line; empty if there is none.
Words python_with_numpy() {
  for (const char* python : {"python3", "/usr/bin/python3"}) {
    const Words words = {"/usr/bin/env", python, "-c", "import numpy"};
    if (run_process(words[0], {words.begin() + 1, words.end()}).status == 0) return {python};
  }
  return {};
}

}  // namespace

TEST_CASE("numpy: 1,000 random arrays of every kind survive the way there and back") {
  const Words python = python_with_numpy();
  if (python.empty()) {
    MESSAGE("no python3 with numpy here: skipped");
    return;
  }
  constexpr int kCount = 1000;
  const TempDir folder;
  const auto call = [&](const std::string& command) {
    const std::string script = std::string(LIMPID_SOURCE_DIR) + "/tests/io/numpy_round_trip.py";
    const ProcessResult result = run_process(
        "/usr/bin/env",
        {python[0], script, command, folder.path().string(), std::to_string(kCount)});
    REQUIRE_MESSAGE(result.status == 0, result.err);
  };
  call("write");
  for (int n = 0; n < kCount; ++n) {
    const std::string number = std::to_string(n);
    CAPTURE(n);
    save_npy(folder.file("out-" + number + ".npy"), load_npy(folder.file(number + ".npy")));
    if (n % 10 != 0) continue;
    const auto arrays = load_npz(folder.file(number + ".npz"));
    CHECK(arrays.size() == 10);
    save_npz(folder.file("out-" + number + ".npz"), arrays);
  }
  call("check");
}
