// tests/ops/op_table.cpp: how inputs are drawn, and the table put together.
#include "tests/ops/op_table.h"

#include <algorithm>
#include <cmath>

namespace limpid {

Sample::Sample(std::initializer_list<int64_t> sizes) : Sample(normal(Shape(sizes))) {}

Sample::Sample(const Shape& s, std::function<void(Rng&, std::span<double>)> f, bool index)
    : shape(s), fill(std::move(f)), is_index(index) {}

Tensor Sample::draw(Rng& rng, DType dtype) const {
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  fill(rng, values);
  for (double& value : values) value = static_cast<double>(static_cast<float>(value));
  return Tensor::of(shape, values, is_index ? DType::i64 : dtype);
}

Sample normal(const Shape& shape) {
  return {shape, [](Rng& rng, std::span<double> v) { rng.normal(v, 0, 1); }};
}

Sample positive(const Shape& shape) {
  return {shape, [](Rng& rng, std::span<double> v) { rng.uniform(v, 0.5, 2); }};
}

Sample away_from(std::initializer_list<double> kinks, const Shape& shape, double width) {
  const std::vector<double> list(kinks);
  const auto fill = [list, width](Rng& rng, std::span<double> v) {
    const auto is_near = [&](double value) {
      return std::any_of(
          list.begin(), list.end(), [&](double kink) { return std::abs(value - kink) < 0.05; });
    };
    for (double& value : v) {
      do value = rng.uniform(-width, width) + list.back() / 2;
      while (is_near(value));
    }
  };
  return {shape, fill};
}

Sample distinct(const Shape& shape) {
  const auto fill = [](Rng& rng, std::span<double> v) {
    const auto n = static_cast<int64_t>(v.size());
    const std::vector<int64_t> order = rng.permutation(n);
    for (size_t i = 0; i < v.size(); ++i) {
      v[i] = 0.1 * static_cast<double>(order[i] - n / 2) + rng.uniform(0, 0.05);
    }
  };
  return {shape, fill};
}

Sample labels(const Shape& shape, int64_t classes) {
  const auto fill = [classes](Rng& rng, std::span<double> v) {
    for (double& value : v) value = static_cast<double>(rng.integer(classes));
  };
  return {shape, fill, true};
}

std::string function_of(const OpCase& record) {
  return record.name.substr(0, record.name.find(' '));
}

const std::vector<OpCase>& op_table() {
  static const std::vector<OpCase> table = [] {
    std::vector<OpCase> all = pointwise_cases();
    for (const auto& cases :
         {unit_cases, map_cases, row_cases, family_cases, loss_cases, augment_cases}) {
      for (OpCase& record : cases()) all.push_back(std::move(record));
    }
    return all;
  }();
  return table;
}

}  // namespace limpid
