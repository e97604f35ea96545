// interpret/coreset/similarity.h: how alike two interpretations of one network are.
//
// Paper    Deep Model Interpretation with Limited Data: A Coreset-based Approach (arXiv
//          2410.00524) compares the interpretation on a coreset with that on all data. Its formulas
//          are reconstructed here: weights are compared class by class, concepts as sets.
//
//   weights of one class, a and b [m]
//     1  cosine            <a, b> / (|a| |b|), and 1 - (2 / pi) acos of it
//     2  relative L2       |a - b| / |a|
//     3  supports A, B     Jaccard |A n B| / |A u B|, Dice 2 |A n B| / (|A| + |B|), the same of the
//                          k largest, and sum min(a, b) / sum max(a, b)
//     4  Kuncheva          (r m - k^2) / (k (m - k)) for r common of k among m: 0 by chance
//     5  ranks             Spearman, Kendall tau-b, rank-biased overlap
//     6  function          Pearson of X a and X b on the rows X of samples
//     7  layers            cosine and Jaccard layer by layer, and the share of weight of a layer
//   concepts, V and V' [k, C]
//     8  matched cosine    mean |cos| of the pairs of rows that agree best
//     9  shape             1 - (2 / pi) theta, below
//    10  subspaces         mean cosine of the principal angles of the row spaces
//
// Two empty things are alike: where both are 0 a ratio is 1, where one is it is 0.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

// ---- Weights [m] ----

using Weights = std::span<const double>;

/// <a, b> / (|a| |b|) in [-1, 1]; 1 if both are 0, 0 if one is.
double weight_cosine(Weights a, Weights b);
/// 1 - (2 / pi) acos(cosine): of weights that are at least 0 in [0, 1].
double angular_similarity(double cosine);
double euclidean_distance(Weights a, Weights b);

/// Entries that are not 0, by |value| from the largest, equal ones by index.
std::vector<int64_t> ranked_support(Weights a);

struct Overlap {
  double jaccard = 0, dice = 0;
};
/// Of two sets.
Overlap overlap_of(std::span<const int64_t> A, std::span<const int64_t> B);
/// Jaccard of the k largest, with k the smaller support.
double top_jaccard(Weights a, Weights b);
/// sum min / sum max of weights that are at least 0.
double weighted_jaccard(Weights a, Weights b);
/// Of the k largest of m, with k the smaller support; NaN where k is 0 or m.
double kuncheva(Weights a, Weights b);

/// (concordant - discordant) / sqrt(pairs not tied in a * pairs not tied in b) (Kendall 1945); NaN
/// if either is constant.
double kendall_tau_b(Weights a, Weights b);

/// With A_d the share of common entries among the first d, up to the shorter depth n (Webber,
/// Moffat and Zobel, ACM TOIS 28, 2010):
///     truncated = (1 - p) sum_d p^(d-1) A_d,    extrapolated = truncated + A_n p^n.
struct RankBiasedOverlap {
  double truncated = 0, extrapolated = 0;
};
RankBiasedOverlap rank_biased_overlap(
    std::span<const int64_t> a, std::span<const int64_t> b, double p = 0.9);

// ---- Matrices, f64 ----

struct MatchedRows {
  double cosine = 0;             // mean |cos|
  std::vector<int64_t> partner;  // row of W for each row of V
};
/// Pairs of rows with the largest sum of |cos|; V [k, C], W [k, C]. Throws ShapeError if they do
/// not fit each other.
MatchedRows match_rows(const Tensor& V, const Tensor& W);

struct ShapeMetricOptions {
  double alpha = 0;  // 0: whitened, invariant to every invertible map; 1: to rotations alone
  bool is_centred = true;
};
/// The angle theta in [0, pi / 2] between X and Y [n, k], rows in common (Williams et al., NeurIPS
/// 2021, with the partial whitening of their netrep). Columns are centred; with X'X = E diag(l) E',
///     X_w = X E diag(alpha + (1 - alpha) l^(-1/2)) E',     theta = acos(|X_w'Y_w|_* / |X_w| |Y_w|)
/// and |.|_* the sum of singular values. Meaningless for alpha = 0 unless n is well above k: then
/// any two are equal. Throws ShapeError unless X and Y have as many rows; fewer columns are filled
/// up by zeros, ValueError for that with alpha = 0.
double shape_angle(const Tensor& X, const Tensor& Y, const ShapeMetricOptions& options = {});

/// Cosines of the angles between the row spaces of V [k, C] and W [l, C], largest first.
std::vector<double> principal_cosines(const Tensor& V, const Tensor& W);

}  // namespace limpid::interpret
