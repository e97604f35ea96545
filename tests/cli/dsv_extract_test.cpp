// tests/cli/dsv_extract_test.cpp: support vectors of a run, in JSON and in a file.
#include "framework/io/safetensors.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kRun = "--data digits --model mlp:16 --epochs 3 --weight-decay 5e-4";
const std::string kSmall = " --limit-train 200 --limit-test 100";

}  // namespace

TEST_CASE("dsv extract: digits, by every solver; the file holds what the result says") {
  const TempDir folder;
  train(folder, "r", kRun);
  for (const char* solver : {"nnls", "paper", "sketch"}) {
    INFO(solver);
    const Json result = run_json(
        folder,
        "dsv extract r --per-class 2 --out s.safetensors --solver " + std::string(solver) + kSmall);
    CHECK(result.integer("count") == 200);
    const auto& indices = result.at("indices").items();
    REQUIRE(!indices.empty());
    CHECK(indices.size() <= 20);
    CHECK(result.at("lambda").items().size() == indices.size());
    CHECK(result.at("alpha").items().size() == indices.size());
    for (const Json& lambda : result.at("lambda").items()) CHECK(lambda.number() > 0);
    CHECK(result.number("entropy_selected") > 0);
    CHECK(result.number("entropy_all") > 0);
    for (const char* part : {"test", "train"}) {
      CHECK(std::abs(result.at("lambda_accuracy_pearson").number(part)) <= 1);
    }
    CHECK(result.at("stationarity_residual").items().size() == 4);
    for (const Json& row : result.at("stationarity_residual").items()) {
      CHECK(row.number("residual") < 1.5);
    }
    CHECK(result.number("total_residual") < 1);
    CHECK(result.at("trace").items().size() > 1);
    if (std::string(solver) == "nnls") CHECK(result.number("gap") <= 1e-3);

    const SafetensorsFile file = load_safetensors(folder.file("s.safetensors"));
    CHECK(file.metadata.at("solver") == solver);
    const auto n = static_cast<int64_t>(indices.size());
    CHECK(file.tensors.at("images").shape() == Shape{n, 1, 8, 8});
    CHECK(file.tensors.at("images").dtype() == DType::f32);
    for (const double pixel : file.tensors.at("images").to_vector()) {
      CHECK((pixel >= 0 && pixel <= 1));  // as the data set has them
    }
    for (int64_t i = 0; i < n; ++i) {
      const auto k = static_cast<size_t>(i);
      CHECK(file.tensors.at("indices").data<int64_t>()[i] == indices[k].integer());
      CHECK(file.tensors.at("lambda").data<double>()[i] == result.at("lambda").items()[k].number());
      CHECK(
          file.tensors.at("labels").data<int64_t>()[i] == result.at("labels").items()[k].integer());
    }
  }
  const std::string text = succeed(folder, "dsv extract r --out s.safetensors" + kSmall).out;
  for (const char* part : {"selected by alpha", "entropy", "residual", "Pearson"}) {
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("dsv extract: scores choose differently, the same seed the same file") {
  const TempDir folder;
  train(folder, "r", kRun);
  std::set<std::string> sums;
  for (const char* score : {"alpha", "lambda", "lambda-g", "cosine", "entropy", "random"}) {
    const std::string line = "dsv extract r --per-class 1 --score " + std::string(score) + kSmall;
    succeed(folder, line + " --threads 1 --out a.safetensors");
    succeed(folder, line + " --threads 2 --out b.safetensors");
    CHECK(checksum(folder.file("a.safetensors")) == checksum(folder.file("b.safetensors")));
    sums.insert(checksum(folder.file("a.safetensors")));
  }
  CHECK(sums.size() >= 4);
}

TEST_CASE("dsv extract: parameters by name; what stands before a norm is left out") {
  const TempDir folder;
  train(
      folder, "r",
      "--data digits --model convnet:4x2:instance --epochs 1 --limit-train 100 --limit-test 50");
  const Json all = run_json(folder, "dsv extract r --out s.safetensors" + kSmall);
  std::set<std::string> excluded;
  for (const Json& name : all.at("excluded").items()) excluded.insert(name.text());
  CHECK(excluded.contains("conv1.weight"));
  CHECK(excluded.contains("conv2.bias"));
  CHECK_FALSE(excluded.contains("fc.weight"));
  const Json last =
      run_json(folder, "dsv extract r --parameters fc.* --out s.safetensors" + kSmall);
  CHECK(last.at("parameters").items().size() == 2);
  check_refused(
      folder, "dsv extract r --parameters conv* --out t.safetensors" + kSmall, 2,
      {"dsv extract", "do not change with the length"});
}

TEST_CASE("dsv extract: what is refused, in one line") {
  const TempDir folder;
  train(folder, "r", kRun + " --limit-train 100 --limit-test 50");
  check_refused(folder, "dsv extract r", 2, {"--out"});
  check_refused(folder, "dsv extract r --out s --solver best", 2, {"solver", "nnls"});
  check_refused(folder, "dsv extract r --out s --score size", 2, {"score", "alpha"});
  check_refused(folder, "dsv extract r --out s --per-class 0", 2, {"per-class"});
  check_refused(folder, "dsv extract r --out s --parameters conv9", 2, {"conv9", "fc1.weight"});
  check_refused(
      folder, "dsv extract r --quiet --out s --solver lp --parameters fc2.bias", 1, {"infeasible"});
  check_refused(folder, "dsv extract nowhere --out s", 2, {"nowhere"});
  check_refused(
      folder, "dsv extract r --quiet --out no/such/folder/s" + kSmall, 1, {"no/such/folder"});
}
