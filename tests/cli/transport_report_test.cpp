// tests/cli/transport_report_test.cpp: limpid transport report, fix and shift, and their page.
#include "framework/io/npy.h"
#include "framework/io/safetensors.h"
#include "tests/cli/limpid.h"
#include "tests/interpret/well_formed.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kReport = "transport report ", kFix = "transport fix ",
                  kShift = "transport shift ";
const std::string kQuick = " --samples 40 --repeats 2 --slices 20";
const std::string kFixQuick = " --epochs 1 --seeds 1 --samples 40";
const std::string kShiftQuick = " --samples 40 --repeats 5";

void train_digits(const TempDir& folder) {
  train(folder, "r", "--data digits --model mlp:32-16 --epochs 10");
}
void train_maps(const TempDir& folder) {
  train(folder, "maps", "--data digits --model convnet:4x2:none:max --epochs 1 --limit-train 100");
}

std::vector<std::string> rules(const Json& result, const std::string& kind) {
  std::vector<std::string> rules;
  for (const Json& flag : result.at("flags").items()) {
    if (flag.text("kind") == kind) rules.push_back(flag.text("rule"));
  }
  return rules;
}

Json without_seconds(const TempDir& folder, const std::string& line) {
  Json json = run_json(folder, line);
  for (const char* key : {"seconds", "peak_rss_mb"}) {
    if (json.find(key) != nullptr) json.set(key, 0);
  }
  return json;
}

void put_nan(const TempDir& folder, const std::string& run, const std::string& name) {
  for (const char* weights : {"/last.safetensors", "/best.safetensors"}) {
    const std::string path = folder.file(run + weights);
    if (!exists(path)) continue;
    SafetensorsFile file = load_safetensors(path);
    file.tensors.at(name).mutable_data<float>()[3] = std::numeric_limits<float>::quiet_NaN();
    save_safetensors(path, file.tensors);
  }
}

// Images 8x8 of stripes, and a label for each: X.npy, y.npy
void write_stripes(const TempDir& folder, int64_t count) {
  Tensor X = Tensor::empty({count, 1, 8, 8}), y = Tensor::empty({count}, DType::i64);
  for (int64_t n = 0; n < count; ++n) {
    y.mutable_data<int64_t>()[n] = n % 10;
    for (int64_t i = 0; i < 64; ++i) {
      X.mutable_data<float>()[64 * n + i] = static_cast<float>((7 * n + 3 * i) % 17) / 16;
    }
  }
  save_npy(folder.file("X.npy"), X);
  save_npy(folder.file("y.npy"), y);
}

std::string page_of(const TempDir& folder, const std::string& paths) {
  succeed(folder, "report " + paths + " --out page.html");
  const std::string page = content(folder.file("page.html"));
  CHECK(markup_fault(page) == "");
  for (const std::string absent : {"NaN", "<script", "://", "<link"}) {
    CAPTURE(absent);
    CHECK(page.find(absent) == std::string::npos);
  }
  return page;
}

void check_parts(const std::string& page, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(page.find(part) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("transport report: keys of every layer, and a network in order") {
  const TempDir folder;
  train_digits(folder);
  const Json result = run_json(folder, kReport + "r --out t" + kQuick);
  CHECK(result.text("data") == "digits");
  CHECK(result.integer("samples") == 40);
  CHECK(result.integer("repeats") == 2);
  const Json::Items& layers = result.at("layers").items();
  const std::vector<std::string> names = {"input", "fc1", "fc2", "fc3"};
  const std::vector<int64_t> dims = {64, 32, 16, 10};
  REQUIRE(layers.size() == names.size());
  double shares = 0;
  for (size_t l = 0; l < layers.size(); ++l) {
    CAPTURE(names[l]);
    CHECK(layers[l].text("name") == names[l]);
    CHECK(layers[l].integer("dim") == dims[l]);
    for (const char* key :
         {"w2_previous", "w2_input", "sliced", "bures", "kinetic", "straightness", "entropy",
          "class_separation", "cka_previous", "alignment", "flag"}) {
      CAPTURE(key);
      CHECK(layers[l].find(key) != nullptr);
    }
    CHECK(layers[l].number("class_separation") > 0);
    CHECK(layers[l].number("floor") > 0);
    CHECK(layers[l].number("directions") >= 1);
    shares += layers[l].number("share");
    if (l == 0) continue;
    CHECK(layers[l].text("alignment") == "rotated");
    const double w2 = layers[l].number("w2_previous");
    CHECK(w2 > 0);
    CHECK(w2 * w2 <= layers[l].number("kinetic") * (1 + 1e-9));  // the pairs are one plan
    CHECK(layers[l].number("straightness") <= 1 + 1e-9);         // triangle inequality
  }
  CHECK(shares == doctest::Approx(1));
  const Json& path = result.at("path");
  CHECK(path.number("geodesicity") <= 1 + 1e-9);
  CHECK(path.number("geodesicity") * path.number("length") == doctest::Approx(path.number("w2")));
  CHECK(rules(result, "fault").empty());
  CHECK(result.at("weights").items().size() == 3);
  CHECK(result.at("euler").items().empty());

  const Json saved = parse_json(content(folder.file("t/transport.json")), "t");
  for (const char* key : {"layers", "weights", "flags", "path", "pictures"}) {
    CHECK(saved.at(key) == result.at(key));
  }
  for (const Json& picture : result.at("pictures").items()) {
    const std::string svg = content(folder.file(picture.text("file")));
    CAPTURE(picture.text("file"));
    CHECK(svg.starts_with("<svg"));
    CHECK(svg.find("NaN") == std::string::npos);
  }
  CHECK_FALSE(exists(folder.file("t/features")));
  CHECK(
      succeed(folder, kReport + "r" + kQuick).out.find("no layer is out of order") !=
      std::string::npos);
}

TEST_CASE("transport report: an untrained network is no better than shuffled weights") {
  const TempDir folder;
  train(folder, "cold", "--data digits --model mlp:32-32 --epochs 1 --lr 1e-12");
  const Json result = run_json(folder, kReport + "cold" + kQuick);
  const std::vector<std::string> faults = rules(result, "fault");
  CHECK(std::ranges::count(faults, "shuffled") == 3);
  CHECK(result.at("layers").items()[1].text("flag").find("shuffled") != std::string::npos);
  for (const Json& flag : result.at("flags").items()) {
    CHECK(flag.text("advice") != "");
    if (flag.text("rule") == "shuffled") CHECK(flag.number("value") <= flag.number("threshold"));
  }
}

TEST_CASE("transport report: saved features are those of the layers; Euler steps; movement") {
  const TempDir folder;
  train_maps(folder);
  const Json result = run_json(folder, kReport + "maps --save-features --out t" + kQuick);
  const Json::Items& layers = result.at("layers").items();
  for (const Json& layer : layers) {
    const std::string base = "t/features/" + layer.text("name");
    CAPTURE(base);
    const Tensor features = load_npy(folder.file(base + ".npy"));
    CHECK(features.shape() == Shape{80, layer.integer("dim")});
    CHECK(content(folder.file(base + ".svg")).starts_with("<svg"));
  }
  CHECK(exists(folder.file("t/features/input.png")));
  check_parts(page_of(folder, "t"), {"Examples after input", "maps of input", "<img "});

  const Json residual = [&] {
    train(folder, "res", "--data digits --model resnet20 --epochs 1 --limit-train 20");
    return run_json(folder, kReport + "res --before res --samples 20 --repeats 1 --shuffles 10");
  }();
  REQUIRE(residual.at("euler").items().size() >= 6);
  CHECK(residual.at("euler").items()[1].number("doubling") > 0);
  for (const Json& layer : residual.at("movement").items()) {
    CHECK(std::abs(layer.number("moved")) < 1e-6);  // f32 features of the same network
  }
}

TEST_CASE("transport report: data without classes") {
  const TempDir folder;
  std::string table = "a,b,y\n";
  for (int k = 0; k < 100; ++k) table += join_text(k % 7, ",", k % 11, ",", k % 7 + k % 11, "\n");
  write(folder.file("t.csv"), table);
  train(folder, "reg", "--data csv:t.csv --task regress --model mlp:8-8 --epochs 2");
  const Json result = run_json(folder, kReport + "reg --samples 8 --repeats 2 --out t");
  for (const Json& layer : result.at("layers").items()) {
    CHECK(layer.at("class_separation").is_null());
  }
  CHECK_FALSE(exists(folder.file("t/separation.svg")));
  check_parts(page_of(folder, "t"), {"How layers move the data: reg", ">examples</text>"});
  check_refused(folder, kFix + "reg --layer fc1", 2, {"regress", "classifier"});
  CHECK(run_json(folder, kShift + "reg --samples 5 --repeats 3").at("kind").is_null());
}

TEST_CASE("transport fix: before, after and without the change") {
  const TempDir folder;
  train(folder, "cold", "--data digits --model mlp:32-32 --epochs 1 --lr 1e-12");
  const Json result =
      run_json(folder, kFix + "cold --layer fc2 --change skip --out f --seeds 2 --epochs 3");
  CHECK(result.text("statistic") == "shuffled");
  CHECK(result.text("better") == "larger");
  CHECK(result.at("before").number("statistic") <= 3.5);
  CHECK(result.at("after").number("statistic") > result.at("before").number("statistic"));
  CHECK(result.at("after").number("accuracy") > result.at("before").number("accuracy"));
  CHECK(result.at("after").at("runs").items().size() == 2);
  CHECK(result.at("control").at("runs").items().size() == 2);
  CHECK(result.number("seed_std") == result.at("after").number("statistic_std"));
  CHECK(result.boolean("accepted"));
  check_parts(
      page_of(folder, "f"),
      {"A change of fc2: skip", "Verdict", ">accepted<", "trained on without", "2 trainings"});
  for (const std::string change : {"penalty", "decay", "norm", "width", "remove"}) {
    CAPTURE(change);
    const Json other = run_json(
        folder, kFix + "cold --layer fc2 --statistic separation --change " + change + kFixQuick);
    CHECK(other.text("change") == change);
    CHECK(other.at("after").number("statistic") > 0);
  }
}

TEST_CASE("transport shift: halves of one set are alike, other data are not") {
  const TempDir folder;
  train_digits(folder);
  const Json halves = run_json(folder, kShift + "r" + kShiftQuick);
  CHECK(halves.at("first_outside").is_null());
  REQUIRE(halves.at("layers").items().size() == 4);
  for (const Json& layer : halves.at("layers").items()) {
    CHECK(layer.number("shift") > 0);  // never 0 between finite samples
    CHECK(layer.number("null_mean") > 0);
    CHECK(layer.number("null_std") > 0);
    CHECK_FALSE(layer.boolean("outside"));
  }
  write_stripes(folder, 200);
  const Json stripes =
      run_json(folder, kShift + "r --against npy:X.npy,y.npy --out s" + kShiftQuick);
  CHECK(stripes.text("first_outside") == "input");
  CHECK(stripes.at("layers").items()[0].number("z") > 3);
  CHECK(content(folder.file("s/shift.svg")).starts_with("<svg"));
  check_parts(
      page_of(folder, "s"), {"Are the data new to r?", "difference beyond chance is input",
                             ">outside</td>", "band of chance"});
}

TEST_CASE("transport: the page of denoisers and ridgelets, and pictures that have moved") {
  const TempDir folder;
  succeed(folder, "transport dae --data moons --variance 0.01 --layers 3 --points 60 --out d");
  succeed(
      folder,
      "transport dae --data normal:1 --variance 0.1 --layers 3 --kind exact --points 60 --out e");
  succeed(folder, "transport ridgelet --function sine --frequency 8 --widths 10 --seeds 1 --out g");
  const std::string page = page_of(folder, "d e g");
  check_parts(
      page, {"Denoising autoencoders on moons", "One thick layer", "from the continuous limit",
             "Velocity at the start", "Density along the flow", "Ridgelet spectrum of sine",
             "The spectrum over slope", "from the spectrum", "random in a box"});
  std::filesystem::rename(folder.file("d"), folder.file("moved"));
  CHECK(page_of(folder, "moved e g") == page);
  std::filesystem::remove(folder.file("moved/field.svg"));
  check_refused(folder, "report moved", 3, {"field.svg", "cannot read"});
}

TEST_CASE("transport: the same bytes at any number of threads") {
  const TempDir folder;
  train_digits(folder);
  train_maps(folder);
  for (const std::string& line :
       {kReport + "r --out t --save-features" + kQuick, kReport + "maps --out t" + kQuick,
        kFix + "r --layer fc1 --out t" + kFixQuick, kShift + "r --out t" + kShiftQuick}) {
    CAPTURE(line);
    const Json one = without_seconds(folder, line + " --threads 1");
    const std::string paths = exists(folder.file("t/trajectories.svg"))
                                  ? checksum(folder.file("t/trajectories.svg"))
                                  : "";
    CHECK(to_text(without_seconds(folder, line + " --threads 3")) == to_text(one));
    if (!paths.empty()) CHECK(checksum(folder.file("t/trajectories.svg")) == paths);
  }
}

TEST_CASE("transport: what is refused leaves nothing behind") {
  const TempDir folder;
  train_digits(folder);
  write_stripes(folder, 1);
  write(folder.file("wide.csv"), "a,b,c,y\n1,2,3,0\n2,3,4,1\n3,4,5,0\n4,5,6,1\n5,6,7,0\n");
  check_refused(folder, kReport, 2, {"MODEL"});
  check_refused(folder, kReport + "nope", 2, {"nope"});
  check_refused(folder, kReport + "r --save-features", 2, {"--save-features", "--out"});
  check_refused(folder, kReport + "r --samples 2", 2, {"--samples"});
  check_refused(folder, kReport + "r --data npy:X.npy,y.npy", 2, {"example"});
  check_refused(folder, kReport + "r --data csv:wide.csv", 2, {"[3]", "[1, 8, 8]"});
  check_refused(folder, kFix + "r", 2, {"--layer"});
  check_refused(folder, kFix + "r --layer nope", 2, {"nope", "fc1", "fc2"});
  check_refused(folder, kFix + "r --layer fc1 --change nope", 2, {"--change", "penalty"});
  check_refused(folder, kFix + "r --layer fc1 --statistic nope", 2, {"--statistic", "shuffled"});
  check_refused(folder, kShift + "r --against moons", 2, {"[2]", "[1, 8, 8]"});
  check_refused(folder, kShift + "r --layer nope", 2, {"--layer", "input"});
  train(folder, "other", "--data moons --model mlp:8 --epochs 1 --limit-train 50");
  check_refused(folder, kReport + "r --before other", 2, {"--before", "[2]", "[1, 8, 8]"});
  put_nan(folder, "r", "fc1.weight");
  for (const std::string& line : {kReport + "r", kFix + "r --layer fc1", kShift + "r"}) {
    CAPTURE(line);
    check_refused(folder, line, 3, {"fc1.weight", "nan"});
  }
}
