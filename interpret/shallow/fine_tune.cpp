// interpret/shallow/fine_tune.cpp: one logistic regression per region.
#include "interpret/shallow/fine_tune.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace limpid::interpret {
namespace {

void check_examples(
    const char* what, const RegionTree& tree, std::span<const double> points,
    std::span<const int64_t> labels) {
  check_shape(
      points.size() == labels.size() * static_cast<size_t>(tree.inputs) && !labels.empty(), what,
      points.size(), " numbers do not fit ", labels.size(), " labels and ", tree.inputs, " inputs");
  check_value(tree.outputs >= 2, what, "needs two outputs or more, the network has one");
  for (const int64_t label : labels) {
    check_value(
        label >= 0 && label < tree.outputs, what, "label ", label, " is not in 0 to ",
        tree.outputs - 1);
  }
}

// log sum exp of y; y becomes softmax(y)
double soft_max(std::vector<double>& y) {
  const double most = *std::ranges::max_element(y);
  double sum = 0;
  for (double& v : y) sum += v = std::exp(v - most);
  for (double& v : y) v /= sum;
  return most + std::log(sum);
}

// The problem of one region; theta is alpha [q, n], then beta [q].
class Region {
 public:
  Region(
      const RegionTree& tree, std::span<const double> points, std::span<const int64_t> labels,
      const std::vector<size_t>& members, double pull)
      : n_(static_cast<size_t>(tree.inputs)),
        q_(static_cast<size_t>(tree.outputs)),
        points_(points),
        labels_(labels),
        members_(members),
        pull_(pull) {}

  std::vector<double> solve(const std::vector<double>& theta0, int64_t steps) const {
    const auto m = static_cast<double>(labels_.size());
    double smoothness = pull_;
    for (const size_t i : members_) {
      double square = 1;
      for (size_t c = 0; c < n_; ++c) square += points_[i * n_ + c] * points_[i * n_ + c];
      smoothness += square / (2 * m);
    }
    const double root = std::sqrt(pull_ / smoothness);
    const double momentum = (1 - root) / (1 + root);
    std::vector<double> theta = theta0, ahead = theta0, gradient(theta0.size());
    for (int64_t step = 0; step < steps; ++step) {
      slope(ahead, theta0, gradient);
      for (size_t k = 0; k < theta.size(); ++k) {
        const double next = ahead[k] - gradient[k] / smoothness;
        ahead[k] = next + momentum * (next - theta[k]);
        theta[k] = next;
      }
    }
    return theta;
  }

 private:
  void slope(
      const std::vector<double>& theta, const std::vector<double>& theta0,
      std::vector<double>& gradient) const {
    for (size_t k = 0; k < theta.size(); ++k) gradient[k] = pull_ * (theta[k] - theta0[k]);
    const auto m = static_cast<double>(labels_.size());
    std::vector<double> y(q_);
    for (const size_t i : members_) {
      const double* x = points_.data() + i * n_;
      for (size_t o = 0; o < q_; ++o) {
        y[o] = theta[q_ * n_ + o];
        for (size_t c = 0; c < n_; ++c) y[o] += theta[o * n_ + c] * x[c];
      }
      soft_max(y);
      y[static_cast<size_t>(labels_[i])] -= 1;
      for (size_t o = 0; o < q_; ++o) {
        for (size_t c = 0; c < n_; ++c) gradient[o * n_ + c] += y[o] / m * x[c];
        gradient[q_ * n_ + o] += y[o] / m;
      }
    }
  }

  size_t n_, q_;
  std::span<const double> points_;
  std::span<const int64_t> labels_;
  const std::vector<size_t>& members_;
  double pull_;
};

}  // namespace

RegionTree fine_tune(
    const RegionTree& tree, std::span<const double> points, std::span<const int64_t> labels,
    const FineTuneOptions& options) {
  check_examples("fine_tune", tree, points, labels);
  check_value(options.pull > 0, "fine_tune", "the pull must be above 0, got ", options.pull);
  const auto n = static_cast<size_t>(tree.inputs), q = static_cast<size_t>(tree.outputs);
  std::vector<std::vector<size_t>> members(static_cast<size_t>(tree.size()));
  for (size_t i = 0; i < labels.size(); ++i) {
    const int64_t region = tree.find(points.subspan(i * n, n));
    if (region >= 0) members[static_cast<size_t>(region)].push_back(i);
  }
  RegionTree tuned = tree;
  parallel::for_blocks(tree.size(), 4, [&](int64_t begin, int64_t end) {
    for (auto j = static_cast<size_t>(begin); j < static_cast<size_t>(end); ++j) {
      if (members[j].empty()) continue;
      const auto alpha = tuned.weights.begin() + static_cast<std::ptrdiff_t>(j * q * n);
      const auto beta = tuned.biases.begin() + static_cast<std::ptrdiff_t>(j * q);
      std::vector<double> theta(alpha, alpha + static_cast<std::ptrdiff_t>(q * n));
      theta.insert(theta.end(), beta, beta + static_cast<std::ptrdiff_t>(q));
      theta = Region(tree, points, labels, members[j], options.pull).solve(theta, options.steps);
      const auto middle = theta.begin() + static_cast<std::ptrdiff_t>(q * n);
      std::copy(theta.begin(), middle, alpha);
      std::copy(middle, theta.end(), beta);
    }
  });
  return tuned;
}

TreeScore score(
    const RegionTree& tree, std::span<const double> points, std::span<const int64_t> labels) {
  check_examples("score", tree, points, labels);
  const auto n = static_cast<size_t>(tree.inputs);
  TreeScore result;
  int64_t right = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::span<const double> x = points.subspan(i * n, n);
    const int64_t region = tree.find(x);
    if (region < 0) {
      ++result.uncovered;
      continue;
    }
    std::vector<double> y = tree.value(region, x);
    const auto label = static_cast<size_t>(labels[i]);
    right += std::ranges::max_element(y) - y.begin() == labels[i] ? 1 : 0;
    const double own = y[label];
    result.loss += soft_max(y) - own;
  }
  const auto covered = static_cast<double>(std::ssize(labels) - result.uncovered);
  result.accuracy = static_cast<double>(right) / static_cast<double>(labels.size());
  result.loss /= std::max(covered, 1.0);
  return result;
}

}  // namespace limpid::interpret
