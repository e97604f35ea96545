// tests/cli/data_get_test.cpp: data get without a network, and data info for every kind of source.
#include "datasets/datasets.h"
#include "framework/io/image.h"
#include "framework/io/npy.h"
#include "tests/cli/limpid.h"
#include "tests/datasets/sample_tar.h"

#include <doctest/doctest.h>

#include <filesystem>

using namespace limpid;
using namespace limpid::cli;

namespace {

void save_pixels(const std::string& path, uint8_t first) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  save_png(path, {2, 2, 1, {first, 20, 30, 40}});
}

}  // namespace

TEST_CASE("data get: built-in sets need nothing; other names are wrong usage") {
  const TempDir folder;
  const Json result = run_json(folder, "data get digits");
  CHECK(result.integer("train") == 1438);
  CHECK(result.at("path").is_null());
  CHECK(succeed(folder, "data get digits").err.find("built in") != std::string::npos);
  for (const char* name : {"nope", "idx:FOLDER", "csv:FILE", "idx:somewhere"}) {
    check_refused(
        folder, std::string("data get ") + name, 2, {name, "mnist, fashion-mnist, kmnist"});
  }
}

TEST_CASE("data get: files of --from must be there and have their sums") {
  const TempDir folder;
  const std::string line = "data get mnist --from downloads --data-dir d";
  const ProcessResult missing = run(folder, line);
  CHECK(missing.status == 3);
  CHECK(missing.out == "");
  CHECK(
      missing.err.find("downloads/train-images-idx3-ubyte.gz: no such file") != std::string::npos);

  // The right names, other content: nothing may arrive
  datasets::write_quadruple(folder.file("downloads"), ".gz");
  const ProcessResult wrong = run(folder, line + " --quiet");
  CHECK(wrong.status == 3);
  check_one_line(
      wrong.err, {"limpid: data get: downloads/train-images-idx3-ubyte.gz: MD5 sum is ",
                  ", expected 6bbc9ace898e44ae57da46a324031adb"});
  CHECK_FALSE(exists(folder.file("d")));
  const ProcessResult kmnist = run(folder, "data get kmnist --quiet --from downloads --data-dir d");
  check_one_line(kmnist.err, {", expected bdb82020997e1d708af4cf47b453dcf7"});
}

TEST_CASE("data info: pictures, CIFAR files, tables and arrays") {
  const TempDir folder;
  for (const char* name : {"p/a/1.png", "p/a/2.png", "p/b/1.png", "p/b/2.png"}) {
    save_pixels(folder.file(name), static_cast<uint8_t>(name[4]));
  }
  std::filesystem::create_directories(folder.file("c"));
  datasets::write_bytes(folder.file("c/train.bin"), datasets::cifar_records({0, 99}, true));
  datasets::write_bytes(folder.file("c/test.bin"), datasets::cifar_records({7}, true));
  write(folder.file("t.csv"), "x,y,label\n1,2,a\n3,4,b\n5,6,a\n7,8,b\n");
  save_npy(folder.file("X.npy"), Tensor::ones({10, 3, 4, 4}));
  save_npy(folder.file("y.npy"), Tensor::zeros({10}));

  struct Row {
    std::string spec;
    int64_t train, test, classes;
    Json shape, path;
  };
  const Row rows[] = {
      {"images:p", 2, 2, 2, Json::array({1, 2, 2}), "p"},
      {"cifar:c", 2, 1, 100, Json::array({3, 32, 32}), "c"},
      {"csv:t.csv", 2, 2, 2, Json::array({2}), "t.csv"},
      {"npy:X.npy,y.npy", 8, 2, 0, Json::array({3, 4, 4}), "X.npy,y.npy"},
  };
  for (const Row& row : rows) {
    INFO(row.spec);
    const Json info = run_json(folder, "data info " + row.spec);
    CHECK(info.text("name") == row.spec);
    CHECK(info.integer("train") == row.train);
    CHECK(info.integer("test") == row.test);
    CHECK(info.integer("classes") == row.classes);
    CHECK(info.at("shape") == row.shape);
    CHECK(info.at("path") == row.path);
    CHECK(std::ssize(info.at("class_counts").items()) == row.classes);
    CHECK(std::ssize(info.at("mean").items()) == row.shape.items()[0].integer());
    CHECK(info.at("std").items().size() == info.at("mean").items().size());
  }
}
