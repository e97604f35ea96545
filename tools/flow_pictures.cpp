// tools/flow_pictures.cpp: three pictures of a flow.
#include "tools/flow_pictures.h"

#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/integers.h"
#include "interpret/numerics/wasserstein.h"
#include "interpret/report/flow_plot.h"
#include "interpret/report/plot.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace limpid::tools {
namespace {

using interpret::Flow;
using interpret::FlowPanel;
using interpret::FlowPlot;
using interpret::Svg;

constexpr int64_t kLines = 60;   // trajectories in a picture
constexpr int64_t kFan = 25;     // of them on a line
constexpr int64_t kCells = 48;   // of a shade
constexpr int64_t kArrows = 19;  // along each axis
constexpr int64_t kPanels = 4;   // of the density along the way

// Coordinates in the plane of the paper: the points' own, or along two principal axes
class Plane {
 public:
  explicit Plane(const Tensor& start) {
    const int64_t m = start.size(1);
    if (m <= 2) return;
    const interpret::Moments moments = interpret::moments_of(start);
    const Tensor V = transpose(eigen_symmetric(moments.covariance).vectors);  // ascending
    axes_ = transpose(take_rows(V, Tensor::of_integers({2}, {m - 1, m - 2})));
    mean_ = moments.mean;
  }
  bool is_turned() const { return axes_.defined(); }
  std::vector<Svg::Point> operator()(const Tensor& x) const {
    const Tensor flat = is_turned() ? matmul(x - mean_, axes_) : x;
    std::vector<Svg::Point> points;
    for (int64_t i = 0; i < flat.size(0); ++i) {
      points.push_back({flat.data<double>()[2 * i], flat.data<double>()[2 * i + 1]});
    }
    return points;
  }

 private:
  Tensor axes_, mean_;
};

std::vector<int64_t> chosen_rows(int64_t n) {
  std::vector<int64_t> rows = Rng(0).permutation(n);
  rows.resize(static_cast<size_t>(std::min(n, kLines)));
  return rows;
}

using Paths = std::vector<std::vector<Svg::Point>>;

// The chosen points after every layer
Paths paths_in(const Flow& flow, const Plane& plane, const std::vector<int64_t>& rows) {
  Paths paths(rows.size());
  for (int64_t l = 0; l <= flow.layers(); ++l) {
    const std::vector<Svg::Point> all = plane(flow.at(l));
    for (size_t i = 0; i < rows.size(); ++i) {
      paths[i].push_back(all[static_cast<size_t>(rows[i])]);
    }
  }
  return paths;
}

// On a line: position over the noise variance spent
Paths paths_over_time(const Flow& flow, const std::vector<int64_t>& rows) {
  Paths paths(rows.size());
  for (int64_t l = 0; l <= flow.layers(); ++l) {
    const Tensor x = flow.at(l);
    for (size_t i = 0; i < rows.size(); ++i) {
      paths[i].push_back({flow.time[static_cast<size_t>(l)], x.data<double>()[rows[i]]});
    }
  }
  return paths;
}

FlowPanel trajectories(const FlowPictures& f, const std::function<Paths(const Flow&)>& paths) {
  FlowPanel panel;
  panel.paths.push_back({join_text(f.layers.layers(), " layers"), paths(f.layers)});
  panel.paths.push_back({"one layer", paths(f.shallow)});
  if (f.limit != nullptr) panel.paths.push_back({"continuous", paths(*f.limit)});
  for (const auto& path : panel.paths[0].paths) panel.dots.push_back(path.front());
  return panel;
}

// A grid of count x count points in the range, cell by cell
Tensor grid_in(const FlowPlot& plot, int64_t count) {
  Tensor grid = Tensor::empty({count * count, 2}, DType::f64);
  double* out = grid.mutable_data<double>();
  for (int64_t i = 0; i < count * count; ++i) {
    const auto place = [&](int64_t k) {
      return (static_cast<double>(k) + 0.5) / static_cast<double>(count);
    };
    out[2 * i] = plot.x_low + (plot.x_high - plot.x_low) * place(i % count);
    out[2 * i + 1] = plot.y_low + (plot.y_high - plot.y_low) * place(i / count);
  }
  return grid;
}

// Velocity on the density it follows. Arrows where the density is below e^-12 of its maximum would
// dwarf all others.
FlowPanel field_of(const FlowPlot& plot, const interpret::Law& law) {
  FlowPanel panel;
  const Tensor cells = law.log_density(grid_in(plot, kCells));
  for (const double v : cells.values<double>()) panel.shade.push_back(std::exp(v));
  const Tensor grid = grid_in(plot, kArrows);
  const Tensor log_p = law.log_density(grid), v = law.velocity(grid);
  const double most = *std::ranges::max_element(log_p.values<double>());
  const double spacing = (plot.x_high - plot.x_low) / static_cast<double>(kArrows);
  double fastest = 0;
  const auto is_shown = [&](int64_t i) { return log_p.data<double>()[i] > most - 12; };
  const auto speed = [&](int64_t i) {
    return std::hypot(v.data<double>()[2 * i], v.data<double>()[2 * i + 1]);
  };
  for (int64_t i = 0; i < grid.size(0); ++i) {
    if (is_shown(i)) fastest = std::max(fastest, speed(i));
  }
  for (int64_t i = 0; i < grid.size(0) && fastest > 0; ++i) {
    if (!is_shown(i)) continue;
    const double scale = 1.4 * spacing / fastest;
    const double x = grid.data<double>()[2 * i], y = grid.data<double>()[2 * i + 1];
    panel.arrows.push_back(
        {{x, y}, {x + scale * v.data<double>()[2 * i], y + scale * v.data<double>()[2 * i + 1]}});
  }
  return panel;
}

std::vector<int64_t> shown_layers(int64_t layers) {
  std::vector<int64_t> shown;
  for (int64_t k = 0; k < kPanels; ++k) {
    const int64_t l = k * layers / (kPanels - 1);
    if (shown.empty() || l != shown.back()) shown.push_back(l);
  }
  return shown;
}

std::string time_text(double t) { return join_text("t = ", std::round(t * 1e6) / 1e6); }

class Folder {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {}
  void write(const std::string& name, const std::string& svg) {
    const std::string file = path_ + "/" + name;
    write_file_atomic(file, as_bytes(svg + "\n"));
    files_.push(file);
  }
  Json files() const { return files_; }

 private:
  std::string path_;
  Json files_ = Json::array();
};

void draw_in_the_plane(const FlowPictures& f, Folder& folder) {
  const Plane plane(f.layers.at(0));
  const std::vector<int64_t> rows = chosen_rows(f.layers.points());
  FlowPlot plot;
  if (plane.is_turned()) {
    plot.x_title = "first principal axis";
    plot.y_title = "second principal axis";
  }
  plot.cells = kCells;
  std::vector<Svg::Point> all = plane(f.layers.at(0));
  for (const Svg::Point& p : plane(f.shallow.at(-1))) all.push_back(p);
  set_range(plot, all);

  FlowPlot lines = plot;
  lines.title = "Trajectories of a denoising autoencoder";
  lines.description = join_text(
      rows.size(),
      " points, from dots along lines: many thin layers, one thick layer, and the "
      "continuous limit of the same noise variance, ",
      f.noise_variance, ".");
  lines.panels = {trajectories(f, [&](const Flow& flow) { return paths_in(flow, plane, rows); })};
  folder.write("trajectories.svg", interpret::flow_plot(lines));

  FlowPlot shades = plot;
  shades.title = "Points gather along the layers";
  shades.description = "Counts of points per cell, after more and more layers.";
  for (const int64_t l : shown_layers(f.layers.layers())) {
    shades.panels.push_back(
        {.name = time_text(f.layers.time[static_cast<size_t>(l)]),
         .shade = interpret::histogram(shades, plane(f.layers.at(l)))});
  }
  folder.write("density.svg", interpret::flow_plot(shades));
  if (plane.is_turned() || !(f.law.margin() > 0)) return;

  FlowPlot field = plot;
  field.title = "Velocity of the continuous denoising autoencoder at the start";
  field.description =
      "Arrows along the gradient of the log density, over the density, to one scale.";
  field.panels = {field_of(plot, f.law)};
  folder.write("field.svg", interpret::flow_plot(field));
}

void draw_on_a_line(const FlowPictures& f, Folder& folder) {
  // Points nearest to equally spaced places
  const Tensor start = f.layers.at(0);
  const int64_t n = start.size(0);
  std::vector<int64_t> order = index_range(0, n);
  const auto place = [&](int64_t i) { return start.data<double>()[i]; };
  std::ranges::stable_sort(order, {}, place);
  double low = place(order.front()), high = place(order.back());
  std::vector<int64_t> rows;
  for (int64_t k = 0; k < kFan; ++k) {
    const double at = low + (high - low) * static_cast<double>(k) / static_cast<double>(kFan - 1);
    const auto next = std::ranges::lower_bound(order, at, {}, place);
    const int64_t row = next == order.end() ? order.back() : *next;
    if (rows.empty() || rows.back() != row) rows.push_back(row);
  }
  if (!(low < high)) high = (low -= 1) + 2;

  FlowPlot lines;
  lines.title = "Trajectories of a denoising autoencoder";
  lines.description = join_text(
      rows.size(),
      " points over the noise variance spent: many thin layers, one thick layer, and "
      "the continuous limit.");
  lines.x_title = "noise variance spent";
  lines.y_title = "position";
  lines.x_low = 0;
  lines.x_high = f.noise_variance;
  lines.y_low = low - 0.03 * (high - low);
  lines.y_high = high + 0.03 * (high - low);
  lines.panels = {trajectories(f, [&](const Flow& flow) { return paths_over_time(flow, rows); })};
  folder.write("trajectories.svg", interpret::flow_plot(lines));

  constexpr int64_t kNodes = 201;
  Tensor grid = Tensor::empty({kNodes, 1}, DType::f64);
  for (int64_t i = 0; i < kNodes; ++i) {
    grid.mutable_data<double>()[i] =
        low + (high - low) * static_cast<double>(i) / static_cast<double>(kNodes - 1);
  }
  const std::vector<double> x = grid.to_vector();
  interpret::LineChart chart{
      .title = "Density along the continuous flow", .x_title = "position", .y_title = "density"};
  if (f.law.margin() > 0) {
    for (const int64_t k : shown_layers(kPanels - 1)) {
      const double last = std::min(f.noise_variance, 0.49 * f.law.margin());
      const double t = last * static_cast<double>(k) / static_cast<double>(kPanels - 1);
      interpret::Series series = {.name = time_text(t), .x = x};
      const Tensor log_p = f.law.log_density(grid, -2 * t);
      for (const double v : log_p.values<double>()) series.y.push_back(std::exp(v));
      chart.series.push_back(series);
    }
    folder.write("density.svg", interpret::line_chart(chart));
    chart = {
        .title = "Velocity of the continuous denoising autoencoder at the start",
        .x_title = "position",
        .y_title = "velocity"};
    chart.series.push_back(
        {.name = "slope of the log density", .x = x, .y = f.law.velocity(grid).to_vector()});
    const Tensor moved = (f.law.dae(grid, f.noise_variance) - grid) / f.noise_variance;
    chart.series.push_back({.name = "one layer, over its noise", .x = x, .y = moved.to_vector()});
    folder.write("field.svg", interpret::line_chart(chart));
  }
}

}  // namespace

Json draw_flows(const FlowPictures& flows, const std::string& path) {
  Folder folder(path);
  if (flows.law.dimension() == 1) {
    draw_on_a_line(flows, folder);
  } else {
    draw_in_the_plane(flows, folder);
  }
  return folder.files();
}

}  // namespace limpid::tools
