// tests/interpret/coreset_select_test.cpp: every method by name: counts, nesting, refusals.
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/tensor/integers.h"
#include "interpret/coreset/select.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// n samples of K classes in clusters, with everything that any method needs.
Samples samples_of(int64_t n, int64_t K, int64_t d, uint64_t seed) {
  Rng rng(seed);
  const Tensor centres = Tensor::normal({K, d}, rng, 0, 2);
  Samples s;
  s.features = Tensor::normal({n, d}, rng, 0, 1);
  s.logits = Tensor::normal({n, K}, rng, 0, 1);
  s.labels = Tensor::empty({n}, DType::i64);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t c = i < K ? i : rng.integer(K);  // no class is empty
    s.labels.mutable_data<int64_t>()[i] = c;
    for (int64_t k = 0; k < d; ++k) {
      s.features.mutable_data<float>()[i * d + k] += centres.data<float>()[c * d + k];
    }
    s.logits.mutable_data<float>()[i * K + c] += 2;
    s.scores.push_back(rng.uniform());
  }
  return s;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const SelectorInfo& info : selectors()) all.push_back(info.name);
  return all;
}

bool is_prefix(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  return a.size() <= b.size() && std::equal(a.begin(), a.end(), b.begin());
}

bool is_permutation(std::vector<int64_t> order, int64_t n) {
  std::ranges::sort(order);
  const std::vector<int64_t> all = index_range(0, n);
  return order == all;
}

}  // namespace

TEST_CASE("select: how many are kept") {
  CHECK(kept_of(10, 0.3) == 3);
  CHECK(kept_of(10, 0.25) == 3);
  CHECK(kept_of(10, 0.01) == 1);
  CHECK(kept_of(10, 1) == 10);
  CHECK(kept_of(1, 0.5) == 1);
  CHECK(kept_of(0, 0.5) == 0);
  for (const double bad : {0.0, 1.5, -0.1, std::nan("")}) {
    CHECK(contains(failure<ValueError>([&] { kept_of(10, bad); }), "fraction must be in (0, 1]"));
    for (const std::string& name : names()) {
      CHECK(contains(
          failure<ValueError>(
              [&] { select_coreset(name, samples_of(12, 2, 2, 1), {.fraction = bad}); }),
          "fraction must be in (0, 1]"));
    }
  }
}

TEST_CASE("select: every method keeps its share of each class, or of all") {
  const Samples samples = samples_of(120, 4, 5, 3);
  std::vector<int64_t> sizes(4);
  for (const int64_t y : samples.labels.values<int64_t>()) ++sizes[static_cast<size_t>(y)];
  for (const std::string& name : names()) {
    INFO(name);
    for (const double fraction : {0.01, 0.2, 1.0}) {
      const Selection found = select_coreset(name, samples, {.fraction = fraction});
      int64_t total = 0;
      for (size_t c = 0; c < 4; ++c) {
        if (name != "uniform") CHECK(found.per_class[c] == kept_of(sizes[c], fraction));
        total += found.per_class[c];
      }
      CHECK(total == std::ssize(found.indices));
      CHECK(std::set(found.indices.begin(), found.indices.end()).size() == found.indices.size());
      CHECK(found.nested);
      const bool has_weights = selector_named(name).has_weights;
      CHECK(found.weights.size() == (has_weights ? found.indices.size() : 0));
      for (const double w : found.weights) CHECK(w >= 0);
      if (name == "craig" || name == "weighted") {  // every sample counts once
        CHECK(std::accumulate(found.weights.begin(), found.weights.end(), 0.0) == 120);
      }
      if (fraction == 1) CHECK(is_permutation(found.indices, 120));
    }
    const Selection global = select_coreset(name, samples, {.fraction = 0.1, .per_class = false});
    CHECK(global.indices.size() == 12);
    CHECK(std::accumulate(global.per_class.begin(), global.per_class.end(), int64_t{0}) == 12);
    CHECK(is_permutation(
        select_coreset(name, samples, {.fraction = 1, .per_class = false}).indices, 120));
  }
}

TEST_CASE("select: a smaller fraction is a prefix, for every method and many samples") {
  for (const std::string& name : names()) {
    INFO(name);
    for (uint64_t seed = 0; seed < 20; ++seed) {
      Rng rng(100 + seed);
      const Samples samples = samples_of(20 + rng.integer(50), 1 + rng.integer(4), 3, seed);
      if (samples.logits.size(1) < 2 && name.ends_with("margin")) continue;
      SelectOptions options{.per_class = seed % 3 != 0, .seed = seed};
      std::vector<int64_t> before;
      for (const double fraction : {0.05, 0.1, 0.23, 0.3, 0.5, 0.77, 1.0}) {
        options.fraction = fraction;
        const Selection found = select_coreset(name, samples, options);
        REQUIRE(found.nested);
        CHECK(is_prefix(before, found.indices));
        CHECK(found.indices.size() > 0);
        before = found.indices;
      }
      CHECK(is_permutation(before, samples.labels.size(0)));
    }
  }
}

TEST_CASE("select: stochastic greedy says that it does not nest") {
  const Samples samples = samples_of(60, 2, 3, 1);
  for (const char* name : {"facility-location", "weighted", "graph-cut", "log-det"}) {
    const SelectOptions options{.greedy = GreedyKind::stochastic};
    CHECK_FALSE(select_coreset(name, samples, options).nested);
  }
  CHECK(select_coreset("herding", samples, {.greedy = GreedyKind::stochastic}).nested);
}

TEST_CASE("select: one seed, one order, at any thread count; another seed, another order") {
  const Samples samples = samples_of(700, 2, 9, 5);
  for (const std::string& name : names()) {
    INFO(name);
    for (const bool per_class : {true, false}) {
      SelectOptions options{.fraction = 0.05, .per_class = per_class, .seed = 7};
      Selection first;
      for (const int threads : {1, 2, 3}) {
        const parallel::ThreadLimit limit(threads);
        const Selection found = select_coreset(name, samples, options);
        if (threads == 1) first = found;
        CHECK(found.indices == first.indices);
        CHECK(found.weights == first.weights);
      }
      options.seed = 8;
      const bool differs = select_coreset(name, samples, options).indices != first.indices;
      const SelectorInfo info = selector_named(name);
      CHECK(differs == info.is_random);
    }
  }
}

TEST_CASE("select: random starts and stochastic greedy depend on the seed") {
  const Samples samples = samples_of(200, 2, 4, 2);
  const auto with = [&](const char* name, SelectOptions options, uint64_t seed) {
    options.seed = seed;
    return select_coreset(name, samples, options).indices;
  };
  const SelectOptions any{.start = Start::random}, some{.greedy = GreedyKind::stochastic};
  CHECK(with("k-center", any, 1) == with("k-center", any, 1));
  CHECK(with("k-center", any, 1) != with("k-center", any, 2));
  CHECK(with("facility-location", some, 1) == with("facility-location", some, 1));
  CHECK(with("facility-location", some, 1) != with("facility-location", some, 2));
}

TEST_CASE("select: equal samples, dead units and classes of one sample are no obstacle") {
  Samples samples = samples_of(40, 3, 4, 6);
  for (int64_t i = 0; i < 40; ++i) {  // class 2 has the one sample 2
    int64_t& y = samples.labels.mutable_data<int64_t>()[i];
    if (i != 2 && y == 2) y = 0;
  }
  for (const char* form : {"equal", "zero", "one dead unit"}) {
    INFO(form);
    for (int64_t i = 0; i < samples.features.numel(); ++i) {
      float& z = samples.features.mutable_data<float>()[i];
      if (form == std::string("zero")) z = 0;
      if (form == std::string("equal")) z = static_cast<float>(i % 4);
      if (form == std::string("one dead unit") && i % 4 == 1) z = 0;
    }
    for (const std::string& name : names()) {
      INFO(name);
      const Selection found = select_coreset(name, samples, {.fraction = 0.3});
      if (name == "uniform") continue;
      CHECK(found.per_class[2] == 1);
      CHECK(std::ranges::count(found.indices, 2) == 1);
      for (const double w : found.weights) CHECK(std::isfinite(w));
    }
    samples = [&] {
      Samples fresh = samples_of(40, 3, 4, 6);
      fresh.labels = samples.labels;
      return fresh;
    }();
  }
  // All alike: the smallest index wins
  samples.features = Tensor::ones({40, 4});
  for (const char* name :
       {"herding", "moments", "k-center", "facility-location", "log-det", "k-medoids"}) {
    INFO(name);
    CHECK(
        select_coreset(name, samples, {.fraction = 0.05, .per_class = false}).indices ==
        std::vector<int64_t>{0, 1});
  }
}

TEST_CASE("select: a class without samples, a single sample") {
  Samples samples = samples_of(10, 3, 2, 1);
  for (int64_t i = 0; i < 10; ++i) {
    int64_t& y = samples.labels.mutable_data<int64_t>()[i];
    y = y == 1 ? 0 : y;
  }
  for (const std::string& name : names()) {
    INFO(name);
    const Selection found = select_coreset(name, samples, {.fraction = 0.5});
    CHECK(found.per_class.size() == 3);
    CHECK(found.per_class[1] == 0);
    Samples one{
        .features = Tensor::ones({1, 2}),
        .logits = Tensor::of({1, 2}, {1, 0}),
        .labels = Tensor::of_integers({1}, {1}),
        .scores = {1}};
    CHECK(select_coreset(name, one).indices == std::vector<int64_t>{0});
  }
}

TEST_CASE("select: NaN, missing and misshapen samples are refused") {
  for (const std::string& name : names()) {
    INFO(name);
    const SelectorInfo info = selector_named(name);
    Samples bad = samples_of(12, 2, 2, 1);
    if (info.needs_features) {
      bad.features.mutable_data<float>()[7] = std::numeric_limits<float>::quiet_NaN();
      CHECK(
          contains(failure<ValueError>([&] { select_coreset(name, bad); }), "sample 3 holds NaN"));
      bad.features = Tensor();
      CHECK(contains(failure<ShapeError>([&] { select_coreset(name, bad); }), "needs rows"));
      bad.features = Tensor::zeros({11, 2});
      CHECK(contains(failure<ShapeError>([&] { select_coreset(name, bad); }), "do not fit"));
    }
    bad = samples_of(12, 2, 2, 1);
    if (info.needs_logits) {
      bad.logits.mutable_data<float>()[7] = std::numeric_limits<float>::quiet_NaN();
      CHECK(contains(failure<ValueError>([&] { select_coreset(name, bad); }), "NaN"));
      bad.logits = Tensor();
      CHECK(contains(failure<ShapeError>([&] { select_coreset(name, bad); }), "needs logits"));
    }
    if (info.needs_scores) {
      bad.scores[3] = std::nan("");
      CHECK(contains(failure<ValueError>([&] { select_coreset(name, bad); }), "NaN"));
      bad.scores.pop_back();
      CHECK(contains(failure<ShapeError>([&] { select_coreset(name, bad); }), "needs 12 scores"));
    }
    bad.labels = Tensor();
    CHECK(contains(failure<ShapeError>([&] { select_coreset(name, bad); }), "label"));
  }
  const std::string text =
      failure<ValueError>([] { select_coreset("moderat", samples_of(12, 2, 2, 1)); });
  CHECK(contains(text, "no method 'moderat'"));
  CHECK(contains(text, "moderate-3q"));
}

namespace {

// |mean x x' of the chosen - of all| / |of all| in class-wise sums, and likewise |mean x|: Q and q.
std::pair<double, double> moment_errors(const Samples& samples, std::span<const int64_t> chosen) {
  const int64_t m = samples.rows.size(1), n = samples.rows.size(0);
  const std::vector<int64_t> all = index_range(0, n);
  const auto moments = [&](std::span<const int64_t> part) {
    std::vector<double> Q(static_cast<size_t>(m * m)), q(static_cast<size_t>(2 * m));
    for (const int64_t i : part) {
      const float* x = samples.rows.data<float>() + i * m;
      const int64_t c = samples.labels.data<int64_t>()[i];
      for (int64_t j = 0; j < m; ++j) {
        q[static_cast<size_t>(c * m + j)] += double(x[j]) / std::ssize(part);
        for (int64_t l = 0; l < m; ++l) {
          Q[static_cast<size_t>(j * m + l)] += double(x[j]) * double(x[l]) / std::ssize(part);
        }
      }
    }
    return std::pair(Q, q);
  };
  const auto relative = [](const std::vector<double>& a, const std::vector<double>& b) {
    double gap = 0, size = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      gap += (a[i] - b[i]) * (a[i] - b[i]);
      size += b[i] * b[i];
    }
    return std::sqrt(gap / size);
  };
  const auto [Q, q] = moments(chosen);
  const auto [full_Q, full_q] = moments(all);
  return {relative(Q, full_Q), relative(q, full_q)};
}

// Two classes of 200, x as VEBI has it: shares of 12 units, a few of which tell the classes apart.
Samples planted_shares() {
  constexpr int64_t n = 400, m = 12;
  Rng rng(9);
  Samples s{.rows = Tensor::empty({n, m}), .labels = Tensor::empty({n}, DType::i64)};
  for (int64_t i = 0; i < n; ++i) {
    s.labels.mutable_data<int64_t>()[i] = i % 2;
    std::vector<double> energy(m);
    rng.uniform(energy, 0, 1);
    for (size_t j = 0; j < 3; ++j) energy[j + 3 * static_cast<size_t>(i % 2)] *= 6;
    const double total = std::accumulate(energy.begin(), energy.end(), 0.0);
    for (int64_t j = 0; j < m; ++j) {
      s.rows.mutable_data<float>()[i * m + j] =
          static_cast<float>(energy[static_cast<size_t>(j)] / total);
    }
  }
  return s;
}

}  // namespace

TEST_CASE("select: moments has the Q and q of all where chance has not") {
  const Samples samples = planted_shares();
  const Selection found = select_coreset("moments", samples, {.fraction = 0.05});
  CHECK(found.indices.size() == 20);
  const auto [Q, q] = moment_errors(samples, found.indices);
  std::vector<double> random_Q, random_q;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto some = select_coreset("random", samples, {.fraction = 0.05, .seed = seed}).indices;
    const auto [error_Q, error_q] = moment_errors(samples, some);
    random_Q.push_back(error_Q);
    random_q.push_back(error_q);
  }
  std::ranges::sort(random_Q);
  std::ranges::sort(random_q);
  CHECK(Q < random_Q[9]);
  CHECK(q < random_q[9]);
}

TEST_CASE("select: moments goes by rows, by features where there are none, and needs either") {
  Samples samples = samples_of(50, 2, 4, 1);
  const Selection by_features = select_coreset("moments", samples);
  samples.rows = samples.features;
  CHECK(select_coreset("moments", samples).indices == by_features.indices);
  Rng rng(3);
  samples.rows = Tensor::uniform({50, 6}, rng, 0, 1);
  CHECK(select_coreset("moments", samples).indices != by_features.indices);
  CHECK(select_coreset("herding", samples).indices.size() == 5);  // others do not look at them
  samples.features = Tensor();
  CHECK(select_coreset("moments", samples).indices.size() == 5);
  samples.rows = Tensor::zeros({49, 6});
  CHECK(contains(
      failure<ShapeError>([&] { select_coreset("moments", samples); }), "do not fit rows"));
  samples.rows = Tensor();
  CHECK(contains(failure<ShapeError>([&] { select_coreset("moments", samples); }), "needs rows"));
}

TEST_CASE("select: weights add up to the samples of each class") {
  const Tensor labels = Tensor::of_integers({7}, {0, 0, 0, 0, 1, 1, 2});
  const Selection found{.indices = {3, 4, 0, 6}, .weights = {3, 0, 1, 5}, .per_class = {2, 1, 1}};
  CHECK(balanced_weights(found, labels) == std::vector<double>{3, 2, 1, 1});
  CHECK(balanced_weights({.indices = {3}, .per_class = {1, 0, 0}}, labels).empty());
  CHECK(effective_count(std::vector<double>{2, 2, 2}) == 3);
  CHECK(effective_count(std::vector<double>{3, 1}) == 1.6);
  CHECK(effective_count({}) == 0);
  // CRAIG counts every sample once already
  const Samples samples = samples_of(90, 3, 4, 2);
  const Selection craig = select_coreset("craig", samples, {.fraction = 0.2});
  const std::vector<double> balanced = balanced_weights(craig, samples.labels);
  for (size_t m = 0; m < balanced.size(); ++m) {
    CHECK(balanced[m] == doctest::Approx(craig.weights[m]).epsilon(1e-14));
  }
}

TEST_CASE("select: what the methods are for, on samples where it is plain") {
  // Class 0: 0 ... 9 and an outlier; class 1 alike, farther away
  std::vector<double> values;
  std::vector<int64_t> labels;
  for (const int64_t c : {0, 1}) {
    for (int v = 0; v < 10; ++v) values.push_back(v + 1000 * double(c));
    values.push_back(100 + 1000 * double(c));
    labels.insert(labels.end(), 11, c);
  }
  const Samples samples{
      .features = Tensor::of({22, 1}, values), .labels = Tensor::of_integers({22}, labels)};
  const auto kept = [&](const char* name, SelectOptions options) {
    options.fraction = 0.28;  // 3 of each 11
    const Selection found = select_coreset(name, samples, options);
    return std::set(found.indices.begin(), found.indices.end());
  };
  CHECK(kept("moderate", {.centre = Centre::median}) == std::set<int64_t>{7, 2, 8, 18, 13, 19});
  CHECK(kept("dgpruning", {}).contains(10));
  CHECK(kept("dgpruning:center", {}) == kept("dgpruning", {}));
  CHECK(kept("dgpruning", {}).contains(21));
  CHECK_FALSE(kept("k-medoids", {}).empty());
  // Globally the distance is still that to the centre of the own class
  CHECK(
      kept("moderate", {.per_class = false, .centre = Centre::median}).size() ==
      static_cast<size_t>(kept_of(22, 0.28)));
}
