// datasets/synthetic.cpp: drawing points in the plane and in space, and shapes.
#include "datasets/synthetic.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>

namespace limpid::datasets {
namespace {

constexpr int64_t kExamplesPerBlock = 16;
constexpr int64_t kSide = 32;  // pixels
constexpr int64_t kPixels = kSide * kSide;
constexpr int64_t kShapes = 4;
constexpr double kMinScale = 0.2, kMaxScale = 0.36;     // sqrt of the covered share
constexpr double kMaxAngle = std::numbers::pi / 9;      // radians, 20 degrees
constexpr double kDarkest = 0.35;                       // background channels stay below
constexpr double kBrightest = 0.5;                      // the shape's mean channel is above
constexpr int64_t kMinSpeckles = 6, kMaxSpeckles = 14;  // per image
constexpr double kNoise = 0.05;                         // standard deviation of a value
constexpr int64_t kQuartiles = 4;                       // of the swiss roll
constexpr double kRollHeight = 21;

using Colour = std::array<double, 3>;

// A shape about the origin, upright. Distances are signed, negative inside, in pixels; beyond a
// corner they are those to the nearer side, which is enough for smoothing an edge.
struct Outline {
  int64_t kind;   // label
  double length;  // disc: radius; square, cross: half its width; triangle: radius of its incircle

  static Outline of_area(int64_t kind, double area) {
    switch (kind) {
      case 0: return {kind, std::sqrt(area / std::numbers::pi)};  // pi r^2
      case 1: return {kind, std::sqrt(area / 4)};                 // (2h)^2
      case 2: return {kind, std::sqrt(area / std::sqrt(27.0))};   // 3 sqrt(3) r^2
      default: return {kind, std::sqrt(area * 9 / 20)};           // two bars of 2h by 2h/3
    }
  }

  double distance(double x, double y) const {
    const double u = std::abs(x), v = std::abs(y);
    switch (kind) {
      case 0: return std::hypot(x, y) - length;
      case 1: return std::max(u, v) - length;
      case 2: return std::max(y, std::sqrt(0.75) * u - 0.5 * y) - length;  // y points down
      default:
        return std::min(std::max(u - length, v - length / 3), std::max(u - length / 3, v - length));
    }
  }

  // How far the shape extends from its centre in the direction of the unit vector (x, y)
  double reach(double x, double y) const {
    const double u = std::abs(x), v = std::abs(y);
    switch (kind) {
      case 0: return length;
      case 1: return length * (u + v);
      case 2: return length * std::max(-2 * y, std::sqrt(3.0) * u + y);
      default: return length * std::max(u + v / 3, u / 3 + v);
    }
  }
};

Colour random_colour(Rng& rng, double brightest = 1) {
  return {rng.uniform(0, brightest), rng.uniform(0, brightest), rng.uniform(0, brightest)};
}

double brightness(const Colour& colour) { return (colour[0] + colour[1] + colour[2]) / 3; }

// Puts `share` of a colour over what one pixel shows.
void blend(std::span<float> image, int64_t pixel, const Colour& colour, double share) {
  for (size_t c = 0; c < colour.size(); ++c) {
    float& value = image[c * kPixels + static_cast<size_t>(pixel)];
    value = static_cast<float>((1 - share) * static_cast<double>(value) + share * colour[c]);
  }
}

void draw_speckles(std::span<float> image, const Colour& of_shape, Rng& rng) {
  const int64_t count = kMinSpeckles + rng.integer(kMaxSpeckles - kMinSpeckles + 1);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t side = 1 + rng.integer(2);
    const int64_t x = rng.integer(kSide - side + 1), y = rng.integer(kSide - side + 1);
    const Colour colour = k % 2 == 0 ? of_shape : random_colour(rng);
    for (int64_t p = 0; p < side * side; ++p) {
      blend(image, (y + p / side) * kSide + x + p % side, colour, 1);
    }
  }
}

// One image [3, 32, 32] and its mask [32, 32].
void draw_shape(int64_t label, Rng rng, std::span<float> image, std::span<float> mask) {
  // Choose everything but the outline without looking at the label
  const double scale = rng.uniform(kMinScale, kMaxScale);
  const double angle = rng.uniform(-kMaxAngle, kMaxAngle);
  const Colour background = random_colour(rng, kDarkest);
  Colour colour = random_colour(rng);
  while (brightness(colour) < kBrightest) colour = random_colour(rng);

  // Place the shape anywhere inside the image
  const Outline outline = Outline::of_area(label, scale * scale * kPixels);
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const double centre_x =
      rng.uniform(outline.reach(-cosine, sine), kSide - outline.reach(cosine, -sine));
  const double centre_y =
      rng.uniform(outline.reach(-sine, -cosine), kSide - outline.reach(sine, cosine));

  // Paint background, speckles and shape
  for (int64_t pixel = 0; pixel < kPixels; ++pixel) blend(image, pixel, background, 1);
  draw_speckles(image, colour, rng);
  for (int64_t pixel = 0; pixel < kPixels; ++pixel) {
    const double x = static_cast<double>(pixel % kSide) + 0.5 - centre_x;
    const double y = static_cast<double>(pixel / kSide) + 0.5 - centre_y;
    const double distance = outline.distance(cosine * x + sine * y, cosine * y - sine * x);
    blend(image, pixel, colour, std::clamp(0.5 - distance, 0.0, 1.0));
    mask[static_cast<size_t>(pixel)] = distance <= 0 ? 1.0F : 0.0F;
  }

  // Add noise
  std::array<float, 3 * kPixels> noise;
  rng.normal(noise, 0, kNoise);
  for (size_t i = 0; i < noise.size(); ++i) image[i] = std::clamp(image[i] + noise[i], 0.0F, 1.0F);
}

// Labels 0, 1, ..., classes - 1, 0, 1, ...
Tensor alternating(int64_t n, int64_t classes) {
  Tensor labels = Tensor::empty({n}, DType::i64);  // [n]
  int64_t* out = labels.mutable_data<int64_t>();
  for (int64_t i = 0; i < n; ++i) out[i] = i % classes;
  return labels;
}

// Checks the size of a set of points and the standard deviation of its noise.
void check_points(const char* op, int64_t n, double noise) {
  check_value(n >= 1, op, "needs at least 1 example, got ", n);
  check_value(
      noise >= 0 && std::isfinite(noise), op,
      "the standard deviation of the noise must be finite and not negative, got ", noise);
}

}  // namespace

Dataset moons(int64_t n, double noise, const Rng& rng) {
  check_points("moons", n, noise);
  Tensor points = Tensor::empty({n, 2});  // [n, 2]
  float* out = points.mutable_data<float>();
  for (int64_t i = 0; i < n; ++i) {
    Rng own = rng.child(static_cast<uint64_t>(i));
    const double t = own.uniform(0, std::numbers::pi);
    const bool is_lower = i % 2 == 1;
    const double x = is_lower ? 1 - std::cos(t) : std::cos(t);
    const double y = is_lower ? 0.5 - std::sin(t) : std::sin(t);
    out[2 * i] = static_cast<float>(x + own.normal(0, noise));
    out[2 * i + 1] = static_cast<float>(y + own.normal(0, noise));
  }
  return {
      .name = "moons",
      .images = points,
      .labels = alternating(n, 2),
      .classes = 2,
      .class_names = {"upper", "lower"}};
}

Dataset gaussians(int64_t n, int64_t classes, double deviation, const Rng& rng) {
  check_points("gaussians", n, deviation);
  check_value(classes >= 1, "gaussians", "needs at least 1 class, got ", classes);
  Tensor points = Tensor::empty({n, 2});  // [n, 2]
  float* out = points.mutable_data<float>();
  for (int64_t i = 0; i < n; ++i) {
    Rng own = rng.child(static_cast<uint64_t>(i));
    const double share = static_cast<double>(i % classes) / static_cast<double>(classes);
    const double angle = 2 * std::numbers::pi * share;
    out[2 * i] = static_cast<float>(std::cos(angle) + own.normal(0, deviation));
    out[2 * i + 1] = static_cast<float>(std::sin(angle) + own.normal(0, deviation));
  }
  return {
      .name = "gaussians",
      .images = points,
      .labels = alternating(n, classes),
      .classes = classes,
      .class_names = numbered_classes(classes)};
}

Dataset swiss_roll(int64_t n, double noise, const Rng& rng) {
  check_points("swiss-roll", n, noise);
  Tensor points = Tensor::empty({n, 3});  // [n, 3]
  float* out = points.mutable_data<float>();
  for (int64_t i = 0; i < n; ++i) {
    Rng own = rng.child(static_cast<uint64_t>(i));
    const double share = (static_cast<double>(i % kQuartiles) + own.uniform()) / kQuartiles;
    const double t = 1.5 * std::numbers::pi * (1 + 2 * share);
    const double height = own.uniform(0, kRollHeight);
    out[3 * i] = static_cast<float>(t * std::cos(t) + own.normal(0, noise));
    out[3 * i + 1] = static_cast<float>(height + own.normal(0, noise));
    out[3 * i + 2] = static_cast<float>(t * std::sin(t) + own.normal(0, noise));
  }
  return {
      .name = "swiss-roll",
      .images = points,
      .labels = alternating(n, kQuartiles),
      .classes = kQuartiles,
      .class_names = {"innermost", "inner", "outer", "outermost"}};
}

Dataset shapes(int64_t n, const Rng& rng) {
  check_value(n >= 1, "shapes", "needs at least 1 example, got ", n);
  Tensor images = Tensor::zeros({n, 3, kSide, kSide});  // [n, 3, 32, 32]
  Tensor masks = Tensor::empty({n, 1, kSide, kSide});   // [n, 1, 32, 32]
  const std::span<float> image_values(images.mutable_data<float>(), images.values<float>().size());
  const std::span<float> mask_values(masks.mutable_data<float>(), masks.values<float>().size());
  parallel::for_blocks(n, kExamplesPerBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto at = static_cast<size_t>(i);
      draw_shape(
          i % kShapes, rng.child(static_cast<uint64_t>(i)),
          image_values.subspan(at * 3 * kPixels, 3 * kPixels),
          mask_values.subspan(at * kPixels, kPixels));
    }
  });
  return {
      .name = "shapes",
      .images = images,
      .labels = alternating(n, kShapes),
      .classes = kShapes,
      .class_names = {"disc", "square", "triangle", "cross"},
      .masks = masks};
}

}  // namespace limpid::datasets
