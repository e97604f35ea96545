// interpret/transport/ridgelet.h: a shallow network as an integral over all its possible units.
//
// Paper    Transport Analysis of Infinitely Deep Neural Network (Sonoda and Murata, JMLR 20, 2019):
//          width to infinity turns a shallow network into an integral representation. Conventions
//          are those of the same authors' arXiv 1505.03654, with weight |a|^0:
//
//     R_psi f(a, b)  = int f(x) psi(a.x - b) dx                   the transform, a in R^m, b in R
//     R+_eta T(x)    = int int T(a, b) eta(a.x - b) da db         the dual: a network of all units
//     R+_eta R_psi f = K f,   K = (2 pi)^(m-1) int conj(psi^(z)) eta^(z) / |z|^m dz
//
//   symbol   code        shape           meaning
//   m        dimension                   inputs
//   p        outputs                     components of f: a vector field is transformed one by one
//   eta      RidgeUnit                   of the network: G, relu or tanh;  G(z) = exp(-z^2 / 2)
//   psi      Ridgelet                    plus or minus G^(k), k vanishing moments
//   r u      radii, directions           a = r u with u on half of the unit sphere, r in [-A, A]
//   A, B     frequency, offset           |a| <= A and |b| <= B are kept
//   T        values      [p, D, R, N]    by output, direction, radius and offset b
//
// Cut off at |a| <= A the dual is a low-pass filter, exactly:
//     R+_eta R_psi f = K f_A,   f_A^(xi) = M(|xi| / A) f^(xi),   M(r) = K_r / K
// with K_r the integral above over |z| >= r. In one dimension f_A = f * N(0, 2 / A^2) for G and
// f * N(0, 1 / A^2) for relu. So a quadrature is judged against f_A, and A by f_A against f.
//
// Linear parts are invisible (psi has vanishing moments) and a field that grows must be cut by a
// window first, whose edge shows up as ridges of its own.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

enum class RidgeUnit : uint8_t { gaussian, relu, tanh };
const char* name_of(RidgeUnit unit);
/// Throws ValueError for a name other than gaussian, relu and tanh.
RidgeUnit ridge_unit_named(const std::string& name);
/// eta(z).
double value_of(RidgeUnit unit, double z);

/// sign G^(order), G(z) = exp(-z^2 / 2): (-1)^k He_k(z) G(z) with the Hermite polynomials He_k.
struct Ridgelet {
  int order = 2;
  double sign = 1;
  double operator()(double z) const;
  Ridgelet derivative() const { return {order + 1, sign}; }
  /// "-G''", "G^(6)".
  std::string text() const;
};

/// An activation with a ridgelet function that rebuilds with it, and their constant.
///   m = 1: (G, -G'') K = 2 pi; (relu, G'''') K = -2 sqrt(2 pi); (tanh, G''') K = 5.86018514
///   m = 2: (G, G'''') K = (2 pi)^2 sqrt(pi) / 2; (relu, -G'''') K = (2 pi)^2; (tanh, G''')
struct DualPair {
  RidgeUnit unit = RidgeUnit::gaussian;
  Ridgelet psi;
  int64_t dimension = 1;
  double K = 0;
};
/// The least order of the right parity for which K is finite. Throws ValueError unless 1 <= m
/// <= 12.
DualPair dual_pair(RidgeUnit unit, int64_t dimension);

/// K_r: (2 pi)^(m-1) int over |z| >= r of conj(psi^(z)) eta^(z) / |z|^m dz, by Simpson's rule; K
/// for r = 0. eta^ is taken away from 0: -1 / z^2 of relu, sqrt(2 pi) G of G, -i pi / sinh(pi z /
/// 2) of tanh. Throws ValueError for a pair whose parities differ (K = 0) or whose integral
/// diverges.
double admissibility(RidgeUnit unit, const Ridgelet& psi, int64_t dimension, double from = 0);

// ---- What is transformed ----

/// Points with the mass that the integral gives them: sum_i mass_i psi(a.x_i - b).
struct RidgeletSamples {
  int64_t dimension = 1;
  int64_t outputs = 1;
  std::vector<double> x;     // [n, m]
  std::vector<double> mass;  // [n, p]: f(x_i) dx on a grid
  /// Of a grid: x in [-half_width, half_width]^m, `side` points along each; 0 for other points.
  double half_width = 0;
  int64_t side = 0;

  int64_t size() const { return dimension > 0 ? static_cast<int64_t>(x.size()) / dimension : 0; }
};

/// f: x [m] to f(x) [p].
using RidgeletFunction = std::function<void(std::span<const double> x, std::span<double> y)>;

/// f at the midpoints of side^m equal cells of [-half_width, half_width]^m. Throws ValueError for
/// m above 2, an empty grid, and values of f that are NaN or infinite.
RidgeletSamples sample_grid(
    const RidgeletFunction& f, int64_t dimension, int64_t outputs, double half_width, int64_t side);

/// How data points stand for an integral over x.
///   importance  y_i / (n p(x_i)), the transform of f: p by a kernel density estimate with the
///               bandwidths of Scott (1992), so wrong where points are few
///   density     y_i / n, the transform of f p: no estimate, but another function
enum class DataWeight : uint8_t { importance, density };
/// X [n, m] and Y [n, p] in f64. Throws ShapeError if they do not fit, ValueError for no points and
/// NaN or infinity.
RidgeletSamples sample_data(const Tensor& X, const Tensor& Y, DataWeight weight);

/// 1 for |x_j| <= (1 - taper) L in every coordinate, 0 from L on, (1 + cos) / 2 in between.
double box_window(std::span<const double> x, double half_width, double taper = 0.25);

// ---- Transform and dual ----

struct RidgeletGrid {
  double frequency = 20;      // A
  int64_t radii = 800;        // R: midpoints of equal cells of [-A, A]
  double offset = 0;          // B; 0: A max|x| + 9, where psi has died away
  double offset_step = 0.25;  // distance of two b
  int64_t directions = 0;     // D: equal angles on half a circle; 0: 1 for m = 1, 24 for m = 2
};

struct RidgeletSpectrum {
  DualPair pair;
  int64_t outputs = 1;
  double frequency = 0, offset = 0;
  std::vector<double> directions;  // [D, m]
  std::vector<double> radii;       // [R]
  std::vector<double> offsets;     // [N]
  std::vector<double> values;      // [p, D, R, N]

  int64_t direction_count() const;
  /// |T(a, b)| over the outputs.
  double size_at(int64_t direction, int64_t radius, int64_t offset_index) const;
  /// da db of a cell: |r|^(m-1) dr du db.
  double cell(int64_t radius) const;
};

/// R_psi of the samples, with the ridgelet function given or that of the pair; m = 1 or 2.
/// Throws ValueError for samples that are empty or not finite, a grid without cells, and one of
/// over 2^27 values.
RidgeletSpectrum ridgelet_transform(
    const RidgeletSamples& samples, const DualPair& pair, const RidgeletGrid& grid);
RidgeletSpectrum ridgelet_transform(
    const RidgeletSamples& samples, const DualPair& pair, const Ridgelet& psi,
    const RidgeletGrid& grid);

/// T(a, b) [p] at one place, for any m.
std::vector<double> ridgelet_at(
    const RidgeletSamples& samples, const Ridgelet& psi, std::span<const double> a, double b);

/// (1 / K) R+_eta T at x [q, m]: [q, p].
std::vector<double> ridgelet_dual(const RidgeletSpectrum& spectrum, std::span<const double> x);

/// f_A at x [q, m]: [q, p], by the Fourier series of the samples on twice their box. Throws
/// ValueError unless they are a grid.
std::vector<double> low_passed(
    const RidgeletSamples& samples, const DualPair& pair, double frequency,
    std::span<const double> x);

/// |u - v| / |v|. Throws ShapeError for different lengths.
double relative_l2(std::span<const double> u, std::span<const double> v);

}  // namespace limpid::interpret
