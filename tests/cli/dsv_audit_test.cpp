// tests/cli/dsv_audit_test.cpp: dsv audit, its page, and support files that are refused.
#include "framework/io/npy.h"
#include "framework/io/safetensors.h"
#include "framework/ops/linear_maps.h"
#include "tests/cli/limpid.h"
#include "tests/interpret/well_formed.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <set>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kRun = "--data digits --model mlp:16 --epochs 3 --weight-decay 5e-4";
const std::string kSmall = " --limit-train 200 --limit-test 100";

double sum_of(const Json& rows, const std::string& key) {
  double total = 0;
  for (const Json& row : rows.items()) total += row.number(key);
  return total;
}

}  // namespace

TEST_CASE("dsv audit: every part, from training images") {
  const TempDir folder;
  train(folder, "r", kRun);
  const std::string line =
      "dsv audit r --per-class 4 --suspects 7 --attribute 3 --patch 3 --out a" + kSmall;
  const Json result = run_json(folder, line + " --threads 1");
  const std::string first = content(folder.file("a/audit.json"));

  const auto& coverage = result.at("coverage").items();
  REQUIRE(coverage.size() == 10);
  CHECK(sum_of(result.at("coverage"), "lambda") > sum_of(result.at("coverage"), "alpha") / 2);
  double wrong = 0;
  for (const Json& row : coverage) {
    CHECK(row.integer("vectors") > 0);
    CHECK(row.number("error") >= 0);
    wrong += 10 * row.number("error");  // of 100 test images, ten of each class
  }
  CHECK(result.number("accuracy") == doctest::Approx(1 - wrong / 100));
  CHECK(std::abs(result.at("coverage_pearson").number("lambda")) <= 1);

  REQUIRE(result.at("cues").items().size() == 10);
  for (const Json& row : result.at("cues").items()) {
    CHECK(row.integer("patch") == 3);
    CHECK(row.integer("row") <= 5);
    CHECK(std::abs(row.number("z")) > 0.5);
    for (const char* test : {"pasted", "elsewhere", "real"}) {
      CHECK(row.at(test).integer("count") >= 70);
      CHECK(row.at(test).integer("flipped") <= row.at(test).integer("count"));
    }
    CHECK(exists(folder.file(row.text("png"))));
  }
  const auto& mixing = result.at("mixing").items();
  REQUIRE(mixing.size() == 3);
  CHECK(mixing[0].at("vectors").integer("flipped") <= mixing[2].at("vectors").integer("flipped"));

  const auto& suspects = result.at("suspects").items();
  REQUIRE(suspects.size() == 7);
  for (size_t k = 0; k < 7; ++k) {
    CHECK(result.at("suspects_by").at("cosine").items()[k] == suspects[k].at("index"));
    if (k > 0) CHECK(suspects[k].number("cosine") >= suspects[k - 1].number("cosine"));
    CHECK(exists(folder.file(suspects[k].text("png"))));
  }
  for (const char* by : {"loss", "alpha"}) {
    CHECK(result.at("suspects_by").at(by).items().size() == 7);
  }
  CHECK(result.at("nearest").items().empty());  // the vectors are training images
  REQUIRE(result.at("attributions").items().size() == 3);
  for (const Json& row : result.at("attributions").items()) {
    CHECK(
        row.number("explained") + row.number("unexplained") ==
        doctest::Approx(row.number("total")).epsilon(1e-4));  // f32
    CHECK(row.at("voters").items().size() == 5);
    CHECK(row.at("voters").items()[0].contains("index"));
  }
  CHECK(result.at("bytes").integer("data") == 200 * (64 * 4 + 8));
  CHECK(result.at("bytes").integer("weights") == 4 * (64 * 16 + 16 + 16 * 10 + 10));
  CHECK(result.at("bytes").integer("support") == result.integer("vectors") * (64 * 4 + 4 * 8));

  succeed(folder, line + " --threads 2");
  CHECK(content(folder.file("a/audit.json")) == first);
  const std::string text = succeed(folder, "dsv audit r --suspects 2" + kSmall).out;
  for (const char* part :
       {"coverage", "cue ", "elsewhere", "mixing", "suspects", "attribution", "bytes"}) {
    CHECK(has(text, part));
  }
}

TEST_CASE("dsv audit: vectors of a file; those made from weights have neighbours; one page") {
  const TempDir folder;
  train(folder, "r", "--data digits --model convnet:4x2:none:max --epochs 2");
  write(
      folder.file("extract.json"),
      succeed(folder, "dsv extract r --per-class 3 --out s.safetensors --json" + kSmall).out);
  write(
      folder.file("synthesize.json"),
      succeed(folder, "dsv synthesize r --per-class 1 --steps 30 --out v.safetensors --json").out);
  const Json own =
      run_json(folder, "dsv audit r --support s.safetensors --suspects 0 --attribute 1" + kSmall);
  CHECK(own.at("nearest").items().empty());
  CHECK(own.at("suspects").items().empty());
  CHECK(own.text("coverage_of") == "the vectors of the file");

  const Json made =
      run_json(folder, "dsv audit r --support v.safetensors --suspects 3 --out a" + kSmall);
  const int64_t vectors = made.integer("vectors");
  CHECK(std::ssize(made.at("nearest").items()) == vectors);
  for (const Json& row : made.at("nearest").items()) {
    CHECK(row.number("distance") > 0);
    CHECK(row.integer("index") < 200);
    CHECK(row.number("quantile") >= 0);
    CHECK(row.number("quantile") <= 1);
  }
  CHECK(made.at("nearest_of_test").number("median") > 0);

  // Training images given as synthetic ones are copies
  SafetensorsFile copies = load_safetensors(folder.file("s.safetensors"));
  copies.tensors.erase("indices");
  save_safetensors(folder.file("copies.safetensors"), copies.tensors);
  const Json copied = run_json(
      folder, "dsv audit r --support copies.safetensors --suspects 0 --attribute 0" + kSmall);
  CHECK(sum_of(copied.at("nearest"), "distance") == 0);
  CHECK(sum_of(copied.at("nearest"), "quantile") == 0);

  // One page of all of it
  save_npy(folder.file("d.npy"), slice(copies.tensors.at("images"), 0, 0, 1));
  succeed(folder, "dsv edit r --quiet --input d.npy --label 3 --steps 5 --out e");
  succeed(folder, "report extract.json synthesize.json e a --out page.html");
  const std::string page = content(folder.file("page.html"));
  CHECK(markup_fault(page) == "");
  for (const char* part :
       {"Support vectors of r", "Entropy of the vectors by lambda", "Residual by iteration",
        "Synthesised vectors of r", "Stationarity by step", "Support vectors by class",
        "selected 1", "synthesised 1", "Images moved to class 3", "source, edit, FGSM, PGD",
        "Audit of r", "Coverage by the vectors of the file",
        "Cues: ", "Mixing: ", "Suspects: ", "nearest to training images", "Who voted: "}) {
    CAPTURE(part);
    CHECK(has(page, part));
  }
  // Classes by 2 x 4 vectors, the edit, ten cues and three suspects; some cells are empty
  CHECK(count_of(page, "<img ") > 10 + 1 + 10 + 3);
  CHECK(page.find("NaN") == std::string::npos);

  // Keys that are missing, and vectors that are gone
  Json audit = parse_json(content(folder.file("a/audit.json")), "audit");
  write(folder.file("bad.json"), to_text(audit.set("coverage", 3)));
  check_refused(folder, "report bad.json", 3, {"bad.json"});
  std::filesystem::remove(folder.file("s.safetensors"));
  check_refused(folder, "report extract.json", 3, {"s.safetensors"});
}

TEST_CASE("dsv audit: what is refused, in one line") {
  const TempDir folder;
  train(folder, "r", kRun + " --limit-train 100 --limit-test 50");
  succeed(folder, "dsv extract r --per-class 1 --out s.safetensors --quiet");
  const std::string line = "dsv audit r --quiet --support ";
  check_refused(folder, "dsv audit nowhere", 2, {"nowhere"});
  check_refused(folder, "dsv audit r --quiet --data nope", 2, {"nope"});
  check_refused(folder, "dsv audit r --quiet --data fashion-2k", 2, {"[1, 28, 28]"});
  check_refused(folder, "dsv audit r --patch x", 2, {"--patch"});
  check_refused(folder, "dsv audit r --quiet --patch 9" + kSmall, 2, {"--patch", "[1, 8, 8]"});
  check_refused(
      folder, "dsv audit mlp:16:r/last.safetensors --input-shape 1,8,8 --partial --quiet", 2,
      {"--data"});
  check_refused(folder, line + "nope.safetensors", 3, {"nope.safetensors"});

  // Files that are no support vectors of this model
  const auto good = load_safetensors(folder.file("s.safetensors")).tensors;
  const int64_t n = good.at("labels").numel();
  const auto refused = [&](const std::string& why, int status,
                           const std::function<void(std::map<std::string, Tensor>&)>& change) {
    INFO(why);
    std::map<std::string, Tensor> tensors;
    for (const auto& [name, tensor] : good) tensors.emplace(name, tensor.clone());
    change(tensors);
    save_safetensors(folder.file("bad.safetensors"), tensors);
    check_refused(folder, line + "bad.safetensors", status, {"bad.safetensors", why});
  };
  for (const char* name : {"images", "labels", "lambda", "alpha"}) {
    refused(join_text("`", name, "` is missing"), 3, [&](auto& t) { t.erase(name); });
  }
  refused("unexpected", 3, [](auto& t) { t.emplace("extra", Tensor::zeros({1})); });
  const double inside[] = {std::nan(""), std::numeric_limits<double>::infinity(), -1e-9};
  for (const char* name : {"lambda", "alpha"}) {
    for (const double value : inside) {
      refused(join_text("`", name, "` holds"), 3, [&](auto& t) {
        t.at(name).template mutable_data<double>()[0] = value;
      });
    }
    refused(join_text("`", name, "` must be f64"), 3, [&](auto& t) {
      t.at(name) = Tensor::ones({n + 1}, DType::f64);
    });
    refused(
        join_text("`", name, "` must be f64"), 3, [&](auto& t) { t.at(name) = Tensor::ones({n}); });
  }
  refused("`images` holds NaN", 3, [](auto& t) {
    t.at("images").template mutable_data<float>()[3] = std::nanf("");
  });
  refused("`images` must be f32", 3, [&](auto& t) { t.at("images") = Tensor::zeros({n}); });
  refused("`labels` must be i64", 3, [&](auto& t) {
    t.at("labels") = Tensor::zeros({n - 1}, DType::i64);
  });
  refused("`labels` holds a negative", 3, [](auto& t) {
    t.at("labels").template mutable_data<int64_t>()[0] = -1;
  });
  refused("`indices` must be i64", 3, [&](auto& t) { t.at("indices") = Tensor::zeros({n}); });
  // Sound files of another model
  refused("class 10 is not in 0 to 9", 2, [](auto& t) {
    t.at("labels").template mutable_data<int64_t>()[0] = 10;
  });
  refused("the model takes examples [1, 8, 8]", 2, [&](auto& t) {
    t.at("images") = Tensor::zeros({n, 1, 9, 9});
  });
  refused("over 3 classes", 2, [&](auto& t) {
    t.at("labels") = Tensor::full({n, 3}, 1.0 / 3, DType::f32);
  });
}
