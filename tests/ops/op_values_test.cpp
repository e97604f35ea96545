// tests/ops/op_values_test.cpp: ties, kinks, infinities and NaN, which no record can express.
#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/ops.h"
#include "tests/support/compare.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace limpid;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// max_error counts two NaNs as equal.
bool is(const Tensor& found, const std::vector<double>& expected) {
  return max_error(found, row(expected)) == 0;
}
bool holds(const Tensor& index, std::vector<int64_t> expected) {
  const auto values = index.values<int64_t>();
  return std::vector<int64_t>(values.begin(), values.end()) == expected;
}

}  // namespace

TEST_CASE("maximum and minimum: ties give their gradient to a, NaN wins on either side") {
  const Tensor a = leaf({1, 2, 3});
  const Tensor b = leaf({1, 3, 2});
  for (const bool larger : {true, false}) {
    const Tensor y = larger ? maximum(a, b) : minimum(a, b);
    const std::vector<Tensor> g = grad(sum(y), std::vector<Tensor>{a, b});
    CHECK(is(g[0], larger ? std::vector<double>{1, 0, 1} : std::vector<double>{1, 1, 0}));
    CHECK(is(g[1], larger ? std::vector<double>{0, 1, 0} : std::vector<double>{0, 0, 1}));
  }
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor u = row({kNaN, 1, kNaN, -kInfinity, kInfinity}, dtype);
    const Tensor v = row({1, kNaN, kNaN, kInfinity, 2}, dtype);
    CHECK(is(maximum(u, v), {kNaN, kNaN, kNaN, kInfinity, kInfinity}));
    CHECK(is(minimum(u, v), {kNaN, kNaN, kNaN, -kInfinity, 2}));
  }
}

TEST_CASE("clamp: passes the gradient at its bounds, keeps NaN, limits infinities") {
  const Tensor x = leaf({-2, -1, 0, 1, 2});
  const Tensor y = clamp(x, -1, 1);
  CHECK(is(y, {-1, -1, 0, 1, 1}));
  CHECK(is(grad(sum(y), x), {0, 1, 1, 1, 0}));
  CHECK(is(clamp(row({kNaN, kInfinity, -kInfinity}), -1, 1), {kNaN, 1, -1}));
  CHECK(is(clamp(row({-2, 0, 2}), 0.5, 0.5), {0.5, 0.5, 0.5}));
}

TEST_CASE("sign and comparisons: constants for the tape, false for NaN") {
  const Tensor a = leaf({-1, 0, 2, kNaN});
  const Tensor b = leaf({0, 0, 1, 1});
  for (const Tensor& y :
       {less(a, b), less_equal(a, b), greater(a, b), greater_equal(a, b), equal(a, b), sign(a)}) {
    CHECK_FALSE(y.requires_gradient());
  }
  CHECK(is(less(a, b), {1, 0, 0, 0}));
  CHECK(is(less_equal(a, b), {1, 1, 0, 0}));
  CHECK(is(greater(a, b), {0, 0, 1, 0}));
  CHECK(is(greater_equal(a, b), {0, 1, 1, 0}));
  CHECK(is(equal(a, b), {0, 1, 0, 0}));
  CHECK(is(equal(row({kNaN, kInfinity}), row({kNaN, kInfinity})), {0, 1}));
  CHECK(is(sign(row({-kInfinity, -2, 0, 3, kInfinity, kNaN})), {-1, -1, 0, 1, 1, kNaN}));

  // A comparison multiplies like a number
  const Tensor x = leaf({-1, 3});
  CHECK(is(grad(sum(greater(x, row({0, 0})) * x), x), {0, 1}));
}

TEST_CASE("abs: derivative 0 at 0") {
  const Tensor x = leaf({-2, 0, 3});
  CHECK(is(grad(sum(abs(x)), x), {-1, 0, 1}));
  CHECK(is(abs(row({-kInfinity, kInfinity, kNaN})), {kInfinity, kInfinity, kNaN}));
}

TEST_CASE("where: nothing of the branch not taken reaches value or gradient") {
  const Tensor condition = row({1, 0, -1, kNaN});
  const Tensor a = leaf({1, kNaN, kInfinity, kNaN});
  const Tensor b = leaf({kNaN, 2, 3, 4});
  const Tensor y = where(condition, a, b);
  CHECK(is(y, {1, 2, 3, 4}));
  const std::vector<Tensor> g = grad(sum(y * y), std::vector<Tensor>{a, b});
  CHECK(is(g[0], {2, 0, 0, 0}));
  CHECK(is(g[1], {0, 4, 6, 8}));

  // The condition gets no gradient, even if it asks for one
  const Tensor asking = leaf({1, -1});
  CHECK_FALSE(where(asking, row({1, 2}), row({3, 4})).requires_gradient());
}

TEST_CASE("softplus: exact tails, finite gradient") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = leaf({-kInfinity, -1000, 1000, kInfinity, kNaN}, dtype);
    const Tensor y = softplus(x);
    CHECK(is(y, {0, 0, 1000, kInfinity, kNaN}));
    CHECK(is(grad(sum(y), x), {0, 0, 1, 1, kNaN}));
  }
  CHECK(relative_error(softplus(row({-30})).item() * 1e13, std::exp(-30) * 1e13) < 1e-12);
}

TEST_CASE("elu and leaky_relu: large and infinite inputs, and the kink") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = leaf({-kInfinity, -1000, 0, 1000, kInfinity, kNaN}, dtype);
    const Tensor y = elu(x, 2);
    CHECK(is(y, {-2, -2, 0, 1000, kInfinity, kNaN}));
    CHECK(is(grad(sum(slice(y, 0, 0, 5)), x), {0, 0, 2, 1, 1, kNaN}));
    const Tensor z = leaky_relu(x, 0.25);
    CHECK(is(z, {-kInfinity, -250, 0, 1000, kInfinity, kNaN}));
    CHECK(is(grad(sum(slice(z, 0, 0, 5)), x), {0.25, 0.25, 0.25, 1, 1, 0}));
  }
}

TEST_CASE("units that are not rectifiers ignore the backward rules") {
  for (const auto& op : std::vector<Tensor (*)(const Tensor&)>{
           [](const Tensor& x) { return leaky_relu(x, 0.25); },
           [](const Tensor& x) { return elu(x); }, [](const Tensor& x) { return silu(x); },
           [](const Tensor& x) { return softplus(x); }}) {
    const Tensor x = leaf({-1, 2, 0.5, -3});
    const Tensor seed = row({1, -1, 2, -2});
    const Tensor plain = grad(op(x), x, {.seed = seed});
    CHECK(bitwise_equal(grad(op(x), x, {.relu = ReluRule::guided, .seed = seed}), plain));
    CHECK(bitwise_equal(grad(op(x), x, {.relu = ReluRule::deconv, .seed = seed}), plain));
  }
}

TEST_CASE("pow: whole powers at 0 have derivatives of every order") {
  Tensor x = leaf({-2, 0, 3});
  const Tensor y = pow(x, 2);
  CHECK(is(y, {4, 0, 9}));
  const Tensor first = grad(sum(y), x, {.create_graph = true});
  CHECK(is(first, {-4, 0, 6}));
  const Tensor second = grad(sum(first), x, {.create_graph = true});
  CHECK(is(second, {2, 2, 2}));
  CHECK(is(grad(sum(second), x), {0, 0, 0}));
  CHECK(is(grad(sum(pow(x, 0)), x), {0, 0, 0}));

  // No real root of a negative number; an infinite slope at 0
  const Tensor root = pow(x, 0.5);
  CHECK(std::isnan(root.to_vector()[0]));
  CHECK(std::isnan(grad(sum(root), x).to_vector()[0]));
  CHECK(grad(sum(root), x).to_vector()[1] == kInfinity);
}

TEST_CASE("sin, cos and erf: special values") {
  CHECK(is(erf(row({-kInfinity, 0, kInfinity, kNaN})), {-1, 0, 1, kNaN}));
  CHECK(is(sin(row({kInfinity, 0, kNaN})), {kNaN, 0, kNaN}));
  CHECK(is(cos(row({kInfinity, 0, kNaN})), {kNaN, 1, kNaN}));
  const Tensor x = leaf({-1000, 1000});
  CHECK(is(grad(sum(erf(x)), x), {0, 0}));
}

TEST_CASE("log_sum_exp: any size of entry, and infinities") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = leaf({1000, 1000, -1000}, dtype);
    const Tensor y = log_sum_exp(x);
    CHECK(relative_error(y.item(), 1000 + std::log(2.0)) < 1e-7);
    CHECK(is(grad(y, x, {.seed = Tensor::ones({1}, dtype)}), {0.5, 0.5, 0}));
    CHECK(log_sum_exp(row({-1000, -1000}, dtype)).item() < -999);
    CHECK(log_sum_exp(row({-kInfinity, -kInfinity}, dtype)).item() == -kInfinity);
    CHECK(log_sum_exp(row({-kInfinity, 3}, dtype)).item() == 3);
    CHECK(log_sum_exp(row({kInfinity, kInfinity}, dtype)).item() == kInfinity);
    CHECK(std::isnan(log_sum_exp(row({kNaN, 1}, dtype)).item()));
  }
}

TEST_CASE("arg_sort: stable both ways, NaN last, infinities in order") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Tensor x = row({2, kNaN, 1, 2, kInfinity, 1, kNaN, -kInfinity}, dtype);
    CHECK(holds(arg_sort(x, 0), {7, 2, 5, 0, 3, 4, 1, 6}));
    CHECK(holds(arg_sort(x, 0, true), {4, 0, 3, 2, 5, 7, 1, 6}));
    CHECK(holds(arg_top(x, 0, 3), {4, 0, 3}));
  }
  CHECK(holds(arg_sort(row({0.0, -0.0, 0.0}), 0), {0, 1, 2}));
  CHECK(arg_sort(Tensor::zeros({2, 0}), 1).shape() == Shape({2, 0}));
  CHECK(arg_top(Tensor::zeros({0, 4}), 1, 2).shape() == Shape({0, 2}));
}

TEST_CASE("split: the last piece is shorter, concat undoes it, one piece is the whole") {
  const Tensor x = Tensor::of({2, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, DType::f64);
  const std::vector<Tensor> parts = split(x, 1, 2);
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].shape() == Shape({2, 2}));
  CHECK(parts[2].shape() == Shape({2, 1}));
  CHECK(parts[2].to_vector() == std::vector<double>{4, 9});
  CHECK(bitwise_equal(concat(parts, 1), x));
  CHECK(split(x, -2, 9).size() == 1);
  CHECK(bitwise_equal(split(x, 0, 2)[0], x));
  CHECK(split(Tensor::zeros({0, 3}), 0, 2).empty());
  CHECK(split(to(x, DType::i64), 1, 3)[1].dtype() == DType::i64);

  // A piece that is not used costs nothing and gets gradient 0
  const Tensor leaf_x = x.detach().require_gradient();
  const Tensor g = grad(sum(split(leaf_x, 1, 2)[1]), leaf_x);
  CHECK(g.to_vector() == std::vector<double>{0, 0, 1, 1, 0, 0, 0, 1, 1, 0});
}

TEST_CASE("one_hot: any type, any rank, rows that sum to 1") {
  const Tensor index = Tensor::of_integers({2, 2}, {0, 2, 1, 2});
  CHECK(one_hot(index, 3).dtype() == DType::f32);
  CHECK(one_hot(index, 3, DType::i64).dtype() == DType::i64);
  const Tensor y = one_hot(index, 3, DType::f64);
  CHECK(y.shape() == Shape({2, 2, 3}));
  CHECK(y.to_vector() == std::vector<double>{1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1});
  CHECK(one_hot(Tensor::of_integers({}, {1}), 2).to_vector() == std::vector<double>{0, 1});
  CHECK(one_hot(Tensor::zeros({0}, DType::i64), 3).shape() == Shape({0, 3}));
}

TEST_CASE("take_rows: gradients of a row that is named twice add up, integers are copied") {
  const Tensor table = Tensor::of({3, 2}, {1, 2, 3, 4, 5, 6}, DType::f64).require_gradient();
  const Tensor index = Tensor::of_integers({3}, {2, 0, 2});
  const Tensor y = take_rows(table, index);
  CHECK(y.to_vector() == std::vector<double>{5, 6, 1, 2, 5, 6});
  CHECK(grad(sum(y), table).to_vector() == std::vector<double>{1, 1, 0, 0, 2, 2});
  CHECK(take_rows(to(table.detach(), DType::i64), index).dtype() == DType::i64);
  CHECK_THROWS_AS(take_rows(table, Tensor::of_integers({1}, {3})), ValueError);
  CHECK_THROWS_AS(take_rows(table, Tensor::of_integers({1}, {-1})), ValueError);
}

TEST_CASE("losses: at their kinks and far out") {
  const Tensor x = leaf({1, -1});
  const Tensor one = row({1, 1});
  CHECK(is(grad(l1(x, one), x), {0, -0.5}));     // derivative 0 where a = b
  CHECK(is(grad(hinge(x, one), x), {0, -0.5}));  // and where the margin is met exactly
  const Tensor far = leaf({-1000, 1000});
  const Tensor loss = bce_with_logits(far, row({1, 0}));
  CHECK(loss.item() == 1000);
  CHECK(is(grad(loss, far), {-0.5, 0.5}));
  CHECK(bce_with_logits(far, row({0, 1})).item() == 0);
  CHECK(is(grad(huber(far, row({0, 0})), far), {-0.5, 0.5}));
  CHECK(std::isnan(huber(row({kNaN}), row({0})).item()));
  CHECK(std::isnan(l1(row({kNaN}), row({0})).item()));
  const Tensor score = row({0.5, -1, 2});
  CHECK(close(kl_divergence(log_softmax(score), log_softmax(score)), Tensor::scalar(0)));
}

TEST_CASE("losses: the general forms contain the special ones") {
  Rng rng(5);
  const Tensor logits = Tensor::normal({6, 4}, rng, 0, 2, DType::f64);
  const Tensor labels = Tensor::of_integers({6}, {0, 3, 1, 1, 2, 0});
  const Tensor plain = cross_entropy(logits, labels);
  const Tensor target = one_hot(labels, 4, DType::f64);
  CHECK(close(cross_entropy(logits, labels, CrossEntropyOptions{}), plain));
  CHECK(close(soft_cross_entropy(logits, target), plain));
  CHECK(close(nll(log_softmax(logits), labels), plain));
  const Tensor equal_weights = Tensor::full({4}, 7, DType::f64);
  CHECK(close(cross_entropy(logits, labels, {.class_weights = equal_weights}), plain));
  const Tensor smoothed = affine(target, 0.8, 0.05);
  CHECK(close(
      cross_entropy(logits, labels, {.label_smoothing = 0.2}),
      soft_cross_entropy(logits, smoothed)));
}

TEST_CASE("norms: groups, images and layers are one computation") {
  Rng rng(6);
  const Tensor x = Tensor::normal({3, 4, 2, 5}, rng, 1, 2, DType::f64);
  const NormOptions per_image = {.groups = NormGroups::image_and_channel};
  CHECK(close(group_norm(x, 4, {}, {}), standardize(x, {}, {}, per_image)));
  CHECK(close(group_norm(x, 1, {}, {}), reshape(layer_norm(flatten(x), {}, {}), x.shape())));
  CHECK(group_norm(Tensor::zeros({0, 4, 3}), 2, {}, {}).shape() == Shape({0, 4, 3}));
  CHECK(layer_norm(Tensor::zeros({0, 4}), {}, {}).shape() == Shape({0, 4}));
}

TEST_CASE("adaptive_avg_pool2d: the special sizes") {
  Rng rng(8);
  const Tensor x = Tensor::normal({2, 3, 6, 4}, rng, 0, 1, DType::f64);
  CHECK(close(adaptive_avg_pool2d(x, 1, 1), global_avg_pool2d(x)));
  CHECK(close(adaptive_avg_pool2d(x, 3, 2), avg_pool2d(x)));
  CHECK(bitwise_equal(adaptive_avg_pool2d(x, 6, 4), x));
}

TEST_CASE("max_pool2d with ceil: a window over the edge sees only the image, NaN included") {
  const Tensor x = Tensor::of({1, 1, 3, 3}, {-1, -2, -3, -4, -5, -6, -7, -8, kNaN}, DType::f64);
  const Tensor y = max_pool2d(x, {.ceil = true});
  CHECK(y.shape() == Shape({1, 1, 2, 2}));
  CHECK(max_error(y, Tensor::of({1, 1, 2, 2}, {-1, -3, -7, kNaN}, DType::f64)) == 0);
}
