// tools/layer_pictures.cpp: clouds, paths and maps.
#include "tools/layer_pictures.h"

#include "framework/core/error.h"
#include "framework/io/image.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/report/flow_plot.h"
#include "interpret/report/heatmap.h"
#include "interpret/report/plot.h"
#include "interpret/transport/layer_transport.h"

#include <algorithm>
#include <map>

namespace limpid::tools {
namespace {

using interpret::Svg;

constexpr int64_t kPoints = 300;
constexpr int64_t kPaths = 40;
constexpr int64_t kRows = 4, kChannels = 12;
constexpr int64_t kMapWidth = 56;  // pixels

// Coordinates of the rows on the two axes along which `all` varies most: [n, 2]
Tensor on_two_axes(const Tensor& all, const Tensor& rows) {
  const Tensor centre = mean(all, {0});
  const Svd s = svd(all - centre);
  const int64_t kept = std::min<int64_t>(2, s.vt.size(0));
  const Tensor flat = matmul(rows - centre, slice(s.vt, 0, 0, kept), {.transpose_b = true});
  return pad(flat, 1, 0, 2 - kept);
}

// Examples by class, in the order of the classes
std::map<int64_t, std::vector<int64_t>> by_class(std::span<const int64_t> labels, int64_t count) {
  std::map<int64_t, std::vector<int64_t>> rows;
  for (int64_t i = 0; i < count; ++i) {
    rows[labels.empty() ? -1 : labels[static_cast<size_t>(i)]].push_back(i);
  }
  return rows;
}

std::string name_of(int64_t label, std::span<const std::string> names) {
  if (label < 0) return "examples";
  return label < std::ssize(names) ? names[static_cast<size_t>(label)] : std::to_string(label);
}

Svg::Point point_at(const Tensor& flat, int64_t i) {
  return {flat.data<double>()[2 * i], flat.data<double>()[2 * i + 1]};
}

}  // namespace

std::string cloud_picture(
    const interpret::LayerFeatures& f, std::span<const int64_t> labels,
    std::span<const std::string> class_names) {
  const Recording off(false);
  const Tensor points = interpret::common_frame({f}, kPoints)[0];
  const Tensor flat = on_two_axes(points, points);
  interpret::LineChart chart{
      .title = "Examples after " + f.name,
      .description = "Normalised features on their first two principal axes, by class.",
      .x_title = "first axis",
      .y_title = "second axis"};
  for (const auto& [label, rows] : by_class(labels, flat.size(0))) {
    interpret::Series series{.name = name_of(label, class_names), .is_joined = false};
    for (const int64_t i : rows) {
      series.x.push_back(point_at(flat, i).x);
      series.y.push_back(point_at(flat, i).y);
    }
    chart.series.push_back(std::move(series));
  }
  return interpret::line_chart(chart);
}

std::string trajectory_picture(
    const std::vector<interpret::LayerFeatures>& steps, std::span<const int64_t> labels,
    std::span<const std::string> class_names) {
  const Recording off(false);
  std::vector<Tensor> clouds = interpret::common_frame(steps, kPoints);
  int64_t width = 0;
  for (const Tensor& c : clouds) width = std::max(width, c.size(1));
  for (Tensor& c : clouds) c = pad(c, 1, 0, width - c.size(1));
  const Tensor all = concat(clouds, 0);
  std::vector<Tensor> flat;
  for (const Tensor& c : clouds) flat.push_back(on_two_axes(all, c));
  interpret::FlowPlot plot{
      .title = "Paths of examples through the layers",
      .description = join_text(
          "Each line is one example, from the input, a dot, through ", steps.size() - 1,
          " layers to the output. Lines differ by class."),
      .x_title = "first axis of all layers",
      .y_title = "second axis"};
  interpret::FlowPanel panel;
  std::vector<Svg::Point> seen;
  for (const auto& [label, rows] : by_class(labels, std::min(kPaths, clouds[0].size(0)))) {
    interpret::PathGroup group{.name = name_of(label, class_names), .paths = {}};
    for (const int64_t i : rows) {
      std::vector<Svg::Point> path;
      for (const Tensor& c : flat) path.push_back(point_at(c, i));
      seen.insert(seen.end(), path.begin(), path.end());
      panel.dots.push_back(path.front());
      group.paths.push_back(std::move(path));
    }
    panel.paths.push_back(std::move(group));
  }
  interpret::set_range(plot, seen);
  plot.panels = {std::move(panel)};
  return interpret::flow_plot(plot);
}

bool save_map_picture(const std::string& path, const interpret::LayerFeatures& f) {
  if (f.shape.rank() != 3) return false;
  const Recording off(false);
  const int64_t C = f.shape[0], H = f.shape[1] / f.pooling, W = f.shape[2] / f.pooling;
  if (C * H * W != f.values.size(1)) return false;
  std::vector<std::vector<Image>> rows;
  for (int64_t i = 0; i < std::min(kRows, f.values.size(0)); ++i) {
    std::vector<Image> row;
    for (int64_t c = 0; c < std::min(kChannels, C); ++c) {
      const Tensor example = slice(f.values, 0, i, i + 1);
      const Tensor map = reshape(slice(example, 1, c * H * W, (c + 1) * H * W), {H, W});
      row.push_back(
          interpret::enlarge(interpret::colour(map).image, std::max<int64_t>(1, kMapWidth / W)));
    }
    rows.push_back(std::move(row));
  }
  save_png(path, interpret::grid(rows));
  return true;
}

}  // namespace limpid::tools
