// tests/cli/interrupt_test.cpp: Ctrl-C, SIGTERM and kill -9 in the middle of training.
#include "framework/io/safetensors.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <random>
#include <thread>

using namespace limpid;
using namespace limpid::cli;

namespace {

void pause_ms(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

// Waits until something has happened in the folder of a running program.
void wait_until(Process& process, const std::function<bool()>& has_happened) {
  while (!has_happened() && !process.has_ended()) pause_ms(1);
  REQUIRE_FALSE(process.has_ended());
}

size_t epochs_done(const std::string& run) {
  return exists(run + "/metrics.jsonl") ? lines(content(run + "/metrics.jsonl")).size() : 0;
}

bool has_stray(const std::string& run) {
  for (const auto& [name, ignored] : snapshot(run)) {
    if (name.starts_with(".")) return true;
  }
  return false;
}

// The steps of the epoch in progress, from the checkpoint.
double steps_in(const std::string& run) {
  return load_safetensors(run + "/last.safetensors").tensors.at("state.progress").to_vector()[1];
}

const std::string kRun =
    "--data fashion-2k --model lenet5 --limit-train 500 --limit-test 20 --batch 10 --epochs 6";

}  // namespace

TEST_CASE(
    "interrupt: a signal leaves a checkpoint; going on ends with the same bytes (bad input 43)") {
  const TempDir folder;
  train(folder, "straight", kRun);
  struct Row {
    int signal;
    int status;
    size_t epochs;  // to wait for before the signal
  };
  int inside_an_epoch = 0;
  const Row rows[] = {{SIGINT, 130, 0}, {SIGINT, 130, 2}, {SIGTERM, 143, 1}};
  for (const Row& row : rows) {
    const std::string name = "r" + std::to_string(row.signal) + "-" + std::to_string(row.epochs);
    const std::string run_folder = folder.file(name);
    INFO(name);
    Process process(
        LIMPID_BINARY, words("train --out " + name + " " + kRun),
        {.folder = folder.path().string()});
    wait_until(process, [&] {
      return exists(run_folder + "/config.json") && epochs_done(run_folder) >= row.epochs;
    });
    process.send(row.signal);
    const ProcessResult result = process.wait();
    CHECK(result.status == row.status);
    CHECK(result.err.find("limpid: ") == std::string::npos);  // no error
    CHECK(epochs_done(run_folder) < 6);
    REQUIRE(exists(run_folder + "/last.safetensors"));
    CHECK(steps_in(run_folder) < 50);
    if (steps_in(run_folder) > 0) ++inside_an_epoch;
    CHECK_FALSE(has_stray(run_folder));
    succeed(folder, "eval " + name);

    succeed(folder, "train --quiet --resume --out " + name);
    for (const char* file : {"last.safetensors", "best.safetensors", "metrics.jsonl"}) {
      INFO(file);
      CHECK(content(run_folder + "/" + file) == content(folder.file("straight/") + file));
    }
  }
  CHECK(inside_an_epoch > 0);  // a signal does not wait for the end of an epoch
}

TEST_CASE("interrupt: with --json the interrupted run still prints one object") {
  const TempDir folder;
  Process process(
      LIMPID_BINARY, words("train --json --quiet --out r " + kRun + "000"),
      {.folder = folder.path().string()});
  wait_until(process, [&] { return epochs_done(folder.file("r")) >= 1; });
  process.send(SIGINT);
  const ProcessResult result = process.wait();
  CHECK(result.status == 130);
  CHECK(result.err == "");
  CHECK(parse_json(result.out, "stdout").integer("epochs") >= 1);
}

TEST_CASE("interrupt: a second Ctrl-C leaves at once") {
  const TempDir folder;
  // Steps of about a second, so that the first one does not end between the two signals
  Process process(
      LIMPID_BINARY,
      words("train --quiet --out r --data fashion-2k --model resnet8 --batch 600 --epochs 9"),
      {.folder = folder.path().string()});
  wait_until(process, [&] { return exists(folder.file("r/config.json")); });
  pause_ms(30);
  process.send(SIGINT);
  pause_ms(30);
  process.send(SIGINT);
  const ProcessResult result = process.wait();
  CHECK(result.status == 130);
  CHECK(result.out == "");
  CHECK_FALSE(exists(folder.file("r/last.safetensors")));  // the step was not waited for
}

TEST_CASE("interrupt: kill -9 never leaves a broken checkpoint (bad input 25)") {
  const TempDir folder;
  const std::string run_folder = folder.file("r");
  const std::string line =
      "--data digits --model mlp:64 --limit-train 64 --limit-test 20 --epochs 90000";
  std::mt19937 random(1);
  for (int round = 0; round < 10; ++round) {
    const bool goes_on = exists(run_folder + "/last.safetensors");
    Process process(
        LIMPID_BINARY,
        words(goes_on ? "train --quiet --resume --out r" : "train --quiet --out r " + line),
        {.folder = folder.path().string()});
    const size_t before = epochs_done(run_folder);
    if (round % 2 == 1) {  // in every second round, surely in the middle of the epochs
      wait_until(process, [&] { return epochs_done(run_folder) > before; });
    }
    pause_ms(static_cast<int>(random() % 60));
    process.send(SIGKILL);
    const ProcessResult result = process.wait();
    INFO("round ", round, ": ", result.err);
    CHECK(result.status == 128 + SIGKILL);
    if (!exists(run_folder + "/last.safetensors")) continue;
    const ProcessResult eval = run(folder, "eval r");
    INFO(eval.err);
    CHECK(eval.status == 0);
  }

  // What a killed process leaves in the middle of writing is gone after the next save
  const size_t done = epochs_done(run_folder);
  CHECK(done >= 5);
  for (const char* name : {"last.safetensors", "metrics.jsonl", "config.json"}) {
    write(run_folder + "/." + name + ".tmp-99999-0", "half of a fi");
  }
  CHECK(has_stray(run_folder));
  succeed(folder, "train --quiet --resume --out r --stop-after-epoch " + std::to_string(done + 1));
  CHECK_FALSE(has_stray(run_folder));

  // No epoch is missing or doubled
  const std::vector<std::string> curve = lines(content(run_folder + "/metrics.jsonl"));
  CHECK(curve.size() == done + 1);
  for (size_t k = 0; k < curve.size(); ++k) {
    CHECK(parse_json(curve[k], "metrics").integer("epoch") == static_cast<int64_t>(k + 1));
  }
}
