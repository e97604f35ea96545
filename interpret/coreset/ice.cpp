// interpret/coreset/ice.cpp: outputs as rows, concepts of each group, and their derivatives.
#include "interpret/coreset/ice.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/nnls.h"
#include "interpret/saliency/cam.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace limpid::interpret {
namespace {

Tensor maps_of(Module& model, const Module& layer, const Tensor& images, Tensor& logits) {
  const Recording off(false);
  Pass pass;
  pass.watch(layer);
  logits = model(images, pass).detach();
  return spatial_maps(pass.activation(layer).detach(), images.shape(), layer);
}

std::string last_rectified_maps(Module& model, const Tensor& images) {
  std::string last;
  for (const std::string& name : rectified_layers(model, images)) {
    Pass pass;
    pass.watch(find_layer(model, name));
    const Recording off(false);
    model(images, pass);
    const bool has_maps =
        is_spatial(pass.activation(find_layer(model, name)).shape(), images.shape());
    if (has_maps) last = name;
  }
  check_value(!last.empty(), "ice", "no rectified layer of the network has maps; name a layer");
  return last;
}

// The layer and the number of concepts, where they are left open.
IceOptions completed(Module& model, const Readings::Images& images, IceOptions o) {
  const int64_t first = 0;
  const Tensor one = images({&first, 1});
  if (o.layer.empty()) o.layer = last_rectified_maps(model, one);
  Tensor logits;
  const Tensor maps = maps_of(model, find_layer(model, o.layer), one, logits);
  const int64_t C = maps.size(1);
  if (o.concepts == 0) o.concepts = std::clamp<int64_t>(C / 4, std::min<int64_t>(2, C), 8);
  check_value(
      o.concepts >= 1 && o.concepts <= C, "ice", o.concepts, " concepts of ", C, " channels of ",
      o.layer);
  return o;
}

// S >= 0 of least |A - S V|, row by row.
Tensor amounts(const Tensor& A, const Tensor& V) {
  const int64_t n = A.size(0), k = V.size(0);
  const Tensor K = matmul(V, V, {.transpose_b = true});
  const Tensor C = matmul(A, V, {.transpose_b = true});  // [n, k]
  Tensor S = Tensor::empty({n, k}, DType::f64);
  for (int64_t i = 0; i < n; ++i) {
    const Tensor x = nnls(K, reshape(slice(C, 0, i, i + 1), {k})).x;
    std::ranges::copy(x.values<double>(), S.mutable_data<double>() + i * k);
  }
  return S;
}

// [n h w, C] -> [n, C, h, w] in the type and shape of maps.
Tensor maps_from(const Tensor& rows, const Tensor& maps) {
  const Shape& s = maps.shape();
  return to(permute(reshape(rows, {s[0], s[2], s[3], s[1]}), {0, 3, 1, 2}), maps.dtype());
}

Tensor column(const Tensor& logits, int64_t c) {
  return to(slice(logits, 1, c, c + 1), DType::f64);
}

void check_concepts(const Tensor& maps, const Tensor& V) {
  check_shape(
      V.rank() == 2 && V.size(1) == maps.size(1), "ice", "needs concepts [k, ", maps.size(1),
      "], got ", V.shape());
}

}  // namespace

Tensor positions_of(const Tensor& maps) {
  const Tensor last = to(permute(maps, {0, 2, 3, 1}), DType::f64);
  return reshape(last, {maps.numel() / maps.size(1), maps.size(1)});
}

std::vector<double> concept_importance(
    Module& model, const Module& layer, const Tensor& images, int64_t c, const Tensor& V) {
  const std::vector<int64_t> classes(static_cast<size_t>(images.size(0)), c);
  const LayerSlopes slopes = layer_slopes(model, layer, images, classes);
  const Recording off(false);
  check_concepts(slopes.slope, V);
  // The slope of each channel at all positions, mean over images: [C, 1]
  const Tensor slope = mean(sum(to(slopes.slope, DType::f64), {2, 3}), {0});
  return matmul(V, reshape(slope, {V.size(1), 1})).to_vector();
}

double fidelity_error(
    Module& model, const Module& layer, const Tensor& images, int64_t c, const Tensor& V) {
  constexpr double kEpsilon = 1e-4;
  const Recording off(false);
  Tensor logits;
  const Tensor maps = maps_of(model, layer, images, logits);
  check_concepts(maps, V);
  const Tensor rebuilt = maps_from(matmul(amounts(positions_of(maps), V), V), maps);
  Pass pass;
  pass.substitute = [&](const Module& at, const Tensor&, const Tensor& output) {
    return &at == &layer ? rebuilt : output;
  };
  const Tensor before = column(logits, c), after = column(model(images, pass), c);
  return mean(abs(before - after)).item() / (std::abs(mean(before).item()) + kEpsilon);
}

// ---- The interpreter ----

Ice::Ice(
    Module& model, Readings::Images images, std::vector<int64_t> labels, int64_t classes,
    const IceOptions& options)
    : model_(model),
      options_(completed(model, images, options)),
      labels_(std::move(labels)),
      K_(classes),
      readings_(images, std::ssize(labels_), [this](const Tensor& batch) {
        Reading reading;
        reading.rows = to(maps_of(model_, *layer_, batch, reading.logits), DType::f32);
        return reading;
      }) {
  layer_ = &find_layer(model, options_.layer);
}

std::vector<std::vector<int64_t>> Ice::groups_of(SampleList samples) const {
  if (!options_.is_per_class) return {{samples.begin(), samples.end()}};
  std::vector<std::vector<int64_t>> groups(static_cast<size_t>(K_));
  const std::vector<int64_t> predicted = readings_.predicted(samples);
  for (size_t n = 0; n < samples.size(); ++n) {
    const int64_t c =
        options_.has_true_labels ? labels_.at(static_cast<size_t>(samples[n])) : predicted[n];
    groups.at(static_cast<size_t>(c)).push_back(samples[n]);
  }
  return groups;
}

// A of the samples, or of as many of them, evenly, as max_rows allows.
Tensor Ice::positions_in(
    std::span<const int64_t> samples, const std::map<int64_t, double>& weights) const {
  const Tensor one = readings_.rows(samples.first(1));
  const int64_t positions = one.size(2) * one.size(3);
  const auto most = static_cast<size_t>(std::max<int64_t>(1, options_.max_rows / positions));
  std::vector<int64_t> some;
  const size_t kept = std::min(most, samples.size());
  for (size_t i = 0; i < kept; ++i) some.push_back(samples[i * samples.size() / kept]);
  const Tensor maps = readings_.rows(some);
  if (weights.empty()) return positions_of(maps);
  std::vector<double> roots;
  for (const int64_t i : some) roots.push_back(std::sqrt(weights.at(i)));
  return positions_of(maps * Tensor::of({std::ssize(roots), 1, 1, 1}, roots, DType::f64));
}

Tensor Ice::rows(SampleList samples) const {
  const Recording off(false);
  const Tensor maps = readings_.rows(samples);
  return reshape(mean(maps, {2, 3}), {maps.size(0), maps.size(1)});
}

std::vector<double> Ice::importance(std::span<const int64_t> group, int64_t g, const Tensor& V) {
  const auto count = std::min(group.size(), static_cast<size_t>(options_.importance_images));
  const SampleList some = group.first(count);
  if (options_.is_per_class) {
    return concept_importance(model_, *layer_, readings_.images(some), g, V);
  }
  // One set of concepts: the mean over the classes that these samples have
  std::map<int64_t, std::vector<int64_t>> by_class;
  const std::vector<int64_t> predicted = readings_.predicted(group);
  for (size_t n = 0; n < group.size(); ++n) {
    std::vector<int64_t>& members = by_class[predicted[n]];
    if (members.size() < static_cast<size_t>(options_.importance_images)) {
      members.push_back(group[n]);
    }
  }
  std::vector<double> all(static_cast<size_t>(V.size(0)));
  for (const auto& [c, members] : by_class) {
    const auto one = concept_importance(model_, *layer_, readings_.images(members), c, V);
    for (size_t t = 0; t < all.size(); ++t) {
      all[t] += one[t] / static_cast<double>(by_class.size());
    }
  }
  return all;
}

Interpretation Ice::with_importance(
    SampleList samples, const MakeConcepts& make, SampleWeights weights) {
  check_value(!samples.empty(), "ice", "no samples to interpret the network on");
  const int64_t C = readings_.rows(samples.first(1)).size(1), k = options_.concepts;
  std::map<int64_t, double> weight_of;
  for (size_t n = 0; n < weights.size(); ++n) weight_of[samples[n]] = weights[n];
  Interpretation found;
  const std::vector<std::vector<int64_t>> groups = groups_of(samples);
  std::vector<Tensor> concepts(groups.size(), Tensor::zeros({k, C}, DType::f64));
  parallel::for_each(std::ssize(groups), [&](int64_t g) {
    const auto at = static_cast<size_t>(g);
    if (!groups[at].empty()) concepts[at] = make(positions_in(groups[at], weight_of), g);
  });
  for (size_t g = 0; g < groups.size(); ++g) {
    const Tensor& V = concepts[g];
    std::vector<double> importances(static_cast<size_t>(k));
    if (!groups[g].empty()) importances = importance(groups[g], static_cast<int64_t>(g), V);
    const std::vector<double> lengths = sum(V, {1}).to_vector();
    found.active.push_back(std::ranges::count_if(lengths, [](double v) { return v > 0; }));
    found.concepts.push_back(V);
    found.importance.push_back(std::move(importances));
  }
  return found;
}

namespace {

// Concepts of A; zeros where it has fewer rows than concepts are wanted.
Tensor concepts_of(const Tensor& A, int64_t k, const FactoriseOptions& options) {
  const auto values = A.values<double>();
  check_value(
      std::ranges::all_of(values, [](double v) { return v >= 0; }), "ice",
      "the layer has negative outputs; name one behind a rectifier");
  const int64_t possible = std::min(k, A.size(0));
  return pad(factorise(A, possible, options).V, 0, 0, k - possible);
}

}  // namespace

Interpretation Ice::fit_weighted(SampleList samples, SampleWeights weights) {
  const auto make = [&](const Tensor& A, int64_t) {
    return concepts_of(A, options_.concepts, options_.factorise);
  };
  return with_importance(samples, make, weights);
}

Interpretation Ice::again(SampleList samples, uint64_t seed) {
  return with_importance(samples, [&](const Tensor& A, int64_t group) {
    FactoriseOptions options = options_.factorise;
    options.seed = seed + static_cast<uint64_t>(group);
    return concepts_of(A, options_.concepts, options);
  });
}

Interpretation Ice::chance(SampleList samples, uint64_t seed) {
  return with_importance(samples, [&](const Tensor& A, int64_t group) {
    Rng rng = Rng(seed).child(static_cast<uint64_t>(group));
    const Tensor V = Tensor::uniform({options_.concepts, A.size(1)}, rng, 0, 1, DType::f64);
    return V / norm(V, {1});
  });
}

Similarity Ice::compare(const Interpretation& reference, const Interpretation& other) {
  return compare_concepts(reference, other);
}

ConceptPicture Ice::picture(
    const Interpretation& found, SampleList samples, int64_t group, int64_t t,
    int64_t count) const {
  const std::vector<std::vector<int64_t>> groups = groups_of(samples);
  check_value(
      group >= 0 && group < std::ssize(groups) && t >= 0 && t < options_.concepts, "ice",
      "no concept ", t, " of group ", group);
  const std::vector<int64_t>& members = groups[static_cast<size_t>(group)];
  ConceptPicture picture;
  if (members.empty()) return picture;
  const Tensor maps = readings_.rows(members);  // [n, C, h, w]
  const Tensor S = amounts(positions_of(maps), found.concepts.at(static_cast<size_t>(group)));
  const Tensor own = reshape(slice(S, 1, t, t + 1), {maps.size(0), maps.size(2), maps.size(3)});
  const std::vector<double> means = mean(own, {1, 2}).to_vector();
  std::vector<int64_t> order = index_range(0, std::ssize(members));
  std::ranges::stable_sort(
      order, std::ranges::greater{}, [&](int64_t n) { return means[static_cast<size_t>(n)]; });
  order.resize(std::min(order.size(), static_cast<size_t>(count)));
  std::vector<Tensor> shown;
  for (const int64_t n : order) {
    picture.samples.push_back(members[static_cast<size_t>(n)]);
    shown.push_back(slice(own, 0, n, n + 1));
  }
  const Tensor all = concat(shown, 0);
  const double most = max(reshape(all, {all.numel()}), 0).item();
  picture.maps = most > 0 ? all / most : all;
  return picture;
}

}  // namespace limpid::interpret
