// framework/autograd/anomaly.cpp: one walk over each new value.
#include "framework/autograd/anomaly.h"

#include "framework/core/error.h"

#include <cmath>

namespace limpid {
namespace {

// The sign of a NaN means nothing.
const char* name_of_value(double value) {
  return std::isnan(value) ? "NaN" : value > 0 ? "inf" : "-inf";
}

void check_finite(const char* op, const char* what, const Tensor& value) {
  if (!is_float(value.dtype())) return;
  visit_float(op, value.dtype(), [&]<class T>() {
    const T* v = value.data<T>();
    for (int64_t i = 0; i < value.numel(); ++i) {
      if (std::isfinite(v[i])) continue;
      const auto bad = static_cast<double>(v[i]);
      throw NumericError(
          join_text(
              op, ": the first value that is not finite is ", name_of_value(bad), " in its ", what,
              " ", value.shape(), ", element ", i),
          bad);
    }
  });
}

}  // namespace

void AnomalyCheck::on_result(const char* op, const Tensor& value) {
  check_finite(op, "result", value);
}

void AnomalyCheck::on_gradient(const char* op, const Tensor& gradient) {
  check_finite(op, "gradient", gradient);
}

}  // namespace limpid
