// tests/cli/train_test.cpp: what `limpid train` writes and says.
#include "framework/io/folder_lock.h"
#include "framework/io/safetensors.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kRun =
    "train --data digits --model mlp:16 --epochs 2 --limit-train 200 --limit-test 50 --out r";

}  // namespace

TEST_CASE("train: the run folder") {
  const TempDir folder;
  const Json result = run_json(folder, kRun);
  std::vector<std::string> names;
  for (const auto& [name, ignored] : snapshot(folder.file("r"))) names.push_back(name);
  CHECK(
      names == std::vector<std::string>{
                   "best.safetensors", "config.json", "last.safetensors", "metrics.jsonl",
                   "previous.safetensors"});

  SUBCASE("config.json holds the options and the model") {
    const Json config = parse_json(content(folder.file("r/config.json")), "config");
    CHECK(config.integer("schema") == 1);
    CHECK(config.text("command") == "train");
    const Json& options = config.at("options");
    CHECK(options.text("data") == "digits");
    CHECK(options.text("model") == "mlp:16");
    CHECK(options.integer("epochs") == 2);
    CHECK(options.integer("seed") == 0);
    CHECK(options.text("optimizer") == "adam");
    CHECK(options.text("schedule") == "cosine");
    CHECK(options.number("lr") == 2e-3);
    CHECK(options.integer("batch") == 64);
    const Json& model = config.at("model");
    CHECK(model.text("architecture") == "mlp:16");
    CHECK(model.at("input_shape") == Json::array({1, 8, 8}));
    CHECK(model.at("class_names").items().size() == 10);
    CHECK(model.at("mean").items().size() == 1);
    CHECK(model.at("std").items().at(0).number() > 0);
  }
  SUBCASE("metrics.jsonl has one line per epoch; the last one is the result") {
    const std::vector<std::string> curve = lines(content(folder.file("r/metrics.jsonl")));
    REQUIRE(curve.size() == 2);
    for (int64_t epoch = 1; epoch <= 2; ++epoch) {
      const Json line = parse_json(curve[static_cast<size_t>(epoch - 1)], "metrics");
      CHECK(line.integer("epoch") == epoch);
      for (const char* key : {"learning_rate", "train_loss", "test_loss"}) {
        CHECK(line.number(key) > 0);
      }
      for (const char* key : {"train_accuracy", "test_accuracy"}) {
        CHECK(line.number(key) >= 0);
        CHECK(line.number(key) <= 1);
      }
    }
    const Json last = parse_json(curve[1], "metrics");
    CHECK(result.number("train_accuracy") == last.number("train_accuracy"));
    CHECK(result.number("test_accuracy") == last.number("test_accuracy"));
    CHECK(result.number("test_loss") == last.number("test_loss"));
  }
  SUBCASE("the result has its keys") {
    CHECK(result.integer("epochs") == 2);
    CHECK(result.integer("parameters") == 64 * 16 + 16 + 16 * 10 + 10);
    CHECK(result.number("images_per_second") > 0);
    CHECK(result.text("run") == "r");
  }
  SUBCASE("last.safetensors is the weights of best.safetensors and the state beside them") {
    const SafetensorsFile last = load_safetensors(folder.file("r/last.safetensors"));
    const SafetensorsFile best = load_safetensors(folder.file("r/best.safetensors"));
    CHECK(best.tensors.size() == 4);
    for (const auto& [name, tensor] : best.tensors) {
      INFO(name);
      REQUIRE(last.tensors.contains(name));
      CHECK(last.tensors.at(name).to_vector() == tensor.to_vector());
    }
    for (const auto& [name, ignored] : last.tensors) {
      INFO(name);
      const bool is_known = best.tensors.contains(name) || name.starts_with("optimizer.") ||
                            name.starts_with("state.");
      CHECK(is_known);
    }
    CHECK(last.tensors.size() > best.tensors.size());
  }
}

TEST_CASE("train: the text on stdout and stderr") {
  const TempDir folder;
  const ProcessResult result = succeed(folder, kRun);
  const std::vector<std::string> out = lines(result.out);
  REQUIRE(out.size() == 3);
  CHECK(out[0].starts_with("test accuracy "));
  CHECK(out[1].starts_with("test loss      "));
  CHECK(out[2] == "run            r");
  const std::vector<std::string> err = lines(result.err);
  REQUIRE(err.size() == 4);
  CHECK(err[0].starts_with("digits: 200 + 50 examples"));
  CHECK(err[1].starts_with("mlp:16: 1210 parameters"));
  CHECK(err[2].starts_with("epoch 1/2  loss "));
  CHECK(err[3].starts_with("epoch 2/2  loss "));
}

TEST_CASE("train: it learns") {
  const TempDir folder;
  const Json digits =
      run_json(folder, "train --data digits --model mlp:64 --epochs 20 --quiet --out a");
  CHECK(digits.number("test_accuracy") > 0.9);  // chance is 0.1; this takes a quarter of a second
  const Json moons =
      run_json(folder, "train --data moons --model mlp:32 --epochs 10 --lr 0.01 --quiet --out b");
  CHECK(moons.number("test_accuracy") > 0.9);  // a straight line gets 0.87
}

TEST_CASE("train: every optimiser, schedule and model") {
  const TempDir folder;
  int number = 0;
  for (const char* options :
       {"--data digits --model mlp --optimizer sgd --schedule constant",
        "--data digits --model mlp --optimizer sgd --nesterov --schedule one-cycle",
        "--data gaussians --model mlp --optimizer rmsprop --weight-decay 0.1 --decay-weights-only",
        "--data digits --model mlp:8-8 --optimizer adamw --schedule step --weight-decay 0.01",
        "--data moons --model mlp:8 --optimizer adam --warmup 1 --clip 0.1 --batch 7",
        "--data fashion-2k --model lenet5", "--data shapes --model convnet:4x2:none:max",
        "--data fashion-2k --model convnet:4x2:batch", "--data shapes --model convnet:4x3",
        "--data digits --model resnet8"}) {
    INFO(options);
    const std::string out = "r" + std::to_string(++number);
    const Json result = run_json(
        folder, std::string("train --quiet --epochs 2 --limit-train 40 --limit-test 20 --out ") +
                    out + " " + options);
    CHECK(result.integer("epochs") == 2);
    CHECK(result.integer("parameters") > 0);
    CHECK(std::isfinite(result.number("test_loss")));
    CHECK(run_json(folder, "eval " + out).integer("count") == 20);
  }
}

TEST_CASE("train: one writer per folder, and the checkpoint before the last as a reserve") {
  const TempDir folder;
  const std::string line =
      "--data digits --model mlp:8 --epochs 4 --limit-train 60 --limit-test 20 --augment crop:1 ";
  train(folder, "whole", line);
  SUBCASE("a second process is refused") {
    const FolderLock lock(folder.file("whole"));
    check_refused(folder, "train --resume --out whole", 1, {"in use", "another process"});
  }
  SUBCASE("a damaged last checkpoint: the run goes on from the one before") {
    train(folder, "r", line + "--stop-after-epoch 3");
    REQUIRE(exists(folder.file("r/previous.safetensors")));
    std::string bytes = content(folder.file("r/last.safetensors"));
    bytes[bytes.size() - 9] ^= 1;
    write(folder.file("r/last.safetensors"), bytes);
    const ProcessResult rest = succeed(folder, "train --resume --out r");
    CHECK(rest.err.find("going on from r/previous.safetensors") != std::string::npos);
    for (const char* file : {"last.safetensors", "best.safetensors", "metrics.jsonl"}) {
      CHECK(
          content(folder.file(std::string("r/") + file)) ==
          content(folder.file(std::string("whole/") + file)));
    }
  }
  SUBCASE("other data are noticed") {
    train(folder, "r", line + "--stop-after-epoch 2");
    check_refused(folder, "train --resume --out r --limit-train 61", 2, {"other data"});
  }
}

TEST_CASE("train: augmentation is refused where it makes no sense") {
  const TempDir folder;
  check_refused(
      folder, "train --data moons --model mlp:8 --augment flip --out n", 2, {"needs images"});
  check_refused(
      folder, "train --data digits --model mlp:8 --augment spin --out n", 2, {"spin", "crop"});
  check_refused(
      folder, "train --data digits --model mlp:8 --augment mixup:0.2 --class-weights --out n", 2,
      {"exclude each other"});
  train(
      folder, "m",
      "--data digits --model mlp:8 --augment mixup:0.4,cutout:2 --label-smoothing 0.1 --epochs 1 "
      "--limit-train 60");
}

TEST_CASE("train: without --out, a folder below runs is found") {
  const TempDir folder;
  const std::string line =
      "train --data digits --model mlp:8 --epochs 1 --limit-train 50 --quiet --seed 3";
  CHECK(run_json(folder, line).text("run") == "runs/digits-mlp_8-seed3");
  CHECK(run_json(folder, line).text("run") == "runs/digits-mlp_8-seed3-2");
  CHECK(exists(folder.file("runs/digits-mlp_8-seed3-2/last.safetensors")));
}

TEST_CASE("train: --threads 1 is one thread") {
  const TempDir folder;
  // Two busy threads would take more processor time than time passes
  const ProcessResult result = succeed(
      folder,
      "train --data fashion-2k --model lenet5 --epochs 4 --threads 1 --quiet --out r --batch 250");
  CHECK(result.cpu_seconds < 1.15 * result.seconds + 0.05);
}

TEST_CASE("train: a run that leaves the finite numbers ends with 1 and keeps its last epoch") {
  const TempDir folder;
  const ProcessResult result =
      run(folder,
          "train --data digits --model mlp:64-64-64 --optimizer sgd --lr 1000 --momentum 0.99"
          " --schedule constant --warmup 2 --epochs 40 --quiet --out r");
  CHECK(result.status == 1);
  CHECK(result.out == "");
  check_one_line(result.err, {"limpid: train: ", "loss", "learning rate"});
}

TEST_CASE("train: --anomaly names the op that left the finite numbers first (bad input 32)") {
  const TempDir folder;
  const ProcessResult result =
      run(folder,
          "train --data digits --model mlp:64-64 --optimizer sgd --lr 1000 --schedule constant"
          " --epochs 9 --anomaly --quiet --out r");
  CHECK(result.status == 1);
  check_one_line(result.err, {"limpid: train: ", "the first value that is not finite", "["});
}
