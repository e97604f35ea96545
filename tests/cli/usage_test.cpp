// tests/cli/usage_test.cpp: wrong usage ends with 2, one line that helps, and no files.
#include "framework/io/image.h"
#include "framework/io/npy.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kTiny = " --epochs 1 --limit-train 50 --limit-test 20 ";

}  // namespace

TEST_CASE("usage: unknown commands and options") {
  const TempDir folder;
  check_refused(folder, "", 2, {"no command", "train", "explain"});
  check_refused(folder, "trian", 2, {"\"trian\"", "train", "explain"});
  check_refused(folder, "data", 2, {"limpid: data: ", "list", "info"});
  check_refused(folder, "data nope", 2, {"limpid: data: ", "\"nope\"", "list", "info"});
  check_refused(folder, "--nope", 2, {"--nope", "--help"});
  check_refused(folder, "train --nope", 2, {"limpid: train: ", "--nope", "limpid train --help"});
  check_refused(folder, "train extra", 2, {"limpid: train: ", "extra"});
  check_refused(folder, "eval", 2, {"limpid: eval: ", "MODEL"});
  check_refused(folder, "eval a b", 2, {"limpid: eval: ", "b"});
  check_refused(folder, "train --epochs", 2, {"limpid: train: ", "--epochs"});
  check_refused(folder, "data info", 2, {"limpid: data info: ", "DATA"});
}

TEST_CASE("usage: values of options (bad input 31)") {
  const TempDir folder;
  struct Row {
    std::string option;
    std::string text;
  };
  const Row rows[] = {
      {"--threads 0", "1 to 1024"},
      {"--threads -1", "1 to 1024"},
      {"--threads 1000000", "1 to 1024"},
      {"--threads 2.5", "whole number"},
      {"--batch 0", "from 1"},
      {"--batch 99999999999999999999", "from 1"},
      {"--seed abc", "\"abc\""},
      {"--seed -1", "from 0"},
      {"--lr nan", "\"nan\""},
      {"--lr inf", "\"inf\""},
      {"--lr -1", "\"-1\""},
      {"--lr 0", "\"0\""},
      {"--lr 1e", "\"1e\""},
      {"--lr 0,1", "\"0,1\""},
      {"--epochs 0", "from 1"},
      {"--limit-train -1", "from 0"},
      {"--optimizer nope", "sgd, adam, adamw"},
      {"--schedule nope", "constant, step, cosine"},
      {"--color nope", "auto, always, never"},
      {"--quiet=maybe", "--quiet"},
  };
  for (const Row& row : rows) {
    const std::string name = row.option.substr(0, row.option.find_first_of(" ="));
    check_refused(
        folder, "train --data digits --model mlp:8 --out r " + row.option, 2,
        {"limpid: train: ", name, row.text});
  }
}

TEST_CASE("usage: unknown names are answered with the known ones (bad input 30)") {
  const TempDir folder;
  train(folder, "r", "--data fashion-2k --model lenet5" + kTiny);
  const std::string to = " --out new" + kTiny;
  check_refused(
      folder, "train --model mlp:8 --data nope" + to, 2, {"nope", "digits", "fashion-2k", "idx:"});
  check_refused(folder, "train --model mlp:8 --data idx:" + to, 2, {"idx:"});
  check_refused(folder, "data info nope", 2, {"nope", "digits"});
  check_refused(
      folder, "train --data digits --model nope" + to, 2, {"nope", "mlp", "lenet5", "resnet8"});
  check_refused(folder, "train --data digits --model mlp:8-x" + to, 2, {"'x'", "mlp:8-x"});
  check_refused(folder, "train --data digits --model lenet5:3" + to, 2, {"lenet5:3"});
  check_refused(
      folder, "train --data shapes --model convnet:8x2:layer" + to, 2, {"instance", "batch"});
  check_refused(folder, "explain r --method nope --out e", 2, {"nope", "gradient, guided, deconv"});
  check_refused(
      folder, "explain r --method grad-cam --layer nope --out e", 2,
      {"nope", "conv1", "conv2", "pool2"});
  check_refused(folder, "explain r --method grad-cam --layer fc1 --out e", 2, {"spatial", "conv1"});
  check_refused(folder, "bench nope", 2, {"nope", "lenet_train_b128", "all"});
}

TEST_CASE("usage: classes and indices out of range (bad input 29)") {
  const TempDir folder;
  train(folder, "r", "--data fashion-2k --model lenet5" + kTiny);
  for (const std::string wrong : {"-1", "10", "cat", "1.5", "99999999999999999999"}) {
    check_refused(folder, "explain r --out e --target " + wrong, 2, {wrong, "0 to 9"});
  }
  for (const std::string wrong : {"-1", "20", "cat", "3,20"}) {  // 20 test images
    check_refused(folder, "explain r --out e --indices " + wrong, 2, {"index", "0 to 19"});
  }
  save_npy(folder.file("x.npy"), Tensor::zeros({1, 28, 28}));
  check_refused(folder, "explain r --out e --input x.npy --target label", 2, {"label"});
}

TEST_CASE("usage: a network without maps has no grad-cam") {
  const TempDir folder;
  train(folder, "r", "--data digits --model mlp:8" + kTiny);
  check_refused(folder, "explain r --out e --method grad-cam", 2, {"mlp:8", "spatial"});
}

TEST_CASE("usage: what is missing") {
  const TempDir folder;
  check_refused(folder, "train --model mlp:8 --out r", 2, {"limpid: train: ", "--data"});
  check_refused(folder, "train --data digits --out r", 2, {"limpid: train: ", "--model"});
  check_refused(folder, "train --resume", 2, {"--resume", "--out"});
  check_refused(folder, "train --resume --out nothing", 2, {"nothing", "no run"});
  for (const std::string command : {"eval", "layers", "explain"}) {
    check_refused(folder, command + " nothing", 2, {"nothing", "no run folder", "limpid train"});
    check_refused(folder, command + " .", 2, {"no run folder"});
  }
  train(folder, "r", "--data digits --model mlp:8" + kTiny);
  check_refused(folder, "predict r", 2, {"--input"});
}

TEST_CASE("usage: a run is never overwritten") {
  const TempDir folder;
  train(folder, "r", "--data digits --model mlp:8" + kTiny);
  check_refused(folder, "train --data digits --model mlp:9 --out r" + kTiny, 2, {"r ", "--resume"});
}

TEST_CASE("usage: data and inputs that do not fit the model, with both shapes (bad input 21)") {
  const TempDir folder;
  train(folder, "r", "--data digits --model mlp:8" + kTiny);
  check_refused(folder, "eval r --data fashion-2k", 2, {"[1, 28, 28]", "[1, 8, 8]"});
  check_refused(folder, "explain r --out e --data shapes", 2, {"[3, 32, 32]", "[1, 8, 8]"});
  check_refused(
      folder, "train --data digits --model lenet5 --out n" + kTiny, 2, {"12x12", "[1, 8, 8]"});

  save_png(folder.file("wide.png"), {9, 8, 1, std::vector<uint8_t>(72, 100)});
  save_npy(folder.file("wide.npy"), Tensor::zeros({2, 1, 8, 9}));
  save_npy(folder.file("flat.npy"), Tensor::zeros({64}));
  for (const std::string command : {"predict r --out y.npy", "explain r --out e"}) {
    check_refused(folder, command + " --input wide.png", 2, {"wide.png", "[1, 8, 9]", "[1, 8, 8]"});
    check_refused(
        folder, command + " --input wide.npy", 2, {"wide.npy", "[2, 1, 8, 9]", "[1, 8, 8]"});
    check_refused(folder, command + " --input flat.npy", 2, {"flat.npy", "[64]", "[1, 8, 8]"});
  }
}

TEST_CASE("usage: options from a file") {
  const TempDir folder;
  const std::string line = "train --data digits --out r --config c.json";
  write(folder.file("c.json"), R"({"model": "mlp:8", "epochz": 1})");
  check_refused(folder, line, 2, {"c.json", "\"epochz\""});
  write(folder.file("c.json"), R"({"model": "mlp:8", "epochs": 0})");
  check_refused(folder, line, 2, {"--epochs", "\"0\""});
  write(folder.file("c.json"), R"({"model": "mlp:8", "resume": 3})");
  check_refused(folder, line, 2, {"--resume", "\"3\""});

  // The command line wins
  write(
      folder.file("c.json"),
      R"({"model": "mlp:8", "epochs": 3, "limit-train": 50, "limit-test": 20, "quiet": true})");
  CHECK(run_json(folder, line + " --epochs 2").integer("epochs") == 2);
  CHECK(run_json(folder, replaced(line, "--out r", "--out s")).integer("epochs") == 3);
  CHECK(succeed(folder, replaced(line, "--out r", "--out t")).err == "");
}

TEST_CASE("usage: a flag may be spelled out") {
  const TempDir folder;
  train(folder, "r", "--data digits --model mlp:8" + kTiny);
  CHECK(succeed(folder, "eval r --json=true").out.starts_with("{"));
  CHECK(succeed(folder, "eval r --json=false").out.starts_with("accuracy"));
}

TEST_CASE("usage: every command refuses in the same way") {
  const TempDir folder;
  write(folder.file("broken.json"), "{\"seed\": ");
  write(folder.file("list.json"), "[1]");
  write(folder.file("unknown.json"), "{\"no-such-option\": 1}");
  for (const std::string& name : commands(folder)) {
    // Words that must be there, so that the complaint is about the option
    std::string line = name;
    for (const HelpRow& row : help_rows(succeed(folder, name + " --help").out)) {
      if (row.value != "REQUIRED") continue;
      line += row.name == "SHELL" ? " bash" : " word";
    }
    const std::string begin = "limpid: " + name + ": ";
    check_refused(folder, line + " --no-such-option", 2, {begin, "--no-such-option", "--help"});
    check_refused(folder, line + " --threads 0", 2, {begin, "--threads", "1 to 1024"});
    check_refused(folder, line + " --seed -1", 2, {begin, "--seed", "from 0"});
    check_refused(folder, line + " --color nope", 2, {begin, "--color", "auto, always, never"});
    check_refused(folder, line + " --json=perhaps", 2, {begin, "--json"});
    check_refused(folder, line + " --config unknown.json", 2, {begin, "no-such-option"});
    check_refused(folder, line + " --config none.json", 3, {begin, "none.json"});
    check_refused(folder, line + " --config broken.json", 3, {begin, "broken.json"});
    check_refused(folder, line + " --config list.json", 3, {begin, "list.json", "JSON object"});
  }
}

TEST_CASE("usage: every command that takes a model refuses files that are none") {
  const TempDir folder;
  write(folder.file("broken.safetensors"), "no tensors");
  write(folder.file("run/config.json"), "{");
  int seen = 0;
  for (const std::string& name : commands(folder)) {
    const std::vector<HelpRow> rows = help_rows(succeed(folder, name + " --help").out);
    if (rows.empty() || rows[0].name != "MODEL" || rows[0].value != "REQUIRED") continue;
    ++seen;
    INFO(name);
    for (const char* model : {"mlp:8:broken.safetensors", "run"}) {
      const ProcessResult result = run(folder, name + " " + model);
      INFO(result.err);
      // 2: something else that must be there is missing
      CHECK((result.status == 3 || result.status == 2));
      CHECK(result.out == "");
      check_one_line(result.err, {"limpid: " + name + ": "});
    }
  }
  CHECK(seen > 10);
}
