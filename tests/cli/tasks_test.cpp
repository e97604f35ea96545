// tests/cli/tasks_test.cpp: tasks against closed forms, and what train offers beside plain epochs.
#include "datasets/catalogue.h"
#include "framework/core/rng.h"
#include "framework/io/npy.h"
#include "framework/io/safetensors.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/ops.h"
#include "tests/cli/limpid.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>

using namespace limpid;
using namespace limpid::cli;

namespace {

double mean_square(const Tensor& x) { return mean(x * x).item(); }

// Rows of a set as f64 [N, D].
Tensor matrix(const datasets::Dataset& set) {
  const Tensor x = to(set.images.tensor(), DType::f64);
  return reshape(x, {x.size(0), x.numel() / x.size(0)});
}

// y = 10 sin(pi a b) + 20 (c - 0.5)^2 + 10 d + 5 e + noise (Friedman 1991), five features in [0,
// 1].
std::string friedman_csv(int64_t n) {
  Rng rng(11);
  std::string text = "a,b,c,d,e,y\n";
  for (int64_t i = 0; i < n; ++i) {
    double x[5];
    for (double& value : x) value = rng.uniform(0, 1);
    const double y = 10 * std::sin(3.14159265358979 * x[0] * x[1]) +
                     20 * (x[2] - 0.5) * (x[2] - 0.5) + 10 * x[3] + 5 * x[4] + rng.normal(0, 1);
    for (const double value : x) text += std::to_string(value) + ",";
    text += std::to_string(y) + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("tasks: a regression on a table beats its linear least-squares fit") {
  const TempDir folder;
  write(folder.file("friedman.csv"), friedman_csv(1000));
  const Json result = run_json(
      folder,
      "train --quiet --data csv:friedman.csv --task regress --model mlp:64-32 --epochs 100 --out "
      "r");

  // The same split, fitted with an intercept
  const datasets::Split split =
      datasets::load("csv:" + folder.file("friedman.csv"), {.is_regression = true});
  const auto with_one = [](const datasets::Dataset& set) {
    return concat({matrix(set), Tensor::ones({set.size(), 1}, DType::f64)}, 1);
  };
  const Tensor fit =
      least_squares(with_one(split.train), to(split.train.labels, DType::f64)).x;  // [6]
  const Tensor guess = matmul(with_one(split.test), reshape(fit, {6, 1}));
  const Tensor truth = reshape(to(split.test.labels, DType::f64), guess.shape());
  const double linear = mean_square(guess - truth);
  const Json network = run_json(folder, "eval r");
  std::printf(
      "tasks: csv regression, test mean squared error: network %.3f, least squares %.3f\n",
      network.number("mse"), linear);
  CHECK(network.number("mse") < 0.8 * linear);
  CHECK(network.number("r2") > 0.85);
  CHECK(result.number("test_r2") == network.number("r2"));
  CHECK(result.at("test_accuracy").is_null());

  // Predictions come in units of the target
  save_npy(folder.file("x.npy"), split.test.images.tensor());
  const Json predicted = run_json(folder, "predict r --input x.npy --out y.npy");
  CHECK(predicted.at("classes").is_null());
  const Tensor y = to(load_npy(folder.file("y.npy")), DType::f64);
  CHECK(mean_square(y - truth) == doctest::Approx(network.number("mse")).epsilon(1e-5));
  check_refused(folder, "explain r --method gradient", 2, {"regress", "needs a classifier"});
}

TEST_CASE("tasks: an autoencoder rebuilds digits better than PCA with a code of the same size") {
  const TempDir folder;
  train(folder, "ae", "--data digits --model autoencoder --epochs 60");
  const Json network = run_json(folder, "eval ae");
  CHECK(network.at("accuracy").is_null());

  // PCA of the training part, in the units of the network: standardised pixels
  const datasets::Split split = datasets::load("digits");
  const datasets::ChannelStatistics s = datasets::channel_statistics(split.train);
  const auto standard = [&](const datasets::Dataset& set) {
    return (matrix(set) - s.mean[0]) / s.std[0];
  };
  const Tensor train_part = standard(split.train), test_part = standard(split.test);
  const Tensor centre = mean(train_part, {0});                       // [1, D]
  const Tensor axes = slice(svd(train_part - centre).vt, 0, 0, 16);  // [16, D]
  const Tensor code = matmul(test_part - centre, axes, {.transpose_b = true});
  const double pca = mean_square(matmul(code, axes) + centre - test_part);
  std::printf(
      "tasks: digits rebuilt from 16 numbers, test mean squared error: autoencoder %.4f, PCA "
      "%.4f\n",
      network.number("loss"), pca);
  CHECK(network.number("loss") < pca);
}

TEST_CASE("tasks: averaged weights are those of the file, and a stopped run goes on with both") {
  const TempDir folder;
  const std::string line =
      "--data digits --model mlp:16 --epochs 4 --limit-train 200 --limit-test 50 --ema 0.9 ";
  train(folder, "whole", line);
  train(folder, "parts", line + "--stop-after-epoch 2");
  succeed(folder, "train --quiet --resume --out parts");
  for (const char* file : {"last.safetensors", "best.safetensors", "metrics.jsonl"}) {
    CHECK(
        content(folder.file(std::string("parts/") + file)) ==
        content(folder.file(std::string("whole/") + file)));
  }
  const SafetensorsFile last = load_safetensors(folder.file("whole/last.safetensors"));
  const SafetensorsFile best = load_safetensors(folder.file("whole/best.safetensors"));
  CHECK(bitwise_equal(last.tensors.at("fc1.weight"), best.tensors.at("fc1.weight")));
  CHECK_FALSE(
      bitwise_equal(last.tensors.at("fc1.weight"), last.tensors.at("state.weights.fc1.weight")));
  const Json line_four = parse_json(lines(content(folder.file("whole/metrics.jsonl")))[3], "line");
  CHECK(run_json(folder, "eval whole").number("accuracy") == line_four.number("test_accuracy"));
}

TEST_CASE("tasks: held-out data choose the best epoch and end the run") {
  const TempDir folder;
  // A rate that is far too large soon stops getting better
  const Json result = run_json(
      folder,
      "train --quiet --data digits --model mlp:64 --epochs 60 --lr 0.05 --schedule constant "
      "--validation 0.25 --patience 3 --out r");
  const auto curve = lines(content(folder.file("r/metrics.jsonl")));
  const int64_t epochs = result.integer("epochs"), best = result.integer("best_epoch");
  CHECK(epochs == std::ssize(curve));
  CHECK(epochs < 60);
  CHECK(epochs == best + 3);
  double lowest = 1e300;
  int64_t lowest_at = 0;
  for (size_t i = 0; i < curve.size(); ++i) {
    const double loss = parse_json(curve[i], "line").number("validation_loss");
    if (loss >= lowest) continue;
    lowest = loss;
    lowest_at = static_cast<int64_t>(i) + 1;
  }
  CHECK(best == lowest_at);

  // The best file is that of a run which ended there; going on ends at once
  train(
      folder, "short",
      "--data digits --model mlp:64 --epochs 60 --lr 0.05 --schedule constant --validation 0.25 "
      "--stop-after-epoch " +
          std::to_string(best));
  const auto best_weights = [&](const char* run_name) {
    return load_safetensors(folder.file(std::string(run_name) + "/best.safetensors")).tensors;
  };
  for (const auto& [name, tensor] : best_weights("r")) {
    CHECK(bitwise_equal(tensor, best_weights("short").at(name)));
  }
  const std::string last = content(folder.file("r/last.safetensors"));
  CHECK(run_json(folder, "train --quiet --resume --out r").integer("epochs") == epochs);
  CHECK(content(folder.file("r/last.safetensors")) == last);
  check_refused(
      folder, "train --data digits --model mlp:8 --patience 2 --out n", 2, {"needs --validation"});
}

TEST_CASE("tasks: a start from another run takes what fits, and frozen parts stay") {
  const TempDir folder;
  const std::string small = " --limit-train 60 --limit-test 20";
  train(folder, "a", "--data digits --model mlp:16 --epochs 1" + small);
  const ProcessResult start = succeed(
      folder,
      "train --data digits --model mlp:16-8 --epochs 1 --init a --freeze fc1.* --out b" + small);
  CHECK(start.err.find("missing fc3.weight") != std::string::npos);
  CHECK(start.err.find("--freeze fc1.*: 2 tensors") != std::string::npos);
  const SafetensorsFile a = load_safetensors(folder.file("a/last.safetensors"));
  const SafetensorsFile b = load_safetensors(folder.file("b/last.safetensors"));
  CHECK(bitwise_equal(a.tensors.at("fc1.weight"), b.tensors.at("fc1.weight")));
  CHECK(bitwise_equal(a.tensors.at("fc1.bias"), b.tensors.at("fc1.bias")));
  CHECK_FALSE(b.tensors.contains("optimizer.m.fc1.weight"));

  const std::string line = "train --data digits --model mlp:16 --epochs 1 --out c" + small;
  check_refused(folder, line + " --freeze nothing*", 2, {"no parameter fits 'nothing*'"});
  check_refused(folder, line + " --freeze *", 2, {"leaves nothing to train"});
  check_refused(folder, line + " --init nowhere", 2, {"nowhere"});
  train(folder, "other", "--data fashion-2k --model lenet5 --epochs 1 --limit-train 60");
  check_refused(folder, line + " --init other", 3, {"none fits the model"});
}

TEST_CASE("tasks: the profile counts the ops of the training steps") {
  const TempDir folder;
  const Json result = run_json(
      folder,
      "train --quiet --data digits --model mlp:16 --epochs 2 --batch 50 --limit-train 100 "
      "--profile --out r");
  bool has_matmul = false;
  for (const Json& row : result.at("profile").items()) {
    if (row.text("op") != "matmul") continue;
    has_matmul = true;
    CHECK(row.integer("calls") == 8);  // two layers, two steps, two epochs
    CHECK(row.integer("bytes") == 4 * 50 * (16 + 10) * 4);
    CHECK(row.number("forward_ms") >= 0);
    CHECK(row.number("backward_ms") > 0);
  }
  CHECK(has_matmul);
  check_refused(
      folder, "train --data digits --model mlp:8 --anomaly --profile --out n", 2, {"exclude"});
}

TEST_CASE("tasks: class weights and smoothing change the loss, for classifiers only") {
  const TempDir folder;
  const std::string line = "--data digits --model mlp:16 --epochs 1 --limit-train 100 ";
  train(folder, "plain", line);
  train(folder, "weights", line + "--class-weights");
  train(folder, "smooth", line + "--label-smoothing 0.2");
  CHECK(
      content(folder.file("plain/last.safetensors")) !=
      content(folder.file("smooth/last.safetensors")));
  // 100 digits, ten of each: all weights are 1, but the mean is taken over them
  CHECK(run_json(folder, "eval weights").number("accuracy") > 0);
  check_refused(
      folder, "train --data digits --model autoencoder --class-weights --out n", 2,
      {"--task classify"});
  check_refused(folder, "train --data digits --model mlp:8 --task sing --out n", 2, {"sing"});
}
