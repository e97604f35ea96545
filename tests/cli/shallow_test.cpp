// tests/cli/shallow_test.cpp: limpid shallow convert, plot and certify.
#include "framework/io/image.h"
#include "framework/io/safetensors.h"
#include "interpret/shallow/shallow_network.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kSmall = " --epochs 3 --limit-train 200 --limit-test 40 ";

void train_moons(const TempDir& folder, const std::string& model = "mlp:8-8") {
  train(folder, "r", "--data moons --model " + model + kSmall);
}

}  // namespace

TEST_CASE("shallow convert: keys, exactness on cuts, and a file that can be read") {
  const TempDir folder;
  train_moons(folder);
  for (const std::string box : {"-5,5", "all"}) {
    CAPTURE(box);
    const Json result = run_json(folder, "shallow convert r --box " + box + " --out s.safetensors");
    const int64_t regions = result.integer("regions");
    CHECK(regions > 10);
    CHECK(static_cast<double>(regions) <= result.number("region_bound"));
    CHECK(result.boolean("truncated") == false);
    CHECK(result.integer("lp_solves") >= regions - 1);
    CHECK(result.integer("lp_failures") == 0);
    CHECK(result.number("regions_per_second") > 0);
    const int64_t m = result.integer("conditions");
    const Json::Items widths = result.at("widths").items();
    REQUIRE(widths.size() == 3);
    CHECK(widths[0].integer() == m + 4 * regions);  // two outputs: 2 p q = 4 p
    CHECK(widths[1].integer() == 2 * m + 4 * regions);
    CHECK(widths[2].integer() == 4 * regions);
    const Json& check = result.at("check");
    CHECK(check.integer("points") == 4000);
    CHECK(check.integer("boundary_points") == 2000);
    CHECK(check.number("max_abs_error") <= 1e-9);
    CHECK(check.integer("unclaimed") == 0);
    CHECK(check.integer("multiply_claimed") == 0);
    const Json& paper = result.at("forms").at("paper");
    CHECK(paper.at("check").integer("multiply_claimed") > 0);
    CHECK(paper.at("widths").items()[1].integer() == 5 * regions);
    CHECK(paper.integer("conditions") == result.integer("halfspaces"));
    CHECK(result.at("forms").at("finite").at("check").integer("wrong") > 0);

    const interpret::ShallowNetwork read = interpret::load_shallow(folder.file("s.safetensors"));
    CHECK(read.widths()[0] == widths[0].integer());
    CHECK(read.boundary == interpret::Boundary::half_open);
  }
  const Json paper = run_json(folder, "shallow convert r --form paper --out p.safetensors");
  CHECK(
      interpret::load_shallow(folder.file("p.safetensors")).boundary ==
      interpret::Boundary::closed);
  CHECK(paper.at("check").integer("wrong") > 0);
  const std::string text = succeed(folder, "shallow convert r --out s.safetensors --merge").out;
  for (const char* part :
       {" regions, ", "exact", "paper, closed faces", "inf = 1e+06", "merging"}) {
    INFO(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("shallow convert: too many regions are cut off and said to be (bad input 40)") {
  const TempDir folder;
  train_moons(folder, "mlp:16-16");
  const Json result =
      run_json(folder, "shallow convert r --max-regions 20 --out s.safetensors --threads 1");
  CHECK(result.integer("regions") == 20);
  CHECK(result.boolean("truncated"));
  CHECK(result.at("check").integer("unclaimed") > 0);
  CHECK(result.at("check").integer("multiply_claimed") == 0);
  CHECK(result.at("check").integer("wrong") == 0);
  CHECK(result.at("check").number("max_abs_error") <= 1e-9);
  const std::string one = checksum(folder.file("s.safetensors"));
  const Json again =
      run_json(folder, "shallow convert r --max-regions 20 --out s.safetensors --threads 3");
  CHECK(checksum(folder.file("s.safetensors")) == one);
  CHECK(again.integer("lp_solves") == result.integer("lp_solves"));
  const ProcessResult said =
      succeed(folder, "shallow convert r --max-regions 20 --out s.safetensors");
  CHECK(said.out.find("20 regions so far") != std::string::npos);
  CHECK(said.err.find("truncated") != std::string::npos);
}

TEST_CASE("shallow convert: fine-tuning with the regions fixed") {
  const TempDir folder;
  train_moons(folder);
  const std::string line = "shallow convert r --fine-tune --steps 300 --out t.safetensors";
  const Json result = run_json(folder, line);
  const Json& tuned = result.at("fine_tune");
  CHECK(tuned.at("train").number("loss") < tuned.at("train").number("loss_before"));
  CHECK(tuned.at("train").number("accuracy") >= tuned.at("train").number("accuracy_before"));
  CHECK(tuned.at("test").integer("examples") == 40);
  CHECK(tuned.number("jump_before") <= 1e-9);
  CHECK(tuned.number("jump") > 1e-3);
  CHECK(tuned.number("share_of_facets") > 0);
  // What is written is the tuned network; what was checked, the one before
  CHECK(result.at("check").number("max_abs_error") <= 1e-9);
  run_json(folder, "shallow convert r --box -5,5 --out s.safetensors");
  CHECK(checksum(folder.file("t.safetensors")) != checksum(folder.file("s.safetensors")));
  CHECK(run_json(folder, "shallow convert r --out u.safetensors").at("fine_tune").is_null());
  const Json all = run_json(folder, line + " --box all");
  CHECK(all.at("fine_tune").at("jump").is_null());

  train(folder, "reg", "--data moons --task regress --model mlp:4" + kSmall);
  check_refused(
      folder, "shallow convert reg --fine-tune --max-regions 20 --out s.safetensors", 2,
      {"--fine-tune", "classes"});
}

TEST_CASE("shallow convert: regions that touch, counts by layer") {
  const TempDir folder;
  train_moons(folder);
  const Json result =
      run_json(folder, "shallow convert r --adjacency a.json --box -3,3 --out s.safetensors");
  const Json graph = parse_json(content(folder.file("a.json")), "a.json");
  const int64_t regions = result.integer("regions");
  REQUIRE(std::ssize(graph.at("regions").items()) == regions);
  double area = 0;
  for (const Json& region : graph.at("regions").items()) area += region.number("volume");
  CHECK(std::abs(area - 36) <= 36e-9);
  // In the plane, a connected graph; its cycles go around the corners inside
  CHECK(std::ssize(graph.at("facets").items()) >= regions - 1);
  for (const Json& facet : graph.at("facets").items()) {
    CHECK(facet.number("jump") <= 1e-9);
    CHECK(facet.integer("off") != facet.integer("on"));
    CHECK(facet.integer("unit") < 16);
  }
  const Json::Items& layers = result.at("layers").items();
  REQUIRE(layers.size() == 2);
  CHECK(layers[0].number("bound") == 37);  // 1 + 8 + 28
  CHECK(layers[0].integer("regions") <= 37);
  CHECK(layers[1].integer("regions") == regions);
  CHECK(layers[1].number("bound") == result.number("region_bound"));
  check_refused(
      folder, "shallow convert r --adjacency b.json --box all --out b.safetensors", 2,
      {"--adjacency", "--box"});
}

TEST_CASE("shallow plot and certify") {
  const TempDir folder;
  train_moons(folder);
  const Json plot = run_json(folder, "shallow plot r --box -3,3 --out r.svg");
  CHECK(std::abs(plot.number("area") - 36) <= 36e-9);
  CHECK(
      plot.integer("regions") ==
      run_json(folder, "shallow convert r --box -3,3 --out s.safetensors").integer("regions"));
  CHECK(content(folder.file("r.svg")).starts_with("<svg"));
  CHECK(content(folder.file("r.svg")).find("lower") != std::string::npos);

  const Json certified = run_json(folder, "shallow certify r --indices 3,0,7");
  const Json::Items& rows = certified.at("certificates").items();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].integer("index") == 3);
  for (const Json& row : rows) {
    CHECK(row.boolean("exact"));
    CHECK(row.number("linear_radius") > 0);
    CHECK(row.integer("regions_opened") >= 1);
    CHECK(row.at("attack").integer("tried") >= 10'000);
    CHECK(row.at("attack").integer("changed") == 0);
    if (row.at("distance").is_null()) continue;
    CHECK(row.number("distance") > 0);
    CHECK(row.integer("other") == 1 - row.integer("class"));
    CHECK(row.at("attack").boolean("tight"));
    CHECK(row.at("attack").number("radius") >= row.number("distance") * (1 - 1e-9));
    CHECK(row.at("point").items().size() == 2);
  }
  CHECK(certified.integer("solved") == 3);
  const Json quiet = run_json(folder, "shallow certify r --indices 3 --attack 0");
  CHECK(quiet.at("certificates").items()[0].at("attack").is_null());
  for (const std::string line : {"shallow convert r --out s.safetensors", "shallow certify r"}) {
    CHECK(succeed(folder, line + " --threads 1").out == succeed(folder, line + " --threads 3").out);
  }
}

TEST_CASE("shallow: a page of all results") {
  const TempDir folder;
  train_moons(folder);
  const auto keep = [&](const std::string& line, const std::string& file) {
    write(folder.file(file), succeed(folder, line + " --json").out);
  };
  keep("shallow convert r --fine-tune --out s.safetensors", "convert.json");
  keep("shallow plot r --box -3,3 --out r.svg", "plot.json");
  keep("shallow certify r --indices 0,1,2 --attack 100", "certify.json");
  succeed(folder, "shallow explain r --indices 2 --summary 20 --out e");
  succeed(folder, "shallow visited r --count 100 --out v");
  succeed(folder, "shallow certify r --indices 0 --attack 0 --out c");
  const Json result =
      run_json(folder, "report convert.json plot.json certify.json e v c --out p.html");
  const std::string page = content(folder.file("p.html"));
  CHECK(result.integer("bytes") == std::ssize(page));
  for (const char* part :
       {"Shallow form of r", "of the bound", "paper: closed faces", "not continuous",
        "Regions of r", "Thick lines", "What inputs add in r", "at least the median", "waterfall-2",
        "Regions that data visit in r", "Certificates of r", "Certificates of r (2)", "3 of 3",
        "0 of 330", "gradient attack"}) {
    INFO(part);
    CHECK(page.find(part) != std::string::npos);
  }
  // Pictures move with the file that names them
  std::filesystem::create_directory(folder.file("x"));
  std::filesystem::rename(folder.file("r.svg"), folder.file("x/r.svg"));
  check_refused(folder, "report plot.json --out q.html", 3, {"r.svg"});
  std::filesystem::rename(folder.file("plot.json"), folder.file("x/plot.json"));
  run_json(folder, "report x/plot.json --out q.html");
  write(folder.file("x/r.svg"), "<svg><script>1</script></svg>");
  check_refused(folder, "report x/plot.json --out z.html", 3, {"plot.json", "script"});
  write(folder.file("x/plot.json"), "{\"command\": \"shallow plot\"}");
  check_refused(folder, "report x/plot.json --out z.html", 3, {"plot.json", "no key"});
}

TEST_CASE("shallow visited: networks of any size") {
  const TempDir folder;
  train_moons(folder);
  train(folder, "conv", "--data digits --model convnet:4x2:batch:max" + kSmall);
  train(folder, "vit", "--data digits --model tiny_vit --epochs 1 --limit-train 20");
  for (const std::string run : {"r", "conv"}) {
    const Json result = run_json(folder, "shallow visited " + run + " --count 100");
    CHECK(result.integer("points") == 100);
    CHECK(result.integer("test_points") == 40);
    CHECK(result.integer("regions") <= 100);
    CHECK(result.integer("single_point_regions") <= result.integer("regions"));
    CHECK(result.integer("largest_region") * result.integer("regions") >= 100);
    CHECK(result.number("coverage") >= 0);
    CHECK(result.number("coverage") <= 1);
  }
  const Json all = run_json(folder, "shallow visited conv --count 100 --build all");
  CHECK(all.integer("points") == 140);
  CHECK(all.integer("covered") == 140);
  CHECK(all.number("max_abs_error") <= 1e-9);
  const Json moons = run_json(folder, "shallow visited r --count 100");
  CHECK(moons.number("max_abs_error") <= 1e-9);
  CHECK(moons.integer("covered") <= 40);
  CHECK(moons.integer("regions") < 60);
  CHECK(moons.number("coverage") > 0.5);
  check_refused(folder, "shallow visited vit", 2, {"not piecewise linear"});
}

TEST_CASE("shallow explain: values that add up, half-spaces, pictures") {
  const TempDir folder;
  train_moons(folder);
  const std::string line =
      "shallow explain r --indices 2,5 --shap interventional,path,region,global --summary 20";
  const Json result = run_json(folder, line + " --out e");
  CHECK(result.integer("background") == 100);
  const Json::Items& rows = result.at("values").items();
  REQUIRE(rows.size() == 2);
  for (const Json& row : rows) {
    CHECK(row.text("region").size() == 16);
    const double radius = row.at("local").number("radius");
    const Json::Items& spaces = row.at("local").at("half_spaces").items();
    REQUIRE(spaces.size() == 5);
    CHECK(spaces[0].number("distance") == radius);
    const Json::Items& kinds = row.at("kinds").items();
    REQUIRE(kinds.size() == 4);
    for (const Json& kind : kinds) {
      double sum = 0;
      for (const Json& v : kind.at("shap").items()) sum += v.number();
      CHECK(std::abs(row.number("prediction") - kind.number("base") - sum) <= 1e-9);
      CHECK(std::abs(kind.number("additivity_error")) <= 1e-9);
      CHECK(kind.boolean("sampled") == false);
    }
    CHECK(std::abs(kinds[0].number("gap")) <= 1e-9);
    CHECK(std::abs(kinds[1].number("gap")) <= 1e-9);
    CHECK(kinds[0].number("base") == kinds[1].number("base"));
  }
  const Json& summary = result.at("summary");
  CHECK(summary.integer("examples") == 20);
  CHECK(summary.at("by_volume").find("low") == nullptr);  // exact in the plane
  for (const char* file :
       {"e/waterfall-2-interventional.svg", "e/waterfall-5-path.svg", "e/beeswarm.svg",
        "e/importance.svg"}) {
    CHECK(content(folder.file(file)).starts_with("<svg"));
  }
  CHECK(content(folder.file("e/shallow.json")).find("\"shallow explain\"") != std::string::npos);
  const std::string text = succeed(folder, line + " --threads 1").out;
  CHECK(text == succeed(folder, line + " --threads 3").out);
  for (const char* part : {"nearest half-space", "residual", "gap", "over 20 test examples"}) {
    INFO(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("shallow explain: too many inputs for exact values are sampled (bad input 41)") {
  const TempDir folder;
  train(folder, "many", "--data digits --model mlp:4" + kSmall);
  check_refused(
      folder, "shallow explain many --out e", 2,
      {"inputs over 100 background points", "2^", "multiplications", "sample permutations"});
  const Json result = run_json(
      folder,
      "shallow explain many --indices 0 --permutations 8 --background 10 --shap "
      "interventional,path,region");
  const Json& sampled = result.at("values").items()[0].at("kinds").items()[0];
  CHECK(sampled.boolean("sampled"));
  CHECK(std::abs(sampled.number("additivity_error")) <= 1e-9);
  CHECK(sampled.at("low").items().size() == 64);

  // Values of a picture are drawn as maps, blue and red, on one scale
  const Json drawn = run_json(
      folder, "shallow explain many --indices 0,3 --shap path,region --background 10 --out e");
  const Json::Items& maps = drawn.at("maps").items();
  REQUIRE(maps.size() == 2);
  CHECK(maps[1].integer("index") == 3);
  double largest = 0;
  for (const Json& kind : drawn.at("values").items()[1].at("kinds").items()) {
    for (const Json& v : kind.at("shap").items()) largest = std::max(largest, std::abs(v.number()));
  }
  CHECK(maps[1].number("largest") == doctest::Approx(largest));
  const Image map = load_image(folder.file("e/values-3-path.png"));
  CHECK(map.width == load_image(folder.file(maps[1].text("picture"))).width);
  CHECK(map.channels == 3);
  CHECK(drawn.at("values").items()[1].text("label").size() == 1);
  succeed(folder, "report e --out p.html");
  CHECK(content(folder.file("p.html")).find("What each pixel adds") != std::string::npos);
  CHECK(succeed(folder, "shallow explain many --shap path").out.find("row ") != std::string::npos);
  check_refused(folder, "shallow explain many --permutations 1", 2, {"2 rounds"});
  check_refused(folder, "shallow explain many --shap nope", 2, {"--shap", "\"nope\""});
  check_refused(folder, "shallow explain many --shap path --target 10", 2, {"--target", "0 to 9"});
  check_refused(folder, "shallow explain many --shap path --indices 40", 2, {"0 to 39"});
}

TEST_CASE("shallow: what is refused leaves nothing behind") {
  const TempDir folder;
  train_moons(folder);
  train(folder, "conv", "--data digits --model convnet:4x2" + kSmall);
  train(folder, "many", "--data digits --model mlp:4" + kSmall);
  train(folder, "vit", "--data digits --model tiny_vit --epochs 1 --limit-train 20");
  const std::string out = " --out s.safetensors";
  check_refused(folder, "shallow", 2, {"limpid: shallow: ", "convert", "plot"});
  check_refused(folder, "shallow convert", 2, {"MODEL"});
  check_refused(folder, "shallow convert r", 2, {"--out"});
  check_refused(folder, "shallow convert r --box 3,-3" + out, 2, {"--box", "\"3,-3\"", "empty"});
  check_refused(folder, "shallow convert r --box 1,1" + out, 2, {"--box", "empty"});
  check_refused(folder, "shallow convert r --box nan,1" + out, 2, {"--box", "two numbers"});
  check_refused(folder, "shallow convert r --box 1" + out, 2, {"--box", "LO,HI or all"});
  check_refused(folder, "shallow convert r --max-regions 0" + out, 2, {"--max-regions", "from 1"});
  check_refused(folder, "shallow convert r --form nope" + out, 2, {"exact, paper"});
  check_refused(folder, "shallow convert many" + out, 2, {"at most 24 inputs", "64"});
  check_refused(folder, "shallow convert conv" + out, 2, {"standardize", "not piecewise linear"});
  check_refused(folder, "shallow convert vit" + out, 2, {"not piecewise linear"});
  check_refused(folder, "shallow plot r --box all --out r.svg", 2, {"--box", "LO,HI"});
  check_refused(folder, "shallow plot many --out r.svg", 2, {"two inputs", "64"});
  check_refused(folder, "shallow certify r --indices 0,x", 2, {"\"x\"", "--indices"});
  check_refused(folder, "shallow certify r --indices 40", 2, {"\"40\"", "0 to 39"});
  check_refused(folder, "shallow certify r --box 0.5,0.6", 2, {"outside of the box"});

  // Weights that are not numbers
  SafetensorsFile file = load_safetensors(folder.file("r/last.safetensors"));
  file.tensors.at("fc2.weight").mutable_data<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  save_safetensors(folder.file("r/last.safetensors"), file.tensors);
  check_refused(folder, "shallow convert r" + out, 3, {"last.safetensors", "fc2.weight", "nan"});
  check_refused(folder, "shallow plot r --out r.svg", 3, {"fc2.weight", "nan"});
}
