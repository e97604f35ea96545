// tests/cli/results_test.cpp: eval, predict, layers, data and bench on small networks.
#include "datasets/datasets.h"
#include "framework/io/image.h"
#include "framework/io/npy.h"
#include "framework/ops/loss.h"
#include "framework/ops/reduce.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kSmall = " --epochs 2 --limit-train 200 --limit-test 50";

// The test images that a run of digits with --limit-test 50 uses.
datasets::Dataset digits_test() { return datasets::load("digits", {.limit_test = 50}).test; }

const Json& row_named(const Json& rows, const std::string& name) {
  for (const Json& row : rows.items()) {
    if (row.text("name") == name) return row;
  }
  FAIL("no row ", name);
  return rows;
}

}  // namespace

TEST_CASE("eval: the figures agree with each other and with training") {
  const TempDir folder;
  const Json trained =
      run_json(folder, "train --data digits --model mlp:32 --quiet --out r" + kSmall);
  const Json result = run_json(folder, "eval r");
  CHECK(result.number("accuracy") == trained.number("test_accuracy"));
  CHECK(result.number("loss") == trained.number("test_loss"));
  CHECK(result.integer("count") == 50);
  CHECK(result.number("ece") >= 0);
  CHECK(result.number("ece") <= 1);

  // Rows of the confusion matrix are the classes, five examples of each
  const Json::Items& confusion = result.at("confusion").items();
  const Json::Items& per_class = result.at("per_class").items();
  REQUIRE(confusion.size() == 10);
  REQUIRE(per_class.size() == 10);
  int64_t trace = 0;
  for (size_t k = 0; k < 10; ++k) {
    REQUIRE(confusion[k].items().size() == 10);
    int64_t count = 0;
    for (const Json& cell : confusion[k].items()) count += cell.integer();
    CHECK(count == 5);
    const int64_t right = confusion[k].items()[k].integer();
    CHECK(per_class[k].number() == doctest::Approx(static_cast<double>(right) / 5));
    trace += right;
  }
  CHECK(result.number("accuracy") == doctest::Approx(static_cast<double>(trace) / 50));
  CHECK(trace > 5);  // better than chance, so that the checks above mean something

  // Example by example
  const Json each = run_json(folder, "eval r --each");
  const Json::Items& predicted = each.at("predicted").items();
  const Json::Items& labels = each.at("labels").items();
  REQUIRE(predicted.size() == 50);
  REQUIRE(labels.size() == 50);
  int64_t matches = 0;
  for (size_t n = 0; n < 50; ++n) matches += predicted[n].integer() == labels[n].integer();
  CHECK(matches == trace);

  // More or fewer examples than the run looked at
  CHECK(run_json(folder, "eval r --limit-test 20").integer("count") == 20);
  CHECK(run_json(folder, "eval r --limit-test 0").integer("count") == 359);

  // The text says the same
  const std::string text = succeed(folder, "eval r --data digits").out;
  CHECK(text.starts_with("accuracy  " + std::to_string(2 * trace) + ".0 % of 50\n"));
}

TEST_CASE("eval: the run folder is left as it was") {
  const TempDir folder;
  train(folder, "r", "--data fashion-2k --model lenet5" + kSmall);
  const auto before = snapshot(folder.path().string());
  succeed(folder, "eval r");
  succeed(folder, "layers r");
  CHECK(snapshot(folder.path().string()) == before);
  CHECK(before.size() == 6);
}

TEST_CASE("predict: logits of the test images give the confusion matrix of eval") {
  const TempDir folder;
  train(folder, "r", "--data digits --model mlp:32" + kSmall);
  const datasets::Dataset test = digits_test();
  save_npy(folder.file("x.npy"), test.images.tensor());
  const Json result = run_json(folder, "predict r --input x.npy --out y.npy");
  CHECK(result.integer("count") == 50);
  CHECK(result.integer("classes") == 10);

  const Tensor logits = load_npy(folder.file("y.npy"));
  REQUIRE(logits.shape() == Shape{50, 10});
  const Tensor best = arg_max(logits, 1);
  const std::vector<double> probability = max(softmax(logits), 1).to_vector();
  const Json::Items& top = result.at("top").items();
  REQUIRE(top.size() == 50);
  std::vector<std::vector<int64_t>> confusion(10, std::vector<int64_t>(10));
  for (size_t n = 0; n < 50; ++n) {
    const int64_t label = best.values<int64_t>()[n];
    CHECK(top[n].integer("index") == static_cast<int64_t>(n));
    CHECK(top[n].integer("class") == label);
    CHECK(top[n].text("name") == std::to_string(label));
    CHECK(top[n].number("probability") == doctest::Approx(probability[n]));
    ++confusion[static_cast<size_t>(test.labels.values<int64_t>()[n])][static_cast<size_t>(label)];
  }
  Json expected = Json::array();
  for (const auto& row : confusion) {
    Json cells = Json::array();
    for (const int64_t count : row) cells.push(count);
    expected.push(cells);
  }
  CHECK(run_json(folder, "eval r").at("confusion") == expected);
}

TEST_CASE("predict: one example, many files, and pictures") {
  const TempDir folder;
  train(folder, "r", "--data digits --model mlp:8 --epochs 1 --limit-train 50");
  // The same pixels as a picture and as an array
  Image image{8, 8, 1, std::vector<uint8_t>(64)};
  Tensor array = Tensor::empty({1, 8, 8});
  for (size_t i = 0; i < 64; ++i) {
    image.pixels[i] = static_cast<uint8_t>(4 * i);
    array.mutable_data<float>()[i] = static_cast<float>(4 * i) / 255.0F;
  }
  save_png(folder.file("x.png"), image);
  save_npy(folder.file("x.npy"), array);
  succeed(folder, "predict r --input x.png --out png.npy");
  succeed(folder, "predict r --input x.npy --out npy.npy");
  CHECK(load_npy(folder.file("png.npy")).shape() == Shape{1, 10});
  CHECK(content(folder.file("png.npy")) == content(folder.file("npy.npy")));
  CHECK(run_json(folder, "predict r --input x.npy,x.png,x.npy").integer("count") == 3);
}

// One image [1, 28, 28]. Multiply-adds: outputs times the terms of each sum, biases not counted.
//   conv1  6*28*28 * 1*5*5 = 117,600      parameters   6*(25+1)   =    156
//   conv2 16*10*10 * 6*5*5 = 240,000                  16*(150+1)  =  2,416
//   fc1   120 * 400        =  48,000                 120*(400+1)  = 48,120
//   fc2    84 * 120        =  10,080                  84*(120+1)  = 10,164
//   fc3    10 * 84         =     840                  10*(84+1)   =    850
//   total                    416,520                                61,706
TEST_CASE("layers: lenet5") {
  const TempDir folder;
  train(
      folder, "r", "--data fashion-2k --model lenet5 --epochs 1 --limit-train 20 --limit-test 20");
  const Json result = run_json(folder, "layers r");
  CHECK(result.integer("parameters") == 61706);
  CHECK(result.integer("macs") == 416520);
  struct Row {
    const char* name;
    const char* type;
    Json shape;
    int64_t parameters, macs;
    bool is_spatial;
  };
  const Row expected[] = {
      {"conv1", "Conv2d", Json::array({6, 28, 28}), 156, 117600, true},
      {"relu1", "ReLU", Json::array({6, 28, 28}), 0, 0, true},
      {"pool1", "MaxPool2d", Json::array({6, 14, 14}), 0, 0, true},
      {"conv2", "Conv2d", Json::array({16, 10, 10}), 2416, 240000, true},
      {"relu2", "ReLU", Json::array({16, 10, 10}), 0, 0, true},
      {"pool2", "MaxPool2d", Json::array({16, 5, 5}), 0, 0, true},
      {"flatten", "Flatten", Json::array({400}), 0, 0, false},
      {"fc1", "Linear", Json::array({120}), 48120, 48000, false},
      {"relu3", "ReLU", Json::array({120}), 0, 0, false},
      {"fc2", "Linear", Json::array({84}), 10164, 10080, false},
      {"relu4", "ReLU", Json::array({84}), 0, 0, false},
      {"fc3", "Linear", Json::array({10}), 850, 840, false},
  };
  const Json::Items& rows = result.at("layers").items();
  REQUIRE(rows.size() == std::size(expected));
  for (size_t k = 0; k < rows.size(); ++k) {
    INFO(expected[k].name);
    CHECK(rows[k].text("name") == expected[k].name);
    CHECK(rows[k].text("type") == expected[k].type);
    CHECK(rows[k].at("output_shape") == expected[k].shape);
    CHECK(rows[k].integer("parameters") == expected[k].parameters);
    CHECK(rows[k].integer("macs") == expected[k].macs);
    CHECK(rows[k].boolean("spatial") == expected[k].is_spatial);
  }
}

// One image [1, 8, 8], widths 16-32-64, maps 8x8, 4x4, 2x2; 3x3 filters without bias, batch norm
// with a scale and a shift per channel. Multiply-adds:
//   conv1          16*64 * 9       =     9,216    parameters  16*9 + 32              =    144 + 32
//   layer1  2 *    16*64 * 16*9    =   294,912    2*16*16*9 + 2*32                   =  4,672
//   layer2  32*16*(16*9 + 32*9)    =   221,184    32*16*9 + 32*32*9 + 2*64           = 13,952
//   layer3  64*4 *(32*9 + 64*9)    =   221,184    64*32*9 + 64*64*9 + 2*128          = 55,552
//   linear         10 * 64         =       640    10*65                              =    650
//   total                              747,136                                         75,002
TEST_CASE("layers: resnet8") {
  const TempDir folder;
  train(folder, "r", "--data digits --model resnet8 --epochs 1 --limit-train 20 --limit-test 20");
  const Json result = run_json(folder, "layers r");
  CHECK(result.integer("parameters") == 75002);
  CHECK(result.integer("macs") == 747136);
  const Json& rows = result.at("layers");
  CHECK(row_named(rows, "conv1").integer("macs") == 9216);
  CHECK(row_named(rows, "conv1").integer("parameters") == 144);
  CHECK(row_named(rows, "bn1").integer("parameters") == 32);
  CHECK(row_named(rows, "layer1").integer("parameters") == 4672);
  CHECK(row_named(rows, "layer2.0").integer("parameters") == 13952);
  CHECK(row_named(rows, "layer3.0.conv2").integer("parameters") == 36864);
  CHECK(row_named(rows, "layer1.0.conv1").integer("macs") == 147456);
  CHECK(row_named(rows, "layer1").at("output_shape") == Json::array({16, 8, 8}));
  CHECK(row_named(rows, "layer2").at("output_shape") == Json::array({32, 4, 4}));
  CHECK(row_named(rows, "layer3").at("output_shape") == Json::array({64, 2, 2}));
  CHECK(row_named(rows, "layer3").boolean("spatial"));
  CHECK(row_named(rows, "pool").at("output_shape") == Json::array({64}));
  CHECK_FALSE(row_named(rows, "pool").boolean("spatial"));
  CHECK(row_named(rows, "linear").integer("macs") == 640);

  // The table: a heading, a line per layer, the total
  const std::vector<std::string> text = lines(succeed(folder, "layers r").out);
  CHECK(text.size() == rows.items().size() + 2);
  CHECK(text.back().starts_with("total "));
  CHECK(text.back().ends_with(" 747136"));
}

TEST_CASE("data info: what is known of a set") {
  const TempDir folder;
  struct Row {
    std::string name;
    int64_t train, test, classes;
    Json shape;
    bool is_table;
  };
  // digits is split 4 to 1 within each class, by default
  const Row expected[] = {
      {"digits", 1438, 359, 10, Json::array({1, 8, 8}), false},
      {"fashion-2k", 2000, 500, 10, Json::array({1, 28, 28}), false},
      {"moons", 2000, 500, 2, Json::array({2}), true},
      {"gaussians", 2000, 500, 4, Json::array({2}), true},
      {"swiss-roll", 2000, 500, 4, Json::array({3}), true},
      {"shapes", 2000, 500, 4, Json::array({3, 32, 32}), false},
  };
  for (const Row& row : expected) {
    INFO(row.name);
    const Json info = run_json(folder, "data info " + row.name);
    CHECK(info.text("name") == row.name);
    CHECK(info.integer("train") == row.train);
    CHECK(info.integer("test") == row.test);
    CHECK(info.at("shape") == row.shape);
    CHECK(info.integer("classes") == row.classes);
    int64_t total = 0;
    for (const Json& count : info.at("class_counts").items()) total += count.integer();
    CHECK(info.at("class_counts").items().size() == static_cast<size_t>(row.classes));
    CHECK(total == row.train);
    const size_t channels = static_cast<size_t>(row.shape.items()[0].integer());
    CHECK(info.at("mean").items().size() == channels);
    CHECK(info.at("std").items().size() == channels);
    for (const Json& deviation : info.at("std").items()) CHECK(deviation.number() > 0);
    CHECK(info.contains("path"));
    CHECK(succeed(folder, "data info " + row.name).out.starts_with(row.name + ": "));
  }
}

TEST_CASE("data list: every known set, and the folder in force") {
  const TempDir folder;
  const Json list = run_json(folder, "data list");
  CHECK(list.text("path") == folder.file("no-such-data"));
  const std::string text = succeed(folder, "data list").out;
  for (const datasets::Known& known : datasets::catalogue()) {
    INFO(known.name);
    const Json& row = row_named(list.at("data"), known.name);
    CHECK(row.integer("train") == known.train);
    CHECK(row.integer("test") == known.test);
    CHECK(row.integer("classes") == known.classes);
    CHECK(text.find(known.name) != std::string::npos);
  }
  CHECK(row_named(list.at("data"), "digits").boolean("available"));
  CHECK_FALSE(row_named(list.at("data"), "mnist").boolean("available"));
  CHECK(run_json(folder, "data list --data-dir elsewhere").text("path") == "elsewhere");
}

TEST_CASE("bench: one row per workload") {
  const TempDir folder;
  const Json result = run_json(folder, "bench op_overhead_1000adds --reps 3 --threads 1");
  REQUIRE(result.at("rows").items().size() == 1);
  const Json& row = result.at("rows").items()[0];
  CHECK(row.text("workload") == "op_overhead_1000adds");
  CHECK(row.integer("threads") == 1);
  CHECK(row.number("min_ms") > 0);
  CHECK(row.number("median_ms") >= row.number("min_ms"));
}
