// tests/cli/bad_files_test.cpp: files that are missing, cut, damaged or of another kind: exit 3.
#include "datasets/datasets.h"
#include "framework/io/image.h"
#include "framework/io/npy.h"
#include "framework/io/safetensors.h"
#include "tests/cli/limpid.h"
#include "tests/datasets/sample_files.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <limits>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kRun = "--data digits --model mlp:8 --epochs 1 --limit-train 50 --limit-test 20";

void save_pixels(const std::string& path, int64_t side) {
  std::vector<uint8_t> pixels(static_cast<size_t>(side * side));
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(37 * i);
  save_png(path, {side, side, 1, pixels});
}

}  // namespace

TEST_CASE("bad files: IDX data") {
  const TempDir folder;
  const std::string line = "train --model mlp:8 --epochs 1 --out r --data idx:d";
  const std::string images = folder.file("d/train-images-idx3-ubyte");
  const std::string labels = folder.file("d/train-labels-idx1-ubyte");
  check_refused(folder, line, 3, {"limpid: train: d: ", "cannot read"});
  write(folder.file("d/readme.txt"), "nothing here");
  check_refused(folder, line, 3, {"train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"});

  // The complete set can be trained on; then one file at a time is damaged
  datasets::write_quadruple(folder.file("d"), "");
  const std::string good = content(images);
  succeed(folder, replaced(line, "--out r", "--out good") + " --quiet");
  for (const std::string& damaged :
       {std::string(), good.substr(0, 3), good.substr(0, 15), good.substr(0, good.size() - 1),
        good + "x", std::string("\0\0\x0D", 3) + good.substr(3),  // floats
        std::string("PNG") + good.substr(3)}) {
    write(images, damaged);
    check_refused(folder, line, 3, {"train-images-idx3-ubyte"});
  }
  std::filesystem::remove(images);
  std::filesystem::create_directory(images);
  check_refused(folder, line, 3, {"train-images-idx3-ubyte"});
  std::filesystem::remove(images);
  write(images, good);

  // Two labels for three images, then a label that means "none"
  datasets::write_bytes(labels, datasets::sample_labels({0, 1}));
  check_refused(folder, line, 3, {"d/", "2", "3"});
  datasets::write_bytes(labels, datasets::sample_labels({0, 255, 1}));
  check_refused(folder, line, 3, {"train-labels-idx1-ubyte", "255"});
}

TEST_CASE("bad files: a gzip file that is cut") {
  const TempDir folder;
  datasets::write_quadruple(folder.file("d"), ".gz");
  const std::string line = "train --model mlp:8 --epochs 1 --data idx:d --out ";
  succeed(folder, line + "good --quiet");
  const std::string path = folder.file("d/t10k-images-idx3-ubyte.gz");
  write(path, content(path).substr(0, 30));
  check_refused(folder, line + "r", 3, {"t10k-images-idx3-ubyte.gz"});
}

TEST_CASE("bad files: a data set that is not there lists what is expected") {
  const TempDir folder;
  for (const std::string name : {"mnist", "fashion-mnist", "kmnist"}) {
    if (name == "fashion-mnist" && exists("/usr/share/datasets/fashion-mnist")) continue;
    check_refused(
        folder, "train --model mlp:8 --out r --data " + name, 3,
        {"no-such-data/" + name, "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", "MD5",
         "limpid data get " + name});
  }
}

TEST_CASE("bad files: config.json") {
  const TempDir folder;
  train(folder, "r", kRun);
  const std::string path = folder.file("r/config.json");
  const std::string good = content(path);
  const auto with = [&](const std::string& old_part, const std::string& new_part) {
    return replaced(good, old_part, new_part);
  };
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "{\"a\":";

  // Whatever reads the model
  const std::string damaged[] = {
      "",
      "nope",
      "[1]",
      "{}",
      "{\"model\": 3}",
      deep,
      good.substr(0, good.size() / 2),
      good + good,
      with("\"architecture\"", "\"arkitecture\""),
      with("\"mlp:8\",\n    \"input", "\"nope\",\n    \"input"),
      with("\"mlp:8\",\n    \"input", "8,\n    \"input"),
      with("[1, 8, 8]", "[1, -8, 8]"),
      with("[1, 8, 8]", "[1, 8.5, 8]"),
      with("[1, 8, 8]", "\"1x8x8\""),
      with("[1, 8, 8]", "[]"),
      with("[1, 8, 8]", "[1, 4611686018427387904, 4]"),
      with("\"class_names\": [", "\"class_names\": [3, "),
      with("\"class_names\": [", "\"class_names\": [], \"other\": ["),
      with("\"mean\": [", "\"mean\": [0.5, "),
      with("\"mean\": [", "\"mean\": \"x\", \"other\": ["),
      with("\"std\": [", "\"std\": [0], \"other\": ["),
      with("\"std\": [", "\"std\": [-1], \"other\": ["),
  };
  for (const std::string& text : damaged) {
    write(path, text);
    INFO(text.substr(0, 1000));
    check_refused(folder, "eval r", 3, {"limpid: eval: r/config.json: "});
    check_refused(folder, "layers r", 3, {"limpid: layers: r/config.json: "});
  }

  // The options, which eval needs for the split and --resume for everything
  struct Row {
    std::string text;
    bool stops_eval;
  };
  const Row options[] = {
      {with("\"options\": {", "\"options\": 3, \"other\": {"), true},
      {with("\"test-fraction\": 0.2", "\"test-fraction\": \"x\""), true},
      {with("\"test-fraction\": 0.2", "\"test-fraction\": 7"), true},
      {with("\"limit-test\": 20", "\"limit-test\": -5"), true},
      {with("\"options\"", "\"optionz\""), false},
      {with("\"seed\": 0", "\"seed\": \"x\""), false},
      {with("\"seed\": 0,", ""), false},
      {with("\"lr\": 0.002", "\"lr\": \"fast\""), false},
      {with("\"lr\": 0.002", "\"lr\": 0.002, \"color-of-hat\": 1"), false},
  };
  for (const Row& row : options) {
    write(path, row.text);
    INFO(row.text);
    check_refused(folder, "train --resume --out r", 3, {"limpid: train: r/config.json: "});
    if (row.stops_eval) check_refused(folder, "eval r", 3, {"limpid: eval: r/config.json: "});
  }
  write(path, good);
  succeed(folder, "eval r");
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  check_refused(folder, "eval r", 3, {"r/config.json", "directory"});
}

TEST_CASE("bad files: metrics.jsonl of a run that goes on") {
  const TempDir folder;
  train(folder, "r", kRun);
  const std::string path = folder.file("r/metrics.jsonl");
  const std::string good = content(path);
  const std::string line = "train --resume --out r";
  for (const std::string& text :
       {std::string(), std::string("nope\n"), std::string("{}\n"), std::string("3\n"),
        good.substr(0, good.size() / 2), replaced(good, "\"epoch\":1", "\"epoch\":\"x\"")}) {
    write(path, text);
    check_refused(folder, line, 3, {"limpid: train: r/metrics.jsonl: "});
  }
  std::filesystem::remove(path);
  check_refused(folder, line, 3, {"r/metrics.jsonl", "cannot read"});
  write(path, good);
  succeed(folder, line);
}

TEST_CASE("bad files: last.safetensors cut anywhere is refused") {
  const TempDir folder;
  train(folder, "r", kRun);
  const std::string path = folder.file("r/last.safetensors");
  const std::string good = content(path);
  const size_t size = good.size();
  for (const size_t kept :
       {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{9}, size_t{300}, size / 3, size / 2,
        size - 8, size - 1}) {
    INFO(kept);
    write(path, good.substr(0, kept));
    check_refused(folder, "eval r", 3, {"limpid: eval: r/last.safetensors: "});
    check_refused(folder, "train --resume --out r", 3, {"limpid: train: r/last.safetensors: "});
  }
  write(path, good + "x");
  check_refused(folder, "eval r", 3, {"r/last.safetensors"});
  std::filesystem::remove(path);
  check_refused(folder, "eval r", 3, {"r/last.safetensors", "cannot read"});
  write(path, good);
  succeed(folder, "eval r");
}

TEST_CASE("bad files: weights of another network, with every difference") {
  const TempDir folder;
  train(folder, "r", kRun);
  train(folder, "wide", replaced(kRun, "mlp:8", "mlp:9"));
  train(folder, "deep", replaced(kRun, "mlp:8", "mlp:8-8"));
  const std::string path = folder.file("r/last.safetensors");
  const std::string good = content(path);

  write(path, content(folder.file("wide/last.safetensors")));
  check_refused(
      folder, "eval r", 3,
      {"r/last.safetensors", "fc1.weight is [9, 64], the model needs [8, 64]",
       "fc1.bias is [9], the model needs [8]", "fc2.weight is [10, 9], the model needs [10, 8]"});
  write(path, content(folder.file("deep/last.safetensors")));
  check_refused(
      folder, "eval r", 3,
      {"fc2.weight is [8, 8], the model needs [10, 8]", "fc2.bias is [8], the model needs [10]",
       "unexpected fc3.weight [10, 8]", "unexpected fc3.bias [10]"});
  check_refused(folder, "train --resume --out r", 3, {"r/last.safetensors"});

  // Weights alone serve to evaluate, not to go on
  write(path, content(folder.file("r/best.safetensors")));
  succeed(folder, "eval r");
  check_refused(folder, "train --resume --out r", 3, {"r/last.safetensors", "checkpoint"});

  // Numbers that are none
  write(path, good);
  SafetensorsFile file = load_safetensors(path);
  file.tensors.at("fc2.bias").mutable_data<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  save_safetensors(path, file.tensors);
  check_refused(folder, "eval r", 3, {"r/last.safetensors", "fc2.bias", "nan"});
}

TEST_CASE("bad files: pictures") {
  const TempDir folder;
  train(folder, "r", kRun);
  const std::string path = folder.file("p.png");
  save_pixels(path, 8);
  succeed(folder, "predict r --input p.png");
  const std::string good = content(path);
  std::string flipped = good;
  flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 1);
  for (const std::string& text :
       {std::string(), std::string("hello"), good.substr(0, 20), good.substr(0, good.size() / 2),
        good.substr(0, good.size() - 1), flipped, "x" + good}) {
    write(path, text);
    check_refused(folder, "predict r --input p.png --out y.npy", 3, {"limpid: predict: p.png: "});
    check_refused(folder, "explain r --input p.png --out e", 3, {"limpid: explain: p.png: "});
  }
  check_refused(folder, "predict r --input none.png", 3, {"none.png", "cannot read"});
  check_refused(folder, "predict r --input r", 3, {"limpid: predict: r: holds no pictures"});
}

TEST_CASE("bad files: arrays") {
  const TempDir folder;
  train(folder, "r", kRun);
  const std::string path = folder.file("x.npy");
  save_npy(path, Tensor::zeros({2, 1, 8, 8}));
  succeed(folder, "predict r --input x.npy");
  const std::string good = content(path);
  for (const std::string& text :
       {std::string(), good.substr(0, 5), good.substr(0, 60), good.substr(0, good.size() - 1),
        good + "x", replaced(good, "<f4", "|O8"),
        replaced(good, "(2, 1", "(1000000000, 1000000000"), replaced(good, "'shape'", "'shapf'")}) {
    write(path, text);
    check_refused(folder, "predict r --input x.npy --out y.npy", 3, {"limpid: predict: x.npy: "});
  }
  check_refused(folder, "predict r --input none.npy", 3, {"none.npy", "cannot read"});

  // Values that are no numbers, and no values at all
  Tensor images = Tensor::zeros({2, 1, 8, 8});
  images.mutable_data<float>()[70] = std::numeric_limits<float>::infinity();
  save_npy(path, images);
  check_refused(folder, "predict r --input x.npy", 3, {"x.npy", "inf"});
  check_refused(folder, "explain r --input x.npy --out e", 3, {"x.npy", "inf"});
  save_npy(path, Tensor::zeros({0, 1, 8, 8}));
  check_refused(folder, "predict r --input x.npy", 2, {"x.npy", "no examples"});
  check_refused(folder, "explain r --input x.npy --out e", 2, {"x.npy", "no examples"});
}

TEST_CASE("bad files: the file of --config") {
  const TempDir folder;
  const std::string line = "train --data digits --model mlp:8 --out r --config c.json";
  check_refused(folder, line, 3, {"c.json", "cannot read"});
  for (const char* text : {"", "nope", "[1]", "3", "{\"a\": 1", "{\"lr\": 1, \"lr\": 2}"}) {
    write(folder.file("c.json"), text);
    check_refused(folder, line, 3, {"limpid: train: c.json: "});
  }
}

// Not the fault of a file that was read: exit 1.
TEST_CASE("bad files: results that cannot be written") {
  const TempDir folder;
  train(folder, "r", kRun);
  save_npy(folder.file("x.npy"), Tensor::zeros({1, 8, 8}));
  check_refused(folder, "predict r --input x.npy --out no/y.npy", 1, {"no/y.npy", "cannot write"});
  check_refused(folder, "predict r --input x.npy --out r", 1, {"r", "cannot write"});
  check_refused(folder, "explain r --method gradient --out x.npy", 1, {"x.npy"});
  check_refused(folder, "train --out x.npy " + kRun, 1, {"x.npy"});
}
