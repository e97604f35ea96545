// tests/interpret/coreset_interpreters_test.cpp: VEBI, ICE and the probe where the answer is known.
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/linalg/linalg.h"
#include "framework/nn/layers.h"
#include "framework/nn/models.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "interpret/coreset/ablation.h"
#include "interpret/coreset/ice.h"
#include "interpret/coreset/probe.h"
#include "interpret/coreset/similarity.h"
#include "interpret/coreset/vebi.h"
#include "interpret/numerics/statistics.h"
#include "tests/interpret/digits_net.h"
#include "tests/support/compare.h"
#include "tests/support/failure.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <set>

using namespace limpid;
using namespace limpid::interpret;

namespace {

using Data = WeightInterpreter::Data;

Readings::Images rows_of(const Tensor& images) {
  return [images](SampleList samples) {
    std::vector<Tensor> parts;
    for (const int64_t i : samples) parts.push_back(slice(images, 0, i, i + 1));
    return concat(parts, 0);
  };
}

Data digits_data(std::vector<int64_t> probe = {}) {
  const auto labels = digits().labels.values<int64_t>();
  return {
      .images = rows_of(digits().images),
      .labels = {labels.begin(), labels.end()},
      .classes = digits().classes,
      .probe = std::move(probe)};
}

// Sets a parameter of a network by name.
void set(Module& net, const std::string& name, const Tensor& values) {
  for (auto& [known, tensor] : parameters(net)) {
    if (known == name) tensor.assign(values);
  }
}

}  // namespace

TEST_CASE("vebi: shares of energy, by hand; a silent layer has none") {
  const Tensor maps = matrix({2, 2, 2, 2}, {1, 1, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(close(energy_shares(maps), matrix({2, 2}, {0.5, 0.5, 0, 0})));
  CHECK(close(energy_shares(matrix({1, 3}, {1, -2, 2})), matrix({1, 3}, {1. / 9, 4. / 9, 4. / 9})));
  CHECK(contains(failure<ShapeError>([] { energy_shares(Tensor::zeros({3})); }), "[3]"));
}

TEST_CASE("vebi: a unit that fires for one class alone is found") {
  // Unit 7 of 10 is on for class 3 and off for all else; the others are noise
  Rng rng(2);
  constexpr int64_t n = 120, m = 10, K = 4;
  Tensor X = Tensor::uniform({n, m}, rng, 0, 1, DType::f64);
  std::vector<int64_t> classes;
  for (int64_t i = 0; i < n; ++i) {
    classes.push_back(i % K);
    X.mutable_data<double>()[i * m + 7] = i % K == 3 ? 3 : 0;
  }
  VebiMoments moments;
  moments.add(X, classes, K);
  std::vector<double> budgets;
  const Tensor W = vebi_weights(moments, {.form = VebiForm::mu, .strength = 0.1}, budgets);
  CHECK(ranked_support(W.values<double>().subspan(30, 10)) == std::vector<int64_t>{7});
  CHECK(W.data<double>()[37] == doctest::Approx(0.1).epsilon(1e-12));

  // Moments add up; in the share form budgets come from the first fit and stay
  VebiMoments parts;
  parts.add(slice(X, 0, 0, 50), std::span(classes).first(50), K);
  parts.add(slice(X, 0, 50, n), std::span(classes).subspan(50), K);
  CHECK(close(parts.Q, moments.Q));
  CHECK(close(parts.q, moments.q));
  CHECK(parts.samples == n);
  std::vector<double> shares;
  const VebiOptions half{.form = VebiForm::share, .strength = 0.5};
  const Tensor all = vebi_weights(moments, half, shares);
  VebiMoments few;
  few.add(slice(X, 0, 0, 40), std::span(classes).first(40), K);
  const std::vector<double> kept = shares;
  const Tensor less = vebi_weights(few, half, shares);
  CHECK(shares == kept);
  for (int64_t c = 0; c < K; ++c) {
    CHECK(sum(slice(all, 0, c, c + 1)).item() == doctest::Approx(kept[static_cast<size_t>(c)]));
    CHECK(sum(slice(less, 0, c, c + 1)).item() <= kept[static_cast<size_t>(c)] * (1 + 1e-12));
  }
  // The price per sample means the same for twice the samples
  VebiMoments twice = moments;
  twice.add(X, classes, K);
  std::vector<double> none, nothing;
  const VebiOptions priced{.form = VebiForm::alpha, .strength = 0.01};
  CHECK(close(vebi_weights(moments, priced, none), vebi_weights(twice, priced, nothing), 1e-9));
  CHECK(contains(
      failure<ValueError>([&] { vebi_weights(moments, {.strength = 1.5}, none); }), "share"));
}

TEST_CASE("vebi: a class without samples and units that are dead weigh nothing") {
  Rng rng(3);
  Tensor X = Tensor::uniform({20, 5}, rng, 0, 1, DType::f64);
  for (int64_t i = 0; i < 20; ++i) X.mutable_data<double>()[i * 5 + 2] = 0;
  std::vector<int64_t> classes(20);
  classes[19] = 1;  // one sample
  VebiMoments moments;
  moments.add(X, classes, 3);
  std::vector<double> budgets;
  const Tensor W = vebi_weights(moments, {}, budgets);
  for (int64_t c = 0; c < 3; ++c) CHECK(W.data<double>()[c * 5 + 2] == 0);
  for (int64_t j = 0; j < 5; ++j) CHECK(W.data<double>()[2 * 5 + j] == 0);
  CHECK(sum(slice(W, 0, 1, 2)).item() > 0);
  // A network that says nothing at all
  VebiMoments silent;
  silent.add(Tensor::zeros({20, 5}, DType::f64), classes, 3);
  std::vector<double> other;
  CHECK(close(vebi_weights(silent, {}, other), Tensor::zeros({3, 5}, DType::f64)));
}

TEST_CASE("vebi: on a network, each sample once, the same at any thread count") {
  Vebi vebi(*digits().model, digits_data({0, 1, 2, 3, 4}), {});
  CHECK(vebi.layers() == std::vector<std::string>{"relu1", "relu2"});
  const std::vector<int64_t> all = index_range(0, 200);
  vebi.see(all);
  const Interpretation full = vebi.fit(all);
  CHECK(full.weights.shape() == Shape({10, 16}));
  const Similarity floor = vebi.compare(full, vebi.again(all, 5));
  for (const double cosine : floor.at("cosine")) CHECK(cosine >= 1 - 1e-6);
  const Similarity chance = vebi.compare(full, vebi.chance(all, 5));
  CHECK(mean_of(chance.at("cosine")) < 0.9);
  CHECK(floor.at("functional").size() == 10);
  CHECK(floor.at("layer_cosine").size() == 10);
  const auto units = vebi.relevant_units(full, 3);
  REQUIRE(std::ssize(units) == full.active[3]);
  for (const RelevantUnit& unit : units) {
    CHECK(unit.weight > 0);
    CHECK(unit.unit < 8);
  }
  CHECK(std::ranges::is_sorted(units, std::greater{}, &RelevantUnit::weight));

  for (const int threads : {1, 2}) {
    const parallel::ThreadLimit limit(threads);
    Vebi again(*digits().model, digits_data(), {});
    again.see(all);
    CHECK(bitwise_equal(again.fit(all).weights, full.weights));
  }
}

namespace {

// Samples, each as often as its weight says.
std::vector<int64_t> repeated(SampleList samples, std::span<const double> weights) {
  std::vector<int64_t> all;
  for (size_t n = 0; n < samples.size(); ++n) {
    all.insert(all.end(), static_cast<size_t>(weights[n]), samples[n]);
  }
  return all;
}

}  // namespace

TEST_CASE("weights: integers are repeated samples") {
  // Sums of the same terms in another order: rounding alone differs
  constexpr double kRounding = 1e-12;
  Rng rng(8);
  const Tensor X = Tensor::uniform({12, 4}, rng, 0, 1, DType::f64);
  std::vector<int64_t> classes;
  std::vector<double> weights;
  for (int64_t i = 0; i < 12; ++i) {
    classes.push_back(i % 3);
    weights.push_back(static_cast<double>(i % 5));
  }
  const std::vector<int64_t> places = repeated(index_range(0, 12), weights);
  const Tensor more = rows_of(X)(places);
  std::vector<int64_t> more_classes;
  for (const int64_t i : places) more_classes.push_back(classes[static_cast<size_t>(i)]);

  VebiMoments weighted, plain;
  weighted.add(X, classes, 3, weights);
  plain.add(more, more_classes, 3);
  CHECK(close(weighted.Q, plain.Q, kRounding));
  CHECK(close(weighted.q, plain.q, kRounding));
  CHECK(weighted.samples == plain.samples);
  CHECK(plain.samples == 21);
  const LinearProbe probe = fit_probe(X, classes, 3, 1e-3, weights);
  const LinearProbe same = fit_probe(more, more_classes, 3, 1e-3);
  CHECK(close(probe.weight, same.weight, kRounding));
  CHECK(close(probe.bias, same.bias, kRounding));
  CHECK_FALSE(close(probe.weight, fit_probe(X, classes, 3).weight, 1e-3));
}

TEST_CASE("weights: three of one class and one of the other stand for as many of each") {
  const Tensor a = matrix({1, 2}, {1, 0.5}), b = matrix({1, 2}, {0.25, 2});
  const auto stack = [&](int64_t of_a, int64_t of_b) {
    return concat(
        {matmul(Tensor::ones({of_a, 1}, DType::f64), a),
         matmul(Tensor::ones({of_b, 1}, DType::f64), b)},
        0);
  };
  std::vector<int64_t> all_classes(60);
  std::fill(all_classes.begin() + 30, all_classes.end(), 1);
  VebiMoments all, part;
  all.add(stack(30, 30), all_classes, 2);
  part.add(stack(3, 1), {{0, 0, 0, 1}}, 2, {{10, 10, 10, 30}});
  CHECK(bitwise_equal(part.Q, all.Q));  // of short binary fractions
  CHECK(bitwise_equal(part.q, all.q));
  CHECK(part.samples == 60);
}

TEST_CASE("weights: on a network, by every interpreter") {
  const std::vector<int64_t> some = index_range(0, 60);
  std::vector<double> weights(60);
  for (size_t n = 0; n < 60; ++n) weights[n] = static_cast<double>(n % 3);
  const std::vector<int64_t> places = repeated(some, weights);
  Vebi vebi(*digits().model, digits_data(), {.form = VebiForm::alpha, .strength = 1e-3});
  Probe probe(*digits().model, digits_data(), {});
  for (WeightInterpreter* interpreter :
       {static_cast<WeightInterpreter*>(&vebi), static_cast<WeightInterpreter*>(&probe)}) {
    interpreter->see(some);
    const Tensor weighted = interpreter->fit(some, weights).weights;
    CHECK(close(weighted, interpreter->fit(places).weights, 1e-8));  // solutions of sums, above
    CHECK_FALSE(close(weighted, interpreter->fit(some).weights, 1e-3));
    CHECK(interpreter->rows(some).size(0) == 60);
    for (const std::vector<double>& bad :
         {std::vector<double>{1}, std::vector<double>(60), std::vector<double>(60, -1),
          std::vector<double>(60, std::nan(""))}) {
      CHECK(contains(failure<ValueError>([&] { interpreter->fit(some, bad); }), "weight"));
    }
  }
  const auto labels = digits().labels.values<int64_t>();
  Ice ice(
      *digits().model, rows_of(digits().images), {labels.begin(), labels.end()}, 10,
      {.is_per_class = false, .factorise = {.max_rounds = 5000, .tolerance = 1e-9}});
  ice.see(some);
  CHECK(ice.rows(some).shape() == Shape({60, 8}));
  const auto alike = [&](const Interpretation& a, const Interpretation& b) {
    return mean_of(ice.compare(a, b).at("matched_cosine"));
  };
  const Interpretation weighted = ice.fit(some, weights);
  // The start depends on the number of rows, the minimum does not
  CHECK(alike(weighted, ice.fit(places)) > 1 - 1e-6);
  CHECK(alike(weighted, ice.fit(some)) < 1 - 1e-4);
}

TEST_CASE("readings: each sample is read once") {
  int64_t read = 0;
  Readings readings(rows_of(digits().images), 200, [&](const Tensor& images) {
    read += images.size(0);
    return Reading{reshape(images, {images.size(0), 64}), reshape(images, {images.size(0), 64})};
  });
  readings.see(std::vector<int64_t>{3, 5});
  readings.see(std::vector<int64_t>{5, 7, 3});
  CHECK(read == 3);
  CHECK(readings.seen() == 3);
  CHECK(close(
      readings.rows(std::vector<int64_t>{7}), reshape(slice(digits().images, 0, 7, 8), {1, 64}),
      0));
  CHECK(contains(
      failure<ValueError>([&] { readings.rows(std::vector<int64_t>{9}); }),
      "sample 9 was not seen"));
  CHECK(contains(failure<ValueError>([&] { readings.rows({}); }), "no samples"));
  CHECK(contains(
      failure<ValueError>([&] { readings.see(std::vector<int64_t>{200}); }), "no sample 200"));
  Readings broken(rows_of(digits().images), 200, [](const Tensor& images) {
    return Reading{Tensor::full({images.size(0), 1}, std::nan("")), images};
  });
  CHECK(contains(failure<NumericError>([&] { broken.see(std::vector<int64_t>{1}); }), "NaN"));
}

TEST_CASE("rectified layers: of plain and of residual networks") {
  Rng rng(1);
  const auto mlp = make_model("mlp:5-4", {{1, 8, 8}, 3}, rng);
  CHECK(
      rectified_layers(*mlp, Tensor::ones({1, 1, 8, 8})) ==
      std::vector<std::string>{"relu1", "relu2"});
  const auto residual = make_model("resnet8", {{1, 8, 8}, 3}, rng);
  const auto names = rectified_layers(*residual, Tensor::ones({1, 1, 8, 8}));
  CHECK(names.size() == 3);  // one block per stage
}

TEST_CASE("vebi: pictures of a unit") {
  const UnitPicture picture =
      picture_of_unit(*digits().model, "relu1", 2, slice(digits().images, 0, 0, 20), 4);
  REQUIRE(picture.images.size() == 4);
  CHECK(picture.average.shape() == Shape({1, 3, 3}));  // the reach of one convolution
  CHECK(picture.heat.shape() == Shape({4, 1, 8, 8}));
  const std::vector<double> heat = picture.heat.to_vector();
  CHECK(std::ranges::all_of(heat, [](double v) { return v >= 0; }));
  CHECK(std::ranges::any_of(heat, [](double v) { return v > 0; }));
  // The first is where the unit responds most
  Pass pass;
  const Module& layer = find_layer(*digits().model, "relu1");
  pass.watch(layer);
  (*digits().model)(slice(digits().images, 0, 0, 20), pass);
  const Tensor maps = reshape(slice(pass.activation(layer), 1, 2, 3), {20, 64});
  const std::vector<double> largest = max(maps, 1).to_vector();
  CHECK(picture.images[0] == std::ranges::max_element(largest) - largest.begin());
  CHECK(contains(
      failure<ValueError>(
          [] { picture_of_unit(*digits().model, "relu1", 99, slice(digits().images, 0, 0, 2)); }),
      "no unit 99"));
  CHECK(contains(
      failure<ValueError>(
          [] { picture_of_unit(*digits().model, "relu9", 0, slice(digits().images, 0, 0, 2)); }),
      "relu9"));
}

TEST_CASE("ablation: what a class loses, by hand") {
  // Unit k is the evidence of class k; class 2 wins where both are silent
  Rng rng(1);
  Sequential net;
  net.add<ReLU>("relu");
  net.add<Linear>("linear", 2, 3, rng);
  convert(net, DType::f64);
  set(net, "linear.weight", matrix({3, 2}, {1, 0, 0, 1, 0, 0}));
  set(net, "linear.bias", matrix({3}, {0, 0, 0.5}));
  const Tensor x = matrix({4, 2}, {3, 1, 2, 1, 1, 2, 0, 0});
  const auto without = [&](const std::vector<RelevantUnit>& units, int64_t c) {
    return accuracy_without(net, units, x, c);
  };
  CHECK(without({}, 0) == 0.5);
  CHECK(without({}, 1) == 0.25);
  CHECK(without({{"relu", 0, 1}}, 0) == 0);
  CHECK(without({{"relu", 0, 1}}, 1) == 0.75);
  CHECK(without({{"relu", 0, 1}, {"relu", 1, 1}}, 2) == 1);
  CHECK(contains(failure<ValueError>([&] { without({{"relu", 2, 1}}, 0); }), "no unit 2 among 2"));
  CHECK(contains(failure<ValueError>([&] { without({{"relu9", 0, 1}}, 0); }), "relu9"));
}

TEST_CASE("ablation: as many other units of the same layers") {
  const Vebi vebi(*digits().model, digits_data(), {});
  const std::vector<RelevantUnit> like = {{"relu1", 3, 1}, {"relu2", 0, 1}, {"relu2", 5, 1}};
  std::set<std::pair<std::string, int64_t>> seen;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const std::vector<RelevantUnit> units = vebi.random_units(like, Rng(seed));
    REQUIRE(units.size() == 3);
    CHECK(units[0].layer == "relu1");
    CHECK(units[1].layer == "relu2");
    CHECK(units[2].layer == "relu2");
    CHECK(units[1].unit != units[2].unit);
    for (const RelevantUnit& u : units) seen.emplace(u.layer, u.unit);
  }
  CHECK(seen.size() == 16);  // every unit of both layers has its turn
}

TEST_CASE("ice: the derivative along a concept, by hand and by difference quotients") {
  // Global mean and a head with u = (2, -1): v = (1, 0) at every position adds 2
  Rng rng(1);
  Sequential net;
  const Module& layer = net.add<ReLU>("relu");
  net.add<GlobalAvgPool2d>("pool");
  net.add<Linear>("linear", 2, 1, rng);
  convert(net, DType::f64);
  set(net, "linear.weight", matrix({1, 2}, {2, -1}));
  const Tensor images = Tensor::uniform({3, 2, 4, 4}, rng, 0.1, 1, DType::f64);
  const Tensor V = matrix({2, 2}, {1, 0, 0, 1});
  const auto importance = concept_importance(net, layer, images, 0, V);
  CHECK(importance[0] == doctest::Approx(2).epsilon(1e-12));
  CHECK(importance[1] == doctest::Approx(-1).epsilon(1e-12));

  SmallNet small(1, 6, 3, true, rng);
  const Tensor x = Tensor::normal({4, 1, 6, 6}, rng, 0, 1, DType::f64);
  const Module& first_maps = find_layer(small.net, "relu1");
  const Tensor W = Tensor::uniform({2, 6}, rng, 0, 1, DType::f64);
  const auto exact = concept_importance(small.net, first_maps, x, 1, W);
  for (int64_t t = 0; t < 2; ++t) {
    const Tensor step = reshape(slice(W, 0, t, t + 1), {1, 6, 1, 1});
    // Small enough for no rectifier behind the layer to switch; rounding is 1e-16 / 1e-7
    const auto value = [&](double eps) {
      Pass pass;
      pass.substitute = [&](const Module& at, const Tensor&, const Tensor& output) {
        return &at == &first_maps ? output + eps * step : output;
      };
      return mean(slice(small.net(x, pass), 1, 1, 2)).item();
    };
    CHECK(
        exact[static_cast<size_t>(t)] ==
        doctest::Approx((value(1e-7) - value(-1e-7)) / 2e-7).epsilon(1e-5));
  }
}

TEST_CASE("ice: concepts that rebuild the layer rebuild what the network says") {
  Rng rng(7);
  SmallNet small(1, 6, 3, true, rng);
  const Tensor x = Tensor::normal({4, 1, 6, 6}, rng, 0, 1, DType::f64);
  const Module& layer = find_layer(small.net, "relu1");
  Tensor all = Tensor::zeros({6, 6}, DType::f64);
  for (int64_t j = 0; j < 6; ++j) all.mutable_data<double>()[7 * j] = 1;
  CHECK(fidelity_error(small.net, layer, x, 1, all) < 1e-10);
  CHECK(fidelity_error(small.net, layer, x, 1, slice(all, 0, 0, 1)) > 1e-3);
  CHECK(contains(
      failure<ShapeError>([&] {
        fidelity_error(small.net, layer, x, 1, Tensor::zeros({1, 5}, DType::f64));
      }),
      "[k, 6]"));
}

TEST_CASE("ice: two concepts that are there are found, from any start") {
  Rng rng(9);
  const Tensor S = Tensor::uniform({60, 2}, rng, 0, 1, DType::f64);
  const Tensor V = matrix({2, 6}, {1, 2, 0, 0, 1, 0, 0, 0, 3, 1, 0, 0});
  const Tensor A = matmul(S, V);
  // Entries that end at 0 get there slowly
  const Factorisation found = factorise(A, 2, {.max_rounds = 20000, .tolerance = 1e-7});
  CHECK(found.relative_error < 1e-4);
  CHECK(match_rows(found.V, V).cosine > 1 - 1e-3);
  const Factorisation other = factorise(A, 2, {.max_rounds = 20000, .tolerance = 1e-7, .seed = 3});
  CHECK(other.relative_error < 1e-4);
  CHECK(match_rows(found.V, other.V).cosine > 1 - 1e-3);
  CHECK_FALSE(bitwise_equal(found.V, other.V));
}

TEST_CASE("ice: on a network") {
  const auto labels = digits().labels.values<int64_t>();
  Ice ice(*digits().model, rows_of(digits().images), {labels.begin(), labels.end()}, 10, {});
  CHECK(ice.layer() == "relu2");
  CHECK(ice.concepts() == 2);  // a quarter of 8
  const std::vector<int64_t> all = index_range(0, 200);
  ice.see(all);
  const Interpretation full = ice.fit(all);
  REQUIRE(full.concepts.size() == 10);
  CHECK(full.concepts[0].shape() == Shape({2, 8}));
  CHECK(full.importance[0].size() == 2);
  const Similarity same = ice.compare(full, ice.fit(all));
  for (const double cosine : same.at("matched_cosine")) CHECK(cosine > 1 - 1e-12);
  const double floor = mean_of(ice.compare(full, ice.again(all, 1)).at("matched_cosine"));
  const double null = mean_of(ice.compare(full, ice.chance(all, 1)).at("matched_cosine"));
  CHECK(floor > null);
  const ConceptPicture picture = ice.picture(full, all, 3, 0, 4);
  CHECK(picture.samples.size() == 4);
  CHECK(picture.maps.size(0) == 4);
  CHECK(max(reshape(picture.maps, {picture.maps.numel()}), 0).item() == 1);

  // Ten samples: classes without any have concepts of 0
  const std::vector<int64_t> few = {0, 1, 2};
  const Interpretation less = ice.fit(few);
  CHECK(std::ranges::count(less.active, 0) >= 7);
  CHECK(contains(
      failure<ValueError>([&] {
        Ice wrong(*digits().model, rows_of(digits().images), {0}, 10, {.layer = "relu7"});
      }),
      "relu7"));
  CHECK(contains(
      failure<ValueError>(
          [&] { Ice wrong(*digits().model, rows_of(digits().images), {0}, 10, {.concepts = 9}); }),
      "9 concepts of 8"));
  // A network that is silent
  Rng rng(1);
  Sequential silent;
  silent.add<ReLU>("relu");
  silent.add<GlobalAvgPool2d>("pool");
  silent.add<Linear>("linear", 4, 2, rng);
  Ice nothing(silent, rows_of(Tensor::full({6, 4, 3, 3}, -1)), {0, 1, 0, 1, 0, 1}, 2, {});
  nothing.see(index_range(0, 6));
  CHECK(nothing.fit(index_range(0, 6)).active == std::vector<int64_t>{0, 0});
  Vebi no_units(silent, {rows_of(Tensor::full({6, 4, 3, 3}, -1)), {0, 1, 0, 1, 0, 1}, 2}, {});
  no_units.see(index_range(0, 6));
  CHECK(no_units.fit(index_range(0, 6)).active == std::vector<int64_t>{0, 0});

  Ice joint(
      *digits().model, rows_of(digits().images), {labels.begin(), labels.end()}, 10,
      {.is_per_class = false});
  joint.see(all);
  CHECK(joint.fit(all).concepts.size() == 1);
}

TEST_CASE("probe: the normal equations, and what it predicts") {
  Rng rng(5);
  const Tensor H = Tensor::normal({40, 3}, rng, 1, 2, DType::f64);
  std::vector<int64_t> classes;
  for (int64_t i = 0; i < 40; ++i) classes.push_back(H.data<double>()[3 * i] > 1 ? 1 : 0);
  const LinearProbe probe = fit_probe(H, classes, 2, 1e-10);
  // Without a price: least squares with a column of ones
  const Tensor with_ones = concat({H, Tensor::ones({40, 1}, DType::f64)}, 1);
  const Tensor Y = one_hot(Tensor::of_integers({40}, classes), 2, DType::f64);
  const Tensor expected = least_squares(with_ones, Y).x;  // [4, 2]
  CHECK(close(transpose(probe.weight), slice(expected, 0, 0, 3), 1e-8));
  CHECK(close(probe.bias, reshape(slice(expected, 0, 3, 4), {2}), 1e-8));
  const std::vector<int64_t> predicted = probe_predictions(probe, H);
  int64_t right = 0;
  for (size_t i = 0; i < 40; ++i) right += predicted[i] == classes[i];
  CHECK(right >= 36);
  // Nothing to see
  const LinearProbe blind = fit_probe(Tensor::ones({4, 3}, DType::f64), {{0, 1, 1, 1}}, 2);
  CHECK(close(blind.weight, Tensor::zeros({2, 3}, DType::f64)));
  CHECK(close(blind.bias, matrix({2}, {0.25, 0.75})));
  CHECK(contains(failure<ValueError>([&] { fit_probe(H, classes, 2, 0); }), "above 0"));
  CHECK(contains(failure<ShapeError>([&] { fit_probe(H, {}, 2); }), "[40, 3]"));
}

TEST_CASE("probe: on a network") {
  Probe probe(*digits().model, digits_data(), {});
  const std::vector<int64_t> all = index_range(0, 200);
  probe.see(all);
  const Interpretation full = probe.fit(all);
  CHECK(full.weights.size(0) == 10);
  CHECK(mean_of(probe.compare(full, probe.again(all, 1)).at("cosine")) > 1 - 1e-9);
  CHECK(mean_of(probe.compare(full, probe.chance(all, 1)).at("cosine")) < 0.5);
  Probe layer(*digits().model, digits_data(), {.layer = "relu1"});
  layer.see(all);
  CHECK(layer.fit(all).weights.shape() == Shape({10, 8}));
}
