// tools/transport_points.cpp: from DATA to points and law.
#include "tools/transport_points.h"

#include "datasets/catalogue.h"
#include "framework/core/error.h"
#include "framework/core/text.h"
#include "framework/io/npy.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "interpret/numerics/wasserstein.h"
#include "tools/run_folder.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>
#include <optional>
#include <vector>

namespace limpid::tools {
namespace {

using interpret::KernelLaw;
using interpret::MixtureLaw;

constexpr int64_t kMostKernels = 2000;   // points of a kernel density
constexpr int64_t kLargestWidth = 4096;  // numbers per example

std::vector<double> numbers_of(const std::string& text, const std::string& whole) {
  std::vector<double> values;
  for (const std::string& part : split_text(text, ',')) {
    double value = 0;
    const char* stop = part.data() + part.size();
    const auto [end, error] = std::from_chars(part.data(), stop, value);
    if (error != std::errc() || end != stop || !std::isfinite(value)) {
      throw UsageError("--data: " + excerpt(whole) + ": " + excerpt(part) + " is no number");
    }
    values.push_back(value);
  }
  return values;
}

struct Component {
  double weight = 1;
  std::vector<double> mean, variances;
};

MixtureLaw mixture_of(const std::vector<Component>& components) {
  const auto K = std::ssize(components), m = std::ssize(components[0].mean);
  std::vector<double> weights, means, covariances(static_cast<size_t>(K * m * m));
  for (int64_t k = 0; k < K; ++k) {
    const Component& c = components[static_cast<size_t>(k)];
    weights.push_back(c.weight);
    means.insert(means.end(), c.mean.begin(), c.mean.end());
    for (int64_t j = 0; j < m; ++j) {
      covariances[static_cast<size_t>((k * m + j) * m + j)] = c.variances[static_cast<size_t>(j)];
    }
  }
  return as_usage([&] {
    return MixtureLaw(
        Tensor::of({K}, weights, DType::f64), Tensor::of({K, m}, means, DType::f64),
        Tensor::of({K, m, m}, covariances, DType::f64));
  });
}

void check_variances(const Component& c, const std::string& data) {
  for (const double v : c.variances) {
    if (!(v > 0)) {
      throw UsageError(
          "--data: " + excerpt(data) + join_text(": the variance ", v, " is not above 0"));
    }
  }
  if (!(c.weight > 0)) {
    throw UsageError(
        "--data: " + excerpt(data) + join_text(": the weight ", c.weight, " is not above 0"));
  }
}

// The law that DATA names, if it names one
std::optional<MixtureLaw> named_law(const std::string& data) {
  std::vector<Component> components;
  if (data.starts_with("normal:")) {
    Component c;
    c.variances = numbers_of(data.substr(7), data);
    c.mean.assign(c.variances.size(), 0.0);
    components.push_back(c);
  } else if (data.starts_with("mixture:")) {
    for (const std::string& part : split_text(data.substr(8), ':')) {
      const std::vector<double> values = numbers_of(part, data);
      const bool fits = values.size() >= 3 && values.size() % 2 == 1 &&
                        (components.empty() || values.size() == 1 + 2 * components[0].mean.size());
      if (!fits) {
        throw UsageError(
            "--data: " + excerpt(data) +
            ": a component is its weight, its mean and as many variances, as in 0.5,-1,1");
      }
      const auto middle = values.begin() + 1 + std::ssize(values) / 2;
      components.push_back({values[0], {values.begin() + 1, middle}, {middle, values.end()}});
    }
  } else if (data == "gaussians") {
    // As the catalogue has them: four centres on the unit circle, deviation 0.3
    for (int k = 0; k < 4; ++k) {
      const double angle = std::numbers::pi / 2 * k;
      components.push_back({1, {std::cos(angle), std::sin(angle)}, {0.09, 0.09}});
    }
  } else {
    return std::nullopt;
  }
  for (const Component& c : components) check_variances(c, data);
  return mixture_of(components);
}

// All rows of the data set or file, one example each
Tensor rows_of(const PointsOptions& o, const Common& common) {
  Tensor values;
  if (o.data.ends_with(".npy") && o.data.find(':') == std::string::npos) {
    values = load_npy(o.data);
  } else {
    const datasets::Split split = as_usage([&] {
      return datasets::load(
          o.data, {.data_dir = data_folder(common.data_dir), .label_column = o.label_column});
    });
    const int64_t n = split.train.size();
    values = split.train.images.rows(0, std::min<int64_t>(n, kMostKernels));
  }
  if (values.rank() < 1 || values.numel() == 0) {
    throw UsageError(join_text(o.data, ": holds no points, its shape is ", values.shape()));
  }
  const int64_t n = values.shape()[0], m = values.numel() / n;
  if (m > kLargestWidth) {
    throw UsageError(join_text(o.data, ": ", m, " numbers per point, at most ", kLargestWidth));
  }
  const Tensor rows = Tensor::of({n, m}, values.to_vector(), DType::f64);
  const auto all = rows.values<double>();
  for (int64_t i = 0; i < n * m; ++i) {
    if (!std::isfinite(all[static_cast<size_t>(i)])) {
      throw FormatError(o.data, join_text("row ", i / m), "holds NaN or infinity");
    }
  }
  return rows;
}

// At most `most` rows, chosen at random, in their order
Tensor thinned(const Tensor& points, int64_t most, const Rng& rng) {
  const int64_t n = points.size(0);
  if (n <= most) return points;
  Rng choice = rng.child(7);
  std::vector<int64_t> chosen = choice.permutation(n);
  chosen.resize(static_cast<size_t>(most));
  std::ranges::sort(chosen);
  return take_rows(points, Tensor::of_integers({most}, chosen));
}

// Coordinates along the k directions of greatest variance, centred
Tensor principal(const Tensor& points, int64_t k) {
  const int64_t m = points.size(1);
  const interpret::Moments moments = interpret::moments_of(points);
  const Tensor V = eigen_symmetric(moments.covariance).vectors;  // ascending
  std::vector<int64_t> last;
  for (int64_t j = 0; j < k; ++j) last.push_back(m - 1 - j);
  return matmul(
      points - moments.mean, take_rows(transpose(V), Tensor::of_integers({k}, last)),
      {.transpose_b = true});
}

}  // namespace

void declare_points(Arguments& a, PointsOptions& o) {
  a.text(
      "data", o.data,
      "data set, X.npy, or a law: normal:V1,V2 by variances, mixture:W,M,V:W,M,V by weight, mean "
      "and variance of each component");
  a.text(
      "label-column", o.label_column,
      "column of a csv table to leave out of the points, by name or number");
  a.integer("points", o.points, "how many are moved", 1, 100'000);
  a.integer(
      "pca", o.pca, "principal components; 0: two of data in more than three dimensions", 0, 64);
  a.number(
      "bandwidth", o.bandwidth, "variance of the kernels; 0: by leave-one-out likelihood", 0, 1e12);
  a.flag("draw", o.draws, "draw points from the law, with --seed, in place of the data's own");
}

TransportPoints read_points(const PointsOptions& o, LawKind kind, const Common& common) {
  TransportPoints result;
  const std::optional<MixtureLaw> named = named_law(o.data);
  const Rng rng(static_cast<uint64_t>(common.seed));
  Tensor rows;
  if (named && o.data.find(':') != std::string::npos) {
    if (o.pca > 0) throw UsageError("--pca: is for data, not for a law");
    rows = named->sample(o.points, rng.child(5));
    result.source = join_text(o.points, o.points == 1 ? " draw" : " draws", " from ", o.data);
  } else {
    rows = rows_of(o, common);
    result.source = join_text(rows.size(0), rows.size(0) == 1 ? " example" : " examples");
    const int64_t m = rows.size(1);
    const int64_t k = o.pca > 0 ? o.pca : m > 3 ? 2 : m;
    if (k > m) throw UsageError(join_text("--pca: ", k, " components of ", m, " numbers"));
    if (k < m) {
      if (named) throw UsageError("--pca: the law in closed form stands in all coordinates");
      rows = principal(rows, k);
      result.source += join_text(", ", k, " principal components of ", m, " numbers");
    }
  }

  if (kind == LawKind::exact || (kind == LawKind::best && named)) {
    auto law = std::make_unique<MixtureLaw>(
        named ? *named : as_usage([&] { return interpret::fitted_normal(rows); }));
    result.law_name = law->name() + (named ? "" : ", with the mean and the covariance of the data");
    result.mixture = law.get();
    result.law = std::move(law);
  } else {
    const Tensor part =
        thinned(rows, o.draws ? kMostKernels : std::min(kMostKernels, o.points), rng);
    const double h = o.bandwidth > 0
                         ? o.bandwidth
                         : as_usage([&] { return interpret::choose_bandwidth(part).value; });
    auto law = std::make_unique<KernelLaw>(part, h);
    result.law_name = law->name() + (o.bandwidth > 0 ? "" : " by leave-one-out likelihood");
    result.kernel = law.get();
    result.law = std::move(law);
  }
  if (o.draws) {
    result.points = result.law->sample(o.points, rng.child(6));
    result.source = join_text(o.points, " draws from the law of ", result.source);
    return result;
  }
  result.points = thinned(rows, o.points, rng);
  const int64_t n = result.points.size(0);
  if (n < rows.size(0)) result.source = join_text(n, " of ", result.source);
  return result;
}

}  // namespace limpid::tools
