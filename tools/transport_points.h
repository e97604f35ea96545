// tools/transport_points.h: points to be moved, and the law they stand for.
//
// DATA is a data set (see datasets/catalogue.h), a file X.npy [n, ...] of numbers, or a law:
//   normal:V1,V2,...                  N(0, diag(V1, V2, ...)), V variances
//   mixture:W,M1,..,V1,..[:W,...]     components of weight W, mean M, variances V along the axes
#pragma once

#include "interpret/transport/law.h"
#include "tools/arguments.h"

#include <cstdint>
#include <memory>
#include <string>

namespace limpid::tools {

enum class LawKind : uint8_t {
  exact,   // in closed form, which laws and gaussians have; of other data the normal law with
           // their mean and covariance
  kernel,  // a kernel density of the points
  best,    // in closed form where that is the law of the data, else a kernel density
};

struct PointsOptions {
  std::string data = "moons";
  std::string label_column;  // of a table
  int64_t points = 500;      // at most, random ones of more
  int64_t pca = 0;           // principal components; 0: two of data in more than three dimensions
  double bandwidth = 0;      // variance; 0: by leave-one-out likelihood
  bool draws = false;        // points come from the law, not from the data
};

struct TransportPoints {
  Tensor points;  // [n, m] f64
  std::unique_ptr<interpret::Law> law;
  const interpret::MixtureLaw* mixture = nullptr;  // the law, if it is one
  const interpret::KernelLaw* kernel = nullptr;    // likewise
  std::string source;                              // how the points came from the data
  std::string law_name;                            // how the law did
};

void declare_points(Arguments& a, PointsOptions& o);

/// Throws UsageError and FormatError.
TransportPoints read_points(const PointsOptions& o, LawKind kind, const Common& common);

}  // namespace limpid::tools
