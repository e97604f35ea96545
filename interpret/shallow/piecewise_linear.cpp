// interpret/shallow/piecewise_linear.cpp: evaluation, patterns and local maps.
#include "interpret/shallow/piecewise_linear.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace limpid::interpret {
namespace {

bool all_finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

void check_stage(const AffineStage& stage, const std::vector<int64_t>& sizes, const char* what) {
  check_shape(
      stage.rows >= 1 && std::ssize(stage.bias) == stage.rows, "piecewise_linear", what, " has ",
      stage.rows, " rows and ", stage.bias.size(), " biases");
  check_value(all_finite(stage.bias), "piecewise_linear", what, ": a bias is not finite");
  for (const AffineBlock& block : stage.blocks) {
    check_shape(
        block.source >= 0 && block.source < std::ssize(sizes), "piecewise_linear", what,
        " reads stage ", block.source, " of ", sizes.size());
    const int64_t columns = sizes[static_cast<size_t>(block.source)];
    check_shape(
        std::ssize(block.weight) == stage.rows * columns, "piecewise_linear", what, " needs ",
        stage.rows, " x ", columns, " weights, got ", block.weight.size());
    check_value(all_finite(block.weight), "piecewise_linear", what, ": a weight is not finite");
  }
}

// z of a stage from the values of all earlier ones
std::vector<double> stage_values(
    const AffineStage& stage, const std::vector<std::vector<double>>& values) {
  std::vector<double> z = stage.bias;
  for (const AffineBlock& block : stage.blocks) {
    const std::vector<double>& h = values[static_cast<size_t>(block.source)];
    const double* w = block.weight.data();
    for (double& out : z) {
      for (const double v : h) out += *w++ * v;
    }
  }
  return z;
}

// Adds w_i (a x + d) to every row i of a map; w is a column, `stride` apart.
void add_unit(
    LocalMap& map, int64_t inputs, const double* w, int64_t stride, const double* a, double d) {
  double* to = map.weight.data();
  double* bias = map.bias.data();
  if (inputs == 2) {  // the plane, where maps are most of the work
    const double a0 = a[0], a1 = a[1];
    for (int64_t i = 0; i < map.rows; ++i, w += stride) {
      to[2 * i] += *w * a0;
      to[2 * i + 1] += *w * a1;
      bias[i] += *w * d;
    }
    return;
  }
  for (int64_t i = 0; i < map.rows; ++i, w += stride, to += inputs) {
    for (int64_t c = 0; c < inputs; ++c) to[c] += *w * a[c];
    bias[i] += *w * d;
  }
}

}  // namespace

PiecewiseLinear::PiecewiseLinear(
    int64_t inputs, std::vector<AffineStage> hidden, AffineStage output)
    : inputs_(inputs), hidden_(std::move(hidden)), output_(std::move(output)) {
  check_shape(inputs_ >= 1, "piecewise_linear", "needs an input, got ", inputs_);
  std::vector<int64_t> sizes = {inputs_};
  for (const AffineStage& stage : hidden_) {
    check_stage(stage, sizes, join_text("stage ", sizes.size()).c_str());
    sizes.push_back(stage.rows);
    units_ += stage.rows;
  }
  check_stage(output_, sizes, "the output");
}

std::vector<double> PiecewiseLinear::operator()(std::span<const double> x) const {
  std::vector<std::vector<double>> values = {{x.begin(), x.end()}};
  for (const AffineStage& stage : hidden_) {
    values.push_back(stage_values(stage, values));
    for (double& v : values.back()) v = std::max(v, 0.0);
  }
  return stage_values(output_, values);
}

Pattern PiecewiseLinear::pattern(std::span<const double> x) const {
  Pattern on;
  std::vector<std::vector<double>> values = {{x.begin(), x.end()}};
  for (const AffineStage& stage : hidden_) {
    values.push_back(stage_values(stage, values));
    for (double& v : values.back()) {
      on.push_back(v > 0 ? 1 : 0);
      v = std::max(v, 0.0);
    }
  }
  return on;
}

LocalMap PiecewiseLinear::local_map(const Pattern& pattern) const {
  return std::move(stage_maps(pattern).back());
}

std::vector<LocalMap> PiecewiseLinear::stage_maps(const Pattern& pattern) const {
  check_shape(
      std::ssize(pattern) == units_, "local_map", "needs ", units_, " units, got ", pattern.size());
  std::vector<LocalMap> maps;
  maps.reserve(hidden_.size() + 1);
  std::vector<const LocalMap*> earlier;
  std::vector<const uint8_t*> on;
  const uint8_t* next = pattern.data();
  for (const AffineStage& stage : hidden_) {
    maps.push_back(stage_map(stage, inputs_, earlier, on));
    earlier.push_back(&maps.back());
    on.push_back(next);
    next += stage.rows;
  }
  maps.push_back(stage_map(output_, inputs_, earlier, on));
  return maps;
}

std::vector<double> PiecewiseLinear::gradient(const Pattern& pattern, int64_t output) const {
  check_shape(
      std::ssize(pattern) == units_, "gradient", "needs ", units_, " units, got ", pattern.size());
  check_value(
      output >= 0 && output < outputs(), "gradient", "output ", output, " is not in 0 to ",
      outputs() - 1);
  // Slopes of the output with respect to h^(k), the input first
  std::vector<std::vector<double>> slopes = {std::vector<double>(static_cast<size_t>(inputs_))};
  for (const AffineStage& stage : hidden_) slopes.emplace_back(static_cast<size_t>(stage.rows));
  const auto pass_back = [&](const AffineStage& stage, size_t row, double slope) {
    for (const AffineBlock& block : stage.blocks) {
      std::vector<double>& to = slopes[static_cast<size_t>(block.source)];
      const double* w = block.weight.data() + row * to.size();
      for (size_t j = 0; j < to.size(); ++j) to[j] += slope * w[j];
    }
  };
  pass_back(output_, static_cast<size_t>(output), 1);
  size_t unit = pattern.size();
  for (size_t l = hidden_.size(); l-- > 0;) {
    unit -= slopes[l + 1].size();
    for (size_t i = 0; i < slopes[l + 1].size(); ++i) {
      if (pattern[unit + i] != 0) pass_back(hidden_[l], i, slopes[l + 1][i]);
    }
  }
  return std::move(slopes[0]);
}

LocalMap stage_map(
    const AffineStage& stage, int64_t inputs, std::span<const LocalMap* const> earlier,
    std::span<const uint8_t* const> earlier_on) {
  LocalMap map{
      .rows = stage.rows,
      .weight = std::vector<double>(static_cast<size_t>(stage.rows * inputs), 0.0),
      .bias = stage.bias};
  for (const AffineBlock& block : stage.blocks) {
    const double* w = block.weight.data();
    if (block.source == 0) {
      for (double& a : map.weight) a += *w++;
      continue;
    }
    const auto k = static_cast<size_t>(block.source - 1);
    const LocalMap& h = *earlier[k];
    const uint8_t* on = earlier_on[k];
    for (int64_t j = 0; j < h.rows; ++j) {
      if (on[j] == 0) continue;
      add_unit(
          map, inputs, w + j, h.rows, h.weight.data() + j * inputs, h.bias[static_cast<size_t>(j)]);
    }
  }
  return map;
}

PiecewiseLinear multilayer(int64_t inputs, const std::vector<DenseLayer>& layers) {
  check_shape(!layers.empty(), "multilayer", "has no layer");
  std::vector<AffineStage> stages;
  for (size_t l = 0; l < layers.size(); ++l) {
    stages.push_back(
        {.rows = layers[l].rows,
         .blocks = {{.source = static_cast<int64_t>(l), .weight = layers[l].weight}},
         .bias = layers[l].bias});
  }
  AffineStage output = std::move(stages.back());
  stages.pop_back();
  return {inputs, std::move(stages), std::move(output)};
}

}  // namespace limpid::interpret
