// interpret/report/plot.cpp: layout of line and bar charts.
#include "interpret/report/plot.h"

#include "framework/core/error.h"
#include "interpret/report/markup.h"
#include "interpret/report/svg.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {

namespace {

constexpr double kWidth = 720;       // of line and bar charts, pixels
constexpr double kPlotHeight = 260;  // of the area inside the axes of a line chart, pixels
constexpr double kLabelStep = 17;    // least distance of two lines of text, pixels

using Points = std::vector<Svg::Point>;

/// The least range that holds all drawable values seen.
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    if (!is_drawable(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool is_empty() const { return low > high; }
};

double widest(const std::vector<std::string>& texts) {
  double width = 0;
  for (const std::string& text : texts) width = std::max(width, text_width(text));
  return width;
}

// ---- Line chart ----

double x_of(const Series& series, size_t i) {
  return series.x.empty() ? static_cast<double>(i + 1) : series.x[i];
}

bool has_point(const Series& series, size_t i) {
  return is_drawable(x_of(series, i)) && is_drawable(series.y[i]);
}

bool has_band(const Series& series, size_t i) {
  return !series.low.empty() && is_drawable(x_of(series, i)) && is_drawable(series.low[i]) &&
         is_drawable(series.high[i]);
}

void check_series(const Series& series) {
  const size_t n = series.y.size();
  check_shape(
      (series.x.empty() || series.x.size() == n) && series.low.size() == series.high.size() &&
          (series.low.empty() || series.low.size() == n),
      "line_chart", "series \"", series.name, "\" has ", series.x.size(), " x, ", n, " y, ",
      series.low.size(), " low and ", series.high.size(), " high values");
}

/// "train from 2.3 to 0.1; test from 2.3 to 0.2": the first and last value of every series.
std::string describe_lines(const LineChart& chart) {
  std::string text = join_text("Line chart of ", chart.y_title.empty() ? "values" : chart.y_title);
  if (!chart.x_title.empty()) text += " by " + chart.x_title;
  const char* separator = ": ";
  for (const Series& series : chart.series) {
    std::vector<double> seen;
    for (size_t i = 0; i < series.y.size(); ++i) {
      if (has_point(series, i)) seen.push_back(series.y[i]);
    }
    text += separator + (series.name.empty() ? "values" : series.name);
    text += seen.empty() ? " without values"
            : !series.is_joined
                ? join_text(" ", seen.size(), " points")
                : " from " + number_text(seen.front()) + " to " + number_text(seen.back());
    separator = "; ";
  }
  return text + ".";
}

/// Where the lines are drawn, and what the edges of that area mean.
struct Frame {
  Axis x;
  Axis y;
  double left = 0;
  double right = 0;
  double top = 0;
  double bottom = 0;
  double tick_angle = 0;   // of the texts below, degrees
  double tick_height = 0;  // which they need beyond that of one line

  Svg::Point at(double x_value, double y_value) const {
    return {x.place(x_value, left, right), y.place(y_value, bottom, top)};
  }
};

void draw_frame(Svg& svg, const Frame& f, const LineChart& chart) {
  for (size_t i = 0; i < f.y.ticks.size(); ++i) {
    const double y = f.y.place(f.y.ticks[i], f.bottom, f.top);
    svg.line(f.left, y, f.right, y, "grid");
    svg.text({f.left - 8, y}, f.y.tick_texts[i], {Anchor::end, "muted"});
  }
  for (size_t i = 0; i < f.x.ticks.size(); ++i) {
    const double x = f.x.place(f.x.ticks[i], f.left, f.right);
    svg.line(x, f.bottom, x, f.bottom + 5, "axis");
    const Anchor anchor = f.tick_angle == 0 ? Anchor::middle : Anchor::start;
    svg.text({x, f.bottom + 16}, f.x.tick_texts[i], {anchor, "muted", f.tick_angle});
  }
  svg.line(f.left, f.bottom, f.right, f.bottom, "axis");
  svg.text({0, 9}, chart.y_title, {Anchor::start, "strong"});
  svg.text(
      {(f.left + f.right) / 2, f.bottom + f.tick_height + 37}, chart.x_title,
      {Anchor::middle, "strong"});
}

/// The axis of a chart whose places have names; turns the names if they are too wide.
void name_places(Frame& f, const std::vector<std::string>& names) {
  constexpr double kAngle = 40;  // degrees
  const double sine = std::sin(kAngle * std::acos(-1.0) / 180);
  const size_t count = names.size();
  const auto last = static_cast<double>(count);
  f.x = count == 1 ? Axis{0, 2, {}, {}} : Axis{1, last, {}, {}};
  std::vector<std::string> texts;
  for (const std::string& name : names) texts.push_back(ShortName(name).text);
  const double width = widest(texts);
  const auto step = [&] { return (f.right - f.left) / std::max(1.0, last - 1); };

  size_t every = 1;
  if (width + 12 > step()) {
    f.tick_angle = kAngle;
    f.tick_height = width * sine;
    f.right = std::min(f.right, kWidth - width * std::sqrt(1 - sine * sine));
    every = static_cast<size_t>(std::ceil(kLabelStep / sine / step()));
  }
  for (size_t k = 0; k < count; k += every) {
    f.x.ticks.push_back(static_cast<double>(k + 1));
    f.x.tick_texts.push_back(texts[k]);
  }
}

/// Colour and dashes of series k: 36 different pairs.
std::string line_classes(size_t k) {
  const size_t n = kPaletteSize;
  return join_text("series c", k % n + 1, " d", (k + k / n) % n + 1);
}

/// Points of series k: 36 different pairs of colour and shape.
void draw_mark(Svg& svg, const Svg::Point& at, size_t k) {
  const size_t n = kPaletteSize, colour = k % n + 1;
  const double r = 3.2, s = 2.4;  // radius, half a side
  const auto around = [&](double x, double y) { return Svg::Point{at.x + x, at.y + y}; };
  const auto filled = [&](const Points& corners) { svg.polygon(corners, join_text("f", colour)); };
  switch ((k + k / n) % n) {
    case 0: return svg.polyline({at}, join_text("series c", colour, " point"));
    case 1: return filled({around(-s, -s), around(s, -s), around(s, s), around(-s, s)});
    case 2: return filled({around(0, -r), around(r, s), around(-r, s)});
    case 3: return filled({around(0, -r), around(r, 0), around(0, r), around(-r, 0)});
    case 4: return filled({around(0, r), around(r, -s), around(-r, -s)});
    default:
      svg.polyline({around(-s, -s), around(s, s)}, join_text("series c", colour));
      svg.polyline({around(-s, s), around(s, -s)}, join_text("series c", colour));
  }
}

/// Bands first, so that no band covers a line.
void draw_band(Svg& svg, const Frame& f, const Series& series, size_t k) {
  Points upper;
  Points lower;
  for (size_t i = 0; i <= series.y.size(); ++i) {
    if (i < series.y.size() && has_band(series, i)) {
      upper.push_back(f.at(x_of(series, i), series.high[i]));
      lower.push_back(f.at(x_of(series, i), series.low[i]));
      continue;
    }
    if (upper.size() > 1) {
      upper.insert(upper.end(), lower.rbegin(), lower.rend());
      svg.polygon(upper, join_text("band f", k % kPaletteSize + 1));
    }
    upper.clear();
    lower.clear();
  }
}

void draw_points(Svg& svg, const Frame& f, const Series& series, size_t k) {
  for (size_t i = 0; i < series.y.size(); ++i) {
    if (has_point(series, i)) draw_mark(svg, f.at(x_of(series, i), series.y[i]), k);
  }
}

void draw_line(Svg& svg, const Frame& f, const Series& series, size_t k) {
  if (!series.is_joined) return draw_points(svg, f, series, k);
  Points points;
  for (size_t i = 0; i <= series.y.size(); ++i) {
    if (i < series.y.size() && has_point(series, i)) {
      points.push_back(f.at(x_of(series, i), series.y[i]));
      continue;
    }
    svg.polyline(points, line_classes(k));
    points.clear();
  }
}

/// Names at the right end of the lines, moved apart where lines end close together; those of points
/// from the top.
void draw_names(Svg& svg, const Frame& f, const std::vector<Series>& all) {
  struct Label {
    size_t series;
    double y;
  };
  std::vector<Label> labels;
  for (size_t k = 0; k < all.size(); ++k) {
    if (all[k].name.empty()) continue;
    labels.push_back({k, all[k].is_joined ? f.bottom : f.top + kLabelStep / 2});
    for (size_t i = 0; i < all[k].y.size() && all[k].is_joined; ++i) {
      if (has_point(all[k], i)) labels.back().y = f.y.place(all[k].y[i], f.bottom, f.top);
    }
  }
  std::ranges::stable_sort(labels, {}, &Label::y);

  // Push down where too close, then up from the lower edge
  for (size_t i = 1; i < labels.size(); ++i) {
    labels[i].y = std::max(labels[i].y, labels[i - 1].y + kLabelStep);
  }
  double limit = f.bottom;
  for (size_t i = labels.size(); i-- > 0; limit -= kLabelStep) {
    labels[i].y = std::min(labels[i].y, limit);
  }
  for (const auto& [k, y] : labels) {
    const ShortName name(all[k].name);
    if (all[k].is_joined) {
      svg.polyline({{f.right + 10, y}, {f.right + 34, y}}, line_classes(k));
    } else {
      draw_mark(svg, {f.right + 28, y}, k);
    }
    svg.text({f.right + 41, y}, name.text, {}, name.hint);
  }
}

}  // namespace

std::string line_chart(const LineChart& chart) {
  // Find the ranges of all points and bands
  Range xs;
  Range ys;
  bool whole = true;
  size_t names = 0;
  double name_width = 0;
  for (const Series& series : chart.series) {
    check_series(series);
    check_shape(
        chart.x_names.empty() || (series.x.empty() && series.y.size() <= chart.x_names.size()),
        "line_chart", "series \"", series.name, "\" has ", series.y.size(), " values and ",
        series.x.size(), " x for ", chart.x_names.size(), " named places");
    for (size_t i = 0; i < series.y.size(); ++i) {
      if (!has_point(series, i) && !has_band(series, i)) continue;
      xs.add(x_of(series, i));
      ys.add(series.y[i]);
      whole = whole && x_of(series, i) == std::floor(x_of(series, i));
      if (!has_band(series, i)) continue;
      ys.add(series.low[i]);
      ys.add(series.high[i]);
    }
    if (series.name.empty()) continue;
    ++names;
    name_width = std::max(name_width, text_width(ShortName(series.name).text));
  }

  // Give the names as much room as they need
  const bool is_empty = xs.is_empty() || ys.is_empty();
  Frame f;
  f.x = make_axis(is_empty ? 0 : xs.low, is_empty ? 1 : xs.high, 7, AxisEnds::at_data, whole);
  f.y = make_axis(is_empty ? 0 : ys.low, is_empty ? 1 : ys.high, 5, AxisEnds::at_ticks);
  f.top = chart.y_title.empty() ? 10 : 30;
  f.bottom = f.top + std::max(kPlotHeight, kLabelStep * static_cast<double>(names));
  f.left = widest(f.y.tick_texts) + 10;
  f.right = kWidth - (names == 0 ? 16 : name_width + 46);
  if (!chart.x_names.empty()) name_places(f, chart.x_names);
  const double height = f.bottom + f.tick_height + (chart.x_title.empty() ? 26 : 48);

  Svg svg(
      kWidth, height, chart.title,
      chart.description.empty() ? describe_lines(chart) : chart.description, Fit::reduce);
  draw_frame(svg, f, chart);
  if (is_empty) {
    svg.text(
        {(f.left + f.right) / 2, (f.top + f.bottom) / 2}, "no values to draw",
        {Anchor::middle, "muted"});
  }
  for (size_t k = 0; k < chart.series.size(); ++k) draw_band(svg, f, chart.series[k], k);
  for (size_t k = 0; k < chart.series.size(); ++k) draw_line(svg, f, chart.series[k], k);
  draw_names(svg, f, chart.series);
  return svg.finish();
}

// ---- Bar chart ----

namespace {

constexpr double kBarStep = 30;  // from bar to bar, pixels
constexpr double kBarHeight = 16;

bool has_error(const Bar& bar) {
  return is_drawable(bar.value) && is_drawable(bar.low) && is_drawable(bar.high);
}

std::string describe_bars(const BarChart& chart) {
  std::string text = "Bar chart";
  if (!chart.value_title.empty()) text += " of " + chart.value_title;
  const char* separator = ": ";
  for (const Bar& bar : chart.bars) {
    text += separator + bar.label + " ";
    text += is_drawable(bar.value) ? number_text(bar.value) : "without value";
    if (has_error(bar)) text += " [" + number_text(bar.low) + ", " + number_text(bar.high) + "]";
    separator = "; ";
  }
  return text + ".";
}

std::string value_text(const Bar& bar) {
  return is_drawable(bar.value) ? drawn(number_text(bar.value)) : "no value";
}

/// One bar with its label, its error bar, and its number beyond both.
void draw_bar(Svg& svg, const Frame& f, const Bar& bar, double y) {
  const ShortName name(bar.label);
  svg.text({0, y}, name.text, {}, name.hint);
  const double zero = f.x.place(0, f.left, f.right);
  if (!is_drawable(bar.value)) {
    svg.text({zero + 7, y}, value_text(bar), {Anchor::start, "muted"});
    return;
  }
  const double end = f.x.place(bar.value, f.left, f.right);
  svg.rectangle(
      {std::min(zero, end), y - kBarHeight / 2}, {std::abs(end - zero), kBarHeight}, "bar f1");

  double low = end;
  double high = end;
  if (has_error(bar)) {
    low = f.x.place(bar.low, f.left, f.right);
    high = f.x.place(bar.high, f.left, f.right);
    svg.line(low, y, high, y, "whisker");
    svg.line(low, y - 4, low, y + 4, "whisker");
    svg.line(high, y - 4, high, y + 4, "whisker");
  }
  const bool is_negative = bar.value < 0;
  const double beyond =
      is_negative ? std::min({low, high, end}) - 7 : std::max({low, high, end}) + 7;
  svg.text({beyond, y}, value_text(bar), {is_negative ? Anchor::end : Anchor::start, ""});
}

}  // namespace

std::string bar_chart(const BarChart& chart) {
  // Zero always belongs to the range: bars start there
  Range values;
  values.add(0);
  bool has_negative = false;
  double label_width = 0;
  double number_width = 0;
  for (const Bar& bar : chart.bars) {
    values.add(bar.value);
    if (has_error(bar)) {
      values.add(bar.low);
      values.add(bar.high);
    }
    has_negative = has_negative || (is_drawable(bar.value) && bar.value < 0);
    label_width = std::max(label_width, text_width(ShortName(bar.label).text));
    number_width = std::max(number_width, text_width(value_text(bar)) + 10);
  }
  if (values.low == values.high) values.add(1);

  Frame f;
  f.x = make_axis(values.low, values.high, 6, AxisEnds::at_ticks);
  f.left = label_width + 14 + (has_negative ? number_width : 0);
  f.right = kWidth - number_width - 4;
  f.top = 4;
  f.bottom = f.top + kBarStep * std::max(1.0, static_cast<double>(chart.bars.size()));
  const double height = f.bottom + (chart.value_title.empty() ? 26 : 48);

  Svg svg(
      kWidth, height, chart.title,
      chart.description.empty() ? describe_bars(chart) : chart.description, Fit::reduce);
  for (size_t i = 0; i < f.x.ticks.size(); ++i) {
    const double x = f.x.place(f.x.ticks[i], f.left, f.right);
    svg.line(x, f.top, x, f.bottom, f.x.ticks[i] == 0 ? "axis" : "grid");
    svg.text({x, f.bottom + 13}, f.x.tick_texts[i], {Anchor::middle, "muted"});
  }
  svg.text({(f.left + f.right) / 2, f.bottom + 35}, chart.value_title, {Anchor::middle, "strong"});
  double y = f.top + kBarStep / 2;
  for (const Bar& bar : chart.bars) {
    draw_bar(svg, f, bar, y);
    y += kBarStep;
  }
  return svg.finish();
}

}  // namespace limpid::interpret
