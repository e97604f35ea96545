// tests/autograd/recompute_test.cpp: checkpoint() gives the same gradients in less memory.
#include "framework/autograd/recompute.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/ops.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cstdio>

using namespace limpid;

namespace {

constexpr int64_t kLayers = 20;
constexpr int64_t kWidth = 64;
constexpr int64_t kBatch = 1024;

// y = relu(... relu(x W1) ...), layers [begin, end)
Tensor run_layers(Tensor x, const std::vector<Tensor>& weights, size_t begin, size_t end) {
  for (size_t k = begin; k < end; ++k) x = relu(matmul(x, weights[k]));
  return x;
}

struct Net {
  Tensor x;
  std::vector<Tensor> weights;
  explicit Net(uint64_t seed) {
    Rng rng(seed);
    x = Tensor::normal({kBatch, kWidth}, rng, 0, 1);
    x.require_gradient();
    for (int64_t k = 0; k < kLayers; ++k) {
      weights.push_back(Tensor::normal({kWidth, kWidth}, rng, 0, 0.12).require_gradient());
    }
  }
};

// The layers in segments of these sizes; none: without checkpoint()
Tensor loss_of(const Net& net, const std::vector<size_t>& sizes) {
  if (sizes.empty()) return sum(run_layers(net.x, net.weights, 0, kLayers));
  Tensor h = net.x;
  auto next = net.weights.begin();
  for (const size_t size : sizes) {
    std::vector<Tensor> inputs(next, next + static_cast<int64_t>(size));
    inputs.push_back(h);
    next += static_cast<int64_t>(size);
    const Segment segment = [size](const std::vector<Tensor>& t) {
      return run_layers(t.back(), t, 0, size);
    };
    h = checkpoint(segment, inputs);
  }
  return sum(h);
}

// Gradients of all weights and of x, and the peak of live bytes above what the net itself holds.
std::vector<Tensor> gradients(const std::vector<size_t>& sizes, int64_t* peak) {
  const Net net(7);
  const int64_t before = memory().live_bytes;
  reset_peak();
  backward(loss_of(net, sizes));
  *peak = memory().peak_bytes - before;
  std::vector<Tensor> found = {net.x.gradient()};
  for (const Tensor& w : net.weights) found.push_back(w.gradient());
  return found;
}

}  // namespace

// When segment i is run again, the inputs of the i segments before it are still alive: with sizes
// that fall by one, every segment needs the same memory.
TEST_CASE("checkpoint: the same gradients bit for bit, in at most half the memory") {
  int64_t plain = 0;
  int64_t segmented = 0;
  const std::vector<Tensor> expected = gradients({}, &plain);
  const std::vector<Tensor> found = gradients({6, 5, 4, 3, 2}, &segmented);
  REQUIRE(found.size() == expected.size());
  for (size_t k = 0; k < found.size(); ++k) CHECK(bitwise_equal(found[k], expected[k]));
  std::printf(
      "checkpoint: peak of 20 layers %.0f KiB, in segments %.0f KiB\n",
      static_cast<double>(plain) / 1024, static_cast<double>(segmented) / 1024);
  CHECK(2 * segmented <= plain);
}

TEST_CASE("checkpoint: intermediate tensors, frozen inputs and backward rules") {
  Tensor x = Tensor::of({3}, {1, -2, 3}, DType::f64).require_gradient();
  const Tensor frozen = Tensor::of({3}, {2, 2, -1}, DType::f64);
  const Segment f = [](const std::vector<Tensor>& t) { return relu(t[0] * t[1]); };
  const Tensor h = x * 2.0;
  const Tensor seed = Tensor::of({3}, {1, 1, -1}, DType::f64);
  const auto slope = [&](const Tensor& y, ReluRule rule) {
    return grad(y, x, {.relu = rule, .seed = seed}).to_vector();
  };
  for (const ReluRule rule : {ReluRule::standard, ReluRule::guided, ReluRule::deconv}) {
    CHECK(slope(checkpoint(f, {h, frozen}), rule) == slope(f({h, frozen}), rule));
  }
  const Tensor y = checkpoint(f, {h, frozen});
  CHECK(slope(y, ReluRule::standard) == slope(y, ReluRule::standard));  // twice on one graph
  CHECK_FALSE(checkpoint(f, {frozen, frozen}).requires_gradient());
}

TEST_CASE("checkpoint: second derivatives are refused, overwritten inputs are seen") {
  Tensor x = Tensor::of({2}, {1, 2}, DType::f64).require_gradient();
  const Segment square = [](const std::vector<Tensor>& t) { return t[0] * t[0]; };
  CHECK_THROWS_AS(grad(sum(checkpoint(square, {x})), x, {.create_graph = true}), GraphError);
  const Tensor y = sum(checkpoint(square, {x}));
  x.mutable_data<double>()[0] = 5;
  CHECK_THROWS_AS(grad(y, x), GraphError);
}
