// interpret/transport/layer_transport.cpp: clouds, frames, distances.
#include "interpret/transport/layer_transport.h"

#include "framework/core/error.h"
#include "framework/core/rank_map.h"
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/alignment.h"
#include "interpret/numerics/entropy.h"
#include "interpret/numerics/gromov.h"
#include "interpret/numerics/point_clouds.h"
#include "interpret/numerics/squared_distances.h"
#include "interpret/numerics/transport.h"
#include "interpret/numerics/wasserstein.h"
#include "interpret/transport/class_scatter.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace limpid::interpret {
namespace {

// Points with mean 0 and tr Cov = 1; all 0 where nothing varies
struct Cloud {
  Tensor points;  // [n, d]
  Tensor own;     // the same in their own principal axes; of placed()
  double sigma = 0;
};

double squares(const Tensor& t) { return sum(t * t).item(); }
double mean_square(const Tensor& points) {
  return squares(points) / static_cast<double>(points.size(0));
}

Cloud normalised(const Tensor& values) {
  const Tensor x = to(values, DType::f64);
  const Tensor centred = x - mean(x, {0});
  Cloud cloud{.points = centred, .own = {}, .sigma = std::sqrt(mean_square(centred))};
  if (cloud.sigma > 0) cloud.points = centred * (1 / cloud.sigma);
  return cloud;
}

// Points in coordinates of their own principal axes, where there are more dimensions than points:
// the same inner products with fewer numbers
Tensor in_own_axes(const Tensor& X) {
  if (X.size(1) <= X.size(0)) return X;
  const EigenSymmetric gram = eigen_symmetric(matmul(X, X, {.transpose_b = true}));
  std::vector<double> lengths = gram.values.to_vector();
  for (double& v : lengths) v = std::sqrt(std::max(0.0, v));
  return gram.vectors * Tensor::of({1, std::ssize(lengths)}, lengths, DType::f64);
}

Cloud placed(const Tensor& values) {
  Cloud cloud = normalised(values);
  cloud.own = in_own_axes(cloud.points);
  return cloud;
}

struct Pair {
  Tensor x, y;  // [n, r] in common axes
  double residual = 0;
};

// Two clouds of one shape in axes of both together
Pair in_joint_axes(const Tensor& X, const Tensor& Y) {
  const Tensor both = in_own_axes(concat({X, Y}, 0));
  return {.x = slice(both, 0, 0, X.size(0)), .y = slice(both, 0, X.size(0), both.size(0))};
}

// Y rotated onto X, both filled up with zeros to one width
Pair rotated_onto(const Tensor& X, const Tensor& Y) {
  const Procrustes turned = procrustes(Y, X);
  return {.x = turned.y, .y = turned.x, .residual = turned.residual};
}

double exact_w2(const Tensor& X, const Tensor& Y) {
  return std::sqrt(std::max(0.0, optimal_transport(squared_distances(X, Y)).cost));
}

// Everything a repeat measures of one step
struct Measured {
  double kinetic = NAN, w2_previous = NAN, w2_frame = NAN, w2_input = NAN, floor = NAN, twist = NAN,
         straightness = NAN, class_separation = NAN;
};

Summary summary_of(std::vector<double> values) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  if (values.empty()) return {.median = NAN, .low = NAN, .high = NAN};
  std::ranges::sort(values);
  const size_t n = values.size();
  const double median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  return {.median = median, .low = values.front(), .high = values.back()};
}

std::vector<int64_t> labels_at(std::span<const int64_t> labels, const std::vector<int64_t>& rows) {
  std::vector<int64_t> found;
  for (const int64_t i : rows) found.push_back(labels[static_cast<size_t>(i)]);
  return found;
}

// Row norms of a - b
std::vector<double> lengths_of(const Tensor& difference) {
  return norm(difference, {1}).to_vector();
}

// One frame through the network, one step at a time
class Frame {
 public:
  explicit Frame(const Tensor& input) : input_(input), last_(input) {
    walked_.assign(static_cast<size_t>(input.size(0)), 0.0);
  }

  // The cloud rotated onto the last one; distances in the frame of the input
  void step(const Tensor& points, Measured& m) {
    const Pair pair = rotated_onto(last_, points);
    const std::vector<double> moved = lengths_of(pair.y - pair.x);
    m.w2_frame = exact_w2(pair.x, pair.y);
    const int64_t width = pair.y.size(1);
    input_ = pad(input_, 1, 0, width - input_.size(1));
    const std::vector<double> away = lengths_of(pair.y - input_);
    double distance = 0, path = 0;
    for (size_t i = 0; i < moved.size(); ++i) {
      walked_[i] += moved[i];
      distance += away[i];
      path += walked_[i];
    }
    m.straightness = path > 0 ? distance / path : double{NAN};
    m.w2_input = exact_w2(input_, pair.y);
    last_ = pair.y;
  }

 private:
  Tensor input_, last_;
  std::vector<double> walked_;
};

struct ClassDistances {
  double mean = NAN;
  std::string note;
};

// Mean W2 of pairs of classes over the width of the classes
ClassDistances class_distances(
    const Tensor& points, std::span<const int64_t> labels, int64_t least) {
  std::map<int64_t, std::vector<int64_t>> members;
  for (size_t i = 0; i < labels.size(); ++i) {
    members[labels[i]].push_back(static_cast<int64_t>(i));
  }
  std::erase_if(members, [&](const auto& m) { return std::ssize(m.second) < least; });
  if (members.size() < 2) {
    return {.note = join_text("class distances: fewer than two classes have ", least, " examples")};
  }
  std::vector<Tensor> clouds;
  double within = 0;
  int64_t count = 0;
  for (const auto& [label, rows] : members) {
    clouds.push_back(take_rows(points, rows));
    within += squares(clouds.back() - mean(clouds.back(), {0}));
    count += std::ssize(rows);
  }
  std::vector<std::pair<size_t, size_t>> pairs;
  for (size_t a = 0; a < clouds.size(); ++a) {
    for (size_t b = a + 1; b < clouds.size(); ++b) pairs.emplace_back(a, b);
  }
  const auto distances = ranks::map<double>(std::ssize(pairs), [&](int64_t p) {
    const auto [a, b] = pairs[static_cast<size_t>(p)];
    return exact_w2(clouds[a], clouds[b]);
  });
  double total = 0;
  for (const double d : distances) total += d;
  const double width = std::sqrt(within / static_cast<double>(count));
  return {
      .mean = width > 0 ? total / static_cast<double>(pairs.size()) / width : double{NAN},
      .note = ""};
}

// Share of units, channels of maps, that say the same for every example
double dead_share(const LayerFeatures& f) {
  const int64_t n = f.values.size(0), d = f.values.size(1);
  const int64_t units = f.shape.rank() == 3 ? f.shape[0] : d;
  const int64_t per_unit = d / units;
  const float* z = f.values.data<float>();
  int64_t dead = 0;
  for (int64_t u = 0; u < units; ++u) {
    bool is_constant = true;
    for (int64_t at = u * per_unit; at < (u + 1) * per_unit && is_constant; ++at) {
      for (int64_t i = 1; i < n && is_constant; ++i) is_constant = z[i * d + at] == z[at];
    }
    dead += is_constant ? 1 : 0;
  }
  return static_cast<double>(dead) / static_cast<double>(units);
}

int64_t duplicates_of(const Tensor& values) {
  std::set<std::string_view> seen;
  const auto bytes = values.bytes();
  const size_t row = bytes.size() / static_cast<size_t>(values.size(0));
  for (size_t i = 0; i < static_cast<size_t>(values.size(0)); ++i) {
    seen.emplace(reinterpret_cast<const char*>(bytes.data()) + i * row, row);
  }
  return values.size(0) - std::ssize(seen);
}

// The first `axes` principal coordinates
Tensor first_axes(const Svd& s, int64_t axes) {
  const int64_t kept = std::min<int64_t>(axes, s.s.numel());
  return slice(s.u, 1, 0, kept) * reshape(slice(s.s, 0, 0, kept), {1, kept});
}

void measure_once(
    LayerTransport& t, const LayerFeatures& f, const Cloud& cloud, std::span<const int64_t> labels,
    const LayerTransportOptions& o, std::vector<std::string>& notes) {
  t.name = f.name;
  t.type = f.type;
  t.shape = f.shape;
  t.dim = f.shape.numel();
  t.pooling = f.pooling;
  t.sigma = cloud.sigma;
  t.dead = dead_share(f);
  t.duplicates = duplicates_of(f.values);
  const Svd principal = svd(cloud.own);
  const std::vector<double> lengths = principal.s.to_vector();
  double trace = 0, squared = 0;
  for (const double s : lengths) {
    trace += s * s;
    squared += s * s * s * s;
    if (s > 1e-6 * lengths.front()) ++t.rank;
  }
  t.directions = squared > 0 ? trace * trace / squared : 0;
  const Tensor axes = first_axes(principal, std::min(kEntropyAxes, std::max<int64_t>(1, t.rank)));
  t.entropy = neighbour_entropy(axes, {.seed = o.seed}).entropy;
  t.entropy_bound = gaussian_entropy(moments_of(axes).covariance);
  if (labels.empty()) {
    t.separation = t.class_distance = NAN;
    return;
  }
  t.separation = separation_share(cloud.points, labels);
  const ClassDistances classes = class_distances(cloud.own, labels, o.least_per_class);
  t.class_distance = classes.mean;
  if (!classes.note.empty() && std::ranges::find(notes, classes.note) == notes.end()) {
    notes.push_back(classes.note);
  }
}

// What a step does to the cloud before it, beyond kinetic energy and W2
void compare_once(
    LayerTransport& t, const Pair& pair, const Cloud& before, const Cloud& after,
    const LayerTransportOptions& o) {
  t.residual = pair.residual;
  const Tensor directions = slice_directions(pair.x.size(1), o.slices, o.seed);
  t.sliced = std::sqrt(std::max(0.0, sliced_transport(pair.x, pair.y, directions).mean_w2_squared));
  t.bures = std::sqrt(std::max(0.0, gaussian_transport(pair.x, pair.y).w2_squared));
  const Tensor &a = before.own, &b = after.own;
  t.cka_previous = linear_cka(a, b);
  const int64_t g = std::min(o.gromov_samples, a.size(0));
  const PairedGromov gromov =
      paired_gromov(distance_matrix(slice(a, 0, 0, g)), distance_matrix(slice(b, 0, 0, g)));
  t.gromov = gromov.best().value;
  t.gromov_pairs = gromov.identity_value;
}

// The examples of one repeat, and as many others
struct Draw {
  std::vector<int64_t> rows, others, classes;  // classes of `rows`, if known
};
Draw draw_of(int64_t repeat, int64_t N, int64_t n, std::span<const int64_t> labels, uint64_t seed) {
  Rng rng = Rng(seed).child(static_cast<uint64_t>(repeat));
  const std::vector<int64_t> order = rng.permutation(N);
  Draw draw{
      .rows = {order.begin(), order.begin() + n},
      .others = {order.begin() + n, order.begin() + 2 * n},
      .classes = {}};
  if (!labels.empty()) draw.classes = labels_at(labels, draw.rows);
  return draw;
}

bool have_same_axes(const LayerFeatures& a, const LayerFeatures& b) {
  return a.shape == b.shape && a.pooling == b.pooling;
}

// The clouds before and after step l in axes in which they can be compared
Pair step_pair(
    const std::vector<LayerFeatures>& steps, size_t l, const Cloud& before, const Cloud& after) {
  return have_same_axes(steps[l - 1], steps[l]) ? in_joint_axes(before.points, after.points)
                                                : rotated_onto(before.own, after.own);
}

// What every repeat measures, of all steps
std::vector<Measured> measured_in(const std::vector<LayerFeatures>& steps, const Draw& draw) {
  const Recording off(false);  // this may be another thread than the caller's
  std::vector<Measured> measured(steps.size());
  Cloud before;
  std::optional<Frame> frame;
  for (size_t l = 0; l < steps.size(); ++l) {
    Measured& m = measured[l];
    const Cloud cloud = placed(take_rows(steps[l].values, draw.rows));
    if (!draw.classes.empty()) m.class_separation = separation_fuzziness(cloud.own, draw.classes);
    const Cloud other = normalised(take_rows(steps[l].values, draw.others));
    const Pair halves = in_joint_axes(cloud.points, other.points);
    m.floor = exact_w2(halves.x, halves.y);
    if (l == 0) {
      frame.emplace(cloud.own);
    } else {
      const Pair pair = step_pair(steps, l, before, cloud);
      m.kinetic = mean_square(pair.y - pair.x);
      m.w2_previous = exact_w2(pair.x, pair.y);
      m.twist = m.kinetic > 0 ? m.w2_previous * m.w2_previous / m.kinetic : 1;
      frame->step(cloud.own, m);
    }
    before = cloud;
  }
  return measured;
}

}  // namespace

NetworkTransport network_transport(
    const std::vector<LayerFeatures>& steps, std::span<const int64_t> labels,
    const LayerTransportOptions& o) {
  const char* op = "network_transport";
  check_value(!steps.empty(), op, "there are no steps");
  const int64_t N = steps[0].values.size(0);
  check_value(N >= 8, op, "needs at least 8 examples, got ", N);
  check_value(labels.empty() || std::ssize(labels) == N, op, "needs one label per example");
  check_value(o.repeats >= 1 && o.samples >= 2, op, "needs a repeat and two samples");
  const Recording off(false);
  const int64_t n = std::min(o.samples, N / 2);
  NetworkTransport result;
  result.samples = n;
  result.repeats = o.repeats;
  result.layers.resize(steps.size());

  const Draw first = draw_of(0, N, n, labels, o.seed);
  Cloud before;
  for (size_t l = 0; l < steps.size(); ++l) {
    LayerTransport& t = result.layers[l];
    const Cloud cloud = placed(take_rows(steps[l].values, first.rows));
    measure_once(t, steps[l], cloud, first.classes, o, result.notes);
    if (l > 0) {
      t.alignment = have_same_axes(steps[l - 1], steps[l]) ? "same axes" : "rotated";
      compare_once(t, step_pair(steps, l, before, cloud), before, cloud, o);
    }
    before = cloud;
  }
  const auto repeats = ranks::map<std::vector<Measured>>(
      o.repeats, [&](int64_t r) { return measured_in(steps, draw_of(r, N, n, labels, o.seed)); });

  const auto over = [&](size_t l, double Measured::*what) {
    std::vector<double> values;
    for (const std::vector<Measured>& measured : repeats) values.push_back(measured[l].*what);
    return summary_of(values);
  };
  TransportPath& path = result.path;
  for (size_t l = 0; l < steps.size(); ++l) {
    LayerTransport& t = result.layers[l];
    t.floor = over(l, &Measured::floor);
    t.class_separation = over(l, &Measured::class_separation);
    if (l == 0) continue;
    t.kinetic = over(l, &Measured::kinetic);
    t.w2_previous = over(l, &Measured::w2_previous);
    t.w2_input = over(l, &Measured::w2_input);
    t.twist = over(l, &Measured::twist);
    t.straightness = over(l, &Measured::straightness);
    t.share = over(l, &Measured::w2_frame).median;
    path.length += t.share;
    path.action += t.kinetic.median * static_cast<double>(steps.size() - 1);
  }
  for (LayerTransport& t : result.layers) {
    t.share = path.length > 0 ? t.share / path.length : 0;
  }
  path.w2 = result.layers.back().w2_input.median;
  path.straightness = result.layers.back().straightness.median;
  path.geodesicity = path.length > 0 ? path.w2 / path.length : double{NAN};
  path.efficiency = path.action > 0 ? path.w2 * path.w2 / path.action : double{NAN};
  return result;
}

std::vector<Tensor> common_frame(const std::vector<LayerFeatures>& steps, int64_t count) {
  const Recording off(false);
  std::vector<Tensor> clouds;
  for (const LayerFeatures& f : steps) {
    const int64_t n = std::min(count, f.values.size(0));
    const Tensor points = placed(slice(f.values, 0, 0, n)).own;
    clouds.push_back(clouds.empty() ? points : rotated_onto(clouds.back(), points).y);
  }
  return clouds;
}

std::vector<double> movement_between(
    const std::vector<LayerFeatures>& before, const std::vector<LayerFeatures>& after,
    int64_t samples) {
  check_value(before.size() == after.size(), "movement_between", "the steps are not the same");
  const Recording off(false);
  std::vector<double> moved;
  for (size_t l = 0; l < before.size(); ++l) {
    const int64_t n = std::min({samples, before[l].values.size(0), after[l].values.size(0)});
    const Tensor a = placed(slice(before[l].values, 0, 0, n)).own;
    const Tensor b = placed(slice(after[l].values, 0, 0, n)).own;
    const Pair pair = rotated_onto(a, b);
    moved.push_back(mean_square(pair.y - pair.x));
  }
  return moved;
}

}  // namespace limpid::interpret
