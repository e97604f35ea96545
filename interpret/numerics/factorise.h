// interpret/numerics/factorise.h: a non-negative matrix as a few parts that only add up.
//
//     min |A - S V|_F^2   over  S, V >= 0,    A [n, C], S [n, k], V [k, C]
//
// Rows of V are parts (the concepts of ICE, Zhang et al., AAAI 2021), S says how much of each a row
// of A holds. Hierarchical alternating least squares (Cichocki and Phan 2009): one column of S or
// row of V at a time has the exact minimum, given all others. The start is NNDSVDa (Boutsidis and
// Gallopoulos 2008): the positive or negative parts of the singular vectors, zeros raised to the
// mean of A. Nothing is random,
// unless a seed asks for a start from uniform numbers, to see how much the start decides.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstdint>
#include <optional>

namespace limpid::interpret {

struct FactoriseOptions {
  int64_t max_rounds = 200;
  double tolerance = 1e-5;  // ends when a round lowers the relative error by less than this share
  std::optional<uint64_t> seed = {};  // of a random start
};

struct Factorisation {
  Tensor S;                   // [n, k] f64
  Tensor V;                   // [k, C] f64, rows of length 1; a part that is not needed is 0
  double relative_error = 0;  // |A - S V|_F / |A|_F; 0 for A = 0
  int64_t rounds = 0;
  bool converged = false;
};

/// A in f64. Throws ShapeError unless A is [n, C], ValueError unless A is finite and at least 0 and
/// 1 <= k <= min(n, C).
Factorisation factorise(const Tensor& A, int64_t k, const FactoriseOptions& options = {});

}  // namespace limpid::interpret
