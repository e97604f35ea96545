// tests/cli/coreset_select_test.cpp: limpid coreset select, every method on the embedded digits.
#include "datasets/datasets.h"
#include "framework/io/npy.h"
#include "framework/tensor/integers.h"
#include "interpret/coreset/select.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kTrain = "--data digits --model mlp:32 --epochs 15 --limit-train 300";
const std::string kShort = " --score-epochs 2";

std::vector<int64_t> indices_in(const TempDir& folder, const std::string& file) {
  return to_integers(load_npy(folder.file(file)));
}

int64_t sum_of(const Json& numbers) {
  int64_t sum = 0;
  for (const Json& number : numbers.items()) sum += number.integer();
  return sum;
}

}  // namespace

TEST_CASE("coreset select: every method keeps a tenth of every class") {
  const TempDir folder;
  train(folder, "r", kTrain);
  std::vector<std::string> names = {"dgpruning:center"};
  for (const auto& info : interpret::selectors()) names.push_back(info.name);
  std::set<std::vector<int64_t>> orders;
  for (const std::string& name : names) {
    INFO(name);
    const Json result = run_json(
        folder,
        "coreset select r --data digits --fraction 0.1 --out c.npy --method " + name + kShort);
    CHECK(result.text("method") == name);
    CHECK(result.integer("count") == 300);
    CHECK(result.integer("indices_count") == 30);
    CHECK(sum_of(result.at("per_class")) == 30);
    REQUIRE(result.at("per_class").items().size() == 10);
    for (const Json& count : result.at("per_class").items()) {
      if (name != "uniform") CHECK(count.integer() == 3);  // 30 of each class are there
    }
    CHECK(result.at("nested").boolean());
    CHECK(result.number("seconds_features") >= 0);
    CHECK(result.number("seconds_select") >= 0);
    const bool has_weights = interpret::selector_named(name).has_weights;
    CHECK(result.at("weights").is_null() != has_weights);
    const std::vector<int64_t> found = indices_in(folder, "c.npy");
    CHECK(std::set(found.begin(), found.end()).size() == 30);
    CHECK(*std::ranges::min_element(found) >= 0);
    CHECK(*std::ranges::max_element(found) < 300);
    if (name != "dgpruning:center") orders.insert(found);
  }
  // Methods differ, but for facility-location and its weighted form
  CHECK(orders.size() == names.size() - 2);
}

TEST_CASE("coreset select: a larger fraction goes on, the seed decides, threads do not") {
  const TempDir folder;
  train(folder, "r", kTrain);
  const auto select = [&](const std::string& options) {
    succeed(folder, "coreset select r --out c.npy " + options);
    return indices_in(folder, "c.npy");
  };
  const auto few = select("--method dgpruning --fraction 0.1");
  const auto more = select("--method dgpruning --fraction 0.3");
  REQUIRE(few.size() == 30);
  REQUIRE(more.size() == 90);
  CHECK(std::equal(few.begin(), few.end(), more.begin()));
  for (const char* method : {"random", "k-center", "forgetting", "gradmatch"}) {
    INFO(method);
    const std::string line = std::string("--method ") + method + kShort;
    CHECK(select(line + " --threads 1") == select(line + " --threads 2"));
    CHECK(
        (select(line) == select(line + " --seed 1")) ==
        (line.find("center") != std::string::npos || line.find("match") != std::string::npos));
  }
  const Json global = run_json(folder, "coreset select r --global --method entropy --out c.npy");
  CHECK(global.integer("indices_count") == 30);
  CHECK(global.text("mode") == "global");
  const Json all = run_json(folder, "coreset select r --fraction 1 --out c.npy");
  CHECK(all.integer("indices_count") == 300);
  const Json stochastic = run_json(
      folder, "coreset select r --method facility-location --greedy stochastic --out c.npy");
  CHECK_FALSE(stochastic.at("nested").boolean());
}

TEST_CASE("coreset select: weights in a file of their own") {
  const TempDir folder;
  train(folder, "r", kTrain);
  const std::string line = "coreset select r --out c.npy --weights-out w.npy --method ";
  const Json craig = run_json(folder, line + "craig");
  const std::vector<double> weights = load_npy(folder.file("w.npy")).to_vector();
  REQUIRE(weights.size() == 30);
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    CHECK(craig.at("weights").items()[i].number() == weights[i]);
    sum += weights[i];
  }
  CHECK(sum == 300);
  run_json(folder, line + "herding");
  CHECK(load_npy(folder.file("w.npy")).to_vector() == std::vector<double>(30, 1.0));
}

TEST_CASE("coreset select: what makes no sense is refused and writes nothing") {
  const TempDir folder;
  train(folder, "r", kTrain);
  const std::string line = "coreset select r --out c.npy ";
  check_refused(folder, line + "--method nearest", 2, {"no method 'nearest'", "moderate"});
  check_refused(folder, line + "--method dgpruning:loss", 2, {"no method 'dgpruning:loss'"});
  check_refused(folder, line + "--fraction 0", 2, {"fraction"});
  check_refused(folder, line + "--fraction 1.5", 2, {"fraction"});
  check_refused(folder, line + "--fraction nan", 2, {"fraction"});
  check_refused(folder, line + "--per-class --global", 2, {"exclude each other"});
  check_refused(folder, line + "--score-epochs 0", 2, {"score-epochs"});
  check_refused(folder, line + "--data moons", 2, {"shape [2]"});
  check_refused(folder, "coreset select nowhere", 2, {"nowhere"});
  check_refused(folder, "coreset", 2, {"no command", "select"});
}
