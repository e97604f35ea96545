// tests/train/checkpoint_test.cpp: stop anywhere, go on, same bits; damaged files change nothing.
#include "framework/train/checkpoint.h"

#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/io/safetensors.h"
#include "framework/optim/sgd.h"
#include "tests/support/failure.h"
#include "tests/support/temp_dir.h"
#include "tests/train/toy.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>

namespace limpid {
namespace {

constexpr int64_t kMaxBytes = 1 << 24;
const std::map<std::string, std::string> kMetadata = {{"model", "toy"}};

std::vector<std::byte> bytes_of(const std::string& path) { return read_file(path, kMaxBytes); }

// Three epochs of three steps on two rings with dropout and batch statistics.
struct Setting {
  BatchSource source = batches_of(rings(23, 1), 8, 2);  // 8 + 8 + 7
  Schedule schedule = {.learning_rate = 0.01, .steps = 9, .warmup = 2};
  TrainOptions options = {.epochs = 3, .seed = 3, .clip = 1};

  void run(Run& run, std::function<bool(const Progress&)> after_step = {}) const {
    TrainOptions o = options;
    o.after_step = std::move(after_step);
    fit(*run.model, *run.optimizer, schedule, source, o, run.progress);
  }
};

void save(const std::string& path, const Run& run) {
  save_checkpoint(path, *run.model, *run.optimizer, run.progress, kMetadata);
}

void load(const std::string& path, Run& run) {
  load_checkpoint(path, *run.model, *run.optimizer, run.progress);
}

std::string load_error(const std::string& path, Run& run) {
  return failure([&] { load(path, run); });
}

}  // namespace

TEST_CASE("checkpoint: stopped after any step and resumed, a run ends with the same bytes") {
  const TempDir dir;
  const Setting setting;
  Run whole(dropout_net(4));
  setting.run(whole);
  CHECK(whole.progress.epoch == 3);
  save(dir.file("whole"), whole);

  for (int stop = 1; stop <= 9; ++stop) {
    CAPTURE(stop);
    Run first(dropout_net(4));
    int steps = 0;
    setting.run(first, [&](const Progress&) { return ++steps < stop; });
    save(dir.file("half"), first);
    CHECK(first.progress.epoch == stop / 3);
    CHECK(first.progress.step == stop % 3);

    Run second(dropout_net(99));  // other weights: all of them must come from the file
    load(dir.file("half"), second);
    CHECK(bitwise_equal(everything_of(second), everything_of(first)));
    save(dir.file("again"), second);
    CHECK(bytes_of(dir.file("again")) == bytes_of(dir.file("half")));
    setting.run(second);
    save(dir.file("resumed"), second);
    CHECK(bytes_of(dir.file("resumed")) == bytes_of(dir.file("whole")));
  }
}

TEST_CASE("checkpoint: stopped after each epoch and resumed, the reports are the same too") {
  const TempDir dir;
  Setting setting;
  std::vector<EpochReport> whole_reports, resumed_reports;
  const auto collect = [](std::vector<EpochReport>& into) {
    return [&into](const EpochReport& report, const Progress&) {
      into.push_back(report);
      return true;
    };
  };
  setting.options.after_epoch = collect(whole_reports);
  Run whole(dropout_net(5));
  setting.run(whole);

  Run start(dropout_net(5));
  save(dir.file("last"), start);
  setting.options.after_epoch = [&](const EpochReport& report, const Progress&) {
    resumed_reports.push_back(report);
    return false;
  };
  for (int epoch = 0; epoch < 3; ++epoch) {
    Run part(dropout_net(77));
    load(dir.file("last"), part);
    setting.run(part);
    save(dir.file("last"), part);
    if (epoch == 2) CHECK(bitwise_equal(everything_of(part), everything_of(whole)));
  }

  // Stopped within an epoch, the sums of the epoch go on as well
  setting.options.after_epoch = collect(resumed_reports);
  Run first(dropout_net(5));
  int steps = 0;
  setting.run(first, [&](const Progress&) { return ++steps < 8; });  // two epochs, two steps
  save(dir.file("inside"), first);
  Run second(dropout_net(78));
  load(dir.file("inside"), second);
  setting.run(second);

  REQUIRE(whole_reports.size() == 3);
  REQUIRE(resumed_reports.size() == 6);
  for (size_t i = 0; i < 6; ++i) {
    CHECK(resumed_reports[i].epoch == whole_reports[i % 3].epoch);
    CHECK(resumed_reports[i].train_loss == whole_reports[i % 3].train_loss);
    CHECK(resumed_reports[i].train_accuracy == whole_reports[i % 3].train_accuracy);
    CHECK(resumed_reports[i].learning_rate == whole_reports[i % 3].learning_rate);
  }
}

TEST_CASE("checkpoint: the file holds weights, buffers, slots and progress under plain names") {
  const TempDir dir;
  Run run(dropout_net(6));
  run.progress = {.epoch = 7, .step = 2, .loss_sum = 0.1, .correct = 11, .seen = 13};
  save(dir.file("c"), run);
  const SafetensorsFile file = load_safetensors(dir.file("c"));
  CHECK(file.metadata.size() == 2);
  CHECK(file.metadata.at("model") == "toy");
  CHECK(file.metadata.at("crc32").size() == 8);
  CHECK(file.tensors.size() == 8 + 1 + 2 * 6 + 2);  // state, steps, slots, progress
  CHECK(file.tensors.contains("norm.running_var"));
  CHECK(file.tensors.contains("optimizer.steps"));
  CHECK(file.tensors.contains("optimizer.square.fc.weight"));
  CHECK(file.tensors.at("state.progress").to_vector() == std::vector<double>{7, 2, 11, 13});

  Run other(dropout_net(7));
  load(dir.file("c"), other);
  CHECK(other.progress.epoch == 7);
  CHECK(other.progress.step == 2);
  CHECK(other.progress.loss_sum == 0.1);
  CHECK(other.progress.correct == 11);
  CHECK(other.progress.seen == 13);
}

TEST_CASE("checkpoint: cut off anywhere, it is refused and nothing has changed (bad input 24)") {
  const TempDir dir;
  // A small model, so that every position is tried: about 1,000
  const auto make = [](uint64_t seed) {
    Rng weights(seed);
    return make_model("mlp:1", {.input = {1}, .classes = 1}, weights);
  };
  Run saved(make(1)), target(make(2));
  save(dir.file("c"), saved);
  const std::vector<std::byte> bytes = bytes_of(dir.file("c"));
  const auto before = everything_of(target);
  CHECK(bytes.size() > 500);

  int accepted = 0, changed = 0, unnamed = 0;
  write_file_atomic(dir.file("cut"), bytes);
  for (size_t length = bytes.size(); length-- > 0;) {
    std::filesystem::resize_file(dir.file("cut"), length);
    const std::string text = load_error(dir.file("cut"), target);
    accepted += text.empty();
    unnamed += text.find(dir.file("cut")) == std::string::npos;
    changed += !bitwise_equal(everything_of(target), before);
  }
  CHECK(accepted == 0);
  CHECK(unnamed == 0);
  CHECK(changed == 0);

  // One byte too many
  auto longer = bytes;
  longer.push_back(std::byte{0});
  write_file_atomic(dir.file("long"), longer);
  CHECK_FALSE(load_error(dir.file("long"), target).empty());
  CHECK_FALSE(load_error(dir.file("missing"), target).empty());
  CHECK(bitwise_equal(everything_of(target), before));
  load(dir.file("c"), target);
  CHECK(bitwise_equal(everything_of(target), everything_of(saved)));
}

TEST_CASE("checkpoint: a newer format is refused, naming both (bad input 23)") {
  const TempDir dir;
  Run run(dropout_net(6));
  save_checkpoint(
      dir.file("c"), *run.model, *run.optimizer, run.progress, {{"format", "limpid-checkpoint-2"}});
  const std::string error = load_error(dir.file("c"), run);
  CHECK(error.find("limpid-checkpoint-2") != std::string::npos);
  CHECK(error.find("limpid-checkpoint-1") != std::string::npos);
}

TEST_CASE("checkpoint: a value that changed on the disk is found, wherever it stands") {
  const TempDir dir;
  Run run(dropout_net(6));
  save(dir.file("c"), run);
  const std::vector<std::byte> bytes = bytes_of(dir.file("c"));
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  const size_t payload = 8 + header;
  const std::vector<Tensor> before = everything_of(run);
  for (size_t at = payload; at < bytes.size(); at += 7) {
    std::vector<std::byte> damaged = bytes;
    damaged[at] ^= std::byte{1};
    write_file_atomic(dir.file("d"), damaged);
    CHECK(load_error(dir.file("d"), run).find("damaged: the checksum") != std::string::npos);
  }
  CHECK(bitwise_equal(everything_of(run), before));
}

TEST_CASE(
    "checkpoint: another network's lists the differences, another optimiser's the first (bad input "
    "23)") {
  const TempDir dir;
  const auto mlp = [](const std::string& name) {
    Rng rng(9);
    return make_model(name, {.input = {2}, .classes = 2}, rng);
  };
  Run wide(mlp("mlp:8")), narrow(mlp("mlp:4"));
  save(dir.file("wide"), wide);
  const auto before = everything_of(narrow);
  const std::string differences =
      dir.file("wide") +
      ": weights: fc1.weight is [8, 2], the model needs [4, 2]; fc1.bias is [8], the model needs "
      "[4]; fc2.weight is [2, 8], the model needs [2, 4]";
  CHECK(load_error(dir.file("wide"), narrow) == differences);
  CHECK_THROWS_WITH_AS(
      load_weights(dir.file("wide"), *narrow.model), differences.c_str(), FormatError);
  CHECK(bitwise_equal(everything_of(narrow), before));

  const auto other = mlp("mlp:8");
  Sgd sgd(parameters(*other));
  Progress progress;
  CHECK_THROWS_WITH_AS(
      load_checkpoint(dir.file("wide"), *other, sgd, progress),
      (dir.file("wide") +
       ": optimizer.momentum.fc1.weight: missing; this is not a checkpoint of the same run")
          .c_str(),
      FormatError);
}

TEST_CASE("checkpoint: progress that cannot be is refused") {
  const TempDir dir;
  Run run(dropout_net(10)), target(dropout_net(11));
  run.progress.seen = -1;
  save(dir.file("c"), run);
  const auto before = everything_of(target);
  CHECK(load_error(dir.file("c"), target) == dir.file("c") + ": state.progress: negative count");
  CHECK(bitwise_equal(everything_of(target), before));
}

TEST_CASE("weights: a file of weights alone is no checkpoint, a checkpoint is also weights") {
  const TempDir dir;
  Run run(dropout_net(12)), target(dropout_net(13));
  const Setting setting;
  setting.run(run);
  save_weights(dir.file("weights"), *run.model, kMetadata);
  save(dir.file("checkpoint"), run);

  const auto before = everything_of(target);
  CHECK(
      load_error(dir.file("weights"), target) ==
      dir.file("weights") + ": optimizer.steps: missing; this is not a checkpoint of the same run");
  CHECK(bitwise_equal(everything_of(target), before));

  for (const std::string name : {"weights", "checkpoint"}) {
    const auto net = dropout_net(14);
    load_weights(dir.file(name), *net);
    const auto own = state(*net), expected = state(*run.model);
    for (size_t i = 0; i < own.size(); ++i) {
      CHECK(bitwise_equal(own[i].second, expected[i].second));
    }
  }
  CHECK(load_safetensors(dir.file("weights")).tensors.size() == 8);
}

TEST_CASE("checkpoint: saving over an old one replaces it as a whole") {
  const TempDir dir;
  Run run(dropout_net(15));
  save(dir.file("c"), run);
  const auto first = bytes_of(dir.file("c"));
  run.progress.epoch = 5;
  save(dir.file("c"), run);
  CHECK(bytes_of(dir.file("c")) != first);
  CHECK(bytes_of(dir.file("c")).size() == first.size());
  CHECK_THROWS_AS(save(dir.file("no/such/folder/c"), run), Error);
}

}  // namespace limpid
