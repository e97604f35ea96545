// tests/cli/coreset_interpret_test.cpp: limpid coreset interpret and coreset grow, on the digits.
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <string>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kTrain =
    "--data digits --model convnet:8x2:none:max --epochs 20 --lr 5e-3 --limit-train 300";

// A result without what differs from run to run.
Json without_times(const Json& value) {
  if (value.kind() == Json::Kind::array) {
    Json array = Json::array();
    for (const Json& item : value.items()) array.push(without_times(item));
    return array;
  }
  if (value.kind() != Json::Kind::object) return value;
  Json object = Json::object();
  for (const auto& [key, member] : value.members()) {
    const bool is_time =
        key.starts_with("seconds") || key == "cost_and_benefit" || key == "peak_rss_mb";
    if (!is_time) object.set(key, without_times(member));
  }
  return object;
}

}  // namespace

TEST_CASE("coreset interpret: every interpreter agrees more on more data") {
  const TempDir folder;
  train(folder, "r", kTrain);
  for (const char* interpreter : {"vebi", "ice", "probe"}) {
    INFO(interpreter);
    const Json result = run_json(
        folder, std::string("coreset interpret r --methods random,moderate --fractions 0.1,0.5,1 "
                            "--seeds 2 --interpreter ") +
                    interpreter);
    const std::string headline = result.text("headline");
    const auto& rows = result.at("rows").items();
    REQUIRE(rows.size() == 6);
    const auto mean = [&](size_t row) {
      return rows[row].at("similarity").at(headline).number("mean");
    };
    CHECK(rows[0].text("method") == "random");
    CHECK(rows[0].integer("runs") == 2);
    CHECK(rows[3].integer("runs") == 1);
    CHECK(rows[0].integer("count") == 30);
    CHECK(mean(0) < mean(1));
    // All data, in another order: equal up to rounding
    CHECK(mean(2) > 0.999);
    CHECK(mean(5) > 0.999);
    CHECK(mean(1) > result.at("null").at(headline).number("mean"));
    for (const char* part : {"features", "select", "activations", "fit"}) {
      CHECK(rows[0].at("seconds").number(part) >= 0);
    }
    const auto& ci = rows[0].at("similarity").at(headline).at("ci").items();
    CHECK(ci[0].number() <= mean(0));
    CHECK(ci[1].number() >= mean(0));
    CHECK(result.at("floor").at(headline).number("mean") > 0.5);
    CHECK(result.at("control").at(headline).number("mean") > 0.5);
  }
}

TEST_CASE("coreset interpret, grow: weights count, and moments goes by what the interpreter sees") {
  const TempDir folder;
  train(folder, "r", kTrain);
  for (const char* interpreter : {"vebi", "ice", "probe"}) {
    INFO(interpreter);
    const std::string options = std::string(" --interpreter ") + interpreter;
    const Json result = run_json(
        folder, "coreset interpret r --methods facility-location,weighted,moments --fractions 0.2" +
                    options);
    const std::string headline = result.text("headline");
    const auto& rows = result.at("rows").items();
    const auto mean = [&](size_t row) {
      return rows[row].at("similarity").at(headline).number("mean");
    };
    CHECK(mean(0) != mean(1));  // the same samples
    CHECK(rows[0].number("effective") == rows[0].number("count"));
    CHECK(rows[1].number("effective") < rows[0].number("count"));
    // All have been seen in order to choose: that is the cost of features
    CHECK(rows[2].at("seconds").number("activations") == 0);
    CHECK(
        rows[2].at("seconds").number("features") >=
        result.at("seconds_full").number("activations"));
    CHECK(rows[1].at("seconds").number("activations") > 0);
  }
  for (const char* method : {"weighted", "gradmatch", "moments"}) {
    INFO(method);
    const Json grown = run_json(
        folder, std::string("coreset grow r --fractions 0.2,1 --verify-full --target 1 --method ") +
                    method);
    // All data with weights: each sample stands for itself, but for gradmatch
    if (method != std::string("gradmatch")) CHECK(grown.number("similarity_full") > 1 - 1e-6);
  }
}

TEST_CASE("coreset interpret: what classes lose without their units") {
  const TempDir folder;
  train(folder, "r", kTrain);
  const Json result = run_json(
      folder, "coreset interpret r --ablation --methods random,moderate --fractions 0.5 --seeds 2");
  const Json& ablation = result.at("ablation");
  CHECK(ablation.number("accuracy") > 0.5);
  CHECK(ablation.integer("images") > 0);
  const double full = ablation.at("full").number("mean");
  CHECK(full > ablation.at("random").number("mean"));
  CHECK(full <= ablation.number("accuracy"));
  for (const Json& row : result.at("rows").items()) CHECK(row.at("drop").number("mean") > 0);
  check_refused(folder, "coreset interpret r --ablation --interpreter probe", 2, {"--ablation"});
}

TEST_CASE("coreset interpret, grow: threads do not matter") {
  const TempDir folder;
  train(folder, "r", kTrain);
  for (const std::string line :
       {"coreset interpret r --methods random,dgpruning --fractions 0.1 --seeds 2",
        "coreset grow r --method moderate --fractions 0.1,0.3 --interpreter probe"}) {
    INFO(line);
    CHECK(
        to_text(without_times(run_json(folder, line + " --threads 1"))) ==
        to_text(without_times(run_json(folder, line + " --threads 2"))));
  }
}

TEST_CASE("coreset grow: stops, says why, and can be audited") {
  const TempDir folder;
  train(folder, "r", kTrain);
  const Json easy = run_json(
      folder, "coreset grow r --target 0.5 --target-reliability 0.1 --verify-full --mu-share 0.9");
  CHECK(easy.text("stop_reason") == "converged");
  CHECK(easy.number("fraction") == 0.2);  // the third stage: two in a row
  CHECK(easy.number("smallest") == 0.1);
  CHECK(easy.at("stages").items().size() == 3);
  CHECK(easy.number("similarity_full") > 0);
  CHECK(easy.text("cost_and_benefit").find("of the reference") != std::string::npos);
  CHECK(easy.at("stages").items()[0].at("similarity").is_null());
  const Json hard = run_json(folder, "coreset grow r --target 1 --method moderate");
  CHECK(hard.text("stop_reason") == "complete");
  CHECK(hard.number("fraction") == 1);
  CHECK(hard.at("similarity_full").is_null());
  CHECK(hard.at("stages").items()[0].number("against_random") < 1);
  const Json brief = run_json(folder, "coreset grow r --target 1 --max-seconds 0.000001");
  CHECK(brief.text("stop_reason") == "budget");
  CHECK(brief.at("stages").items().size() == 1);
}

TEST_CASE("coreset interpret, grow: a network that is blind, and classes of one sample") {
  const TempDir folder;
  train(folder, "r", kTrain);
  blind(folder, "r");
  const Json dead = run_json(folder, "coreset interpret r --fractions 0.2 --methods moderate");
  // Biases alone: every sample looks the same and has one class
  CHECK(dead.number("active") <= 0.1);
  const Json ice =
      run_json(folder, "coreset interpret r --fractions 0.2 --methods moderate --interpreter ice");
  CHECK(ice.number("active") <= 0.2);
  run_json(folder, "coreset grow r --interpreter probe --fractions 0.2,0.5");

  train(folder, "few", "--data digits --model mlp:16 --epochs 2 --limit-train 12");
  const ProcessResult small =
      succeed(folder, "coreset interpret few --fractions 0.1,1 --methods random --seeds 1");
  CHECK(small.err.find("its similarities say little") != std::string::npos);
  succeed(folder, "coreset grow few --interpreter vebi");
}

TEST_CASE("coreset interpret, grow: what makes no sense is refused") {
  const TempDir folder;
  train(folder, "r", kTrain);
  for (const std::string command : {"coreset interpret r ", "coreset grow r "}) {
    INFO(command);
    check_refused(folder, command + "--fractions 0", 2, {"fraction"});
    check_refused(folder, command + "--fractions 0.1,1.5", 2, {"fractions"});
    check_refused(folder, command + "--fractions x", 2, {"fractions"});
    check_refused(folder, command + "--interpreter lime", 2, {"lime", "vebi, ice, probe"});
    check_refused(folder, command + "--layers relu9", 2, {"relu9", "relu1"});
    check_refused(folder, command + "--interpreter ice --layers relu1,relu2", 2, {"one layer"});
    check_refused(folder, command + "--interpreter ice --layers fc", 2, {"no spatial map"});
    check_refused(folder, command + "--interpreter ice --layers conv1", 2, {"negative outputs"});
    check_refused(folder, command + "--interpreter ice --concepts 99", 2, {"99 concepts"});
    check_refused(folder, command + "--mu 1 --alpha 1", 2, {"exclude each other"});
  }
  check_refused(folder, "coreset interpret r --methods nearest", 2, {"no method 'nearest'"});
  check_refused(folder, "coreset interpret r --seeds 0", 2, {"seeds"});
  check_refused(folder, "coreset grow r --method nearest", 2, {"no method 'nearest'"});
  check_refused(folder, "coreset grow r --target 0", 2, {"target"});
  check_refused(folder, "coreset grow r --fractions 0.5,0.2", 2, {"increase"});
}
