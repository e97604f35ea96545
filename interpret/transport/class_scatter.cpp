// interpret/transport/class_scatter.cpp: scatter within and between classes.
#include "interpret/transport/class_scatter.h"

#include "framework/core/error.h"
#include "framework/linalg/linalg.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/matmul.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"
#include "interpret/numerics/point_clouds.h"

#include <cmath>
#include <map>
#include <vector>

namespace limpid::interpret {
namespace {

struct Scatter {
  Tensor centred;  // X - c [n, d]
  Tensor within;   // x_i - c_k [n, d]
  Tensor between;  // sqrt(n_k / n) (c_k - c) [K, d]: S_b = between' between
};

Scatter scatter_of(const char* op, const Tensor& X, std::span<const int64_t> labels) {
  check_shape(
      X.rank() == 2 && X.size(0) == std::ssize(labels) && X.size(0) > 0, op,
      "needs one label per row, got ", X.shape(), " and ", labels.size(), " labels");
  const Recording off(false);
  Scatter s;
  const Tensor x = X.dtype() == DType::f64 ? X : to(X, DType::f64);
  s.centred = x - mean(x, {0});
  std::map<int64_t, int64_t> place;  // of each class
  for (const int64_t label : labels) place.emplace(label, std::ssize(place));
  std::vector<int64_t> row_class;
  for (const int64_t label : labels) row_class.push_back(place.at(label));
  const Tensor index = Tensor::of_integers({X.size(0)}, row_class);
  std::vector<double> counts(place.size(), 0);
  for (const int64_t k : row_class) counts[static_cast<size_t>(k)] += 1;
  std::vector<double> inverse, root_share;
  for (const double count : counts) {
    inverse.push_back(1 / count);
    root_share.push_back(std::sqrt(count / static_cast<double>(X.size(0))));
  }
  const auto column = [](const std::vector<double>& v) {
    return Tensor::of({std::ssize(v), 1}, v, DType::f64);
  };
  const Tensor centres = add_rows(s.centred, index, std::ssize(counts)) * column(inverse);
  s.within = s.centred - take_rows(centres, index);
  s.between = centres * column(root_share);
  return s;
}

}  // namespace

double separation_share(const Tensor& X, std::span<const int64_t> labels) {
  const Recording off(false);
  const Scatter s = scatter_of("separation_share", X, labels);
  const double between = sum_of_squares(s.between);
  const double all = sum_of_squares(s.centred) / static_cast<double>(X.size(0));
  return all > 0 ? between / all : 0;
}

double separation_fuzziness(const Tensor& X, std::span<const int64_t> labels) {
  const Recording off(false);
  const Scatter s = scatter_of("separation_fuzziness", X, labels);
  // S_b^+ = sum_j e_j e_j' / s_j^2 with between = u diag(s) e', so that D = (1/n) sum_j |W e_j|^2 /
  // s_j^2
  const Svd b = svd(s.between);
  const Tensor projected = matmul(s.within, b.vt, {.transpose_b = true});  // [n, k]
  const std::vector<double> along = sum(projected * projected, {0}).to_vector();
  const std::vector<double> lengths = b.s.to_vector();
  if (lengths.empty() || lengths.front() == 0) return NAN;
  double total = 0;
  for (size_t j = 0; j < lengths.size(); ++j) {
    if (lengths[j] <= 1e-10 * lengths.front()) break;
    total += along[j] / (lengths[j] * lengths[j]);
  }
  return total / static_cast<double>(X.size(0));
}

}  // namespace limpid::interpret
