// interpret/coreset/distances.h: distances and similarities of samples, never all pairs at once.
//
// Samples are the rows of Z [n, d], f32. What decides an order (distances to a point, neighbours)
// is summed in f64 in a fixed order, so equal samples are exactly equally far and ties are ties.
// What only weighs samples (columns of similarities) comes from f32 matrix products.
//
// The cosine of a row of zeros with any row, itself included, is 0.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace limpid::interpret {

/// Throws ShapeError unless rows are f32 [n, d] with n, d >= 1, ValueError for NaN or infinity.
void check_rows(const char* op, const Tensor& rows);

/// Row i in f64.
std::vector<double> row_of(const Tensor& rows, int64_t i);
/// (1/n) sum_i z_i.
std::vector<double> mean_row(const Tensor& rows);
/// The median of each dimension; of an even count the mean of the two middle values.
std::vector<double> median_row(const Tensor& rows);

/// out_i = |z_i - point|^2.
void squared_distances(const Tensor& rows, std::span<const double> point, std::span<double> out);
/// out_i = <z_i, point>.
void inner_products(const Tensor& rows, std::span<const double> point, std::span<double> out);

/// The nearest other rows of each row, by (distance, index).
struct Neighbours {
  int64_t count = 0;             // per row: min(k, n - 1)
  std::vector<int64_t> index;    // [n, count]
  std::vector<double> distance;  // [n, count], |z_i - z_j|
};
/// A matrix product in f32 proposes k + 8 rows, distances in f64 decide among them.
Neighbours nearest_neighbours(const Tensor& rows, int64_t k);

/// A symmetric matrix S [n, n], s_ij >= 0, of which columns are made when they are asked for.
class Similarities {
 public:
  virtual ~Similarities() = default;
  virtual int64_t size() const = 0;
  /// out [count, n]: row c is the column which[c] of S.
  virtual void columns(std::span<const int64_t> which, float* out) const = 0;
  /// s_ii.
  virtual double diagonal(int64_t i) const = 0;
};

/// S as it is given: [n, n], f64.
std::unique_ptr<Similarities> given_similarities(const Tensor& S);

/// What stands for a sample: its features h_i, or, with factors g_i [n, K], the gradient of the
/// last layer G_i = [g_i; vec(g_i h_i')], which is never made:
///     <G_i, G_j> = <g_i, g_j> (1 + <h_i, h_j>).
struct SampleVectors {
  Tensor features;
  Tensor factors = {};  // undefined: the features alone
};

/// s_ij = 0.5 + 0.5 cos(i, j).
std::unique_ptr<Similarities> cosine_similarities(const SampleVectors& samples);
/// s_ij = c - |i - j| with c twice the length of the longest vector, so that s_ij >= 0. Features
/// alone are centred first.
std::unique_ptr<Similarities> distance_similarities(const SampleVectors& samples);
/// s_ij = <i, j>, negative ones too.
std::unique_ptr<Similarities> product_similarities(const SampleVectors& samples);

}  // namespace limpid::interpret
