// tests/cli/help_test.cpp: help on every level, its examples, --version.
#include "datasets/datasets.h"
#include "framework/io/npy.h"
#include "framework/ops/linear_maps.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace limpid;
using namespace limpid::cli;

namespace {

// The commands that a help text lists below "Subcommands:", each with the words before it.
std::vector<std::string> subcommands(const std::string& help, const std::string& prefix) {
  std::vector<std::string> names;
  bool is_inside = false;
  for (const std::string& line : lines(help)) {
    if (is_inside && line.starts_with("  ")) {
      names.push_back(prefix + line.substr(2, line.find(' ', 2) - 2));
    }
    is_inside = line == "Subcommands:" || (is_inside && line.starts_with("  "));
  }
  return names;
}

// The line below "Example:", without the program's name.
std::string example_in(const std::string& help) {
  const std::vector<std::string> all = lines(help);
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    if (all[i] == "Example:") return replaced(all[i + 1], "  limpid ", "");
  }
  return "";
}

// All commands that do something, in the order of the help.
std::vector<std::string> commands(const TempDir& folder) {
  std::vector<std::string> leaves;
  for (const std::string& name : subcommands(succeed(folder, "--help").out, "")) {
    const auto below = subcommands(succeed(folder, name + " --help").out, name + " ");
    if (below.empty()) leaves.push_back(name);
    leaves.insert(leaves.end(), below.begin(), below.end());
  }
  return leaves;
}

}  // namespace

TEST_CASE("help: the commands of this version") {
  const TempDir folder;
  const std::vector<std::string> expected = {
      "demo",
      "data list",
      "data info",
      "train",
      "eval",
      "predict",
      "layers",
      "explain",
      "bench",
      "metrics",
      "sanity",
      "report",
      "dsv extract",
      "dsv synthesize",
      "dsv retrain",
      "dsv generate",
      "dsv edit",
      "dsv audit",
      "coreset select",
      "coreset interpret",
      "coreset grow",
      "shallow convert",
      "shallow plot",
      "shallow certify",
      "shallow visited",
      "shallow explain",
      "transport report",
      "transport fix",
      "transport shift",
      "transport dae",
      "transport ridgelet"};
  const std::vector<std::string> found = commands(folder);
  for (const std::string& name : expected) {
    INFO(name);
    CHECK(std::count(found.begin(), found.end(), name) == 1);
  }
}

TEST_CASE("help: every level exits with 0, says what it is for and writes nothing") {
  const TempDir folder;
  for (const std::string& name : commands(folder)) {
    INFO(name);
    for (const char* option : {" --help", " -h"}) {
      const ProcessResult help = succeed(folder, name + option);
      CHECK(help.err == "");
      CHECK(help.out.find("Usage: limpid " + name) != std::string::npos);
      CHECK(help.out.find("--json") != std::string::npos);
      CHECK(example_in(help.out).starts_with(name));
    }
  }
  CHECK(snapshot(folder.path().string()).empty());
}

// `demo` has a test of its own, which runs its example too.
TEST_CASE("help: every example runs as it stands") {
  const TempDir folder;
  train(
      folder, "runs/fashion",
      "--data fashion-2k --model lenet5 --epochs 1 --limit-train 100 --limit-test 50");
  train(folder, "runs/moons", "--data moons --model mlp:8 --epochs 1");
  save_npy(
      folder.file("digits.npy"),
      slice(datasets::digits().images.tensor(), 0, 0, 5));  // [5, 1, 8, 8]
  for (const std::string& name : commands(folder)) {
    if (name == "demo") continue;
    const std::string example = example_in(succeed(folder, name + " --help").out);
    INFO("limpid ", example);
    const ProcessResult result = run(folder, example);
    INFO(result.err);
    CHECK(result.status == 0);
    CHECK(result.out != "");
  }
  CHECK(exists(folder.file("runs/digits/last.safetensors")));
  CHECK(load_npy(folder.file("logits.npy")).shape() == Shape{5, 10});
}

TEST_CASE("help: --version names the versions of everything below") {
  const TempDir folder;
  const std::vector<std::string> text = lines(succeed(folder, "--version").out);
  REQUIRE(text.size() == 2);
  // limpid 0.1.0 (1a2b3c4, GNU 12.2.0)
  const bool names_compiler =
      text[0].find("GNU ") != std::string::npos || text[0].find("Clang ") != std::string::npos;
  CHECK(text[0].starts_with("limpid 0."));
  CHECK(text[0].find(" (") != std::string::npos);
  CHECK(names_compiler);
  // OpenBLAS Haswell, oneTBB 2021.8, kernels avx2
  CHECK(text[1].starts_with("OpenBLAS "));
  CHECK(text[1].find(", oneTBB 20") != std::string::npos);
  CHECK(text[1].find(", kernels ") != std::string::npos);
  for (const char* empty : {"OpenBLAS ,", "oneTBB ,", "kernels \n"}) {
    CHECK((text[1] + "\n").find(empty) == std::string::npos);
  }
}
