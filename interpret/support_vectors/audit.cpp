// interpret/support_vectors/audit.cpp: patches, mixtures, ranks, neighbours, shares of a logit.
#include "interpret/support_vectors/audit.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/pool.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/coreset/distances.h"
#include "interpret/support_vectors/sample_gradients.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace limpid::interpret {
namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

std::vector<int64_t> positions_of(std::span<const int64_t> labels, int64_t label) {
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < std::ssize(labels); ++i) {
    if (labels[at(i)] == label) positions.push_back(i);
  }
  return positions;
}

void check_images(const char* op, const Tensor& images, std::span<const int64_t> labels) {
  check_shape(images.rank() == 4, op, "needs images [n, C, H, W], got ", images.shape());
  check_shape(
      std::ssize(labels) == images.size(0), op, "needs one label per image, got ", labels.size(),
      " for ", images.shape());
}

int64_t patch_size(const char* op, const Tensor& images, const CueOptions& options) {
  const int64_t shorter = std::min(images.size(2), images.size(3));
  const int64_t patch = options.patch > 0 ? options.patch : std::max<int64_t>(1, shorter / 4);
  check_value(
      options.patch >= 0 && patch <= shorter, op, "a patch of ", patch,
      " pixels does not fit into images ", images.shape());
  return patch;
}

Tensor window(const Tensor& images, const Place& place, int64_t patch) {
  return slice(
      slice(images, 2, place.row, place.row + patch), 3, place.column, place.column + patch);
}

double dot(std::span<const Tensor> a, std::span<const Tensor> b) {
  double total = 0;
  for (size_t k = 0; k < a.size(); ++k) {
    total += sum(to(a[k], DType::f64) * to(b[k], DType::f64)).item();
  }
  return total;
}

// The `count` largest, equal ones by position.
std::vector<int64_t> largest_first(const Tensor& values, int64_t count) {
  const Tensor order = arg_sort(values, 0, true);
  const auto all = order.values<int64_t>();
  const auto kept = std::min(all.size(), at(count));
  return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept)};
}

}  // namespace

double Flips::share() const {
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(flipped) / static_cast<double>(count);
}

Flips flips_to(
    int64_t label, std::span<const int64_t> labels, std::span<const int64_t> before,
    std::span<const int64_t> after) {
  check_shape(
      labels.size() == before.size() && labels.size() == after.size(), "flips_to",
      "needs as many labels as predictions");
  Flips flips;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == label || before[i] == label) continue;
    ++flips.count;
    flips.flipped += after[i] == label;
  }
  return flips;
}

// ---- Cues ----

Tensor patch_scores(
    const Tensor& images, std::span<const int64_t> labels, int64_t label,
    const CueOptions& options) {
  const char* op = "patch_scores";
  check_images(op, images, labels);
  const int64_t patch = patch_size(op, images, options);
  const std::vector<int64_t> mine = positions_of(labels, label);
  const auto n = std::ssize(labels);
  const auto count = std::ssize(mine);
  check_value(
      count > 0 && count < n, op, count, " of ", n, " images are of class ", label,
      "; both groups need one");
  std::vector<int64_t> others;
  for (int64_t i = 0; i < n; ++i) {
    if (labels[at(i)] != label) others.push_back(i);
  }
  const Recording off(false);
  const Tensor means =
      avg_pool2d(to(images.detach(), DType::f64), {.size = patch, .stride = 1});  // m
  const Tensor a = take_rows(means, mine), b = take_rows(means, others);
  const Tensor mean_a = mean(a, {0}), mean_b = mean(b, {0});
  const Tensor squares =
      sum((a - mean_a) * (a - mean_a), {0}) + sum((b - mean_b) * (b - mean_b), {0});
  const double freedom = std::max<double>(1, static_cast<double>(n - 2));
  const Tensor z =
      (mean_a - mean_b) / sqrt((1 / freedom) * squares + options.grey_level * options.grey_level);
  return reshape(z, {means.size(1), means.size(2), means.size(3)});
}

std::vector<Cue> find_cues(
    const Tensor& images, std::span<const int64_t> labels, const CueOptions& options) {
  check_images("find_cues", images, labels);
  const int64_t patch = patch_size("find_cues", images, options);
  std::vector<Cue> cues;
  for (const int64_t label : std::set<int64_t>(labels.begin(), labels.end())) {
    const Tensor scores = patch_scores(images, labels, label, options);
    const double* z = scores.data<double>();
    int64_t best = 0;
    for (int64_t k = 1; k < scores.numel(); ++k) {
      if (std::abs(z[k]) > std::abs(z[best])) best = k;
    }
    const int64_t columns = scores.size(2), plane = scores.size(1) * columns;
    Cue cue{
        .label = label,
        .place = {best % plane / columns, best % columns},
        .channel = best / plane,
        .z = z[best],
        .patch = {}};
    cue.patch = mean_patch(images, labels, label, cue.place, patch);
    cues.push_back(cue);
  }
  return cues;
}

Tensor mean_patch(
    const Tensor& images, std::span<const int64_t> labels, int64_t label, const Place& place,
    int64_t patch) {
  check_images("mean_patch", images, labels);
  const std::vector<int64_t> mine = positions_of(labels, label);
  check_value(!mine.empty(), "mean_patch", "no image is of class ", label);
  const Recording off(false);
  return reshape(
      mean(window(take_rows(images, mine), place, patch), {0}), {images.size(1), patch, patch});
}

Tensor pasted(const Tensor& images, const Tensor& patch, const Place& place) {
  check_shape(
      images.rank() == 4 && patch.rank() == 3 && patch.size(0) == images.size(1), "pasted",
      "a patch ", patch.shape(), " does not fit images ", images.shape());
  const int64_t C = images.size(1), H = images.size(2), W = images.size(3), P = patch.size(1);
  check_value(
      place.row >= 0 && place.column >= 0 && place.row + P <= H &&
          place.column + patch.size(2) <= W,
      "pasted", "a patch at row ", place.row, " and column ", place.column,
      " reaches out of images ", images.shape());
  Tensor result = images.detach().clone();
  const Tensor values = to(patch, images.dtype());
  const auto copy = [&]<class T>(T*) {
    T* out = result.mutable_data<T>();
    const T* in = values.data<T>();
    for (int64_t plane = 0; plane < images.size(0) * C; ++plane) {
      for (int64_t r = 0; r < P; ++r) {
        const T* line = in + (plane % C * P + r) * patch.size(2);
        std::copy(line, line + patch.size(2), out + (plane * H + place.row + r) * W + place.column);
      }
    }
  };
  images.dtype() == DType::f64 ? copy(static_cast<double*>(nullptr))
                               : copy(static_cast<float*>(nullptr));
  return result;
}

Place farthest_corner(const Place& place, int64_t patch, int64_t H, int64_t W) {
  Place best;
  int64_t most = -1;
  for (const int64_t row : {int64_t{0}, H - patch}) {
    for (const int64_t column : {int64_t{0}, W - patch}) {
      const int64_t down = row - place.row, right = column - place.column;
      const int64_t square = down * down + right * right;
      if (square <= most) continue;
      most = square;
      best = {row, column};
    }
  }
  return best;
}

CueTest test_cue(
    const Cue& cue, const Tensor& real_patch, const Tensor& images, std::span<const int64_t> labels,
    std::span<const int64_t> before, const Classify& classify) {
  const auto flips = [&](const Tensor& patch, const Place& place) {
    return flips_to(cue.label, labels, before, classify(pasted(images, patch, place)));
  };
  CueTest test;
  test.corner = farthest_corner(cue.place, cue.patch.size(1), images.size(2), images.size(3));
  test.cue = flips(cue.patch, cue.place);
  test.elsewhere = flips(cue.patch, test.corner);
  test.real = flips(real_patch, cue.place);
  return test;
}

// ---- Mixing ----

Tensor mixed(const Tensor& images, const Tensor& additions, double share) {
  check_shape(
      images.shape() == additions.shape() && images.rank() >= 2, "mixed", "additions ",
      additions.shape(), " do not fit images ", images.shape());
  const Recording off(false);
  const int64_t n = images.size(0);
  const Tensor x = reshape(images.detach(), {n, images.numel() / n});
  const Tensor v = reshape(to(additions.detach(), images.dtype()), x.shape());
  const std::vector<double> x_size = norm(x, {1}).to_vector(), v_size = norm(v, {1}).to_vector();
  std::vector<double> factors(at(n), 0.0);
  for (size_t i = 0; i < factors.size(); ++i) {
    if (v_size[i] > 0) factors[i] = share * x_size[i] / v_size[i];
  }
  return reshape(x + Tensor::of({n, 1}, factors, images.dtype()) * v, images.shape());
}

std::vector<Mixing> mixing_test(
    const Tensor& vectors, std::span<const int64_t> vector_labels, const Tensor& real,
    std::span<const int64_t> real_labels, const Tensor& images, std::span<const int64_t> labels,
    std::span<const double> shares, const Classify& classify) {
  const int64_t n = images.size(0);
  const std::vector<int64_t> before = classify(images);
  std::vector<Mixing> results;
  for (const double share : shares) results.push_back({share, {}, {}});

  const auto add = [&](const Tensor& source, const std::vector<int64_t>& which, int64_t label,
                       Flips Mixing::*total) {
    std::vector<int64_t> rows(at(n));
    for (size_t j = 0; j < rows.size(); ++j) rows[j] = which[j % which.size()];
    const Tensor additions = take_rows(source, rows);
    for (Mixing& m : results) {
      const Flips flips =
          flips_to(label, labels, before, classify(mixed(images, additions, m.share)));
      (m.*total).flipped += flips.flipped;
      (m.*total).count += flips.count;
    }
  };
  for (const int64_t label : std::set<int64_t>(vector_labels.begin(), vector_labels.end())) {
    const std::vector<int64_t> mine = positions_of(vector_labels, label);
    std::vector<int64_t> theirs = positions_of(real_labels, label);
    if (theirs.empty()) continue;
    theirs.resize(std::min(theirs.size(), mine.size()));
    add(vectors, mine, label, &Mixing::vectors);
    add(real, theirs, label, &Mixing::real);
  }
  return results;
}

// ---- Suspects ----

Suspects find_suspects(const SupportVectors& v, const Tensor& loss, int64_t count) {
  check_shape(
      loss.shape() == v.cosine.shape(), "find_suspects", "losses ", loss.shape(),
      " do not fit samples ", v.cosine.shape());
  const Recording off(false);
  return {
      .cosine = largest_first(-v.cosine, count),
      .loss = largest_first(loss, count),
      .alpha = largest_first(v.alpha, count)};
}

// ---- Nearest ----

std::vector<Nearest> nearest_in(const Tensor& rows, const Tensor& queries) {
  check_rows("nearest_in", rows);
  check_rows("nearest_in", queries);
  check_shape(
      rows.size(1) == queries.size(1), "nearest_in", "queries ", queries.shape(),
      " do not fit rows ", rows.shape());
  std::vector<Nearest> nearest;
  std::vector<double> squares(at(rows.size(0)));
  for (int64_t i = 0; i < queries.size(0); ++i) {
    squared_distances(rows, row_of(queries, i), squares);
    const auto least = std::min_element(squares.begin(), squares.end());
    nearest.push_back({least - squares.begin(), std::sqrt(*least)});
  }
  return nearest;
}

// ---- Attribution ----

std::vector<Attribution> attribute(
    Module& model, const Tensor& vectors, const Tensor& labels, const Tensor& lambda,
    const std::vector<std::string>& parameters, const Tensor& queries,
    std::span<const int64_t> targets) {
  check_shape(
      queries.size(0) == std::ssize(targets), "attribute", "needs one class per query, got ",
      targets.size(), " for ", queries.shape());
  const SampleGradients gradients(model, vectors, labels, parameters);
  std::vector<Tensor> leaves, theta, residual = gradients.combined(lambda);
  for (size_t k = 0; k < residual.size(); ++k) {
    leaves.push_back(gradients.target()[k].second);
    theta.push_back(leaves[k].detach());
    const Recording off(false);
    residual[k] = to(theta[k], DType::f64) + to(residual[k], DType::f64);
  }
  std::vector<Attribution> all;
  for (int64_t j = 0; j < queries.size(0); ++j) {
    const int64_t c = targets[at(j)];
    Pass pass;
    const Tensor logits = model(slice(queries.detach(), 0, j, j + 1), pass);
    check_value(
        c >= 0 && c < logits.size(1), "attribute", "class ", c, " is not in 0 to ",
        logits.size(1) - 1);
    const Tensor logit = reshape(slice(logits, 1, c, c + 1), {});
    const std::vector<Tensor> slope = grad(logit, leaves);
    const Recording off(false);
    all.push_back(
        {.target = c,
         .logit = logit.item(),
         .total = dot(slope, theta),
         .parts = -(lambda * gradients.products(slope)),
         .unexplained = dot(slope, residual)});
  }
  return all;
}

}  // namespace limpid::interpret
