// interpret/report/region_plot.cpp: areas, borders, boundary, axes.
#include "interpret/report/region_plot.h"

#include "framework/core/error.h"
#include "interpret/report/svg.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace limpid::interpret {
namespace {

using Point = Svg::Point;

// a x + b y + c
struct Model {
  double a = 0, b = 0, c = 0;
  double at(const Point& p) const { return a * p.x + b * p.y + c; }
  Model operator-(const Model& o) const { return {a - o.a, b - o.b, c - o.c}; }
};

// One model per class; a single output stands against 0
std::vector<Model> models_of(const Polygons& polygons, int64_t region) {
  std::vector<Model> models;
  if (polygons.outputs == 1) models.emplace_back();
  for (int64_t o = 0; o < polygons.outputs; ++o) {
    const auto row = static_cast<size_t>(region * polygons.outputs + o);
    models.push_back(
        {polygons.weights[2 * row], polygons.weights[2 * row + 1], polygons.biases[row]});
  }
  return models;
}

std::vector<Point> corners_of(const Polygons& polygons, int64_t region) {
  std::vector<Point> corners;
  const auto flat = polygons.polygon(region);
  for (size_t k = 0; k < flat.size(); k += 2) corners.push_back({flat[k], flat[k + 1]});
  return corners;
}

// The part of a convex polygon where the model is at least 0
std::vector<Point> clipped(const std::vector<Point>& corners, const Model& model) {
  std::vector<Point> kept;
  for (size_t k = 0; k < corners.size(); ++k) {
    const Point& last = corners[(k + corners.size() - 1) % corners.size()];
    const Point& here = corners[k];
    const double before = model.at(last), value = model.at(here);
    if ((before >= 0) != (value >= 0)) {
      const double share = before / (before - value);
      kept.push_back({last.x + share * (here.x - last.x), last.y + share * (here.y - last.y)});
    }
    if (value >= 0) kept.push_back(here);
  }
  return kept;
}

// The part of the line model = 0 inside a convex polygon
std::optional<std::pair<Point, Point>> crossing(
    const std::vector<Point>& corners, const Model& model) {
  std::vector<Point> ends;
  for (size_t k = 0; k < corners.size(); ++k) {
    const Point& last = corners[(k + corners.size() - 1) % corners.size()];
    const Point& here = corners[k];
    const double before = model.at(last), value = model.at(here);
    if ((before > 0) == (value > 0)) continue;
    const double share = before / (before - value);
    ends.push_back({last.x + share * (here.x - last.x), last.y + share * (here.y - last.y)});
  }
  if (ends.size() != 2) return std::nullopt;
  return std::pair(ends[0], ends[1]);
}

}  // namespace

std::vector<double> decision_boundary(const Polygons& polygons) {
  std::vector<double> segments;
  for (int64_t j = 0; j < polygons.size(); ++j) {
    const std::vector<Model> models = models_of(polygons, j);
    const std::vector<Point> corners = corners_of(polygons, j);
    for (size_t k = 0; k < models.size(); ++k) {
      for (size_t l = k + 1; l < models.size(); ++l) {
        // Where no third class is larger
        std::vector<Point> part = corners;
        for (size_t m = 0; m < models.size() && !part.empty(); ++m) {
          if (m != k && m != l) part = clipped(part, models[k] - models[m]);
        }
        const auto ends = crossing(part, models[k] - models[l]);
        if (!ends) continue;
        segments.insert(
            segments.end(), {ends->first.x, ends->first.y, ends->second.x, ends->second.y});
      }
    }
  }
  return segments;
}

std::string region_plot(const Polygons& polygons, const Domain& box, const RegionPlot& plot) {
  check_value(!box.is_all, "region_plot", "needs a box");
  const auto classes = static_cast<size_t>(std::max<int64_t>(polygons.outputs, 2));
  check_shape(
      plot.class_names.size() == classes, "region_plot", plot.class_names.size(), " names for ",
      classes, " classes");
  constexpr double kSide = 480, kTop = 30;
  const Axis x = make_axis(box.low[0], box.high[0], 7, AxisEnds::at_data);
  const Axis y = make_axis(box.low[1], box.high[1], 7, AxisEnds::at_data);
  double left = 0, names = 0;
  for (const std::string& text : y.tick_texts) left = std::max(left, text_width(text) + 10);
  for (const std::string& name : plot.class_names) {
    names = std::max(names, text_width(ShortName(name).text));
  }
  const double right = left + kSide, bottom = kTop + kSide;
  const auto place = [&](const Point& p) {
    return Point{x.place(p.x, left, right), y.place(p.y, bottom, kTop)};
  };
  const auto colour = [](size_t k) { return join_text("f", k % kPaletteSize + 1); };

  const std::vector<double> boundary = decision_boundary(polygons);
  Svg svg(
      right + names + 60, bottom + 48, plot.title,
      join_text(
          polygons.size(), " regions of the plane, coloured by the largest of ", classes,
          " outputs, and ", boundary.size() / 4, " pieces of the line where it changes."),
      Fit::reduce);
  for (int64_t j = 0; j < polygons.size(); ++j) {
    const std::vector<Model> models = models_of(polygons, j);
    const std::vector<Point> corners = corners_of(polygons, j);
    for (size_t k = 0; k < models.size(); ++k) {
      std::vector<Point> part = corners;
      for (size_t m = 0; m < models.size() && !part.empty(); ++m) {
        if (m != k) part = clipped(part, models[k] - models[m]);
      }
      if (part.size() < 3) continue;
      for (Point& p : part) p = place(p);
      svg.polygon(part, "band " + colour(k));
    }
    for (size_t k = 0; k < corners.size(); ++k) {
      const Point a = place(corners[k]), b = place(corners[(k + 1) % corners.size()]);
      svg.line(a.x, a.y, b.x, b.y, "grid");
    }
  }
  for (size_t k = 0; k < boundary.size(); k += 4) {
    const Point a = place({boundary[k], boundary[k + 1]});
    const Point b = place({boundary[k + 2], boundary[k + 3]});
    svg.line(a.x, a.y, b.x, b.y, "whisker");
  }

  for (size_t i = 0; i < x.ticks.size(); ++i) {
    const double at = x.place(x.ticks[i], left, right);
    svg.line(at, bottom, at, bottom + 5, "axis");
    svg.text({at, bottom + 16}, x.tick_texts[i], {Anchor::middle, "muted"});
  }
  for (size_t i = 0; i < y.ticks.size(); ++i) {
    svg.text(
        {left - 8, y.place(y.ticks[i], bottom, kTop)}, y.tick_texts[i], {Anchor::end, "muted"});
  }
  svg.text({0, 9}, plot.y_title, {Anchor::start, "strong"});
  svg.text({(left + right) / 2, bottom + 37}, plot.x_title, {Anchor::middle, "strong"});
  for (size_t k = 0; k < plot.class_names.size(); ++k) {
    const double at = kTop + 10 + 20 * static_cast<double>(k);
    const ShortName name(plot.class_names[k]);
    svg.rectangle({right + 12, at - 6}, {12, 12}, colour(k), 0.5);
    svg.text({right + 32, at}, name.text, {}, name.hint);
  }
  return svg.finish();
}

}  // namespace limpid::interpret
