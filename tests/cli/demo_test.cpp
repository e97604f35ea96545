// tests/cli/demo_test.cpp: limpid demo, from nothing to a page.
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

using namespace limpid;
using namespace limpid::cli;

// The line is the example of `limpid demo --help`.
TEST_CASE("demo: trains, explains and writes one self-contained page") {
  const TempDir folder;
  const std::string example = "demo --quick --out demo";
  CHECK(succeed(folder, "demo --help").out.find("  limpid " + example + "\n") != std::string::npos);
  const ProcessResult result = succeed(folder, example + " --json --quiet", {.time_limit = 400});
  CHECK(result.err == "");
  const Json json = parse_json(result.out, "stdout");
  CHECK(json.members()[0].key == "schema");
  CHECK(json.text("command") == "demo");
  CHECK(json.text("report") == "demo/report.html");
  REQUIRE(json.at("models").items().size() >= 1);
  for (const Json& model : json.at("models").items()) {
    CHECK(model.text("data") != "");
    CHECK(model.text("model") != "");
    CHECK(model.number("test_accuracy") > 0.5);  // chance is 0.1
    CHECK(model.number("test_accuracy") <= 1);
  }
  for (const char* technique :
       {"interpretable_gradients", "dsv", "coreset", "shallow", "transport"}) {
    CHECK(json.at("results").contains(technique));
  }

  const Json& compared = json.at("results").at("interpretable_gradients");
  REQUIRE(compared.at("runs").items().size() == 2);
  CHECK(compared.at("runs").items()[0].text("penalty") == "standard");
  CHECK(
      compared.at("runs").items()[1].number("cosine") >
      compared.at("runs").items()[0].number("cosine"));

  // One file without references to others
  const std::string page = content(folder.file("demo/report.html"));
  CHECK(page.starts_with("<!DOCTYPE html>"));
  CHECK(page.find("</html>") != std::string::npos);
  CHECK(page.find("<script src") == std::string::npos);
  CHECK(page.find("<link") == std::string::npos);
  CHECK(page.find("src=\"http") == std::string::npos);
  CHECK(page.find("Training for clean gradients") != std::string::npos);
  CHECK(page.find("data:image/png;base64,") != std::string::npos);
  CHECK(page.find(folder.path().string()) == std::string::npos);
}
