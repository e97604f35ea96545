// tools/examples/09_shallow.cpp: a deep ReLU network written as one with three hidden layers.
//
// Any Deep ReLU Network is Shallow (arXiv 2306.11827): the network is affine on each of finitely
// many regions; a shallow network that knows all regions computes the same function, exactly.
#include "interpret/interpret.h"

#include <cstdio>

using namespace limpid;

int main() {
  Rng rng(2);
  const auto net = make_model("mlp:4-4", {.input = {2}, .classes = 2}, rng);
  convert(*net, DType::f64);
  const interpret::PiecewiseLinear deep = interpret::piecewise_linear(*net, {2});

  const interpret::RegionTree regions =
      interpret::enumerate_regions(deep, interpret::Domain::all());
  const interpret::ShallowNetwork shallow =
      interpret::assemble(regions, interpret::Boundary::half_open);
  const auto [h1, h2, h3] = shallow.widths();
  std::printf(
      "%d regions; hidden layers of %d, %d and %d units\n", static_cast<int>(regions.size()),
      static_cast<int>(h1), static_cast<int>(h2), static_cast<int>(h3));

  double error = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::vector<double> x = {rng.normal(0, 5), rng.normal(0, 5)};
    const std::vector<double> expected = deep(x), found = shallow(x);
    for (size_t k = 0; k < expected.size(); ++k) {
      error = std::max(error, std::abs(expected[k] - found[k]));
    }
  }
  std::printf("largest difference at 10,000 points: %.1e\n", error);

  // On its region the answer is a linear model, so its Shapley values are exact
  const interpret::Shapley shapley(deep, 0, {0, 0, 1, -1, -1, 1});
  const interpret::ShapleyValues v = shapley.interventional(std::vector<double>{1.5, -0.5});
  std::printf("f(x) = %.4f = %.4f %+.4f %+.4f\n", v.prediction, v.base, v.values[0], v.values[1]);
  return error < 1e-10 && std::abs(v.residual) < 1e-12 ? 0 : 1;
}
