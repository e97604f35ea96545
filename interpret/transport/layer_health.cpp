// interpret/transport/layer_health.cpp: a layer beside itself with its weights in random order.
#include "interpret/transport/layer_health.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/transport/class_scatter.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

namespace limpid::interpret {
namespace {

constexpr int64_t kMostRows = 20'000;  // of maps; more positions are thinned out evenly

// A weight that is put back at the end
class Shuffled {
 public:
  explicit Shuffled(const Tensor& weight) : weight_(weight), before_(weight.to_vector()) {}
  ~Shuffled() { write(before_); }
  Shuffled(const Shuffled&) = delete;
  Shuffled& operator=(const Shuffled&) = delete;

  void shuffle(Rng& rng) {
    const std::vector<int64_t> order = rng.permutation(std::ssize(before_));
    std::vector<double> values(before_.size());
    for (size_t i = 0; i < order.size(); ++i) values[i] = before_[static_cast<size_t>(order[i])];
    write(values);
  }

 private:
  void write(const std::vector<double>& values) {
    weight_.assign(Tensor::of(weight_.shape(), values, weight_.dtype()));
  }

  Tensor weight_;
  std::vector<double> before_;
};

// X, U S^(1/2) V' and U V', shaped as the input
std::vector<Tensor> whitened_forms(const Tensor& input) {
  const Tensor flat = to(flatten(input), DType::f64);
  const Tensor X = flat - mean(flat, {0});
  const EigenSymmetric gram = eigen_symmetric(matmul(X, X, {.transpose_b = true}));  // U S^2 U'
  std::vector<Tensor> forms = {input};
  for (const double power : {0.5, 0.0}) {
    std::vector<double> scale = gram.values.to_vector();
    const double top = scale.back();
    for (double& s : scale) s = s > 1e-9 * top ? std::pow(s / top, (power - 1) / 2) : 0;
    const Tensor column_scale = Tensor::of({1, std::ssize(scale)}, scale, DType::f64);
    const Tensor onto = matmul(gram.vectors * column_scale, gram.vectors, {.transpose_b = true});
    forms.push_back(to(reshape(matmul(onto, X), input.shape()), input.dtype()));
  }
  return forms;
}

// One row per example and position: [N, C, H, W] -> [N H W, C], [N, T, D] -> [N T, D]
Tensor rows_of(const Tensor& y) {
  const bool is_map = y.rank() == 4;
  const Tensor last = is_map ? permute(y, {0, 2, 3, 1}) : y;
  const int64_t units = last.size(-1);
  const Tensor rows = reshape(last, {last.numel() / units, units});
  const int64_t every = (rows.size(0) + kMostRows - 1) / kMostRows;
  if (every <= 1) return rows;
  const int64_t kept = rows.size(0) / every;
  const Tensor groups = reshape(slice(rows, 0, 0, kept * every), {kept, every, units});
  return reshape(slice(groups, 1, 0, 1), {kept, units});
}

struct Covariance {
  double trace = 0, squares = 0;    // tr C, tr C^2
  int64_t units = 0, constant = 0;  // of all, of those without variance
};
Covariance covariance_of(const Tensor& y) {
  const Tensor rows = to(rows_of(y), DType::f64);
  const Tensor centred = rows - mean(rows, {0});
  const auto count = static_cast<double>(rows.size(0));
  const Tensor C = matmul(centred, centred, {.transpose_a = true}) * (1 / count);
  const std::vector<double> low = (-max(-rows, 0)).to_vector(), high = max(rows, 0).to_vector();
  int64_t constant = 0;
  for (size_t u = 0; u < low.size(); ++u) constant += low[u] == high[u] ? 1 : 0;
  return {
      .trace = sum(centred * centred).item() / count,
      .squares = sum(C * C).item(),
      .units = rows.size(1),
      .constant = constant};
}

double log_of(double trace) {
  return std::log(std::max(trace, std::numeric_limits<double>::min()));
}

struct NullMoments {
  std::vector<double> values;
  double z(double own) const {
    const auto count = static_cast<double>(values.size());
    double mean = 0, squares = 0;
    for (const double v : values) mean += v / count;
    for (const double v : values) squares += (v - mean) * (v - mean) / (count - 1);
    if (std::abs(own - mean) <= 1e-9 * std::abs(mean)) return 0;
    return (own - mean) / std::max(std::sqrt(squares), 1e-9 * std::abs(mean));
  }
};

}  // namespace

LayerHealth layer_health(
    const WeightedLayer& layer, std::span<const int64_t> labels, const HealthOptions& options) {
  check_value(options.shuffles >= 2, "layer_health", "needs two shuffles or more");
  const Recording off(false);
  LayerHealth health;
  health.name = layer.name;
  health.step = layer.step;
  const std::vector<Tensor> forms = whitened_forms(layer.input);
  const auto statistics = [&] {
    OutputStatistics s;
    for (size_t form = 0; form < forms.size(); ++form) {
      Pass pass;
      const Tensor y = (*layer.layer)(forms[form], pass);
      const Covariance c = covariance_of(y);
      s.spread[form] = log_of(c.trace);
      if (form > 0) continue;
      s.directions = c.squares > 0 ? c.trace * c.trace / c.squares : 0;
      s.separation = labels.empty() ? double{NAN} : separation_share(flatten(y), labels);
    }
    return s;
  };
  health.own = statistics();
  Pass pass;
  const Covariance own = covariance_of((*layer.layer)(layer.input, pass));
  health.units = own.units;
  health.constant = static_cast<double>(own.constant) / static_cast<double>(own.units);

  std::vector<std::unique_ptr<Shuffled>> weights;
  double squares = 0;
  int64_t rows = 0;
  for (const auto& [name, tensor] : parameters(*layer.layer)) {
    if (tensor.rank() < 2) continue;
    weights.push_back(std::make_unique<Shuffled>(tensor));
    for (const double w : tensor.to_vector()) squares += w * w;
    rows += tensor.size(0);
    health.fan_in = std::max(health.fan_in, tensor.numel() / std::max<int64_t>(1, tensor.size(0)));
  }
  // |W|^2 / rows = fan in times the mean square
  health.weight_gain = std::sqrt(squares / static_cast<double>(std::max<int64_t>(1, rows)));

  std::array<NullMoments, 3> spread;
  NullMoments directions, separation;
  for (int64_t k = 0; k < options.shuffles; ++k) {
    Rng rng = Rng(options.seed).child(static_cast<uint64_t>(k));
    for (const auto& weight : weights) weight->shuffle(rng);
    const OutputStatistics s = statistics();
    for (size_t form = 0; form < spread.size(); ++form) {
      spread[form].values.push_back(s.spread[form]);
    }
    directions.values.push_back(s.directions);
    separation.values.push_back(s.separation);
  }
  for (size_t form = 0; form < spread.size(); ++form) {
    health.z.spread[form] = spread[form].z(health.own.spread[form]);
    health.distance = std::max(health.distance, std::abs(health.z.spread[form]));
  }
  health.z.directions = directions.z(health.own.directions);
  health.z.separation = separation.z(health.own.separation);
  return health;
}

}  // namespace limpid::interpret
