// interpret/report/svg.cpp: elements, ticks and the one style sheet of all plots.
#include "interpret/report/svg.h"

#include "framework/core/error.h"
#include "framework/core/text.h"
#include "framework/io/encode.h"
#include "interpret/report/markup.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {

namespace {

// Six hues that stay apart for the common kinds of colour blindness, after Okabe and Ito (2008),
// darkened to a contrast of at least 4.5 to white, and lightened as much to near-black. Dashes tell
// the lines apart without any colour. Screens only: on paper the light form is right.
constexpr std::string_view kStyle =
    "<style>"
    ".lp{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;"
    "font-variant-numeric:tabular-nums;fill:currentColor;--on:#fff;--half:currentColor;--bar:.78;"
    "--p1:#0067b0;--p2:#b84600;--p3:#007a59;--p4:#a03c82;--p5:#7d6000;--p6:#5a6068}"
    "@media screen and (prefers-color-scheme:dark){.lp{--on:#10141a;--half:#10141a;--bar:.55;"
    "--p1:#74b6f0;--p2:#ff9c66;--p3:#4ccba3;--p4:#e79bcf;--p5:#dfbd4a;--p6:#a9b2bd}}"
    ".lp .small{font-size:11px}.lp .muted{fill-opacity:.68}.lp .strong{font-weight:600}"
    ".lp .on{fill:var(--on)}.lp .half{fill:var(--half)}"
    ".lp .grid{stroke:currentColor;stroke-opacity:.12}"
    ".lp .axis{stroke:currentColor;stroke-opacity:.5}"
    ".lp .whisker{stroke:currentColor;stroke-width:1.5}"
    ".lp .series{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    ".lp .thin{stroke-width:1.1}"
    ".lp .point{stroke-width:5}"
    ".lp .mark{fill:none;stroke:#111;stroke-width:1.5}.lp .dash{stroke-dasharray:3 2}"
    ".lp .band{fill-opacity:.16}.lp .bar{fill-opacity:var(--bar)}"
    ".lp .c1{stroke:var(--p1)}.lp .c2{stroke:var(--p2)}.lp .c3{stroke:var(--p3)}"
    ".lp .c4{stroke:var(--p4)}.lp .c5{stroke:var(--p5)}.lp .c6{stroke:var(--p6)}"
    ".lp .f1{fill:var(--p1)}.lp .f2{fill:var(--p2)}.lp .f3{fill:var(--p3)}"
    ".lp .f4{fill:var(--p4)}.lp .f5{fill:var(--p5)}.lp .f6{fill:var(--p6)}"
    ".lp .d2{stroke-dasharray:7 5}.lp .d3{stroke-dasharray:1 4.5}.lp .d4{stroke-dasharray:10 5 1 5}"
    ".lp .d5{stroke-dasharray:14 5}.lp .d6{stroke-dasharray:10 5 1 5 1 5}"
    "</style>";

constexpr size_t kLongestName = 36;  // characters

/// A coordinate with at most two decimals.
std::string px(double value) {
  std::string text = fixed_text(std::round(value * 100) / 100, 2);
  std::erase(text, ',');
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string attribute(const char* name, std::string_view value) {
  return join_text(' ', name, "=\"", value, '"');
}

std::string title_of(const std::string& hint) {
  return hint.empty() ? "" : "<title>" + escape_markup(hint) + "</title>";
}

std::string points_text(const std::vector<Svg::Point>& points) {
  return joined(
      points, " ", [](const Svg::Point& point) { return px(point.x) + "," + px(point.y); });
}

/// The nearest of 1, 2 and 5 times a power of ten.
double round_step(double raw) {
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double digit = raw / power;
  return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

void write_tick_texts(Axis& axis, double step) {
  const auto decimals = static_cast<int>(-std::floor(std::log10(step) + 1e-9));
  const double largest = std::max(std::abs(axis.low), std::abs(axis.high));
  const auto digits = static_cast<int>(std::ceil(std::log10(largest / step))) + 1;
  for (const double tick : axis.ticks) {
    const bool is_plain = decimals <= 4 && largest < 1e9;
    axis.tick_texts.push_back(drawn(
        is_plain ? fixed_text(tick, std::max(0, decimals))
                 : number_text(tick, std::clamp(digits, 1, 15))));
  }
}

}  // namespace

bool is_drawable(double value) { return std::abs(value) <= 1e150; }

double Axis::place(double value, double start, double end) const {
  return start + (value - low) / (high - low) * (end - start);
}

Axis make_axis(double low, double high, int count, AxisEnds ends, bool whole) {
  check_value(
      is_drawable(low) && is_drawable(high) && low <= high && count >= 1, "make_axis",
      "no range from ", low, " to ", high, " with ", count, " ticks");
  // Widen a range without length, so that its value stands in the middle
  const double largest = std::max(std::abs(low), std::abs(high));
  if (high - low < std::max({whole ? 0.5 : 0.0, 1e-290, 1e-12 * largest})) {
    const double half = std::max({whole ? 1.0 : 0.0, largest * 0.1, largest > 1e-290 ? 0.0 : 0.5});
    low -= half;
    high += half;
  }

  double step = round_step((high - low) / count);
  if (whole) step = std::max(1.0, step);
  const double slack = 1e-9;  // of a step: a tick at the end of the range counts as inside
  const bool outwards = ends == AxisEnds::at_ticks;
  const double first = outwards ? std::floor(low / step + slack) : std::ceil(low / step - slack);
  const double last = outwards ? std::ceil(high / step - slack) : std::floor(high / step + slack);
  Axis axis{outwards ? first * step : low, outwards ? last * step : high, {}, {}};
  for (double k = first; k <= last; ++k) axis.ticks.push_back(k * step);
  write_tick_texts(axis, step);
  return axis;
}

double text_width(std::string_view text) {
  constexpr std::string_view kNarrow = "ilj.,:;|'!()[] ftr";
  double width = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) == 0x80) continue;  // not the first byte of a character
    const bool is_narrow = kNarrow.find(c) != std::string_view::npos;
    width += byte >= 0xE3 ? 12.5 : is_narrow ? 4.6 : 7.4;  // from U+3000 on: East Asian, square
  }
  return width;
}

ShortName::ShortName(const std::string& whole) : text(whole) {
  size_t characters = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    const bool is_start = (static_cast<unsigned char>(whole[at]) & 0xC0) != 0x80;
    if (!is_start || characters++ < kLongestName) continue;
    text = whole.substr(0, at) + "\xE2\x80\xA6";
    hint = whole;
    return;
  }
}

std::string drawn(const std::string& number) {
  std::string text;
  for (const char c : number) text += c == '-' ? "\xE2\x88\x92" : std::string(1, c);
  return text;
}

Svg::Svg(
    double width, double height, const std::string& title, const std::string& description,
    Fit fit) {
  check_value(!title.empty(), "plot", "needs a title, the name that screen readers announce");
  const std::string name = escape_markup(title);
  body_ = "<svg" + attribute("class", fit == Fit::reduce ? "lp fits" : "lp") +
          attribute("role", "img") + attribute("aria-label", name) +
          attribute("viewBox", "0 0 " + px(width) + " " + px(height)) +
          attribute("width", px(width)) + attribute("height", px(height)) + "><title>" + name +
          "</title><desc>" + escape_markup(description) + "</desc>" + std::string(kStyle) + "\n";
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view classes) {
  body_ += "<line" + attribute("x1", px(x1)) + attribute("y1", px(y1)) + attribute("x2", px(x2)) +
           attribute("y2", px(y2)) + attribute("class", classes) + "/>\n";
}

void Svg::polyline(const std::vector<Point>& points, std::string_view classes) {
  if (points.empty()) return;
  std::vector<Point> all = points;
  if (all.size() == 1) all.push_back(all.front());  // round ends make it a dot
  body_ +=
      "<polyline" + attribute("points", points_text(all)) + attribute("class", classes) + "/>\n";
}

void Svg::polygon(const std::vector<Point>& points, std::string_view classes) {
  body_ +=
      "<polygon" + attribute("points", points_text(points)) + attribute("class", classes) + "/>\n";
}

void Svg::rectangle(
    const Point& corner, const Point& size, std::string_view classes, double opacity,
    const std::string& hint) {
  body_ += "<rect" + attribute("x", px(corner.x)) + attribute("y", px(corner.y)) +
           attribute("width", px(size.x)) + attribute("height", px(size.y)) +
           attribute("class", classes);
  if (opacity < 1) body_ += attribute("fill-opacity", px(opacity));
  body_ += hint.empty() ? "/>\n" : ">" + title_of(hint) + "</rect>\n";
}

void Svg::picture(const Point& corner, const Point& size, const Image& image) {
  body_ += "<image" + attribute("x", px(corner.x)) + attribute("y", px(corner.y)) +
           attribute("width", px(size.x)) + attribute("height", px(size.y)) +
           attribute("preserveAspectRatio", "none") +
           attribute("style", "image-rendering:pixelated") +
           attribute("href", "data:image/png;base64," + base64_text(png_bytes(image))) + "/>\n";
}

void Svg::text(
    const Point& at, const std::string& text, const TextStyle& style, const std::string& hint) {
  if (text.empty()) return;
  body_ += "<text" + attribute("x", px(at.x)) + attribute("y", px(at.y)) + attribute("dy", ".35em");
  if (style.anchor != Anchor::start) {
    body_ += attribute("text-anchor", style.anchor == Anchor::middle ? "middle" : "end");
  }
  if (style.angle != 0) {
    body_ +=
        attribute("transform", "rotate(" + px(style.angle) + " " + px(at.x) + " " + px(at.y) + ")");
  }
  if (!style.classes.empty()) body_ += attribute("class", style.classes);
  body_ += ">" + escape_markup(text) + title_of(hint) + "</text>\n";
}

std::string Svg::finish() const { return body_ + "</svg>"; }

}  // namespace limpid::interpret
