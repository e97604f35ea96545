// tests/interpret/report_test.cpp: structure, safety and repeatability of the page.
#include "interpret/report/report.h"

#include "framework/core/error.h"
#include "framework/io/encode.h"
#include "framework/io/files.h"
#include "interpret/report/plot.h"
#include "tests/interpret/well_formed.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

using namespace limpid;
using namespace limpid::interpret;

namespace {

const Image kDot{1, 1, 3, {255, 0, 0}};

const std::string kMinus = "\xE2\x88\x92";  // U+2212

std::string bars() { return bar_chart({.title = "Bars", .bars = {{"a", 1}}}); }

/// A page with every element, where each text is `text`.
Report full_report(const std::string& text) {
  Report report(text, text);
  report.paragraph(text)
      .tiles({{text, text, text}, {text, text}})
      .section(text, text)
      .figure(bars(), text)
      .picture(kDot, text, text)
      .section(text)
      .image_grid({text, text}, {{text, {kDot, Image{}}, {text, text}}, {text, {kDot, kDot}}}, text)
      .table({text, text}, {{text, text}, {text, text}}, text)
      .command(text);
  return report;
}

/// The page behind its style sheet.
std::string body_of(const std::string& page) { return page.substr(page.find("<body>")); }

}  // namespace

TEST_CASE("report: a page is well-formed and has one of everything") {
  const std::string page = full_report("some text").html();
  CHECK(markup_fault(page) == "");
  CHECK(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
  CHECK(has(page, "<title>some text</title>"));
  CHECK(count_of(page, "<h1>") == 1);
  CHECK(count_of(page, "<main>") == 1);
  CHECK(count_of(page, "<section ") == 2);
  CHECK(count_of(page, "<img ") == 4);
  CHECK(count_of(page, " alt=\"") == 4);
  CHECK(has(page, "prefers-color-scheme: dark"));
  CHECK(has(page, "@media print"));
  CHECK(markup_fault(Report("alone").html()) == "");
}

TEST_CASE("report: every text is escaped") {
  const std::string page = full_report(kNasty).html();
  CHECK(markup_fault(page) == "");
  CHECK_FALSE(has(page, "<script"));
  CHECK_FALSE(has(page, "a&b"));
  CHECK_FALSE(has(page, "onload='"));
  // As often as the harmless text in the same places
  CHECK(count_of(page, kNastyEscaped) == count_of(full_report("harmless").html(), "harmless"));
}

TEST_CASE("report: nothing is fetched from anywhere") {
  const std::string page = full_report("text").html();
  CHECK(count_of(page, "src=\"") == count_of(page, "src=\"data:image/png;base64,"));
  CHECK(count_of(page, "href=\"") == count_of(page, "href=\"#section-"));
  for (const char* absent : {"://", "http:", "https:", "url(", "@import", "<script", "<link"}) {
    CAPTURE(absent);
    CHECK_FALSE(has(page, absent));
  }
  CHECK(has(page, "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\""));
}

TEST_CASE("report: the same calls give the same bytes, other content gives others") {
  CHECK(full_report("a").html() == full_report("a").html());
  CHECK(full_report("a").html() != full_report("b").html());
  Report report("a");
  const std::string before = report.html();
  CHECK(report.html() == before);
  CHECK(report.paragraph("more").html() != before);
}

TEST_CASE("report: contents lead to the sections") {
  Report report("Title");
  report.section("First", "one\n\ntwo").section("Second & last");
  const std::string page = report.html();
  CHECK(has(page, "<a href=\"#section-1\"><span class=\"number\">1</span>First</a>"));
  CHECK(has(page, "<a href=\"#section-2\"><span class=\"number\">2</span>Second &amp; last</a>"));
  CHECK(has(page, "<section id=\"section-1\" aria-labelledby=\"section-1-heading\">"));
  CHECK(has(page, "<h2 id=\"section-2-heading\">Second &amp; last</h2>"));
  CHECK(has(page, "<p>one</p>\n<p>two</p>"));
  // A heading that is there already gets a number
  report.section("First");
  CHECK(has(report.html(), "<h2 id=\"section-3-heading\">First (2)</h2>"));
  // Nothing to choose from: no list
  CHECK_FALSE(has(Report("Title").section("Only").html(), "<nav"));
}

TEST_CASE("report: the intro stands above the contents, sections below") {
  Report report("Title", "Sub");
  report.paragraph("intro text").section("A", "text of a").section("B", "text of b");
  const std::string page = body_of(report.html());
  CHECK(page.find("Sub") < page.find("intro text"));
  CHECK(page.find("intro text") < page.find("<nav"));
  CHECK(page.find("</nav>") < page.find("text of a"));
  CHECK(page.find("text of a") < page.find("text of b"));
}

TEST_CASE("report: tables name rows and columns and align numbers") {
  Report report("T");
  report.table(
      {"method", "score", "change", "size", "remark"},
      {{"cam", "0.81", kMinus + "0.5", "1,200", "3 x 3"},
       {"lime", "-", "+1.5e-3", "98.2 %", ""},
       {"9", "0.7 \xC2\xB1 0.1", "NaN", "[1, 2]", "4"}},
      "Scores");
  const std::string page = body_of(report.html());
  CHECK(has(page, "<th scope=\"col\">method</th>"));
  for (const char* name : {"score", "change", "size"}) {
    CHECK(has(page, "<th scope=\"col\" class=\"number\">" + std::string(name) + "</th>"));
  }
  CHECK(has(page, "<th scope=\"col\">remark</th>"));
  CHECK(has(page, "<th scope=\"row\">cam</th><td class=\"number\">0.81</td>"));
  CHECK(has(page, "<td>3 x 3</td>"));
  CHECK(has(page, "<figcaption>Scores</figcaption>"));
  CHECK(
      has(body_of(Report("T").table({"epoch"}, {{"1"}}).html()),
          "<th scope=\"row\" class=\"number\">1</th>"));
  CHECK_FALSE(has(body_of(Report("T").table({"a"}, {{"-"}}).html()), "class=\"number\""));
  CHECK_THROWS_WITH_AS(
      report.table({"a", "b"}, {{"1", "2"}, {"1"}}),
      "report: row 1 of the table has 1 cells for 2 headers", ShapeError);
}

TEST_CASE("report: pictures carry their bytes, size and text") {
  Report report("T");
  report.picture(kDot, "a red dot", "The dot.");
  const Image wide{600, 2, 1, std::vector<uint8_t>(1200, 9)};
  report.picture(wide, "a wide one");
  const std::string page = report.html();
  CHECK(
      has(page,
          "<img class=\"pixels\" width=\"288\" height=\"288\" alt=\"a red dot\" "
          "src=\"data:image/png;base64," +
              base64_text(png_bytes(kDot)) + "\">"));
  CHECK(has(page, "<img width=\"600\" height=\"2\" alt=\"a wide one\""));
  CHECK(has(page, "<figcaption>The dot.</figcaption>"));
  CHECK_THROWS_WITH_AS(
      report.picture(kDot, ""), "report: a picture needs a text that says what is to be seen",
      ValueError);
  CHECK_THROWS_AS(report.picture(Image{}, "nothing"), ValueError);
  CHECK(report.html() == page);  // as before
}

TEST_CASE("report: grids tell what each picture is") {
  Report report("T");
  const Image large{400, 100, 1, std::vector<uint8_t>(40000, 9)};
  report.image_grid(
      {"cam", "lime"}, {{"cat", {kDot, Image{}}, {"0.9", "none"}}, {"dog", {large, kDot}}});
  const std::string page = body_of(report.html());
  CHECK(has(page, "<th scope=\"col\">cam</th><th scope=\"col\">lime</th>"));
  CHECK(has(page, "<th scope=\"row\">dog</th>"));
  CHECK(has(page, "width=\"112\" height=\"112\" alt=\"cat, cam: 0.9\""));
  CHECK(has(page, "<img width=\"192\" height=\"48\" alt=\"dog, cam\""));
  CHECK(has(page, "<td><div class=\"note\">none</div></td>"));
  CHECK(count_of(page, "<img ") == 3);
  CHECK_THROWS_WITH_AS(
      report.image_grid({"a"}, {{"r", {kDot, kDot}}}),
      "report: row \"r\" has 2 pictures and 0 notes for 1 columns", ShapeError);
  CHECK_THROWS_AS(report.image_grid({"a"}, {{"r", {kDot}, {"x", "y"}}}), ShapeError);
}

TEST_CASE("report: a figure is one svg and nothing else") {
  Report report("T");
  const std::string plot = bars();
  report.figure(plot, "Caption");
  const std::string page = report.html();
  CHECK(has(page, plot));
  for (const std::string& wrong :
       {std::string(), std::string("<p>x</p>"), plot + "<p>", plot + plot, "x" + plot,
        std::string("<svg><script>x</script></svg>")}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(report.figure(wrong), ValueError);
  }
  CHECK(report.html() == page);
  CHECK_THROWS_AS(Report(""), ValueError);
  CHECK_THROWS_AS(report.section(""), ValueError);
}

TEST_CASE("report: tiles and commands") {
  Report report("T");
  report.tiles({{"Accuracy", "98 %", "test set"}, {"Time", "4 s"}}).tiles({}).command("a b\nc");
  const std::string page = body_of(report.html());
  CHECK(
      has(page,
          "<div class=\"tile\"><dt>Accuracy</dt><dd class=\"value\">98 %</dd>"
          "<dd class=\"note\">test set</dd></div>"));
  CHECK(has(page, "<dt>Time</dt><dd class=\"value\">4 s</dd></div>"));
  CHECK(count_of(page, "<dl>") == 1);
  CHECK(has(page, "<pre><code>a b\nc</code></pre>"));
}

TEST_CASE("report: save writes what html gives") {
  const TempDir folder;
  const Report report = full_report("saved");
  report.save(folder.file("a.html"));
  CHECK(as_text(read_file(folder.file("a.html"), 1 << 20)) == report.html());
  CHECK_THROWS_AS(report.save(folder.file("missing/a.html")), Error);
}

TEST_CASE("report: the reader of these tests finds faults") {
  CHECK(markup_fault("<p><b>x</b></p>") == "");
  for (const char* wrong :
       {"<p>", "</p>", "<p><b></p></b>", "a & b", "a > b", "<a b=c></a>", "<a b=\"<\"></a>",
        "<a b=\"></a>"}) {
    CAPTURE(wrong);
    CHECK(markup_fault(wrong) != "");
  }
}
