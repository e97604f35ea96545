// interpret/coreset/select.h: which samples to keep, by the name of a method.
//
// Paper    Deep Model Interpretation with Limited Data: A Coreset-based Approach (arXiv
//          2410.00524): choose a small part of the data, interpret the network on it, compare with
//          the interpretation on all. Its selectors are random, moderate and dgpruning; the other
//          methods are those that users of coreset libraries expect, from their articles.
//
// Per class (default), k_c = min(n_c, max(1, floor(f n_c + 0.5))) of the n_c samples of class c are
// kept, so every class is there; globally, k of n by the same rule. f = 1 keeps all.
//
// The result is an order. Of a nested method the selection for a smaller fraction is a prefix of
// the one for a larger fraction: within a class the method's own order is one, and the classes are
// merged by the fraction at which a sample comes in, f = (m - 1/2) / n_c for the m-th of its class,
// 0 for the first.
//
// Beyond the paper: `moments` matches in each class the means of x and x x' (moment_herding() in
// cover.h), which are Q / n and q / n of VEBI if x are its rows. To have them, the interpreter must
// have seen every sample, so that the network runs no less often than without a selection: what it
// saves are the fit and looking at the samples. Weights are for Interpreter::fit().
#pragma once

#include "framework/tensor/tensor.h"
#include "interpret/coreset/diversity_graph.h"
#include "interpret/coreset/gradient_matching.h"
#include "interpret/coreset/moderate.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

/// What is known of n samples. A method needs what its MethodInfo says; the rest may be undefined.
struct Samples {
  Tensor features = {};  // h [n, d] f32, the input of the last layer
  Tensor rows = {};      // x [n, m] f32, what an interpreter knows of them; may be missing
  Tensor logits = {};    // [n, K] f32
  Tensor labels = {};    // y [n] i64, always needed
  std::vector<double> scores = {};  // [n], of methods that rank by a training run or by inputs
  std::optional<ValidationSamples> validation = {};  // glister; the samples themselves if empty
};

struct SelectorInfo {
  std::string name;
  std::string what;  // one line with its source
  bool needs_features = false;
  bool prefers_rows = false;  // Samples::rows in place of features, if they are there
  bool needs_logits = false;
  bool needs_scores = false;  // Samples::scores, highest first
  bool has_weights = false;   // of the samples; else all count 1
  bool is_per_class = true;   // can be; `uniform` cannot
  bool is_random = false;     // depends on the seed
};
/// All methods, in the order in which people list them.
const std::vector<SelectorInfo>& selectors();
/// The method of that name. "dgpruning:SCORE" has center, entropy, margin or el2n as node scores;
/// plain dgpruning is dgpruning:center. Throws ValueError listing the names.
SelectorInfo selector_named(const std::string& name);

enum class GreedyKind : uint8_t { lazy, stochastic };
enum class Start : uint8_t { mean, random };  // the sample nearest to the mean, or any

struct SelectOptions {
  double fraction = 0.1;  // in (0, 1]
  bool per_class = true;
  uint64_t seed = 0;
  Centre centre = Centre::mean;          // moderate, moderate-3q, dgpruning
  DiversityGraphOptions graph = {};      // dgpruning
  Start start = Start::mean;             // k-center, contextual-diversity
  GreedyKind greedy = GreedyKind::lazy;  // facility-location, weighted, graph-cut, log-det
  double epsilon = 0.1;                  // of the stochastic kind
  double graph_cut_lambda = 2;           // from 2 on every sample gains
  double log_det_epsilon = 1e-2;         // added to the diagonal
  double ridge = 1;                      // gradmatch
  double eta = 0.1;                      // glister: learning rate
  double ccs_dropped = 0.1;              // ccs: share of the hardest left out
  int64_t ccs_strata = 50;
};

struct Selection {
  std::vector<int64_t> indices = {};    // of the samples kept, an order
  std::vector<double> weights = {};     // one per index, or none: all 1
  bool nested = true;                   // prefixes are the selections for smaller fractions
  std::vector<int64_t> per_class = {};  // how many of each class
  std::vector<std::string> notes = {};  // what a reader must know
};

/// floor(fraction n + 0.5), at least 1, at most n; 0 of 0. Throws ValueError unless 0 < fraction
/// <= 1.
int64_t kept_of(int64_t n, double fraction);

/// The weights of a selection, in each class scaled to add up to its samples among all `labels`;
/// equal in a class where they are all 0. None if it has none.
std::vector<double> balanced_weights(const Selection& selection, const Tensor& labels);

/// How many samples of equal weight tell as much of a mean: (sum v)^2 / sum v^2 (Kish 1965).
double effective_count(std::span<const double> weights);

/// Selects. A class of one sample keeps it. A function of its arguments, at any thread count.
/// Throws ValueError for an unknown name, a fraction outside (0, 1], NaN or infinity in what the
/// method needs, ShapeError for tensors that do not fit each other or are missing.
Selection select_coreset(
    const std::string& method, const Samples& samples, const SelectOptions& options = {});

}  // namespace limpid::interpret
