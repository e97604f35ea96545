// tests/ops/op_table.h: one record per variant of every op; op_table_test.cpp checks them all.
//
// A record says what to call, on what, and what must come out. Everything else (gradients of
// orders 1 and 2, types, threads, instruction sets, frozen inputs, memory, planted sign errors) is
// derived from it. To test a new op, add a record to the op_table_*.cpp that names its header.
#pragma once

#include "framework/core/rng.h"
#include "framework/tensor/tensor.h"
#include "tests/reference/reference.h"
#include "tests/support/gradcheck.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace limpid {

/// How one input is drawn. Values are representable in f32, so that both types see the same ones.
struct Sample {
  Shape shape;
  std::function<void(Rng&, std::span<double>)> fill;
  bool is_index = false;  // an i64 tensor

  Sample(std::initializer_list<int64_t> sizes);  // normal, of this shape
  Sample(const Shape& s, std::function<void(Rng&, std::span<double>)> f, bool index = false);
  Sample of(const Shape& other) const { return {other, fill, is_index}; }
  Tensor draw(Rng& rng, DType dtype) const;
};

Sample normal(const Shape& shape);
Sample positive(const Shape& shape);  // uniform on [0.5, 2]
/// Uniform on [-width, width] + kinks.back() / 2, at least 0.05 away from every kink.
Sample away_from(std::initializer_list<double> kinks, const Shape& shape, double width = 1);
/// All values at least 0.05 apart, in random order: no ties for maxima.
Sample distinct(const Shape& shape);
Sample labels(const Shape& shape, int64_t classes);  // i64, uniform on [0, classes)

enum class Throws : uint8_t { shape_error, value_error, dtype_error };

/// A call that must fail, with a text that starts with `name:`, contains the fragment and, for a
/// ShapeError, two shapes of the inputs (or the shapes that the fragment spells out).
struct BadCall {
  std::vector<Sample> inputs;
  std::string fragment;
  Throws error = Throws::shape_error;
  Function op = {};       // if it is not the record's
  std::string name = {};  // what the text starts with, if not the first word of the record's name
};

struct OpCase {
  /// Unique; the first word is the function of framework/ops that it covers. Selects the record:
  /// ops_test -tc='op table' -sc='conv2d*'.
  std::string name;
  Function op;
  std::vector<Sample> inputs;
  Function reference;       // naive loops, f64; also states the shape
  int order = 2;            // derivatives checked; 0: there is none, and grad() must throw
  double tolerance = 1e-6;  // of gradients
  std::vector<BadCall> throws = {};
  double step = 1e-6;      // of differences
  bool is_large = false;   // several parallel blocks: values, types, threads and
                           // instruction sets only
  bool keeps_type = true;  // f32 in, f32 out
  double single = 2e-5;    // f32 against f64, values and gradients
};

std::string function_of(const OpCase& record);  // the first word of the name

/// All records. No two have the same name.
const std::vector<OpCase>& op_table();

std::vector<OpCase> pointwise_cases();
std::vector<OpCase> map_cases();
std::vector<OpCase> family_cases();
std::vector<OpCase> unit_cases();
std::vector<OpCase> row_cases();
std::vector<OpCase> loss_cases();
std::vector<OpCase> augment_cases();

/// The naive twin of a pointwise op.
inline Function each(double (*f)(double)) {
  return [f](Inputs t) { return reference::map(t[0], f); };
}
inline Function each_pair(double (*f)(double, double)) {
  return [f](Inputs t) { return reference::map(t[0], t[1], f); };
}

}  // namespace limpid
