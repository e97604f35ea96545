// datasets/synthetic.h: data from formulas, whose truth is known.
//
// Example i is a function of (key of rng, i) alone: a longer set begins with the shorter one, and
// examples may be drawn on any thread. The generator passed in is not advanced.
#pragma once

#include "datasets/dataset.h"
#include "framework/core/rng.h"

#include <cstdint>

namespace limpid::datasets {

/// Two interleaved half circles, features [n, 2], classes alternating. With t uniform on [0, pi]:
///   class 0: (cos t, sin t),  class 1: (1 - cos t, 1/2 - sin t),  plus N(0, noise^2) on both axes.
/// Throws ValueError unless n >= 1 and noise >= 0.
Dataset moons(int64_t n, double noise, const Rng& rng);

/// A mixture of round Gaussians in the plane, features [n, 2]; the class is the component, and
/// classes take turns. Component c of K stands on the unit circle:
///   class c: (cos(2 pi c / K), sin(2 pi c / K)) + N(0, deviation^2) on both axes.
/// So the best classifier is known, it takes the nearest centre: for K = 4 it is right with
/// probability Phi(sqrt(1/2) / deviation)^2, and for K = 2 with Phi(1 / deviation).
/// Throws ValueError unless n >= 1, classes >= 1 and deviation >= 0.
Dataset gaussians(int64_t n, int64_t classes, double deviation, const Rng& rng);

/// A rolled-up sheet in space, features [n, 3], cut across the roll into four classes. With t
/// uniform on [3 pi / 2, 9 pi / 2] and h uniform on [0, 21]:
///   (t cos t, h, t sin t)  plus N(0, noise^2) on all axes.
/// The class is the quartile of t, in turn: class c has t in 3 pi / 2 + 3 pi / 4 * [c, c + 1].
/// Formula and constants: Marsland, Machine Learning: An Algorithmic Perspective, 2009, chapter 10
/// (the same as in scikit-learn). Throws ValueError unless n >= 1 and noise >= 0.
Dataset swiss_roll(int64_t n, double noise, const Rng& rng);

/// One coloured shape per image on a noisy background, [n, 3, 32, 32] in [0, 1], with its mask.
/// Classes, alternating: disc, square, triangle, cross. What an explanation should find is known:
/// the class is in the outline and nowhere else.
///   area      sqrt(area / 1024) uniform on [0.2, 0.36]: 4 to 13 % of the image, for every class
///   position  centre uniform over all places where the shape is inside the image
///   angle     uniform within 20 degrees
///   colours   background uniform in [0, 0.35]^3; shape uniform in [0, 1]^3 where the mean channel
///             is at least 0.5, so that a shape is brighter than its background in any hue
///   clutter   speckles of one pixel or two by two behind the shape, half of them in its colour
///   noise     N(0, 0.05^2) on every value, then clamped
/// Edges are smoothed over one pixel. masks [n, 1, 32, 32] are 1 where the pixel centre lies in
/// the shape. Throws ValueError unless n >= 1.
Dataset shapes(int64_t n, const Rng& rng);

}  // namespace limpid::datasets
