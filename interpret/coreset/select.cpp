// interpret/coreset/select.cpp: the table of methods, groups by class, and one order from many.
#include "interpret/coreset/select.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/core/text.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/integers.h"
#include "interpret/coreset/cover.h"
#include "interpret/coreset/distances.h"
#include "interpret/coreset/scores.h"
#include "interpret/coreset/set_functions.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace limpid::interpret {
namespace {

// The samples of one group, or all of them.
struct Group {
  Tensor h, p, y;              // as in Samples, h features or rows, p in f64
  std::vector<double> scores;  // what the method ranks by, if it does
  int64_t size() const { return y.size(0); }
};

struct Setting {
  const SelectOptions& options;
  const ValidationSamples* validation;  // glister
  Rng rng;                              // of the group
};

struct Chosen {
  std::vector<int64_t> order;  // positions in the group
  std::vector<double> weights = {};
  std::string note = {};
};

using ScoreFunction = std::vector<double> (*)(const Group& all, const SelectOptions&);
using OrderFunction = Chosen (*)(const Group&, int64_t k, const Setting&);

struct Method {
  SelectorInfo info;
  OrderFunction order;
  ScoreFunction score = nullptr;  // else scores come with the samples, or none are needed
};

// ---- Scores of all samples ----------------------------------------------------------------------

// |h_i - centre of its class|, in a global selection too.
std::vector<double> centre_scores(const Group& all, const SelectOptions& o);

std::vector<double> confidence_scores(const Group& all, const SelectOptions&) {
  return least_confidence(all.p);
}
std::vector<double> entropy_scores(const Group& all, const SelectOptions&) {
  return entropy(all.p);
}
std::vector<double> margin_scores(const Group& all, const SelectOptions&) {
  return margin_difficulty(all.p);
}
std::vector<double> el2n_scores(const Group& all, const SelectOptions&) {
  return el2n(all.p, all.y);
}
std::vector<double> contrast_scores(const Group& all, const SelectOptions&) {
  return contrast(all.p, all.h);
}

// ---- Orders of one group ------------------------------------------------------------------------

std::vector<int64_t> first_of(std::vector<int64_t> order, int64_t k) {
  order.resize(static_cast<size_t>(k));
  return order;
}

Chosen at_random(const Group& group, int64_t k, const Setting& s) {
  Rng rng = s.rng;
  return {first_of(rng.permutation(group.size()), k)};
}

// The highest scores first.
std::vector<int64_t> ranked(std::span<const double> scores) {
  std::vector<int64_t> order = index_range(0, std::ssize(scores));
  std::ranges::stable_sort(
      order, std::greater<>(), [&](int64_t i) { return scores[static_cast<size_t>(i)]; });
  return order;
}

Chosen hardest(const Group& group, int64_t k, const Setting&) {
  return {first_of(ranked(group.scores), k)};
}

Chosen moderate(const Group& group, int64_t k, const Setting&) {
  return {moderate_order(group.scores, k)};
}

Chosen three_quantiles(const Group& group, int64_t k, const Setting&) {
  return {three_quantile_order(group.scores, k)};
}

Chosen diversity(const Group& group, int64_t k, const Setting& s) {
  constexpr double kNoMessage = 1e-3;
  const DiversityOrder found = diversity_order(group.h, group.scores, k, s.options.graph);
  const bool is_graph = group.size() > s.options.graph.neighbours;
  return {
      .order = found.order,
      .weights = {},
      .note = is_graph && found.mean_weight < kNoMessage
                  ? join_text(
                        "messages of the graph vanish, mean weight ", found.mean_weight,
                        ": the order is that of the scores")
                  : ""};
}

Chosen by_herding(const Group& group, int64_t k, const Setting&) { return {herding(group.h, k)}; }

Chosen by_moments(const Group& group, int64_t k, const Setting&) {
  return {moment_herding(group.h, k)};
}

int64_t start_in(const Tensor& rows, const Setting& s) {
  Rng rng = s.rng;
  return s.options.start == Start::mean ? nearest_to_mean(rows) : rng.integer(rows.size(0));
}

Chosen by_k_center(const Group& group, int64_t k, const Setting& s) {
  return {k_center(group.h, k, start_in(group.h, s)).order};
}

Chosen by_context(const Group& group, int64_t k, const Setting& s) {
  return {contextual_diversity(group.p, k, start_in(to(group.p, DType::f32), s)).order};
}

std::vector<int64_t> greedy(SetFunction& f, int64_t k, const Setting& s) {
  return s.options.greedy == GreedyKind::lazy
             ? lazy_greedy(f, k).order
             : stochastic_greedy(f, k, s.options.epsilon, s.rng).order;
}

// How many samples each of the k chosen ones represents.
std::vector<double> cluster_sizes(const FacilityLocation& f, int64_t k) {
  std::vector<double> sizes(static_cast<size_t>(k));
  for (const int64_t r : f.representatives()) sizes[static_cast<size_t>(r)] += 1;
  return sizes;
}

Chosen facility_location(const Group& group, int64_t k, const Setting& s) {
  FacilityLocation f(cosine_similarities({group.h}));
  return {greedy(f, k, s)};
}

Chosen weighted(const Group& group, int64_t k, const Setting& s) {
  FacilityLocation f(cosine_similarities({group.h}));
  std::vector<int64_t> order = greedy(f, k, s);
  return {std::move(order), cluster_sizes(f, k)};
}

Chosen graph_cut(const Group& group, int64_t k, const Setting& s) {
  GraphCut f(cosine_similarities({group.h}), s.options.graph_cut_lambda);
  return {greedy(f, k, s)};
}

Chosen log_determinant(const Group& group, int64_t k, const Setting& s) {
  LogDeterminant f(cosine_similarities({group.h}), s.options.log_det_epsilon);
  return {greedy(f, k, s)};
}

// BUILD of PAM (Kaufman and Rousseeuw 1990): the medoid that lowers the sum of distances most.
Chosen medoids(const Group& group, int64_t k, const Setting&) {
  FacilityLocation f(distance_similarities({group.h}));
  return {lazy_greedy(f, k).order};
}

Chosen craig(const Group& group, int64_t k, const Setting&) {
  FacilityLocation f(distance_similarities({group.h, logit_slopes(group.p, group.y)}));
  std::vector<int64_t> order = lazy_greedy(f, k).order;
  return {std::move(order), cluster_sizes(f, k)};
}

Chosen gradmatch(const Group& group, int64_t k, const Setting& s) {
  Pursuit found = gradient_match(logit_slopes(group.p, group.y), group.h, k, s.options.ridge);
  return {std::move(found.support), std::move(found.weights)};
}

Chosen by_glister(const Group& group, int64_t k, const Setting& s) {
  return {glister(logit_slopes(group.p, group.y), group.h, *s.validation, k, s.options.eta)};
}

// Coverage-centric: without the hardest share, one sample of each stratum of the scores in turn;
// the easiest strata first, and those left out at the very end.
Chosen strata(const Group& group, int64_t k, const Setting& s) {
  std::vector<int64_t> by_score = ranked(group.scores);
  const auto dropped =
      static_cast<int64_t>(s.options.ccs_dropped * static_cast<double>(group.size()));
  const auto score = [&](int64_t i) { return group.scores[static_cast<size_t>(i)]; };
  const double high = score(by_score[static_cast<size_t>(dropped)]), low = score(by_score.back());
  const auto count = static_cast<size_t>(s.options.ccs_strata);
  std::vector<std::vector<int64_t>> stratum(count);
  Rng rng = s.rng;
  for (const int64_t place : rng.permutation(group.size() - dropped)) {
    const int64_t i = by_score[static_cast<size_t>(dropped + place)];
    const double share = high > low ? (score(i) - low) / (high - low) : 0;
    const auto at = static_cast<size_t>(share * static_cast<double>(count));
    stratum[std::min(at, count - 1)].push_back(i);
  }
  std::vector<int64_t> order;
  for (size_t round = 0; std::ssize(order) < group.size() - dropped; ++round) {
    for (const std::vector<int64_t>& members : stratum) {
      if (round < members.size()) order.push_back(members[round]);
    }
  }
  for (int64_t place = dropped; place-- > 0;) {
    order.push_back(by_score[static_cast<size_t>(place)]);
  }
  return {first_of(std::move(order), k)};
}

// ---- The table ----------------------------------------------------------------------------------

std::vector<Method> make_methods() {
  const auto features = [](const char* name, const char* what) {
    return SelectorInfo{.name = name, .what = what, .needs_features = true};
  };
  const auto logits = [](const char* name, const char* what) {
    return SelectorInfo{.name = name, .what = what, .needs_logits = true};
  };
  const auto both = [](const char* name, const char* what, bool has_weights = false) {
    return SelectorInfo{
        .name = name,
        .what = what,
        .needs_features = true,
        .needs_logits = true,
        .has_weights = has_weights};
  };
  const auto scores = [](const char* name, const char* what) {
    return SelectorInfo{.name = name, .what = what, .needs_scores = true};
  };
  const auto randomly = [](SelectorInfo info, bool is_per_class = true) {
    info.is_random = true;
    info.is_per_class = is_per_class;
    return info;
  };
  const auto by_rows = [](SelectorInfo info) {
    info.prefers_rows = true;
    return info;
  };
  const auto with_weights = [](SelectorInfo info) {
    info.has_weights = true;
    return info;
  };
  return {
      {randomly({.name = "random", .what = "any samples, as many of each class"}), at_random},
      {randomly({.name = "uniform", .what = "any samples of all classes together"}, false),
       at_random},
      {features("moderate", "distance to the class centre near the median; Xia et al. 2023"),
       moderate, centre_scores},
      {features("moderate-3q", "likewise near the three quartiles; reconstructed"), three_quantiles,
       centre_scores},
      {features("dgpruning", "far from the class centre and from each other; D2-Pruning 2024"),
       diversity, centre_scores},
      {both("dgpruning:entropy", "the same graph over entropies"), diversity, entropy_scores},
      {both("dgpruning:margin", "the same graph over margins"), diversity, margin_scores},
      {both("dgpruning:el2n", "the same graph over EL2N"), diversity, el2n_scores},
      {features("herding", "sums near those of the mean; Welling 2009"), by_herding},
      {by_rows(features("moments", "means of x and x x' near those of all; kernel herding")),
       by_moments},
      {features("k-center", "farthest first; Sener and Savarese 2018"), by_k_center},
      {logits("contextual-diversity", "farthest first by predictions; Agarwal et al. 2020"),
       by_context},
      {logits("least-confidence", "smallest largest probability"), hardest, confidence_scores},
      {logits("entropy", "largest entropy of the prediction"), hardest, entropy_scores},
      {logits("margin", "smallest lead of the first class"), hardest, margin_scores},
      {logits("el2n", "largest |p - e_y|; Paul et al. 2021"), hardest, el2n_scores},
      {scores("grand", "largest gradient of the last layer while training; Paul et al. 2021"),
       hardest},
      {scores("forgetting", "most often forgotten while training; Toneva et al. 2019"), hardest},
      {scores("deepfool", "nearest to another prediction; Ducoffe and Precioso 2018"), hardest},
      {both("cal", "predictions unlike their neighbours'; Margatina et al. 2021"), hardest,
       contrast_scores},
      {features("facility-location", "every sample has a similar one; lazy greedy"),
       facility_location},
      {with_weights(features("weighted", "the same, weighted by how many each represents")),
       weighted},
      {features("graph-cut", "typical and not redundant"), graph_cut},
      {features("log-det", "largest volume of similarities"), log_determinant},
      {features("k-medoids", "smallest sum of distances to the nearest; BUILD of PAM"), medoids},
      {randomly(logits("ccs", "all strata of EL2N but the hardest; Zheng et al. 2023")), strata,
       el2n_scores},
      {both("craig", "medoids of gradients, weighted; Mirzasoleiman et al. 2020", true), craig},
      {both(
           "gradmatch", "weighted sum nearest to the full gradient; Killamsetty et al. 2021", true),
       gradmatch},
      {both("glister", "steps that lower a validation loss; Killamsetty et al. 2021"), by_glister},
  };
}

const std::vector<Method>& methods() {
  static const std::vector<Method> all = make_methods();
  return all;
}

const Method& method_named(const std::string& name) {
  const std::string wanted = name == "dgpruning:center" ? "dgpruning" : name;
  for (const Method& method : methods()) {
    if (method.info.name == wanted) return method;
  }
  raise<ValueError>(
      "coreset", "no method '", name, "'; there are: ",
      joined(methods(), ", ", [](const Method& method) { return method.info.name; }));
}

// ---- Groups -------------------------------------------------------------------------------------

template <class T>
std::vector<T> taken(const std::vector<T>& values, std::span<const int64_t> members) {
  std::vector<T> result;
  if (values.empty()) return result;
  for (const int64_t i : members) result.push_back(values[static_cast<size_t>(i)]);
  return result;
}

Group part_of(const Group& all, std::span<const int64_t> members) {
  const auto rows = [&](const Tensor& t) { return t.defined() ? take_rows(t, members) : t; };
  return {
      .h = rows(all.h),
      .p = rows(all.p),
      .y = take_rows(all.y, members),
      .scores = taken(all.scores, members)};
}

// Members of each class, in order.
std::vector<std::vector<int64_t>> members_by_class(const Tensor& labels, int64_t classes) {
  std::vector<std::vector<int64_t>> members(static_cast<size_t>(classes));
  for (int64_t i = 0; i < labels.numel(); ++i) {
    members[static_cast<size_t>(labels.data<int64_t>()[i])].push_back(i);
  }
  return members;
}

int64_t class_count(const Samples& samples) {
  const auto labels = samples.labels.values<int64_t>();
  const int64_t largest = *std::max_element(labels.begin(), labels.end());
  return std::max(largest + 1, samples.logits.defined() ? samples.logits.size(1) : 0);
}

std::vector<double> centre_scores(const Group& all, const SelectOptions& o) {
  const auto labels = all.y.values<int64_t>();
  std::vector<double> scores(labels.size());
  const int64_t classes = *std::max_element(labels.begin(), labels.end()) + 1;
  for (const std::vector<int64_t>& members : members_by_class(all.y, classes)) {
    if (members.empty()) continue;
    const Tensor rows = take_rows(all.h, members);
    const std::vector<double> s = distances_to_centre(rows, o.centre);
    for (size_t k = 0; k < s.size(); ++k) scores[static_cast<size_t>(members[k])] = s[k];
  }
  return scores;
}

// What the method needs, checked; the rest stays undefined.
Group known(const Method& method, const Samples& samples, const SelectOptions& o) {
  const Tensor& y = samples.labels;
  check_shape(y.defined() && y.rank() == 1 && y.numel() > 0, "coreset", "needs a label per sample");
  const auto labels = y.values<int64_t>();
  check_value(
      *std::min_element(labels.begin(), labels.end()) >= 0, "coreset", "a label is negative");
  const int64_t n = y.size(0);
  Group all{.h = {}, .p = {}, .y = y, .scores = {}};
  if (method.info.needs_features) {
    const bool has_rows = method.info.prefers_rows && samples.rows.defined();
    all.h = has_rows ? samples.rows : samples.features;
    check_rows("coreset", all.h);
    check_shape(
        all.h.size(0) == n, "coreset", n, " labels do not fit ", has_rows ? "rows " : "features ",
        all.h.shape());
  }
  if (method.info.needs_logits) {
    check_shape(
        samples.logits.defined() && samples.logits.rank() == 2 && samples.logits.size(0) == n,
        "coreset", method.info.name, " needs logits of ", n, " samples");
    all.p = probabilities_of(samples.logits);
  }
  if (method.info.needs_scores) {
    check_shape(
        std::ssize(samples.scores) == n, "coreset", method.info.name, " needs ", n, " scores, got ",
        samples.scores.size());
    check_value(
        std::ranges::none_of(samples.scores, [](double v) { return std::isnan(v); }), "coreset",
        "a score is NaN");
    all.scores = samples.scores;
  }
  if (method.score != nullptr) all.scores = method.score(all, o);
  return all;
}

// One group's choice with the indices of its members, and when each comes in.
struct Entry {
  int64_t index = 0;
  double weight = 1;
  int64_t twice_rank = 0;  // 2 m - 1 for the m-th of its group, 0 for the first
  int64_t group_size = 0;
};

// By the fraction m - 1/2 of the size of its group; those that come in together by group.
bool earlier(const Entry& a, const Entry& b) {
  return a.twice_rank * b.group_size < b.twice_rank * a.group_size;
}

}  // namespace

const std::vector<SelectorInfo>& selectors() {
  static const std::vector<SelectorInfo> infos = [] {
    std::vector<SelectorInfo> all;
    for (const Method& method : methods()) all.push_back(method.info);
    return all;
  }();
  return infos;
}

SelectorInfo selector_named(const std::string& name) { return method_named(name).info; }

int64_t kept_of(int64_t n, double fraction) {
  check_value(
      fraction > 0 && fraction <= 1, "coreset", "fraction must be in (0, 1], got ", fraction);
  const double wanted = std::floor(fraction * static_cast<double>(n) + 0.5);
  return std::min(n, std::max<int64_t>(1, static_cast<int64_t>(wanted)));
}

std::vector<double> balanced_weights(const Selection& selection, const Tensor& labels) {
  const auto classes = labels.values<int64_t>();
  const auto class_of = [&](size_t m) {
    return static_cast<size_t>(classes[static_cast<size_t>(selection.indices[m])]);
  };
  std::vector<double> sizes(selection.per_class.size()), totals(sizes.size());
  for (const int64_t c : classes) ++sizes.at(static_cast<size_t>(c));
  for (size_t m = 0; m < selection.weights.size(); ++m) totals[class_of(m)] += selection.weights[m];
  std::vector<double> weights;
  for (size_t m = 0; m < selection.weights.size(); ++m) {
    const size_t c = class_of(m);
    const double share = totals[c] > 0 ? selection.weights[m] / totals[c]
                                       : 1 / static_cast<double>(selection.per_class[c]);
    weights.push_back(sizes[c] * share);
  }
  return weights;
}

double effective_count(std::span<const double> weights) {
  double sum = 0, squares = 0;
  for (const double v : weights) {
    sum += v;
    squares += v * v;
  }
  return squares > 0 ? sum * sum / squares : 0;
}

Selection select_coreset(const std::string& name, const Samples& samples, const SelectOptions& o) {
  const Method& method = method_named(name);
  kept_of(1, o.fraction);  // refused before anything is computed
  check_value(
      o.ccs_dropped >= 0 && o.ccs_dropped < 1 && o.ccs_strata >= 1, "coreset", "ccs_dropped ",
      o.ccs_dropped, " or ccs_strata ", o.ccs_strata, " is out of range");
  const Group all = known(method, samples, o);
  const int64_t classes = class_count(samples);
  const ValidationSamples itself{samples.features, samples.logits, samples.labels};
  const ValidationSamples& validation = samples.validation ? *samples.validation : itself;

  std::vector<std::vector<int64_t>> groups;
  if (o.per_class && method.info.is_per_class) {
    groups = members_by_class(all.y, classes);
  } else {
    groups.push_back(index_range(0, all.size()));
  }

  Selection result;
  std::vector<Entry> entries;
  const Rng rng(o.seed);
  for (size_t c = 0; c < groups.size(); ++c) {
    const std::vector<int64_t>& members = groups[c];
    if (members.empty()) continue;
    const Group group = groups.size() > 1 ? part_of(all, members) : all;
    const Setting setting{o, &validation, rng.child(c)};
    const Chosen chosen = method.order(group, kept_of(group.size(), o.fraction), setting);
    for (size_t m = 0; m < chosen.order.size(); ++m) {
      entries.push_back(
          {.index = members[static_cast<size_t>(chosen.order[m])],
           .weight = chosen.weights.empty() ? 1 : chosen.weights[m],
           .twice_rank = m == 0 ? 0 : 2 * static_cast<int64_t>(m) + 1,
           .group_size = group.size()});
    }
    if (!chosen.note.empty()) {
      result.notes.push_back(
          groups.size() > 1 ? join_text("class ", c, ": ", chosen.note) : chosen.note);
    }
  }
  std::stable_sort(entries.begin(), entries.end(), earlier);
  result.per_class.resize(static_cast<size_t>(classes));
  for (const Entry& entry : entries) {
    result.indices.push_back(entry.index);
    if (method.info.has_weights) result.weights.push_back(entry.weight);
    const int64_t label = all.y.data<int64_t>()[entry.index];
    ++result.per_class[static_cast<size_t>(label)];
  }
  const bool uses_greedy = method.order == facility_location || method.order == weighted ||
                           method.order == graph_cut || method.order == log_determinant;
  result.nested = !(uses_greedy && o.greedy == GreedyKind::stochastic);
  return result;
}

}  // namespace limpid::interpret
