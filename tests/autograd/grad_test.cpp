// tests/autograd/grad_test.cpp: what the backward sweep promises, one promise per case.
#include "framework/autograd/grad.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/ops.h"
#include "framework/tensor/record.h"
#include "tests/support/compare.h"
#include "tests/support/tensors.h"

#include <doctest/doctest.h>

using namespace limpid;

// ---- Sums over paths ----

TEST_CASE("grad: a tensor used twice gets the sum of both gradients") {
  const Tensor x = leaf({1, 2, 3});
  CHECK(bitwise_equal(grad(sum(x * x + x), x), row({3, 5, 7})));  // 2x + 1
  CHECK(bitwise_equal(grad(sum(x - x), x), row({0, 0, 0})));
  CHECK(bitwise_equal(grad(sum(x * x * x), x), row({3, 12, 27})));  // 3x^2
  const Tensor h = x * x;
  CHECK(bitwise_equal(grad(sum(h * h), x), row({4, 32, 108})));  // 4x^3
}

TEST_CASE("grad: with respect to an intermediate result, to y itself and to several at once") {
  const Tensor x = leaf({1, 2, 3});
  const Tensor h = x * x;
  const Tensor y = sum(h * h);
  CHECK(bitwise_equal(grad(y, h), row({2, 8, 18})));  // 2h
  CHECK(grad(y, y).item() == 1);
  const std::vector<Tensor> all = grad(y, std::vector<Tensor>{h, x, y, x});
  CHECK(bitwise_equal(all[0], row({2, 8, 18})));
  CHECK(bitwise_equal(all[1], row({4, 32, 108})));
  CHECK(all[2].item() == 1);
  CHECK(bitwise_equal(all[3], all[1]));
}

TEST_CASE("grad: an x that y does not depend on gets zeros") {
  const Tensor x = leaf({1, 2});
  const Tensor y = sum(x * x);
  const Tensor newer = leaf({1, 2, 3});
  CHECK(bitwise_equal(grad(y, newer), row({0, 0, 0})));
  const Tensor sibling = exp(x);
  CHECK(bitwise_equal(grad(y, sibling), row({0, 0})));
  const std::vector<Tensor> both = grad(y, std::vector<Tensor>{newer, x});
  CHECK(bitwise_equal(both[0], row({0, 0, 0})));
  CHECK(bitwise_equal(both[1], row({2, 4})));
}

// ---- Seeds and wrong calls ----

TEST_CASE("grad: seeds") {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * x;
  CHECK(bitwise_equal(grad(y, x, {.seed = row({1, 10})}), row({2, 40})));
  CHECK(bitwise_equal(grad(reshape(sum(y), {1, 1}), x), row({2, 4})));  // one element, any rank
  CHECK_THROWS_WITH_AS(
      grad(y, x), "grad: y has [2]; give a seed, or a scalar such as sum(y)", ShapeError);
  CHECK_THROWS_WITH_AS(
      grad(y, x, {.seed = row({1, 2, 3})}), "grad: seed [3] does not fit [2]", ShapeError);
  CHECK_THROWS_WITH_AS(
      grad(y, x, {.seed = Tensor::ones({2})}), "grad: seed is f32, y is f64", DTypeError);
}

TEST_CASE("grad: tensors without a graph are refused") {
  const Tensor x = leaf({1, 2});
  const Tensor constant = row({1, 2});
  CHECK_THROWS_WITH_AS(grad(sum(constant), x), doctest::Contains("y was not recorded"), GraphError);
  CHECK_THROWS_WITH_AS(
      grad(sum(x), constant), doctest::Contains("x is not part of a graph"), GraphError);
  CHECK_THROWS_WITH_AS(backward(sum(constant)), doctest::Contains("backward: "), GraphError);
  CHECK_THROWS_WITH_AS(
      backward(sum(constant), std::vector<Tensor>{x}), doctest::Contains("backward: "), GraphError);
  CHECK_THROWS_AS(grad(Tensor(), x), GraphError);
  CHECK_THROWS_WITH_AS(
      grad(sum(x), x, {.create_graph = true, .release_graph = true}),
      "grad: create_graph and release_graph exclude each other", GraphError);
}

TEST_CASE("grad: i64 tensors carry no gradient") {
  Tensor index = Tensor::of_integers({2}, {0, 1});
  CHECK_THROWS_AS(index.require_gradient(), DTypeError);
  const Tensor x = leaf({1, 2});
  CHECK_FALSE(to(x, DType::i64).requires_gradient());
  CHECK_FALSE(arg_max(x, 0).requires_gradient());
}

// ---- Leaves ----

TEST_CASE("backward: adds to the gradients of all leaves") {
  Tensor x = leaf({1, 2});
  Tensor w = leaf({3, 4});
  CHECK_FALSE(x.gradient().defined());
  backward(sum(x * w));
  CHECK(bitwise_equal(x.gradient(), row({3, 4})));
  CHECK(bitwise_equal(w.gradient(), row({1, 2})));

  const Tensor first = x.gradient();
  backward(sum(x * x));
  CHECK(bitwise_equal(x.gradient(), row({5, 8})));  // 3 + 2x
  CHECK(bitwise_equal(w.gradient(), row({1, 2})));
  CHECK(bitwise_equal(first, row({3, 4})));  // replaced, not written into
  CHECK_FALSE(x.gradient().requires_gradient());

  x.clear_gradient();
  CHECK_FALSE(x.gradient().defined());
  backward(sum(x));
  CHECK(bitwise_equal(x.gradient(), row({1, 1})));
}

TEST_CASE("backward: two leaves may get the same gradient without sharing its fate") {
  const Tensor x = leaf({1, 2});
  const Tensor w = leaf({3, 4});
  backward(sum(x + w));
  backward(sum(x));
  CHECK(bitwise_equal(x.gradient(), row({2, 2})));
  CHECK(bitwise_equal(w.gradient(), row({1, 1})));
}

TEST_CASE("backward: for named leaves alone") {
  const Tensor x = leaf({1, 2});
  const Tensor w = leaf({3, 4});
  const Tensor unreached = leaf({5});
  backward(sum(x * w), std::vector<Tensor>{w, unreached});
  CHECK(bitwise_equal(w.gradient(), row({1, 2})));
  CHECK_FALSE(x.gradient().defined());
  CHECK_FALSE(unreached.gradient().defined());
  const Tensor h = x * w;
  CHECK_THROWS_WITH_AS(
      backward(sum(h), std::vector<Tensor>{h}), "backward: gradients are added to leaves only",
      GraphError);
}

TEST_CASE("backward: leaves are untouched if the sweep throws") {
  const Tensor w = leaf({3, 4});
  const Tensor x = leaf({1, 2});
  Tensor factor = row({5, 6});
  const Tensor h = x * factor;  // keeps factor
  const Tensor loss = sum(h * w);
  factor.mutable_data<double>()[0] = 0;
  CHECK_THROWS_AS(backward(loss), GraphError);  // w's gradient is known before x's fails
  CHECK_FALSE(w.gradient().defined());
  CHECK_FALSE(x.gradient().defined());
}

TEST_CASE("gradient: set and cleared on tensors of a graph only") {
  Tensor x = leaf({1, 2});
  x.set_gradient(row({7, 8}));
  CHECK(bitwise_equal(x.gradient(), row({7, 8})));
  CHECK_THROWS_AS(x.set_gradient(row({1, 2, 3})), ShapeError);
  Tensor plain = row({1, 2});
  CHECK_THROWS_AS(plain.set_gradient(row({1, 2})), GraphError);
}

// ---- Release ----

TEST_CASE("release: a second sweep through a released graph throws and names the op") {
  const Tensor x = leaf({1, 2});
  const Tensor h = x * x;
  const Tensor loss = sum(h);
  backward(loss);
  CHECK_THROWS_WITH_AS(
      backward(loss), doctest::Contains("its graph was already released"), GraphError);
  CHECK_THROWS_WITH_AS(grad(loss, x), doctest::Contains("sum_to: its graph"), GraphError);
  CHECK(bitwise_equal(x.gradient(), row({2, 4})));

  // Through a new head: the released part is named, and may still be an end point
  const Tensor head = sum(exp(h));
  CHECK_THROWS_WITH_AS(backward(head), doctest::Contains("mul: its graph"), GraphError);
  CHECK_THROWS_WITH_AS(grad(head, x), doctest::Contains("mul: its graph"), GraphError);
  CHECK(bitwise_equal(grad(head, h), exp(h).detach()));
}

TEST_CASE("release: grad() keeps the graph unless asked") {
  const Tensor x = leaf({1, 2});
  const Tensor y = sum(x * x);
  const Tensor first = grad(y, x);
  CHECK(bitwise_equal(grad(y, x), first));
  CHECK(bitwise_equal(grad(y, x, {.release_graph = true}), first));
  CHECK_THROWS_AS(grad(y, x), GraphError);
}

TEST_CASE("release: a graph that another result still needs is gone for it, too") {
  const Tensor x = leaf({1, 2});
  const Tensor shared = exp(x);
  const Tensor a = sum(shared);
  const Tensor b = sum(shared * shared);
  backward(a);
  CHECK_THROWS_WITH_AS(backward(b), doctest::Contains("exp: its graph"), GraphError);
}

// ---- Overwritten values ----

TEST_CASE("kept values: overwriting one is noticed and the op is named") {
  for (const bool by_assign : {true, false}) {
    CAPTURE(by_assign);
    Tensor x = leaf({1, 2});
    const Tensor y = sum(x * x);
    if (by_assign) {
      x.assign(row({5, 6}));
    } else {
      x.mutable_data<double>()[0] = 5;
    }
    CHECK_THROWS_WITH_AS(
        grad(y, x), "mul: a value it kept was overwritten after the forward pass", GraphError);
    CHECK_THROWS_AS(backward(y), GraphError);
    CHECK_FALSE(x.gradient().defined());
  }
}

TEST_CASE("kept values: an output that its own formula reads counts as kept") {
  const Tensor x = leaf({1, 2});
  Tensor y = exp(x);
  y.mutable_data<double>()[0] = 0;
  CHECK_THROWS_WITH_AS(grad(sum(y), x), doctest::Contains("exp: a value it kept"), GraphError);
}

TEST_CASE("kept values: a write through a view is noticed") {
  const Tensor x = leaf({1, 2, 3, 4});
  Tensor view = reshape(x, {2, 2}).detach();
  const Tensor y = sum(x * x);
  view.mutable_data<double>()[3] = 0;
  CHECK_THROWS_AS(grad(y, x), GraphError);
}

TEST_CASE("kept values: writes that no formula cares about are fine") {
  Tensor x = leaf({1, 2});
  Tensor bias = leaf({1, 1});
  Tensor other = row({9, 9});
  const Tensor y = sum(x * row({2, 3}) + bias);
  bias.assign(row({4, 4}));
  x.assign(row({7, 7}));  // its factor is kept, x itself is not
  other.mutable_data<double>()[0] = 1;
  CHECK(bitwise_equal(grad(y, x), row({2, 3})));
  CHECK(bitwise_equal(grad(y, bias), row({1, 1})));
}

TEST_CASE("kept values: labels may be reused for the next batch, a gather index may not") {
  const Tensor logits = Tensor::of({2, 2}, {1, 2, 3, 5}, DType::f64).require_gradient();
  Tensor labels = Tensor::of_integers({2}, {0, 1});
  const Tensor loss = cross_entropy(logits, labels);
  const Tensor expected = grad(loss, logits);
  labels.assign(Tensor::of_integers({2}, {1, 0}));
  CHECK(bitwise_equal(grad(loss, logits), expected));

  Tensor index = Tensor::of_integers({2, 1}, {0, 1});
  const Tensor picked = sum(gather(logits, index, 1));
  index.mutable_data<int64_t>()[0] = 1;
  CHECK_THROWS_WITH_AS(
      grad(picked, logits), doctest::Contains("gather: a value it kept"), GraphError);
}

// ---- Formulas ----

TEST_CASE("record: an op without a derivative throws when a gradient reaches it") {
  const auto mystery = [](const Tensor& x) {
    return record("mystery", x.clone(), not_differentiable(x, "mystery"));
  };
  const Tensor x = leaf({1, 2});
  const Tensor y = mystery(x);
  CHECK_THROWS_WITH_AS(
      grad(sum(y), x), "mystery: has no derivative with respect to this input", GraphError);
  CHECK_THROWS_AS(backward(sum(y + x)), GraphError);
  CHECK_FALSE(x.gradient().defined());
  CHECK(bitwise_equal(grad(sum(y * row({2, 3})), y), row({2, 3})));  // not reached
}

TEST_CASE("record: a gradient of the wrong shape is refused and the op named") {
  const Tensor x = leaf({1, 2});
  const Tensor y = record("faulty", x.clone(), wrt(x, [](const Tensor& g) { return sum(g); }));
  CHECK_THROWS_WITH_AS(
      grad(sum(y), x), "faulty: its gradient has shape [], but the input has [2]", GraphError);
}

TEST_CASE("record: frozen inputs store no edge and keep nothing alive") {
  Rng rng(1);
  const Tensor x = Tensor::normal({1, 2, 5, 5}, rng, 0, 1);
  Tensor w = Tensor::normal({3, 2, 3, 3}, rng, 0, 1);
  const Tensor frozen = conv2d(x, w);
  CHECK_FALSE(frozen.requires_gradient());
  CHECK_FALSE(w.buffer().is_held());

  const Tensor image = x.detach().require_gradient();
  const Tensor by_image = conv2d(image, w);
  CHECK(by_image.node()->edges.size() == 1);
  CHECK(w.buffer().is_held());
  CHECK_FALSE(x.buffer().is_held());  // only the weight's gradient would need the image

  // The output is kept for the divisor's formula alone
  const Tensor numerator = leaf({1, 2});
  const Tensor divisor = row({3, 4});
  CHECK_FALSE((numerator / divisor).buffer().is_held());
  CHECK((numerator / leaf({3, 4})).buffer().is_held());
}

TEST_CASE("record: formulas that a sweep does not need are not called") {
  const Tensor x = leaf({1, 2});
  const Tensor w = leaf({3, 4});
  int calls = 0;
  const auto counting = [&calls](const Tensor& g) {
    ++calls;
    return g;
  };
  const Tensor pair = sum(record("pair", x + w, wrt(x, counting), wrt(w, counting)));
  grad(pair, x);
  CHECK(calls == 1);
  grad(pair, std::vector<Tensor>{x, w});
  CHECK(calls == 3);

  // Nor those of ops that lead nowhere wanted
  calls = 0;
  const auto counted = [&counting](const Tensor& t) {
    return record("counted", t.clone(), wrt(t, counting));
  };
  const Tensor y = sum(counted(x) * counted(w));
  grad(y, x);
  CHECK(calls == 1);
  grad(y, std::vector<Tensor>{x, w});
  CHECK(calls == 3);
}

// ---- Recording ----

TEST_CASE("recording: off in a scope, restored after it, also by an exception") {
  const Tensor x = leaf({1, 2});
  CHECK(Recording::is_on());
  try {
    const Recording off(false);
    CHECK_FALSE(Recording::is_on());
    CHECK_FALSE((x * x).requires_gradient());
    CHECK_FALSE(concat({x, x}, 0).requires_gradient());
    {
      const Recording on(true);
      CHECK((x * x).requires_gradient());
    }
    CHECK_FALSE((x * x).requires_gradient());
    throw std::runtime_error("left the scope");
  } catch (const std::runtime_error&) {
  }
  CHECK(Recording::is_on());
  CHECK((x * x).requires_gradient());
}

TEST_CASE("recording: create_graph switches it on for its sweep, grad() off") {
  const Tensor x = leaf({1, 2});
  const Tensor y = sum(x * x * x);
  CHECK_FALSE(grad(y, x).requires_gradient());
  const Recording off(false);
  const Tensor slope = grad(y, x, {.create_graph = true});
  CHECK(slope.requires_gradient());
  CHECK_FALSE(Recording::is_on());
  CHECK(bitwise_equal(grad(slope, x, {.seed = row({1, 1})}), row({6, 12})));  // 6x
}

TEST_CASE("recording: detach cuts, require_gradient joins") {
  Tensor x = leaf({1, 2});
  const Tensor h = x * x;
  CHECK_FALSE(h.detach().requires_gradient());
  CHECK_FALSE(h.clone().requires_gradient());
  const Tensor y = sum(h.detach() * x);
  CHECK(bitwise_equal(grad(y, x), row({1, 4})));  // x^2, not 3x^2

  const auto node = x.node();
  x.require_gradient();
  CHECK(x.node() == node);  // a second call changes nothing
}

// ---- Higher orders ----

TEST_CASE("grad: derivatives of every order of a power") {
  const Tensor x = leaf({2});
  Tensor y = sum(x * x * x * x);
  for (const double expected : {32.0, 48.0, 48.0, 24.0, 0.0}) {
    y = sum(grad(y, x, {.create_graph = true}));
    CHECK(y.item() == expected);
    if (!y.requires_gradient()) break;
  }
}

TEST_CASE("hessian_vector_product: against central differences of the gradient") {
  Rng rng(3);
  Tensor x = Tensor::normal({4, 3}, rng, 0, 1, DType::f64).require_gradient();
  const Tensor w = Tensor::normal({3, 5}, rng, 0, 1, DType::f64);
  const Tensor labels = Tensor::of_integers({4}, {0, 4, 2, 2});
  const auto loss = [&](const Tensor& t) { return cross_entropy(tanh(matmul(t, w)), labels); };
  const Tensor v = Tensor::normal({4, 3}, rng, 0, 1, DType::f64);
  const Tensor exact = hessian_vector_product(loss(x), x, v);

  const double h = 1e-6;
  const auto slope_at = [&](double t) {
    const Tensor moved = (x.detach() + t * v).require_gradient();
    return grad(loss(moved), moved);
  };
  const Tensor estimate = (slope_at(h) - slope_at(-h)) / (2 * h);
  CHECK(max_error(exact, estimate) < 1e-8);
  CHECK(max_error(exact, Tensor::zeros({4, 3}, DType::f64)) > 0.01);
}

TEST_CASE("hessian_vector_product: of linear and of quadratic functions") {
  const Tensor x = leaf({1, 2});
  const Tensor v = row({10, 100});
  CHECK(bitwise_equal(hessian_vector_product(sum(3.0 * x), x, v), row({0, 0})));
  CHECK(bitwise_equal(hessian_vector_product(sum(x * x), x, v), row({20, 200})));
  const Tensor w = leaf({5, 6});
  CHECK(bitwise_equal(hessian_vector_product(sum(x * w), x, v), row({0, 0})));
}

// y = (x0 x1, x0 + x2^2): J = [[x1, x0, 0], [1, 0, 2 x2]]
TEST_CASE("jacobian: rows are outputs, columns are inputs") {
  Tensor x = Tensor::of({3}, {2, 3, 5}, DType::f64).require_gradient();
  const auto at = [&](int64_t i) { return slice(x, 0, i, i + 1); };
  const Tensor y = concat({at(0) * at(1), at(0) + at(2) * at(2)}, 0);
  const Tensor J = jacobian(y, x);
  CHECK(J.shape() == Shape({2, 3}));
  CHECK(J.to_vector() == std::vector<double>{3, 2, 0, 1, 0, 10});
  CHECK_THROWS_AS(jacobian(slice(y, 0, 0, 0), x), ShapeError);
}
