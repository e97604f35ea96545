// tests/cli/help_test.cpp: help on every level, its examples, --version.
#include "datasets/datasets.h"
#include "framework/io/npy.h"
#include "framework/ops/linear_maps.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

using namespace limpid;
using namespace limpid::cli;

TEST_CASE("help: the commands of this version") {
  const TempDir folder;
  const std::vector<std::string> expected = {
      "demo",
      "data list",
      "data info",
      "data get",
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
      "transport ridgelet",
      "completion",
      "man"};
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

TEST_CASE("help: every option says what it is for, in the same words wherever it means the same") {
  // Options whose name means something else, or whose value differs, from command to command: how
  // many wordings there are. One more is a mistake, unless it stands here with its reason.
  const std::map<std::string, size_t> meanings = {
      {"DATA", 2},            // data get takes only names that have files
      {"--against", 2},       // another model, or other data
      {"--count", 4},         // of examples; of images per class, in a report, of each part
      {"--data", 8},          // test part, training part or both; a law; targets; without a model
      {"--fractions", 2},     // of stages, which must grow
      {"--freeze", 2},        // of training, of stationarity
      {"--indices", 3},       // a list, of usually eight or one; a file
      {"--init", 2},          // of weights, of pixels
      {"--input", 2},         // files; bench: a shape
      {"--label", 2},         // one class, or two to mix
      {"--label-column", 2},  // to predict, or to leave out
      {"--labels", 2},        // names of classes; hard or soft
      {"--layer", 3},         // of maps, of a change, of features
      {"--layers", 3},        // names, or how many
      {"--limit-test", 2},    // -1 where there is a run whose limit may be taken over
      {"--lr", 3},            // of any optimiser on any schedule; of Adam; on pixels
      {"--method", 3},        // of explaining, of selection; those of a report's comparison
      {"--model", 2},         // bench: instead of a workload
      {"--normalize", 2},     // unless given: of the run, of the training part
      {"--per-class", 2},     // how many; coreset: a flag
      {"--repeats", 2},       // subsamples; of a null band
      {"--resize", 2},        // photographs keep their shape before --crop
      {"--resume", 2},        // a folder; a state beside a file
      {"--route", 2},         // of two different derivatives
      {"--samples", 2},       // of a box; of a cloud
      {"--seeds", 4},         // of what is repeated
      {"--start", 3},         // a file, a sample, weights
      {"--steps", 6},         // of what
      {"--support", 2},       // dsv audit can do without
      {"--target", 5},        // a class, from three sets of names; a similarity; an output
      {"--tolerance", 2},     // of a gap; in pixels
      {"--warmup", 2},        // of the learning rate; of dropping
      {"--weights", 2},       // of vectors; of the parts of an objective
  };
  const TempDir folder;
  std::map<std::string, std::map<std::string, std::string>> wordings;  // option, help: commands
  for (const std::string& name : commands(folder)) {
    for (const HelpRow& row : help_rows(succeed(folder, name + " --help").out)) {
      INFO(name, " ", row.name);
      CHECK(row.help.size() > 5);
      CHECK(row.help.ends_with('.') == row.help.ends_with("..."));  // words, no sentence
      // Which file --out gets differs from command to command
      const bool is_out = row.name == "--out" && row.help.starts_with("folder for the results; ");
      wordings[row.name][is_out ? "folder or file for the results" : row.help] += name + ", ";
    }
  }
  CHECK(wordings.size() > 200);
  for (const auto& [option, helps] : wordings) {
    const auto allowed = meanings.find(option);
    std::string all = option;
    for (const auto& [help, names] : helps) all += "\n  " + help + " (" + names + ")";
    INFO(all);
    CHECK(helps.size() == (allowed == meanings.end() ? 1 : allowed->second));
  }
  for (const auto& [option, count] : meanings) {
    INFO(option);
    CHECK(wordings.contains(option));
  }
}

TEST_CASE("help: a default is one that could be given") {
  const TempDir folder;
  for (const std::string& name : commands(folder)) {
    for (const HelpRow& row : help_rows(succeed(folder, name + " --help").out)) {
      const size_t equals = row.value.find('=');
      const bool is_number = row.value.starts_with("N=") || row.value.starts_with("X=");
      if (equals == std::string::npos || !is_number) continue;
      // The value is taken, and the next complaint is about something else
      const std::string value = row.name + row.value.substr(equals);
      const ProcessResult result = run(folder, name + " " + value + " --color nope");
      INFO(name, " ", value, "\n", result.err);
      CHECK(result.status == 2);
      CHECK(result.err.find(row.name + ": ") == std::string::npos);
    }
  }
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

TEST_CASE("help: the changelog begins with the version of the program") {
  const TempDir folder;
  const std::string version = words(succeed(folder, "--version").out).at(1);
  std::string newest;
  for (const std::string& line : lines(content(LIMPID_SOURCE_DIR "/CHANGELOG.md"))) {
    if (newest.empty() && line.starts_with("## ")) newest = words(line).at(1);
  }
  CHECK(newest == version);
  const std::string page = succeed(folder, "man").out;
  CHECK(page.find("\"limpid " + version + "\"") != std::string::npos);
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
