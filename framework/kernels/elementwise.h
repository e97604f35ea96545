// framework/kernels/elementwise.h: element-by-element kernels, broadcasting included.
//
// The formulas stand in elementwise.inl.h, one line each, and are compiled once per instruction
// set. T is float or double.
#pragma once

#include "framework/core/shape.h"

#include <array>
#include <cstdint>

namespace limpid::kernels {

enum class Unary : uint8_t {
  neg,
  exp,
  log,
  sqrt,
  tanh,
  sigmoid,
  relu,
  relu6,
  sin,
  cos,
  erf,
  softplus,
  sign,
  count
};

/// mask: a where b > 0, else 0. mask6: a where 0 < b < 6, else 0. pow: a^b.
/// less, less_equal, equal: 1 where it holds, else 0.
enum class Binary : uint8_t {
  add,
  sub,
  mul,
  div,
  mask,
  mask6,
  pow,
  less,
  less_equal,
  equal,
  count
};

/// y[i] = op(x[i]).
template <class T>
void unary(Unary op, int64_t n, const T* x, T* y);

/// y[i] = scale * x[i] + shift.
template <class T>
void affine(int64_t n, double scale, double shift, const T* x, T* y);

/// How a and b run over the result: sizes and the step of each operand per dimension, with
/// neighbouring dimensions merged where both operands allow it. The last step is 0 or 1.
struct BroadcastDims {
  int rank = 0;
  std::array<int64_t, kMaxRank> size{};
  std::array<int64_t, kMaxRank> step_a{};
  std::array<int64_t, kMaxRank> step_b{};
};
BroadcastDims broadcast_dims(const Shape& a, const Shape& b, const Shape& out);

/// y = op(a, b) over the broadcast shape.
template <class T>
void binary(Binary op, const BroadcastDims& d, const T* a, const T* b, T* y);

/// y = a repeated over the broadcast shape (b is not read).
template <class T>
void repeat(const BroadcastDims& d, const T* a, T* y);

}  // namespace limpid::kernels
