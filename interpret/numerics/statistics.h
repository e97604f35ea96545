// interpret/numerics/statistics.h: correlations, and how far a mean over images can be trusted.
//
// A figure of merit is the mean of one number per image. Its interval comes from drawing as many
// images again and again with replacement; two models on the same images are compared by their
// differences per image, because images vary more than models do.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace limpid::interpret {

/// Arithmetic mean; NaN of nothing.
double mean_of(std::span<const double> values);
/// The value in the middle, of an even number the upper one; NaN of nothing.
double upper_median(std::vector<double> values);

/// Ranks from 1, smallest first; equal values share the mean of their ranks.
std::vector<double> average_ranks(std::span<const double> values);

/// sum (a - mean a)(b - mean b) / sqrt(sum (a - mean a)^2 sum (b - mean b)^2), in [-1, 1]; NaN if
/// either is constant or not finite. Throws ShapeError unless both have one length.
double pearson(std::span<const double> a, std::span<const double> b);
/// pearson() of the average ranks (Spearman 1904).
double spearman(std::span<const double> a, std::span<const double> b);

/// The Gini index of |values|, in [0, 1): 0 if all are equal, near 1 if one holds everything. With
/// v sorted upwards, sum_j (2 j - n - 1) v_j / (n sum v), j from 1 (Hurley and Rickard, IEEE
/// Transactions on Information Theory 2009, table II). NaN if all are 0.
double gini(std::span<const double> values);

struct Interval {
  double low = 0, high = 0;
};

struct ResampleOptions {
  int64_t rounds = 2000;
  double level = 0.95;  // of the interval
  uint64_t seed = 0;
};

/// Percentile bootstrap of the mean (Efron and Tibshirani 1993, chapter 13): the interval that
/// holds the middle `level` of the means of resampled values, quantiles interpolated linearly.
/// A function of values and options, at any thread count. NaN for no values.
/// Throws ValueError unless rounds >= 1 and 0 < level < 1.
Interval bootstrap_mean(std::span<const double> values, const ResampleOptions& options = {});

/// What paired differences say about two models.
struct PairedTest {
  double mean = 0;  // of the differences
  Interval interval;
  double p_value = 1;
};
/// Two-sided test that the differences are as likely as their negatives (Fisher 1935): with random
/// signs, p = (1 + rounds in which |mean| is at least the observed one) / (1 + rounds). The
/// interval is bootstrap_mean() of the differences.
PairedTest paired_test(std::span<const double> differences, const ResampleOptions& options = {});

}  // namespace limpid::interpret
