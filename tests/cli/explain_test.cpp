// tests/cli/explain_test.cpp: maps in files, and what is said about them.
#include "framework/core/text.h"
#include "framework/io/image.h"
#include "framework/io/npy.h"
#include "interpret/saliency/methods.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kSmall = " --epochs 1 --limit-train 100 --limit-test 30";

bool is_finite(const Tensor& values) {
  const std::vector<double> all = values.to_vector();
  return std::all_of(all.begin(), all.end(), [](double v) { return std::isfinite(v); });
}

}  // namespace

TEST_CASE("explain: an array and a picture for each image and method") {
  const TempDir folder;
  train(folder, "r", "--data fashion-2k --model lenet5" + kSmall);
  const Json result =
      run_json(folder, "explain r --indices 0,7 --method gradient,guided,deconv,grad-cam --out e");
  CHECK(result.text("layer") == "pool2");  // the last one with a spatial map
  const Json::Items& maps = result.at("maps").items();
  REQUIRE(maps.size() == 8);
  const char* methods[] = {"gradient", "guided", "deconv", "grad-cam"};
  for (size_t k = 0; k < maps.size(); ++k) {
    const Json& map = maps[k];
    const std::string method = methods[k / 2];
    const int64_t index = k % 2 == 0 ? 0 : 7;
    CHECK(map.integer("index") == index);
    CHECK(map.text("method") == method);
    CHECK(map.integer("target") >= 0);
    CHECK(map.integer("target") < 10);
    CHECK(map.number("score") > 0);
    CHECK(map.number("score") < 1);
    CHECK(map.contains("note"));
    const std::string stem = "e/" + std::to_string(index) + "-" + method;
    CHECK(map.text("npy") == stem + ".npy");
    CHECK(map.text("png") == stem + ".png");

    const Tensor values = load_npy(folder.file(map.text("npy")));
    CHECK(values.shape() == (method == "grad-cam" ? Shape{1, 5, 5} : Shape{1, 28, 28}));
    CHECK(is_finite(values));
    const Image picture = load_image(folder.file(map.text("png")));
    CHECK(picture.width == 224);  // eight times 28
    CHECK(picture.height == 224);
    CHECK(picture.channels == 3);
  }
  CHECK(snapshot(folder.file("e")).size() == 19);  // with the images alone and explain.json
  // Different methods give different maps
  CHECK(content(folder.file("e/0-gradient.npy")) != content(folder.file("e/0-guided.npy")));
  CHECK(content(folder.file("e/0-gradient.npy")) != content(folder.file("e/0-deconv.npy")));
  CHECK(content(folder.file("e/0-guided.npy")) != content(folder.file("e/0-deconv.npy")));
}

TEST_CASE("explain: the layer and the class that are asked for") {
  const TempDir folder;
  train(folder, "r", "--data fashion-2k --model lenet5" + kSmall);
  const std::string line = "explain r --count 2 --method grad-cam --out e";
  const Json first = run_json(folder, line + " --layer conv1");
  CHECK(first.text("layer") == "conv1");
  CHECK(load_npy(folder.file("e/1-grad-cam.npy")).shape() == Shape{1, 28, 28});
  const Json fourth = run_json(folder, line + " --target 4");
  CHECK(fourth.at("maps").items().size() == 2);
  for (const Json& map : fourth.at("maps").items()) {
    CHECK(map.integer("target") == 4);
  }
  // Scores of all classes of one image sum to 1
  double sum = 0;
  double largest = 0;
  for (int k = 0; k < 10; ++k) {
    const Json all = run_json(
        folder, "explain r --indices 3 --method gradient --out e --target " + std::to_string(k));
    sum += all.at("maps").items()[0].number("score");
    largest = std::max(largest, all.at("maps").items()[0].number("score"));
  }
  CHECK(sum == doctest::Approx(1));
  const Json predicted =
      run_json(folder, "explain r --indices 3 --method gradient --out e --target predicted");
  CHECK(predicted.at("maps").items()[0].number("score") == largest);
  CHECK(predicted.at("layer").is_null());
}

TEST_CASE("explain: the layer of a network with blocks is the end of the last block") {
  const TempDir folder;
  train(folder, "r", "--data digits --model resnet8" + kSmall);
  const Json result = run_json(folder, "explain r --count 1 --method grad-cam --out e");
  CHECK(result.text("layer") == "layer3");
  CHECK(load_npy(folder.file("e/0-grad-cam.npy")).shape() == Shape{1, 2, 2});
}

TEST_CASE("explain: tables and files instead of test images") {
  const TempDir folder;
  train(folder, "t", "--data moons --model mlp:8" + kSmall);
  run_json(folder, "explain t --count 1 --method gradient --out t-maps");
  CHECK(load_npy(folder.file("t-maps/0-gradient.npy")).shape() == Shape{2});

  train(folder, "r", "--data digits --model mlp:8" + kSmall);
  save_npy(folder.file("x.npy"), Tensor::full({2, 1, 8, 8}, 0.5));
  const Json result = run_json(folder, "explain r --input x.npy --method gradient --out e");
  const Json::Items& maps = result.at("maps").items();
  REQUIRE(maps.size() == 2);
  const Json best = run_json(folder, "predict r --input x.npy").at("top").items()[0];
  CHECK(maps[0].integer("target") == best.integer("class"));
  CHECK(maps[0].number("score") == doctest::Approx(best.number("probability")));
  CHECK(is_finite(load_npy(folder.file("e/1-gradient.npy"))));
}

TEST_CASE("explain: a flat map is zero and says so (bad input 33)") {
  const TempDir folder;
  train(folder, "r", "--data fashion-2k --model lenet5" + kSmall);
  // A network whose weights are all zero looks at nothing
  blind(folder, "r");
  const Json result =
      run_json(folder, "explain r --count 1 --method gradient,guided,grad-cam --out e");
  for (const Json& map : result.at("maps").items()) {
    INFO(map.text("method"));
    const std::string cause = map.text("method") == "grad-cam"
                                  ? "the layer's output is the same at all positions"
                                  : "the class score does not react to the image";
    CHECK(map.text("note").starts_with("flat map: all values equal 0; " + cause));
    for (const double value : load_npy(folder.file(map.text("npy"))).to_vector()) CHECK(value == 0);
  }
  const std::string text = succeed(folder, "explain r --count 1 --method gradient --out e").out;
  CHECK(text.find("(flat map: all values equal 0; ") != std::string::npos);
}

TEST_CASE("explain: data with masks play the pointing game") {
  const TempDir folder;
  train(folder, "r", "--data shapes --model convnet:4x2" + kSmall);
  const Json result = run_json(folder, "explain r --count 12 --method gradient,grad-cam --out e");
  const Json& game = result.at("pointing_game");
  CHECK(game.integer("images") == 12);
  REQUIRE(game.at("rows").items().size() == 2);
  CHECK(game.at("rows").items()[0].text("method") == "gradient");
  CHECK(game.at("rows").items()[1].text("method") == "grad-cam");
  for (const Json& row : game.at("rows").items()) {
    CHECK(row.number("hit_rate") >= 0);
    CHECK(row.number("hit_rate") <= 1);
    CHECK(std::fmod(row.number("hit_rate") * 12 + 1e-9, 1.0) < 1e-6);  // a share of 12
  }
  CHECK(game.number("centre") < 1);
  CHECK(game.number("random") < 1);
  CHECK(load_npy(folder.file("e/0-gradient.npy")).shape() == Shape{3, 32, 32});

  train(folder, "plain", "--data digits --model mlp:8" + kSmall);
  CHECK_FALSE(run_json(folder, "explain plain --count 1 --method gradient --out p")
                  .contains("pointing_game"));
}

TEST_CASE("explain: twice the same bytes, at any thread count, and the model untouched") {
  const TempDir folder;
  train(
      folder, "r", "--data fashion-2k --model resnet8 --epochs 1 --limit-train 32 --limit-test 20");
  const auto before = snapshot(folder.file("r"));
  const std::string line = "explain r --count 3 --method gradient,guided,deconv,grad-cam --out ";
  succeed(folder, line + "a --threads 1");
  succeed(folder, line + "b --threads 1");
  succeed(folder, line + "c --threads 3");
  int files = 0;
  for (const auto& [name, ignored] : snapshot(folder.file("a"))) {
    if (name == "explain.json") continue;  // it names its folder
    INFO(name);
    CHECK(content(folder.file("a/" + name)) == content(folder.file("b/" + name)));
    CHECK(content(folder.file("a/" + name)) == content(folder.file("c/" + name)));
    ++files;
  }
  CHECK(files == 24);
  CHECK(snapshot(folder.file("r")) == before);
}

TEST_CASE("explain: every method that --help names, with the same bytes at any thread count") {
  const TempDir folder;
  train(folder, "r", "--data digits --model resnet8 --epochs 1 --limit-train 32 --limit-test 20");
  const std::string help = succeed(folder, "explain --help").out;
  const std::vector<interpret::MethodInfo>& methods = interpret::saliency_methods();
  for (const interpret::MethodInfo& method : methods) {
    CHECK(help.find(method.name) != std::string::npos);
  }
  const std::string line = "explain r --count 2 --method " +
                           joined(methods, ",", &interpret::MethodInfo::name) +
                           ",smooth:grad-cam,smooth:2:gradient --out ";
  const Json result = run_json(folder, line + "a --threads 1");
  CHECK(result.at("maps").items().size() == 2 * (methods.size() + 2));
  for (const Json& map : result.at("maps").items()) {
    INFO(map.text("npy"));
    CHECK(is_finite(load_npy(folder.file(map.text("npy")))));
    const bool adds_up =
        map.text("method") == "integrated-gradients" || map.text("method") == "deeplift";
    CHECK(map.contains("completeness_gap") == adds_up);
    CHECK(map.contains("score_difference") == adds_up);
  }
  succeed(folder, line + "b --threads 2");
  for (const auto& [name, ignored] : snapshot(folder.file("a"))) {
    if (name == "explain.json") continue;  // it names its folder
    INFO(name);
    CHECK(content(folder.file("a/" + name)) == content(folder.file("b/" + name)));
  }
  CHECK(
      content(folder.file("a/1-smooth-grad-cam.npy")) != content(folder.file("a/1-grad-cam.npy")));
  // Another seed, other noise
  succeed(folder, "explain r --count 2 --method smoothgrad,gradient --seed 1 --out c");
  CHECK(content(folder.file("a/0-smoothgrad.npy")) != content(folder.file("c/0-smoothgrad.npy")));
  CHECK(content(folder.file("a/0-gradient.npy")) == content(folder.file("c/0-gradient.npy")));
}

TEST_CASE("explain: methods that do not fit the network are refused before a file is written") {
  const TempDir folder;
  train(folder, "r", "--data fashion-2k --model lenet5" + kSmall);
  train(folder, "v", "--data digits --model tiny_vit" + kSmall);
  check_refused(
      folder, "explain r --count 1 --method cam --out e", 2, {"cam", "found", "grad-cam"});
  check_refused(folder, "explain v --count 1 --method lrp-gamma --out e", 2, {"no rule"});
  check_refused(folder, "explain v --count 1 --method deeplift --out e", 2, {"standardize"});
  check_refused(
      folder, "explain r --count 1 --method smooth:rise --out e", 2,
      {"smooth:rise", "smooth:gradient"});
  for (const char* copies : {"0", "1001", "few"}) {
    check_refused(
        folder, join_text("explain r --count 1 --method smooth:", copies, ":gradient --out e"), 2,
        {"smooth:N:METHOD", "from 1 to 1000"});
  }
  check_refused(
      folder, "explain v --count 1 --method grad-cam --layer head --out e", 2,
      {"patch_embed", "blocks.1", "norm"});
  const Json maps = run_json(folder, "explain v --count 1 --method grad-cam,eigen-cam --out e");
  CHECK(maps.text("layer") == "norm");
  CHECK(load_npy(folder.file("e/0-grad-cam.npy")).shape() == Shape{1, 4, 4});
}
