// interpret/coreset/interpreter.cpp: readings taken once, and similarities class by class.
#include "interpret/coreset/interpreter.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/module.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/coreset/similarity.h"
#include "interpret/numerics/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace limpid::interpret {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kBatch = 250;  // images at a time

std::vector<int64_t> sizes_with(int64_t first, const Shape& rest) {
  std::vector<int64_t> sizes = {first};
  sizes.insert(sizes.end(), rest.sizes().begin(), rest.sizes().end());
  return sizes;
}

std::vector<int64_t> picked(SampleList values, SampleList places) {
  std::vector<int64_t> result;
  for (const int64_t place : places) result.push_back(values[static_cast<size_t>(place)]);
  return result;
}

}  // namespace

Interpretation Interpreter::fit(SampleList samples, SampleWeights weights) {
  const auto is_usable = [](double v) { return v >= 0 && std::isfinite(v); };
  const bool fits = weights.size() == samples.size() && std::ranges::all_of(weights, is_usable) &&
                    std::ranges::any_of(weights, [](double v) { return v > 0; });
  check_value(
      weights.empty() || fits, "interpreter",
      "needs a finite weight of at least 0 for each sample, and one above 0");
  return fit_weighted(samples, weights);
}

// ---- Readings ----

Readings::Readings(Images images, int64_t samples, Reader reader)
    : images_(std::move(images)),
      reader_(std::move(reader)),
      rows_(static_cast<size_t>(samples)),
      predicted_(static_cast<size_t>(samples)) {}

void Readings::see(SampleList samples) {
  const Recording off(false);
  std::vector<int64_t> fresh;
  for (const int64_t i : samples) {
    check_value(
        i >= 0 && i < std::ssize(rows_), "readings", "no sample ", i, " among ", rows_.size());
    if (rows_[static_cast<size_t>(i)].empty()) fresh.push_back(i);
  }
  for (size_t begin = 0; begin < fresh.size(); begin += kBatch) {
    const SampleList some =
        SampleList(fresh).subspan(begin, std::min(kBatch, fresh.size() - begin));
    const Reading reading = reader_(images_(some));
    shape_ = Shape(reading.rows.shape().sizes().subspan(1));
    const auto width = static_cast<size_t>(shape_.numel());
    const auto values = reading.rows.values<float>();
    const auto bad = std::ranges::find_if_not(values, [](float v) { return std::isfinite(v); });
    if (bad != values.end()) {
      throw NumericError("readings: the network gives NaN or infinity", *bad);
    }
    const Tensor best = arg_max(reading.logits, 1);
    for (size_t n = 0; n < some.size(); ++n) {
      const auto i = static_cast<size_t>(some[n]);
      const auto row = values.subspan(n * width, width);
      rows_[i].assign(row.begin(), row.end());
      predicted_[i] = best.data<int64_t>()[n];
    }
    seen_ += std::ssize(some);
  }
}

Tensor Readings::rows(SampleList samples) const {
  check_value(!samples.empty(), "readings", "no samples to interpret the network on");
  const std::vector<int64_t> sizes = sizes_with(std::ssize(samples), shape_);
  Tensor all = Tensor::empty(Shape(std::span<const int64_t>{sizes}), DType::f64);
  double* out = all.mutable_data<double>();
  for (const int64_t i : samples) {
    const std::vector<float>& row = rows_.at(static_cast<size_t>(i));
    check_value(!row.empty(), "readings", "sample ", i, " was not seen");
    out = std::ranges::copy(row, out).out;
  }
  return all;
}

std::vector<int64_t> Readings::predicted(SampleList samples) const {
  std::vector<int64_t> classes;
  for (const int64_t i : samples) classes.push_back(predicted_.at(static_cast<size_t>(i)));
  return classes;
}

// ---- Weights of classes ----

WeightInterpreter::WeightInterpreter(
    const Data& data, bool has_true_labels, const Readings::Reader& reader)
    : K_(data.classes),
      readings_(data.images, std::ssize(data.labels), reader),
      labels_(data.labels),
      probe_(data.probe),
      has_true_labels_(has_true_labels) {}

void WeightInterpreter::see(SampleList samples) {
  readings_.see(samples);
  readings_.see(probe_);
}

std::vector<int64_t> WeightInterpreter::classes_of(SampleList samples) const {
  return has_true_labels_ ? picked(labels_, samples) : readings_.predicted(samples);
}

Interpretation WeightInterpreter::fit_weighted(SampleList samples, SampleWeights weights) {
  return solve(samples, classes_of(samples), weights);
}

Interpretation WeightInterpreter::again(SampleList samples, uint64_t seed) {
  return fit(picked(samples, Rng(seed).permutation(std::ssize(samples))));
}

Interpretation WeightInterpreter::chance(SampleList samples, uint64_t seed) {
  const std::vector<int64_t> classes = classes_of(samples);
  return solve(samples, picked(classes, Rng(seed).permutation(std::ssize(classes))), {});
}

Similarity WeightInterpreter::compare(
    const Interpretation& reference, const Interpretation& other) {
  const Tensor X = probe_.empty() ? Tensor() : readings_.rows(probe_);
  return compare_weights(reference.weights, other.weights, X, groups_);
}

std::vector<std::string> rectified_layers(Module& model, const Tensor& images) {
  std::map<const Module*, std::string> names;
  for (const auto& [name, layer] : layers(model)) names[layer] = name;
  std::vector<std::string> rectifiers, blocks;
  Tensor before;
  Pass pass;
  pass.observer = [&](const Module& layer, const Tensor&, const Tensor& output) {
    const auto found = names.find(&layer);
    if (found == names.end()) return;
    const std::string type = layer.type();
    if (type == "ReLU" || type == "ReLU6") rectifiers.push_back(found->second);
    // A container ends with the output of its last layer, which has been here
    const bool is_new = !before.defined() || !before.is(output);
    before = output;
    const bool is_block = !layers(const_cast<Module&>(layer)).empty();
    if (!is_new || !is_block || output.rank() != 4) return;
    const std::vector<double> values = output.to_vector();
    if (std::ranges::all_of(values, [](double v) { return v >= 0; })) {
      blocks.push_back(found->second);
    }
  };
  const Recording off(false);
  model(images, pass);
  return rectifiers.empty() ? blocks : rectifiers;
}

// ---- Similarities ----

namespace {

Weights row_of(const Tensor& matrix, int64_t i) {
  const auto m = static_cast<size_t>(matrix.size(1));
  return matrix.values<double>().subspan(static_cast<size_t>(i) * m, m);
}

double total(Weights a) {
  double sum = 0;
  for (const double value : a) sum += std::abs(value);
  return sum;
}

void compare_rows(Weights a, Weights b, Similarity& found) {
  const auto is_signed = [](double v) { return v < 0; };
  const bool has_support = std::ranges::none_of(a, is_signed) && std::ranges::none_of(b, is_signed);
  const double cosine = weight_cosine(a, b);
  const std::vector<double> zero(a.size());
  const double size = euclidean_distance(a, zero);
  const auto A = ranked_support(a), B = ranked_support(b);
  const Overlap overlap = overlap_of(A, B);
  found["cosine"].push_back(cosine);
  found["angular"].push_back(angular_similarity(cosine));
  found["relative_l2"].push_back(size > 0 ? euclidean_distance(a, b) / size : kNan);
  found["jaccard"].push_back(has_support ? overlap.jaccard : kNan);
  found["dice"].push_back(has_support ? overlap.dice : kNan);
  found["top_jaccard"].push_back(has_support ? top_jaccard(a, b) : kNan);
  found["weighted_jaccard"].push_back(has_support ? weighted_jaccard(a, b) : kNan);
  found["kuncheva"].push_back(has_support ? kuncheva(a, b) : kNan);
  found["spearman"].push_back(spearman(a, b));
  found["kendall"].push_back(kendall_tau_b(a, b));
  found["rbo"].push_back(rank_biased_overlap(A, B).extrapolated);
}

// Means over the layers in which a weighs anything; groups are where each begins, and the end.
void compare_layers(Weights a, Weights b, std::span<const int64_t> groups, Similarity& found) {
  std::vector<double> cosines, jaccards;
  double difference = 0;
  const double all_a = total(a), all_b = total(b);
  for (size_t g = 0; g + 1 < groups.size(); ++g) {
    const auto begin = static_cast<size_t>(groups[g]), end = static_cast<size_t>(groups[g + 1]);
    const Weights x = a.subspan(begin, end - begin), y = b.subspan(begin, end - begin);
    const double share_a = all_a > 0 ? total(x) / all_a : 0;
    const double share_b = all_b > 0 ? total(y) / all_b : 0;
    difference += std::abs(share_a - share_b);
    if (share_a == 0) continue;
    cosines.push_back(weight_cosine(x, y));
    jaccards.push_back(overlap_of(ranked_support(x), ranked_support(y)).jaccard);
  }
  found["layer_cosine"].push_back(mean_of(cosines));
  found["layer_jaccard"].push_back(mean_of(jaccards));
  found["layer_share"].push_back(1 - difference / 2);
}

}  // namespace

Similarity compare_weights(
    const Tensor& a, const Tensor& b, const Tensor& X, std::span<const int64_t> groups) {
  const Recording off(false);
  check_shape(
      a.rank() == 2 && a.shape() == b.shape(), "compare_weights",
      "needs two matrices of one shape, got ", a.shape(), " and ", b.shape());
  Similarity found;
  for (int64_t c = 0; c < a.size(0); ++c) {
    compare_rows(row_of(a, c), row_of(b, c), found);
    if (!groups.empty()) compare_layers(row_of(a, c), row_of(b, c), groups, found);
  }
  if (X.defined()) {
    const Tensor of_a = matmul(a, X, {.transpose_b = true});  // [K, n]
    const Tensor of_b = matmul(b, X, {.transpose_b = true});
    for (int64_t c = 0; c < a.size(0); ++c) {
      found["functional"].push_back(pearson(row_of(of_a, c), row_of(of_b, c)));
    }
  }
  return found;
}

Similarity compare_concepts(const Interpretation& a, const Interpretation& b) {
  check_shape(
      a.concepts.size() == b.concepts.size(), "compare_concepts", "groups differ (",
      a.concepts.size(), ", ", b.concepts.size(), ")");
  Similarity found;
  const auto as_similarity = [](double angle) { return 1 - 2 * angle / std::numbers::pi; };
  for (size_t g = 0; g < a.concepts.size(); ++g) {
    const Tensor &V = a.concepts[g], &W = b.concepts[g];
    const MatchedRows matched = match_rows(V, W);
    std::vector<double> in_order;
    for (const int64_t j : matched.partner) {
      in_order.push_back(b.importance.at(g).at(static_cast<size_t>(j)));
    }
    const bool is_telling = V.size(1) >= 2 * V.size(0) + 2;
    const Tensor U = transpose(V), T = transpose(W);
    found["matched_cosine"].push_back(matched.cosine);
    found["importance"].push_back(pearson(a.importance.at(g), in_order));
    found["pwsm"].push_back(is_telling ? as_similarity(shape_angle(U, T)) : kNan);
    found["procrustes"].push_back(
        is_telling ? as_similarity(shape_angle(U, T, {.alpha = 1})) : kNan);
    found["subspace"].push_back(is_telling ? mean_of(principal_cosines(V, W)) : kNan);
  }
  return found;
}

}  // namespace limpid::interpret
