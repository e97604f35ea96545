// tests/property/adjoint_test.cpp: <A x, g> = <x, A* g> for every linear pair, on random shapes.
//
// The op table checks formulas at fixed shapes; here the pairs are checked against each other,
// without differences and without references, wherever a random shape leads.
#include "framework/core/rng.h"
#include "framework/ops/ops.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace limpid;

namespace {

constexpr int kRounds = 60;
constexpr double kTight = 1e-11;

double inner(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  return sum(a * b).item();
}

// Inner products of random tensors may cancel: compared with the lengths of both sides.
bool agree(
    const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& d, double tolerance = kTight) {
  const double scale = std::sqrt(inner(a, a) * inner(b, b)) + 1;
  return std::abs(inner(a, b) - inner(c, d)) <= tolerance * scale;
}

Tensor channel_sums(const Tensor& x) { return sum(x, {0, 2}); }  // [N, C, L] -> [1, C, 1]

struct Random {
  explicit Random(uint64_t seed) : rng(seed) {}
  int64_t between(int64_t low, int64_t high) { return low + rng.integer(high - low + 1); }
  Tensor tensor(const Shape& shape) { return Tensor::normal(shape, rng, 0, 1, DType::f64); }
  Shape shape(int rank, int64_t largest) {
    std::vector<int64_t> sizes;
    for (int d = 0; d < rank; ++d) sizes.push_back(between(1, largest));
    return Shape(std::span<const int64_t>(sizes));
  }
  Tensor index(const Shape& shape, int64_t range) {
    std::vector<int64_t> values(static_cast<size_t>(shape.numel()));
    for (int64_t& v : values) v = rng.integer(range);
    return Tensor::of_integers(shape, values);
  }
  Rng rng;
};

}  // namespace

TEST_CASE("adjoint: the three convolutions are one trilinear form") {
  Random random(1);
  for (int round = 0; round < kRounds; ++round) {
    const ConvOptions o = {
        .stride = random.between(1, 3),
        .padding = random.between(0, 2),
        .dilation = random.between(1, 2),
        .groups = random.between(1, 3)};
    const Shape filter = {
        o.groups * random.between(1, 3), random.between(1, 3), random.between(1, 3),
        random.between(1, 3)};
    const Shape image = {
        random.between(1, 5), o.groups * filter[1], random.between(5, 20), random.between(5, 20)};
    CAPTURE(to_string(image));
    CAPTURE(to_string(filter));
    const Tensor x = random.tensor(image);
    const Tensor w = random.tensor(filter);
    const Tensor y = conv2d(x, w, o);
    const Tensor g = random.tensor(y.shape());
    CHECK(agree(y, g, x, conv2d_input(g, w, image, o)));
    CHECK(agree(y, g, w, conv2d_weight(g, x, filter, o)));
  }
}

TEST_CASE("adjoint: matrix products") {
  Random random(2);
  for (int round = 0; round < kRounds; ++round) {
    const int64_t B = random.between(1, 4), M = random.between(1, 6), N = random.between(1, 6),
                  K = random.between(1, 6);
    const Tensor a = random.tensor({B, M, K});
    const Tensor b = random.tensor({B, K, N});
    const Tensor g = random.tensor({B, M, N});
    const Tensor y = matmul(a, b);
    CHECK(agree(y, g, a, matmul(g, b, {.transpose_b = true})));
    CHECK(agree(y, g, b, matmul(a, g, {.transpose_a = true})));
    CHECK(close(y, transpose(matmul(transpose(b), transpose(a)))));
    CHECK(close(y, matmul(transpose(a), transpose(b), {.transpose_a = true, .transpose_b = true})));
  }
}

TEST_CASE("adjoint: average pooling, picking and resizing") {
  Random random(3);
  for (int round = 0; round < kRounds; ++round) {
    const int64_t size = random.between(1, 3);
    const PoolOptions o = {
        .size = size, .stride = random.between(1, 3), .padding = random.between(0, size / 2)};
    const Shape image = {
        random.between(1, 3), random.between(1, 3), random.between(3, 9), random.between(3, 9)};
    CAPTURE(to_string(image));
    const Tensor x = random.tensor(image);
    const Tensor y = avg_pool2d(x, o);
    const Tensor g = random.tensor(y.shape());
    CHECK(agree(y, g, x, avg_pool2d_input(g, image, o)));

    const int64_t height = random.between(1, 12), width = random.between(1, 12);
    const Tensor resized = resize_bilinear(x, height, width);
    const Tensor h = random.tensor(resized.shape());
    CHECK(agree(resized, h, x, resize_bilinear_input(h, image[2], image[3])));
  }
}

TEST_CASE("adjoint: broadcasting and summing") {
  Random random(4);
  for (int round = 0; round < kRounds; ++round) {
    const Shape full = random.shape(static_cast<int>(random.between(1, 6)), 3);
    std::vector<int64_t> sizes;
    for (int64_t d = random.rng.integer(full.rank() + 1); d < full.rank(); ++d) {
      sizes.push_back(random.rng.integer(2) == 0 ? 1 : full[static_cast<int>(d)]);
    }
    const Tensor x = random.tensor(Shape(std::span<const int64_t>(sizes)));
    const Tensor g = random.tensor(full);
    CAPTURE(to_string(full));
    CAPTURE(to_string(x.shape()));
    CHECK(agree(broadcast_to(x, full), g, x, sum_to(g, x.shape())));
  }
}

TEST_CASE("adjoint: slices, pads, concatenation, gather and scatter") {
  Random random(5);
  for (int round = 0; round < kRounds; ++round) {
    const int rank = static_cast<int>(random.between(1, 4));
    const Shape shape = random.shape(rank, 5);
    const auto axis = static_cast<int>(random.rng.integer(rank));
    const int64_t begin = random.rng.integer(shape[axis]);
    const int64_t end = random.between(begin, shape[axis]);
    CAPTURE(to_string(shape));
    CAPTURE(axis);
    const Tensor x = random.tensor(shape);
    const Tensor part = slice(x, axis, begin, end);
    const Tensor g = random.tensor(part.shape());
    CHECK(agree(part, g, x, pad(g, axis, begin, shape[axis] - end)));
    CHECK(bitwise_equal(slice(pad(x, axis, 2, 1), axis, 2, 2 + shape[axis]), x));
    CHECK(
        bitwise_equal(concat({slice(x, axis, 0, end), slice(x, axis, end, shape[axis])}, axis), x));

    const Tensor index = random.index(shape.with(axis, random.between(1, 7)), shape[axis]);
    const Tensor picked = gather(x, index, axis);
    const Tensor h = random.tensor(picked.shape());
    CHECK(agree(picked, h, x, scatter_add(h, index, axis, shape[axis])));
  }
}

TEST_CASE("adjoint: permutations are undone by their inverses") {
  Random random(6);
  for (int round = 0; round < kRounds; ++round) {
    const int rank = static_cast<int>(random.between(1, 6));
    const Tensor x = random.tensor(random.shape(rank, 3));
    const std::vector<int64_t> order = random.rng.permutation(rank);
    std::vector<int64_t> inverse(order.size());
    for (size_t d = 0; d < order.size(); ++d) {
      inverse[static_cast<size_t>(order[d])] = static_cast<int64_t>(d);
    }
    const Tensor y = permute(x, order);
    CHECK(bitwise_equal(permute(y, inverse), x));
    const Tensor g = random.tensor(y.shape());
    CHECK(agree(y, g, x, permute(g, inverse)));
  }
}

TEST_CASE(
    "adjoint: the derivative of standardize is self-adjoint and sees neither mean nor scale") {
  Random random(7);
  for (const NormGroups groups : {NormGroups::channel, NormGroups::image_and_channel}) {
    for (int round = 0; round < kRounds / 2; ++round) {
      const Shape shape = {random.between(2, 5), random.between(1, 4), random.between(2, 9)};
      const NormOptions o = {.groups = groups, .epsilon = 0.01};
      const Tensor x = random.tensor(shape);
      const Tensor u = random.tensor(shape);
      const Tensor v = random.tensor(shape);
      const Tensor by_u = standardize_input(u, x, {}, o);
      const Tensor by_v = standardize_input(v, x, {}, o);
      CHECK(agree(by_u, v, by_v, u));
      // Adding a constant to a group changes nothing: the gradient of each group sums to 0
      CHECK(close(channel_sums(by_u), Tensor::zeros({1, shape[1], 1}, DType::f64), 1e-10));
      // gamma's gradient is the inner product with the output, per channel
      const Tensor h = standardize(x, {}, {}, o);
      CHECK(close(standardize_gamma(u, x, o), reshape(channel_sums(u * h), {shape[1]}), 1e-11));
    }
  }
}

TEST_CASE("adjoint: masks are projections") {
  Random random(8);
  for (int round = 0; round < kRounds; ++round) {
    const Shape shape = random.shape(3, 5);
    const Tensor x = 5.0 * random.tensor(shape);
    const Tensor u = random.tensor(shape);
    const Tensor v = random.tensor(shape);
    for (const auto& project : {mask, mask6}) {
      CHECK(agree(project(u, x), v, u, project(v, x)));
      CHECK(bitwise_equal(project(project(u, x), x), project(u, x)));
    }
    CHECK(bitwise_equal(mask(x, x), relu(x)));
  }
}

TEST_CASE("adjoint: cumsum and reverse_cumsum, take_rows and add_rows") {
  Random random(31);
  for (int round = 0; round < kRounds; ++round) {
    const Shape shape = random.shape(static_cast<int>(random.between(1, 4)), 7);
    const int64_t axis = random.between(0, shape.rank() - 1);
    const Tensor x = random.tensor(shape);
    const Tensor g = random.tensor(shape);
    CHECK(agree(cumsum(x, axis), g, x, reverse_cumsum(g, axis)));

    const int64_t rows = random.between(1, 20), width = random.between(1, 9);
    const Tensor index =
        random.index(random.shape(static_cast<int>(random.between(0, 3)), 6), rows);
    const Tensor table = random.tensor({rows, width});
    const Tensor taken = take_rows(table, index);
    const Tensor h = random.tensor(taken.shape());
    CHECK(agree(taken, h, table, add_rows(h, index, rows)));
    const Tensor ones = one_hot(reshape(index, {index.numel()}), rows, DType::f64);
    CHECK(close(reshape(matmul(ones, table), taken.shape()), taken));
  }
}

TEST_CASE("adjoint: resize_nearest and adaptive_avg_pool2d with their inputs") {
  Random random(32);
  for (int round = 0; round < kRounds; ++round) {
    const Shape shape = random.shape(4, 9);
    const int64_t P = random.between(1, 12), Q = random.between(1, 12);
    const Tensor x = random.tensor(shape);
    const Tensor g = random.tensor({shape[0], shape[1], P, Q});
    CHECK(agree(resize_nearest(x, P, Q), g, x, resize_nearest_input(g, shape[2], shape[3])));
    CHECK(agree(adaptive_avg_pool2d(x, P, Q), g, x, adaptive_avg_pool2d_input(g, shape)));
    const Tensor ones = Tensor::ones(shape, DType::f64);
    CHECK(close(adaptive_avg_pool2d(ones, P, Q), Tensor::ones(g.shape(), DType::f64)));
  }
}

TEST_CASE("adjoint: sample_bilinear and spread_bilinear, at any places") {
  constexpr double kTighter = 1e-12;
  Random random(33);
  for (int round = 0; round < kRounds; ++round) {
    const Shape shape = random.shape(4, 9);
    const int64_t P = random.between(1, 12), Q = random.between(1, 12);
    std::vector<PixelMap> maps;
    for (int64_t n = 0; n < shape[0]; ++n) {
      const auto number = [&] { return random.rng.normal(0, 1); };
      maps.push_back({number(), number(), 3 * number(), number(), number(), 3 * number()});
    }
    CAPTURE(to_string(shape));
    const Tensor x = random.tensor(shape);
    const Tensor g = random.tensor({shape[0], shape[1], P, Q});
    for (const Border border : {Border::zero, Border::edge}) {
      const Tensor y = sample_bilinear(x, maps, P, Q, border);
      const Tensor dx = spread_bilinear(g, maps, shape[2], shape[3], border);
      CHECK(agree(y, g, x, dx, kTighter));
    }
    // Weights sum to 1 everywhere if the edge is held
    const Tensor ones = Tensor::ones(shape, DType::f64);
    CHECK(close(
        sample_bilinear(ones, maps, P, Q, Border::edge), Tensor::ones(g.shape(), DType::f64)));
  }
}

TEST_CASE("adjoint: what a shift, a flip, a cutout and a turn by 90 degrees must do") {
  Random random(34);
  for (int round = 0; round < kRounds; ++round) {
    const Shape shape = random.shape(4, 7);
    const Tensor x = random.tensor(shape);
    const Tensor g = random.tensor(shape);
    const auto N = static_cast<size_t>(shape[0]);

    // Back and forth leaves what was never outside; the adjoint of a shift is the way back
    const Offset there = {random.between(-3, 3), random.between(-3, 3)};
    const std::vector<Offset> forth(N, there), back(N, {-there.down, -there.right});
    CHECK(agree(shift(x, forth), g, x, shift(g, back), 1e-12));
    const Tensor kept = shift(shift(Tensor::ones(shape, DType::f64), forth), back);
    CHECK(bitwise_equal(shift(shift(x, forth), back) + 0.0, x * kept + 0.0));

    const std::vector<bool> flipped(N, true);
    CHECK(bitwise_equal(flip_horizontal(flip_horizontal(x, flipped), flipped), x));
    CHECK(agree(flip_horizontal(x, flipped), g, x, flip_horizontal(g, flipped), 1e-12));

    const std::vector<Box> boxes(N, {.top = 1, .left = -1, .height = 2, .width = 4});
    CHECK(bitwise_equal(cutout(cutout(x, boxes), boxes), cutout(x, boxes)));
    CHECK(agree(cutout(x, boxes), g, x, cutout(g, boxes), 1e-12));

    // Counter-clockwise: the first row is what was the last column
    const Tensor square = random.tensor({1, 2, shape[3], shape[3]});
    const Tensor turned = rotate(square, std::vector<double>{90});
    const Tensor right_to_left = flip_horizontal(square, {true});
    CHECK(close(turned, transpose(right_to_left), 1e-12));
  }
}

TEST_CASE("adjoint: a place that is read exactly is not touched by its neighbours") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = Tensor::of({1, 1, 1, 3}, {1, nan, 3}, DType::f64);
  const Tensor y = shift(x, std::vector<Offset>{{.right = 1}});
  CHECK(y.to_vector()[1] == 1);
  CHECK(y.to_vector()[0] == 0);
  const Tensor far = shift(x, std::vector<Offset>{{.down = int64_t{1} << 60}});
  CHECK(far.to_vector() == std::vector<double>{0, 0, 0});
}
