// tests/cli/report_test.cpp: one page from runs and from the results of other commands.
#include "tests/cli/limpid.h"
#include "tests/interpret/well_formed.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kSmall = " --epochs 2 --limit-train 100 --limit-test 30";

// What people read of a page: without the bytes of its pictures.
std::string without_pictures(std::string page) {
  const std::string mark = "base64,";
  for (size_t at = page.find(mark); at != std::string::npos; at = page.find(mark, at + 1)) {
    at += mark.size();
    page.erase(at, page.find('"', at) - at);
  }
  return page;
}

// The page that a line wrote, checked for what must hold whatever it shows.
std::string page_at(const TempDir& folder, const std::string& path) {
  const std::string page = content(folder.file(path));
  CHECK(markup_fault(page) == "");
  CHECK(page.size() < 5'000'000);
  CHECK(page.find(folder.path().string()) == std::string::npos);
  for (const std::string absent : {"NaN", "nan", "<script", "://", "<link"}) {
    CAPTURE(absent);
    CHECK_FALSE(has(without_pictures(page), absent));
  }
  return page;
}

std::string page_of(const TempDir& folder, const std::string& line) {
  succeed(folder, line + " --out page.html");
  return page_at(folder, "page.html");
}

// The object that a file holds, with one change, in a file of its own.
void write_changed(
    const TempDir& folder, const std::string& from, const std::string& to, const std::string& key,
    const Json& value) {
  Json json = parse_json(content(folder.file(from)), from);
  write(folder.file(to), to_text(json.set(key, value)));
}

}  // namespace

TEST_CASE("report: a run with its options, curves and final figures") {
  const TempDir folder;
  train(folder, "runs/r", "--data fashion-2k --model lenet5 --lr 0.01 --seed 3" + kSmall);
  const Json result = run_json(folder, "report runs/r --out deep/page.html --title Fashion");
  CHECK(result.text("report") == "deep/page.html");
  const std::string page = page_at(folder, "deep/page.html");
  CHECK(result.integer("bytes") == std::ssize(page));
  CHECK(result.at("runs") == Json::array({"r"}));
  CHECK(result.at("comparisons").items().empty());
  for (const char* part :
       {"<h1>Fashion</h1>", "Run r", "61,706", "[1, 28, 28]", "10 classes", "Loss by epoch, r",
        "Accuracy by epoch, r", "without a gradient penalty", "conv1",
        "limpid train --seed 3 --data fashion-2k --model lenet5 --epochs 2 --lr 0.01 --limit-train "
        "100 --limit-test 30"}) {
    CAPTURE(part);
    CHECK(has(page, part));
  }
  CHECK_FALSE(has(page, "Gradient cosine"));
  const std::string last = lines(content(folder.file("runs/r/metrics.jsonl"))).back();
  const double accuracy = parse_json(last, "line").number("test_accuracy");
  CHECK(has(page, std::to_string(accuracy * 100).substr(0, 4) + " %"));

  // Runs without classes or pictures have a section too
  std::string table = "a,b,y\n";
  for (int k = 0; k < 40; ++k) table += join_text(k, ",", k % 7, ",", 2 * k, "\n");
  write(folder.file("table.csv"), table);
  train(folder, "t", "--data csv:table.csv --task regress --model mlp:4 --epochs 1");
  CHECK(has(page_of(folder, "report t"), "task regress"));
}

TEST_CASE("report: runs on the same data stand side by side") {
  const TempDir folder;
  train(folder, "a", "--data fashion-2k --model lenet5" + kSmall);
  train(
      folder, "b",
      "--data fashion-2k --model lenet5 --interpretable-gradients cosine --lambda 0.1" + kSmall);
  train(folder, "d", "--data digits --model mlp:8" + kSmall);
  const Json result = run_json(folder, "report a b d --out page.html --count 3");
  REQUIRE(result.at("comparisons").items().size() == 1);
  const Json& compared = result.at("comparisons").items()[0];
  CHECK(compared.text("data") == "fashion-2k");
  CHECK(compared.integer("measured") == 30);
  CHECK(compared.integer("images") == 3);
  REQUIRE(compared.at("runs").items().size() == 2);
  for (const Json& run : compared.at("runs").items()) {
    CHECK(std::abs(run.number("cosine")) <= 1);
    CHECK(run.number("variation") > 0);
    CHECK(run.number("variation") <= 4);
  }
  const std::string page = page_at(folder, "page.html");
  for (const char* part :
       {"Side by side on fashion-2k", "a: standard", "b: cosine penalty, lambda 0.1",
        "Gradient cosine by epoch, b", "What to look at", "All runs after their last epoch",
        "gradient: ", "guided: ", "grad-cam: ", "smoothgrad: ", "at pool2"}) {
    CAPTURE(part);
    CHECK(has(page, part));
  }
  CHECK(count_of(page, "<img ") == 4 * 3 * 3);  // methods, rows, images

  // The same bytes again, at any thread count; no comparison if none is wanted
  CHECK(page_of(folder, "report a b d --count 3 --threads 1") == page);
  CHECK_FALSE(has(page_of(folder, "report a b --count 0"), "Side by side"));
  CHECK(count_of(page_of(folder, "report a b --count 2 --method gradient"), "<img ") == 6);

  // A run is compared with another of its name, but not with itself
  CHECK_FALSE(has(page_of(folder, "report a a/. a"), "Side by side"));
  std::filesystem::create_directory(folder.file("x"));
  std::filesystem::rename(folder.file("b"), folder.file("x/a"));
  const std::string alike = page_of(folder, "report a x/a --count 1 --method guided");
  CHECK(has(alike, "Run x/a"));
}

TEST_CASE("report: networks without feature maps leave the cells of Grad-CAM empty") {
  const TempDir folder;
  train(folder, "a", "--data digits --model mlp:16 --epochs 5");
  train(folder, "b", "--data digits --model convnet:8x2 --epochs 5");
  const std::string page = page_of(folder, "report a b --count 2 --method grad-cam,gradient");
  CHECK(count_of(page, "no layer with a spatial map") == 2);
  CHECK(count_of(page, "<img ") == 2 * 2 + 2 + 4);
}

TEST_CASE("report: results of metrics, sanity and explain, from folders and from files") {
  const TempDir folder;
  train(folder, "a", "--data digits --model convnet:4x2" + kSmall);
  train(folder, "b", "--data digits --model convnet:4x2 --seed 1" + kSmall);
  succeed(
      folder,
      "metrics a --against b --count 10 --method gradient,grad-cam --gradients --roughness --roar "
      "10,50 --roar-epochs 1 --out m");
  succeed(folder, "sanity a --count 6 --method gradient,grad-cam --out m");
  const Json explained = run_json(folder, "explain a --indices 3,5 --method gradient --out e");
  const Json metrics = parse_json(content(folder.file("m/metrics.json")), "metrics");
  CHECK(metrics.text("command") == "metrics");
  CHECK(metrics.integer("pixels") == 64);

  const std::string page = page_of(folder, "report m e");
  for (const char* part :
       {"Metrics of a",
        "(all ones)",
        "(shuffled grad-cam)",
        "AD %",
        "average drop",
        "Insertion, mean over images",
        "Deletion, mean over images",
        "b minus a",
        "p of a sign-flip test",
        "What the gradient of the loss is like",
        "accuracy_fgsm_1",
        "share removed",
        "Accuracy after removal",
        "Sanity of maps of a",
        "Spearman correlation of maps before and after, by layer",
        "weights replaced from the logits down to",
        "structural similarity",
        "Maps of a",
        "image 3: ",
        "image 5: "}) {
    CAPTURE(part);
    CHECK(has(page, part));
  }
  const double drop = metrics.at("rows").items()[0].number("ad");
  CHECK(has(page, std::to_string(drop).substr(0, std::to_string(drop).find('.') + 1)));
  CHECK(count_of(page, "<img ") == 2);

  // What --json prints is the same; pictures are found from elsewhere beside their file
  write(folder.file("e.json"), to_text(explained));
  CHECK(count_of(page_of(folder, "report e.json"), "<img ") == 2);
  std::filesystem::rename(folder.file("e"), folder.file("moved"));
  CHECK(count_of(page_of(folder, "report moved"), "<img ") == 2);
  check_refused(folder, "report e.json", 3, {"3-gradient.png", "cannot read"});
  const std::string single =
      succeed(folder, "sanity a --count 4 --method gradient --mode independent --json").out;
  write(folder.file("s.json"), single);
  CHECK(has(page_of(folder, "report s.json"), "weights replaced in"));
  // Results that are kept in a run folder stand on the page of the run
  std::filesystem::copy_file(folder.file("m/sanity.json"), folder.file("a/sanity.json"));
  const std::string both = page_of(folder, "report a");
  CHECK(has(both, "Run a"));
  CHECK(has(both, "Sanity of maps of a"));
}

TEST_CASE("report: texts of a file cannot break out of their place") {
  const TempDir folder;
  train(folder, "a", "--data digits --model convnet:4x2" + kSmall);
  succeed(folder, "sanity a --count 4 --method gradient --out m");
  write_changed(folder, "m/sanity.json", "nasty.json", "model", kNasty);
  succeed(folder, "report nasty.json --out page.html");
  const std::string page = content(folder.file("page.html"));
  CHECK(markup_fault(page) == "");
  CHECK_FALSE(has(page, "<script"));
}

TEST_CASE("report: predictions of a paper") {
  const TempDir folder;
  const Json row = Json::object(
      {{"prediction", "R1"},
       {"data", "digits"},
       {"setting", "lambda <1"},
       {"figure", "+0.1"},
       {"verdict", "not reproduced"}});
  const Json result = Json::object(
      {{"schema", 1},
       {"command", "reproduce"},
       {"title", "What was predicted"},
       {"note", "Three seeds."},
       {"rows", Json::array({row})}});
  write(folder.file("gradients.json"), to_text(result));
  succeed(folder, "report gradients.json");
  const std::string page = content(folder.file("report.html"));
  for (const char* text :
       {"What was predicted", "Three seeds.", "lambda &lt;1", "not reproduced"}) {
    CHECK(has(page, text));
  }
  write_changed(folder, "gradients.json", "bad.json", "note", 3);
  check_refused(folder, "report bad.json", 3, {"bad.json: ", "note"});
}

TEST_CASE("report: charts above predictions of a paper") {
  const TempDir folder;
  const auto written = [&](const char* file, const Json& x) {
    const Json line = Json::object({{"name", "bound"}, {"x", x}, {"y", Json::array({1.5, 2.5})}});
    const Json chart = Json::object(
        {{"title", "Growth"},
         {"x_title", "units"},
         {"y_title", "log10 of regions"},
         {"caption", "Below the <bound>."},
         {"series", Json::array({line})}});
    const Json result = Json::object(
        {{"schema", 1},
         {"command", "reproduce"},
         {"title", "What was predicted"},
         {"note", "Three seeds."},
         {"charts", Json::array({chart})},
         {"rows", Json::array()}});
    write(folder.file(file), to_text(result));
  };
  written("shallow.json", Json::array({4, 32}));
  const std::string page = page_of(folder, "report shallow.json");
  for (const char* text :
       {"Growth", ">units</text>", ">log10 of regions</text>", ">bound</text>",
        "Below the &lt;bound&gt;."}) {
    CHECK(has(page, text));
  }
  CHECK(page.find("<svg") < page.find("<table"));
  written("short.json", Json::array({4}));
  check_refused(folder, "report short.json", 3, {"short.json: ", "\"bound\" has 1 x and 2 y"});
}

TEST_CASE("report: what cannot be reported") {
  const TempDir folder;
  train(folder, "a", "--data digits --model convnet:4x2" + kSmall);
  succeed(folder, "sanity a --count 4 --method gradient --out m");
  succeed(folder, "metrics a --count 4 --method gradient --out m");
  const std::string sanity = content(folder.file("m/sanity.json"));

  check_refused(folder, "report", 2, {"PATH"});
  check_refused(folder, "report nope", 2, {"limpid: report: nope: ", "no such file or folder"});
  check_refused(folder, "report a --method nope", 2, {"nope", "grad-cam"});
  check_refused(folder, "report a --count x", 2, {"--count"});
  std::filesystem::create_directory(folder.file("empty"));
  check_refused(folder, "report a empty", 2, {"empty: nothing to report", "config.json"});

  write(folder.file("text.json"), "no JSON at all");
  check_refused(folder, "report a text.json", 3, {"limpid: report: text.json: "});
  write(folder.file("list.json"), "[1, 2]");
  check_refused(folder, "report list.json", 3, {"list.json: is not a JSON object"});
  write(folder.file("bare.json"), "{\"rows\": []}");
  check_refused(folder, "report bare.json", 3, {"bare.json: ", "no \"command\""});
  write(folder.file("cut.json"), sanity.substr(0, sanity.size() / 2));
  check_refused(folder, "report cut.json", 3, {"cut.json: "});
  write(folder.file("eval.json"), succeed(folder, "eval a --json").out);
  check_refused(folder, "report eval.json", 3, {"eval.json: ", "\"eval\"", "metrics, sanity"});

  // Keys that are missing or of another kind
  write_changed(folder, "m/sanity.json", "rows.json", "rows", 7);
  check_refused(folder, "report rows.json", 3, {"rows.json: "});
  write_changed(folder, "m/sanity.json", "mode.json", "mode", nullptr);
  check_refused(folder, "report mode.json", 3, {"mode.json: ", "mode"});
  write_changed(
      folder, "m/metrics.json", "row.json", "rows",
      Json::array({Json::object({{"method", "gradient"}, {"ad", 1.0}})}));
  check_refused(folder, "report row.json", 3, {"row.json: ", "intervals"});
  write_changed(folder, "m/metrics.json", "no_rows.json", "rows", Json::array());
  succeed(folder, "report no_rows.json");

  // Damaged runs
  const std::string curve = content(folder.file("a/metrics.jsonl"));
  write(folder.file("a/metrics.jsonl"), curve + "{");
  check_refused(folder, "report a", 3, {"a/metrics.jsonl"});
  std::filesystem::remove(folder.file("a/metrics.jsonl"));
  check_refused(folder, "report a", 3, {"a/metrics.jsonl", "cannot read"});
  write(folder.file("a/metrics.jsonl"), curve);
  write_changed(
      folder, "a/config.json", "a/config.json", "options",
      Json::object({{"interpretable-gradients", 3}}));
  check_refused(folder, "report a", 3, {"a/config.json", "text", "integer"});

  // A page that cannot be written leaves nothing behind
  std::filesystem::create_directory(folder.file("taken"));
  check_refused(folder, "report m --out taken", 1, {"taken", "cannot write"});
}

TEST_CASE("report: coresets, their curves and what they show") {
  const TempDir folder;
  train(folder, "r", "--data digits --model convnet:8x2:none:max" + kSmall);
  const std::string small = " --methods random,dgpruning:entropy --fractions 0.1,0.5 --seeds 2 ";
  succeed(folder, "coreset interpret r --ablation --out vebi" + small);
  succeed(folder, "coreset interpret r --interpreter ice --out ice" + small);
  succeed(folder, "coreset interpret r --interpreter probe --out probe" + small);
  succeed(folder, "coreset grow r --method moderate --out grown --verify-full --fractions 0.2,0.5");
  const Json vebi = parse_json(content(folder.file("vebi/interpret.json")), "interpret.json");
  CHECK(vebi.text("command") == "coreset interpret");
  CHECK(vebi.at("chosen").items().size() == 2);
  CHECK(std::filesystem::exists(folder.file("vebi/chosen-dgpruning_entropy.png")));
  REQUIRE_FALSE(vebi.at("parts").items().empty());
  for (const Json& part : vebi.at("parts").items()) {
    CHECK(part.number("weight") > 0);
    CHECK(std::filesystem::exists(folder.file(part.text("png"))));
  }
  const std::string page = page_of(folder, "report vebi ice probe grown");
  for (const char* text :
       {"Interpreting with little data: vebi", "Interpreting with little data: ice",
        "dgpruning:entropy", "random, activations", "all data, fit", "The heaviest units",
        "The most important concepts", "points", "first images that were chosen by random",
        "Growing until the interpretation stays: moderate", "samples for the target", "Audit"}) {
    CAPTURE(text);
    CHECK(has(page, text));
  }
  // A picture that is gone is said, not left out
  std::filesystem::remove(folder.file(vebi.at("parts").items().front().text("png")));
  check_refused(folder, "report vebi", 3, {"part-"});
  write_changed(folder, "grown/grow.json", "bad.json", "stages", 1);
  check_refused(folder, "report bad.json", 3, {"bad.json"});
}
