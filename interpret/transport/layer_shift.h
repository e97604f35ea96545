// interpret/transport/layer_shift.h: whether new data differ, where a network sees it, and how.
//
//   shift_l      W2(Z_l, Q_l) / sigma_l,  Z_l the features of known data after step l, Q_l those of
//                new data, sigma_l^2 = tr Cov Z_l; the exact W2 of clouds of n points each
//   null band    the same between two disjoint samples of n known examples, drawn again and again:
//                W2 of finite samples is never 0
//   A_l          (shift_l - null_l) / (shift_0 - null_0): how the network amplifies the shift of
//                its input; 1 for the input, NaN where that lies in the null band
//
// What kind of shift it is follows from the classes. With labels of both sets:
//
//   classes      chi^2 = sum_k (n_k - e_k)^2 / e_k of the class counts, against random divisions of
//                all labels: have the proportions changed? (label shift)
//   conditional  T = sum_k E(Z | class k, Q | class k), against random divisions of the examples of
//                each class: have the classes themselves changed? (covariate shift). E is the
//                energy distance, 2 E|z - q| - E|z - z'| - E|q - q'|, which has no floor of finite
//                samples and sees what W2 of as many points does not; W2 is reported per class
//
// Both are permutation tests: exact whatever the distribution, p = (1 + divisions at least as
// extreme) / (1 + divisions).
#pragma once

#include "interpret/transport/layer_features.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

struct LayerShiftOptions {
  int64_t samples = 300;  // points per cloud, at most
  int64_t repeats = 20;   // of the null band, and of the clouds drawn from both sets
  int64_t divisions = 199;
  int64_t least_per_class = 30;  // of both sets, for a class to be compared
  int64_t most_per_class = 200;  // beyond that examples are left out at random
  double level = 0.01;           // of the two tests
  uint64_t seed = 0;
};

struct LayerShift {
  std::string name;
  double shift = 0;  // mean over the repeats
  double null_mean = 0, null_deviation = 0;
  double z = 0;  // (shift - null_mean) / null_deviation
  double amplification = 0;
  bool is_outside = false;  // of the null band: z > 3
};

/// Per step, the input first. Throws ValueError unless both have the same steps and there are at
/// least 4 known and 2 new examples.
std::vector<LayerShift> layer_shifts(
    const std::vector<LayerFeatures>& known, const std::vector<LayerFeatures>& fresh,
    const LayerShiftOptions& options = {});

enum class ShiftKind : uint8_t { none, label, covariate, both };
/// "no shift", "label shift", "covariate shift", "label and covariate shift".
const char* name_of(ShiftKind kind);

struct ClassShift {
  ShiftKind kind = ShiftKind::none;
  double p_classes = 1, p_conditional = 1;
  std::vector<int64_t> compared;  // classes
  std::vector<double> w2;         // per compared class: W2 / sigma
  std::vector<double> null_mean;  // likewise, over the divisions
};

/// Which of the two, by the features of one step. Throws ValueError if no class has
/// least_per_class examples in both sets.
ClassShift class_shift(
    const LayerFeatures& known, std::span<const int64_t> known_labels, const LayerFeatures& fresh,
    std::span<const int64_t> fresh_labels, const LayerShiftOptions& options = {});

}  // namespace limpid::interpret
