// tests/cli/transport_ridgelet_test.cpp: limpid transport ridgelet.
#include "framework/io/npy.h"
#include "framework/io/safetensors.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kCommand = "transport ridgelet ";
const std::string kQuick = " --widths 8 --seeds 2";

// y = sin 2 pi x exp(-2 x^2) on [-2, 2]
void write_sine(const TempDir& folder) {
  std::string text = "x,y\n";
  for (int k = 0; k < 200; ++k) {
    const double x = -2 + 0.02 * k;
    text += join_text(x, ",", std::sin(2 * std::numbers::pi * x) * std::exp(-2 * x * x), "\n");
  }
  write(folder.file("sine.csv"), text);
}

void train_sine(const TempDir& folder) {
  write_sine(folder);
  train(
      folder, "r", "--data csv:sine.csv --label-column y --task regress --model mlp:12 --epochs 2");
}

}  // namespace

TEST_CASE("transport ridgelet: a function, its files and the figures of the low-pass") {
  const TempDir folder;
  const Json result =
      run_json(folder, kCommand + "--function sine --frequency 10 --radii 200 --out o" + kQuick);
  CHECK(std::abs(result.number("reconstruction_error") - 0.3486) <= 5e-5);
  CHECK(std::abs(result.number("low_pass_gap") - 0.3486) <= 5e-5);
  CHECK(std::abs(result.number("low_pass_error") / 6.6e-6 - 1) <= 0.02);
  CHECK(std::abs(result.number("K") - 2 * std::numbers::pi) <= 1e-12);
  CHECK(result.text("psi") == "-G''");
  CHECK(result.at("units").is_null());
  CHECK(result.at("synthesis").is_null());
  const Json& spectrum = result.at("spectrum");
  const Tensor T = load_npy(folder.file("o/spectrum.npy"));
  REQUIRE(spectrum.at("shape").items().size() == 3);
  for (int k = 0; k < 3; ++k) {
    CHECK(T.size(k) == spectrum.at("shape").items()[static_cast<size_t>(k)].integer());
  }
  CHECK(result.at("files").items().size() == 3);
  for (const char* file : {"o/spectrum.svg", "o/reconstruction.svg"}) {
    CHECK(content(folder.file(file)).starts_with("<svg"));
  }
  const Json& row = result.at("widths").items()[0];
  CHECK(row.integer("width") == 8);
  for (const char* kind : {"oracle", "random_box", "random_placed", "random_layer"}) {
    CHECK(row.at(kind).at("errors").items().size() == 2);
    CHECK(row.at(kind).number("mean") < 1.2);
  }
  CHECK(
      content(folder.file("o/ridgelet.json")).find("\"transport ridgelet\"") != std::string::npos);
}

TEST_CASE("transport ridgelet: relu, the plane, and a denoiser without training") {
  const TempDir folder;
  const Json relu =
      run_json(folder, kCommand + "--function sine --frequency 30 --activation relu" + kQuick);
  CHECK(std::abs(relu.number("reconstruction_error") / 0.025 - 1) <= 0.2);
  CHECK(relu.text("psi") == "G''''");
  const Json plane =
      run_json(folder, kCommand + "--function waves-2d --frequency 5 --side 20 --out p" + kQuick);
  CHECK(plane.number("low_pass_error") <= 0.01);
  CHECK(content(folder.file("p/spectrum.svg")).find("upper half plane") != std::string::npos);
  const Json denoiser =
      run_json(folder, kCommand + "--function denoiser --widths 40 --seeds 1 --layers 4");
  const Json& synthesis = denoiser.at("synthesis");
  CHECK(synthesis.integer("width") == 40);
  CHECK(synthesis.number("error_least_squares") < 0.05);
  CHECK(synthesis.number("error_least_squares") < synthesis.number("error_drawn"));
  CHECK(synthesis.number("flow_rms_to_euler") < 0.02);
  CHECK(synthesis.number("flow_rms_to_exact") < 0.1 * synthesis.number("flow_rms_moved") + 0.02);
}

TEST_CASE("transport ridgelet: trained networks beside their spectrum") {
  const TempDir folder;
  train_sine(folder);
  for (const std::string options :
       {"", " --function sine", " --data csv:sine.csv",
        " --data csv:sine.csv --data-weight density"}) {
    CAPTURE(options);
    const Json result = run_json(folder, kCommand + "r" + options + " --out o" + kQuick);
    CHECK(result.text("activation") == "relu");
    CHECK(result.at("units").integer("count") == 12);
    CHECK(std::abs(result.at("units").number("spearman")) <= 1);
    CHECK(std::abs(result.at("units").number("spearman_near")) <= 1);
    CHECK(std::abs(result.at("units").number("spearman_places")) <= 1);
    CHECK(result.at("low_pass_error").is_null() == (options.find("data") != std::string::npos));
    CHECK(content(folder.file("o/spectrum-units.svg")).find("Circles") != std::string::npos);
    const bool says_density = result.text("what").find("density-weighted") != std::string::npos;
    CHECK(says_density == (options.find("density") != std::string::npos));
  }
  train(folder, "many", "--data digits --model mlp:6 --epochs 1 --limit-train 50 --limit-test 20");
  for (const std::string line : {"principal", "random"}) {
    const Json result = run_json(folder, kCommand + "many --target 9 --line " + line + kQuick);
    CHECK(result.text("what").find(line) != std::string::npos);
    CHECK(result.integer("inputs") == 1);
  }
  const std::string line = kCommand + "r" + kQuick + " --out o";
  CHECK(succeed(folder, line + " --threads 1").out == succeed(folder, line + " --threads 3").out);
  const std::string first = checksum(folder.file("o/spectrum.npy"));
  succeed(folder, line + " --threads 1");
  CHECK(checksum(folder.file("o/spectrum.npy")) == first);
}

TEST_CASE("transport ridgelet: what is refused leaves nothing behind") {
  const TempDir folder;
  train_sine(folder);
  const std::string small = " --epochs 1 --limit-train 50 --limit-test 20";
  train(folder, "deep", "--data moons --model mlp:4-4" + small);
  train(folder, "many", "--data digits --model mlp:4" + small);
  const auto refused = [&](const std::string& line, const std::vector<std::string>& texts) {
    check_refused(folder, kCommand + line, 2, texts);
  };
  refused("", {"MODEL", "--function"});
  refused("--function nope", {"--function", "sine"});
  refused("deep", {"a single hidden layer", "Linear, ReLU, Linear, ReLU, Linear"});
  refused("r --target 1", {"output 1", "0 to 0"});
  refused("many --function sine", {"--function", "64"});
  refused("many --data digits", {"--data", "64"});
  refused("--function sine --data digits", {"--data", "MODEL"});
  refused("--function sine --widths 2.5", {"--widths", "whole"});
  refused("--function sine --frequency nan", {"--frequency"});
  refused("--function sine --radii 1000000 --offset-step 0.001", {"a grid of", "at most"});
  refused("--function waves-2d --side 0 --directions 0", {"--directions"});
  SafetensorsFile file = load_safetensors(folder.file("r/last.safetensors"));
  file.tensors.at("fc1.weight").mutable_data<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  save_safetensors(folder.file("r/last.safetensors"), file.tensors);
  check_refused(folder, kCommand + "r", 3, {"fc1.weight", "nan"});
}
