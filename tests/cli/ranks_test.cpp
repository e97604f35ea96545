// tests/cli/ranks_test.cpp: work shared by several ranks of mpirun; skipped in builds without MPI.
#include "framework/core/rank_map.h"
#include "framework/core/rng.h"
#include "framework/io/safetensors.h"
#include "framework/nn/models.h"
#include "framework/ops/linear_maps.h"
#include "framework/optim/sgd.h"
#include "framework/train/trainer.h"
#include "tests/cli/limpid.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <thread>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kMpirun = LIMPID_MPIRUN;
const bool kIsAlone = kMpirun.empty();
const char* const kWeightsFile = std::getenv("LIMPID_RANKS_WEIGHTS");
const bool kExchanges = std::getenv("LIMPID_RANKS_EXCHANGE") != nullptr;

std::string mpirun_options(int count) {
  return "--allow-run-as-root --oversubscribe --bind-to none --quiet -np " + std::to_string(count);
}

std::vector<std::string> on_ranks(int count, const std::string& line) {
  return words(mpirun_options(count) + " " + LIMPID_BINARY + " " + line);
}

ProcessResult run_ranks(const TempDir& folder, int count, const std::string& line) {
  return run_process(
      kMpirun, on_ranks(count, line), {.folder = folder.path().string(), .time_limit = 200});
}

ProcessResult succeed_ranks(const TempDir& folder, int count, const std::string& line) {
  ProcessResult result = run_ranks(folder, count, line);
  INFO(count, " ranks: ", line, "\n", result.err);
  REQUIRE(result.status == 0);
  return result;
}

SafetensorsFile last_of(const TempDir& folder, const std::string& run) {
  return load_safetensors(folder.file(run + "/last.safetensors"));
}

// The largest |a - b| / max(1, |a|, |b|) over weights, statistics and the state of the optimiser.
double difference(const SafetensorsFile& one, const SafetensorsFile& other) {
  REQUIRE(one.tensors.size() == other.tensors.size());
  double worst = 0;
  for (const auto& [name, tensor] : one.tensors) {
    worst = std::max(worst, max_error(tensor, other.tensors.at(name)));
  }
  return worst;
}

// The process that runs as this rank in a folder, by the environment that mpirun gave it; 0: none.
int process_of_rank(const std::string& folder, int rank) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path() / "cwd", gone) != folder) continue;
    std::ifstream file(entry.path() / "environ", std::ios::binary);
    const std::string variables((std::istreambuf_iterator<char>(file)), {});
    const std::string wanted = "OMPI_COMM_WORLD_RANK=" + std::to_string(rank) + '\0';
    if (variables.find(wanted) != std::string::npos) return std::stoi(entry.path().filename());
  }
  return 0;
}

// Lines of limpid itself; the rest of stderr is mpirun's.
std::vector<std::string> errors_of(const ProcessResult& result) {
  std::vector<std::string> own;
  for (const std::string& line : lines(result.err)) {
    if (line.starts_with("limpid: ")) own.push_back(line);
  }
  return own;
}

const std::string kData = "--data fashion-2k --limit-train 200 --limit-test 40";

}  // namespace

// Started by mpirun from the test below: 50 steps in double precision, the weights in a file.
TEST_CASE("on a rank: training in double precision" * doctest::skip(kWeightsFile == nullptr)) {
  ranks::join([](int) {});
  Rng rng(1);
  const auto model = make_model("resnet8", {{3, 16, 16}, 4}, rng);
  convert(*model, DType::f64);
  Sgd optimizer(parameters(*model), {.momentum = 0.9});
  // 10 and 3 examples in turn: with 4 ranks, one of them has no example in every second step
  const auto get = [](int64_t epoch, int64_t) {
    const int64_t n = epoch % 2 == 0 ? 10 : 3;
    Rng numbers(static_cast<uint64_t>(epoch));
    const Tensor inputs = Tensor::normal({n, 3, 16, 16}, numbers, 0, 1, DType::f64);
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < n; ++i) labels.push_back(numbers.integer(4));
    if (ranks::count() == 1) return Batch{inputs, Tensor::of_integers({n}, labels)};
    const ranks::Share own = ranks::share(n, ranks::mine(), ranks::count());
    const std::span<const int64_t> own_labels = std::span<const int64_t>(labels).subspan(
        static_cast<size_t>(own.begin), static_cast<size_t>(own.size()));
    return Batch{
        slice(inputs, 0, own.begin, own.end),
        Tensor::of_integers({own.size()}, own_labels),
        {},
        own};
  };
  Progress progress;
  const Tensor weight = parameters(*model)[0].second;
  const Tensor before = weight.clone();
  fit(*model, optimizer, {.kind = Schedule::Kind::constant, .learning_rate = 0.02},
      {.batches = 1, .examples = 10, .get = get}, {.epochs = 50}, progress);
  CHECK(max_error(weight, before) > 0.01);  // it went somewhere
  std::map<std::string, Tensor> result;
  for (const auto& [name, tensor] : state(*model)) result.emplace(name, tensor);
  if (ranks::is_first()) save_safetensors(kWeightsFile, result);
  CHECK(ranks::leave(0));
}

// Started by mpirun from the test below.
TEST_CASE("on a rank: results shared out" * doctest::skip(!kExchanges)) {
  ranks::join([](int) {});
  CHECK(ranks::count() == 3);
  // Vectors of 0, 1, ... million numbers: several messages from some ranks, none from others
  const auto size = [](int64_t i) { return static_cast<size_t>(i) * 1'000'000; };
  for (const int64_t n : {0, 2, 7}) {
    const auto results = ranks::map<std::vector<double>>(
        n, [&](int64_t i) { return std::vector<double>(size(i), static_cast<double>(i)); });
    CHECK(std::ssize(results) == n);
    for (int64_t i = 0; i < n; ++i) {
      const auto k = static_cast<size_t>(i);
      CHECK(results[k] == std::vector<double>(size(i), static_cast<double>(i)));
    }
  }
  CHECK(ranks::leave(0));
}

TEST_CASE("ranks: every rank gets the results of all" * doctest::skip(kIsAlone)) {
  std::vector<std::string> arguments = words(mpirun_options(3));
  arguments.push_back(std::filesystem::read_symlink("/proc/self/exe"));
  arguments.push_back("--test-case=on a rank: results shared out");
  const ProcessResult result = run_process(
      kMpirun, arguments, {.environment = {{"LIMPID_RANKS_EXCHANGE", "1"}}, .time_limit = 200});
  INFO(result.out, result.err);
  CHECK(result.status == 0);
}

TEST_CASE(
    "ranks: regions, certificates and reports of layers are those of one process" *
    doctest::skip(kIsAlone)) {
  struct Row {
    std::string line, file;
  };
  const Row rows[] = {
      {"shallow convert moons --box -3,3 --check 1000 --out f", "f"},
      {"shallow convert moons --check 1000 --merge --out f", "f"},
      {"shallow convert moons --box -3,3 --check 1000 --max-regions 97 --out f", "f"},
      {"shallow certify moons --box -3,3 --indices 0,1,2", ""},
      {"transport report fashion --samples 60 --repeats 3 --out r", "r/transport.json"},
      {"transport shift fashion --samples 60 --repeats 5 --out r", "r/shift.json"}};
  const TempDir folder;
  train(folder, "moons", "--data moons --model mlp:12-12 --epochs 2");
  train(folder, "fashion", "--data fashion-2k --limit-train 200 --model lenet5 --epochs 1");
  for (const Row& row : rows) {
    std::string text, file;
    for (const int count : {1, 2, 3}) {
      INFO(count, " ranks: ", row.line);
      const ProcessResult result = succeed_ranks(folder, count, row.line);
      const std::string bytes = row.file.empty() ? "" : content(folder.file(row.file));
      if (count == 1) {
        text = result.out;
        file = bytes;
        continue;
      }
      CHECK(result.out == text);
      CHECK(bytes == file);
    }
  }
}

TEST_CASE(
    "ranks: in double precision, 1, 2, 3 and 4 ranks train resnet8 to the same weights" *
    doctest::skip(kIsAlone)) {
  const TempDir folder;
  std::map<int, SafetensorsFile> files;
  for (const int count : {1, 2, 3, 4}) {
    std::vector<std::string> arguments = words(mpirun_options(count));
    arguments.push_back(std::filesystem::read_symlink("/proc/self/exe"));
    arguments.push_back("--test-case=on a rank: training in double precision");
    const std::string file = folder.file("w" + std::to_string(count));
    const ProcessResult result = run_process(
        kMpirun, arguments, {.environment = {{"LIMPID_RANKS_WEIGHTS", file}}, .time_limit = 200});
    INFO(result.out, result.err);
    REQUIRE(result.status == 0);
    files[count] = load_safetensors(file);
    const double apart = difference(files.at(1), files.at(count));
    MESSAGE(count, " ranks: ", apart);
    CHECK(apart < 1e-10);  // 6e-15 when this was written
  }
}

TEST_CASE(
    "ranks: 2 and 4 ranks end with the weights of one process after 50 steps" *
    doctest::skip(kIsAlone)) {
  const TempDir folder;
  const std::string rows[] = {
      "--epochs 5 --batch 20 --model lenet5 --optimizer sgd --lr 0.05 --augment "
      "translate:2,mixup:0.2",
      "--epochs 5 --batch 20 --model convnet:8x2:batch:max --optimizer sgd --lr 0.02 "
      "--class-weights --ema "
      "0.9"};
  for (size_t k = 0; k < std::size(rows); ++k) {
    const std::string name = "r" + std::to_string(k);
    const std::string options = kData + " --threads 1 " + rows[k];
    train(folder, name, options);
    for (const int count : {2, 4}) {
      const std::string own = name + "-" + std::to_string(count);
      succeed_ranks(folder, count, "train --quiet --out " + own + " " + options);
      const double apart = difference(last_of(folder, name), last_of(folder, own));
      MESSAGE(own, ": ", apart);
      CHECK(apart < 1e-5);
      CHECK(apart > 0);  // it really was another sum
    }
  }
}

// In single precision an input of a rectifier that is 0 to rounding tells two orders of adding
// apart, and resnet8 has a million such inputs in a step. So its 50 steps are above, in double
// precision; here is how far apart single precision ends, beside two instruction sets of one
// process, whose order of adding differs too.
TEST_CASE(
    "ranks: resnet8 in single precision is as far apart as two instruction sets" *
    doctest::skip(kIsAlone)) {
  const TempDir folder;
  const std::string options =
      kData + " --threads 1 --epochs 5 --batch 20 --model resnet8 --optimizer sgd --lr 0.005";
  train(folder, "one", options);
  succeed_ranks(folder, 2, "train --quiet --out two " + options);
  const double ranks_apart = difference(last_of(folder, "one"), last_of(folder, "two"));
  const ProcessResult other = run_process(
      LIMPID_BINARY, words("train --quiet --out other " + options),
      {.folder = folder.path().string(),
       .environment = {{"LIMPID_KERNELS", "baseline"}},
       .time_limit = 200});
  INFO(other.err);
  REQUIRE(other.status == 0);
  const double sets_apart = difference(last_of(folder, "one"), last_of(folder, "other"));
  MESSAGE("2 ranks: ", ranks_apart, ", two instruction sets: ", sets_apart);
  if (sets_apart > 0) CHECK(ranks_apart < 10 * sets_apart);  // else there is one set only
}

TEST_CASE("ranks: the same bits in every run, and in another place" * doctest::skip(kIsAlone)) {
  const TempDir folder;
  const std::string options =
      " --threads 1 --epochs 2 --model resnet8 --data fashion-2k"
      " --limit-train 60 --limit-test 20";
  for (const char* out : {"a", "b"}) {
    succeed_ranks(folder, 3, "train --quiet --out " + std::string(out) + options);
  }
  for (const char* file : {"last.safetensors", "best.safetensors", "metrics.jsonl"}) {
    INFO(file);
    CHECK(content(folder.file("a/") + file) == content(folder.file("b/") + file));
  }
}

TEST_CASE("ranks: batches with fewer examples than ranks" * doctest::skip(kIsAlone)) {
  const TempDir folder;
  for (const std::string model : {"resnet8", "lenet5", "tiny_vit"}) {
    const std::string options =
        " --threads 1 --optimizer sgd --lr 0.01 --data fashion-2k"
        " --limit-train 20 --limit-test 20 --batch 3 --model " +
        model + " --epochs 2";
    const std::string one = model + "-1", four = model + "-4";
    train(folder, one, options);
    succeed_ranks(folder, 4, "train --quiet --out " + four + options);
    INFO(model);
    const double apart = difference(last_of(folder, one), last_of(folder, four));
    MESSAGE(model, ": ", apart);
    if (model != "resnet8") CHECK(apart < 1e-5);  // see above
  }
}

TEST_CASE("ranks: rank 0 alone writes: one result, one line per epoch" * doctest::skip(kIsAlone)) {
  const TempDir folder;
  const std::string options = "--data digits --model mlp:16 --epochs 3 --out r";
  const ProcessResult result = succeed_ranks(folder, 4, "train --json " + options);
  CHECK(lines(result.out).size() == 1);
  const Json json = parse_json(result.out, "stdout");
  CHECK(json.integer("epochs") == 3);
  CHECK(json.number("test_accuracy") > 0.5);
  size_t epochs = 0;
  for (const std::string& line : lines(result.err)) epochs += line.starts_with("epoch ") ? 1 : 0;
  CHECK(epochs == 3);
  CHECK(result.err.find("4 ranks") != std::string::npos);
  CHECK(lines(content(folder.file("r/metrics.jsonl"))).size() == 3);
}

TEST_CASE("ranks: what all refuse is said once, with the same status" * doctest::skip(kIsAlone)) {
  const TempDir folder;
  struct Row {
    std::string line;
    int status;
    std::string text;
  };
  const Row rows[] = {
      {"train --data nowhere --model mlp:4", 2, "nowhere"},
      {"train --data digits --model mlp:4 --epochs 0", 2, "--epochs"},
      {"train --data csv:missing.csv --model mlp:4", 3, "missing.csv"},
      {"train --data digits --model mlp:4 --interpretable-gradients cosine", 2, "one process"},
      {"train --data digits --model mlp:64-64-64 --optimizer sgd --lr 1e3 --out r", 1,
       "the loss is"},
      {"eval r", 2, "start it without mpirun"}};
  for (const Row& row : rows) {
    const ProcessResult result = run_ranks(folder, 3, row.line);
    INFO(row.line, "\n", result.err);
    CHECK(result.status == row.status);
    CHECK(result.out == "");
    REQUIRE(errors_of(result).size() == 1);
    CHECK(errors_of(result)[0].find(row.text) != std::string::npos);
  }
}

TEST_CASE("ranks: an error of one rank ends all, with one line" * doctest::skip(kIsAlone)) {
  const TempDir folder;
  // Rank 0 cannot write its files: the folder of the run is a file
  write(folder.file("r"), "in the way");
  const ProcessResult result =
      run_ranks(folder, 3, "train --data digits --model mlp:4 --quiet --out r/below");
  INFO(result.err);
  CHECK(result.status == 1);
  CHECK(result.seconds < 30);
  REQUIRE(errors_of(result).size() == 1);
  CHECK(errors_of(result)[0].find("r/below") != std::string::npos);
}

TEST_CASE(
    "ranks: a rank that is killed ends the run with one line; the checkpoint is good and the run "
    "goes on" *
    doctest::skip(kIsAlone)) {
  const std::string options =
      "--data fashion-2k --model lenet5 --limit-train 500 --limit-test 20 --batch 10 --threads 1 "
      "--epochs ";
  for (const int victim : {0, 2}) {
    const TempDir folder;
    const std::string run_folder = folder.file("r");
    Process process(
        kMpirun, on_ranks(3, "train --quiet --out r " + options + "4000"),
        {.folder = folder.path().string()});
    while (!exists(run_folder + "/previous.safetensors") && !process.has_ended()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    REQUIRE_FALSE(process.has_ended());
    const int killed = process_of_rank(folder.path().string(), victim);
    REQUIRE(killed > 0);
    kill(killed, SIGKILL);
    const auto start = std::chrono::steady_clock::now();
    const ProcessResult result = process.wait();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    INFO(result.err);
    CHECK(result.status != 0);
    CHECK(took.count() < 20);
    REQUIRE(errors_of(result).size() == 1);
    const std::string name = "rank " + std::to_string(victim) + " of 3 has died";
    CHECK(errors_of(result)[0].find(name) != std::string::npos);
    CHECK(errors_of(result)[0].find("--resume") != std::string::npos);

    succeed(folder, "eval r");
    const size_t done = lines(content(run_folder + "/metrics.jsonl")).size();
    CHECK(done >= 2);
    const std::string on = std::to_string(done + 1);
    succeed_ranks(folder, 3, "train --quiet --resume --out r --stop-after-epoch " + on);
    CHECK(lines(content(run_folder + "/metrics.jsonl")).size() == done + 1);
  }
}

TEST_CASE(
    "ranks: --resume ends with the bytes of a run that never stopped" * doctest::skip(kIsAlone)) {
  const TempDir folder;
  const std::string options =
      " --threads 1 --epochs 3 --model lenet5 --data fashion-2k"
      " --limit-train 60 --limit-test 20";
  succeed_ranks(folder, 2, "train --quiet --out straight" + options);
  succeed_ranks(folder, 2, "train --quiet --out r --stop-after-epoch 1" + options);
  succeed_ranks(folder, 2, "train --quiet --out r --resume");
  for (const char* file : {"last.safetensors", "metrics.jsonl"}) {
    CHECK(content(folder.file("r/") + file) == content(folder.file("straight/") + file));
  }
}
