// interpret/transport/layer_transport.h: how far each layer moves the distribution of the data.
//
// Every cloud of features Z_l [n, d_l] is centred and scaled to tr Cov = 1 first, so that layers of
// different scale can be read side by side; sigma_l = sqrt(tr Cov Z_l) is reported. Let x_l be the
// points.
//
//   kinetic       kappa_l = mean_i |x_{l,i} - x_{l-1,i}|^2, the pairs known
//   w2_previous   W_l = W2(x_{l-1}, x_l), exact optimal transport, the pairs forgotten
//   twist         W_l^2 / kappa_l in [0, 1]: 1 where the layer keeps every point's partner, as a
//                 gradient of a convex function does (an exact denoising autoencoder is one)
//   w2_input      W2(x_0, x_l)
//   floor         W2 of two disjoint samples of x_l. W_l is between the same examples and has no
//                 such floor; as a statement about the law it is not distinguishable below twice
//                 that
//   straightness  mean_i |x_{l,i} - x_{0,i}| / mean_i sum_{k <= l} |x_{k,i} - x_{k-1,i}|
//   path length   sum_l W_l in one frame; geodesicity W2(x_0, x_L) / that
//   action        L sum_l kappa_l >= W2(x_0, x_L)^2 (Benamou and Brenier 2000)
//
// Which axes? Layers of one shape are compared as they are ("same axes"). Elsewhere the later cloud
// is rotated onto the earlier one by what is known, the pairs ("rotated"): orthogonal Procrustes
// after filling up with zeros. What speaks of the whole path uses one frame: each cloud is rotated
// onto the one before it in the frame of the input. Figures that need no axes: CKA, Gromov-
// Wasserstein of the distances (which knows the pairs as its start alone), class separation,
// directions.
//
// Paper    Sonoda and Murata, JMLR 20 (2019): layers as transport maps; the figures above, and how
//          axes are matched, are limpid's
#pragma once

#include "interpret/transport/layer_features.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

struct LayerTransportOptions {
  int64_t samples = 300;  // points per cloud; as many again for the floor
  int64_t repeats = 5;    // random subsamples
  int64_t slices = 200;   // directions of the sliced distance
  int64_t gromov_samples = 100;
  int64_t least_per_class = 30;
  uint64_t seed = 0;
};

/// Over the repeats.
struct Summary {
  double median = 0, low = 0, high = 0;
};

struct LayerTransport {
  std::string name, type;
  std::string alignment;  // with the step before: "same axes", "rotated"; empty for the input
  Shape shape;
  int64_t dim = 0;
  int64_t pooling = 1;
  double sigma = 0;
  Summary kinetic, w2_previous, w2_input, floor, twist, straightness;
  double share = 0;         // of the path length
  double sliced = 0;        // sliced W2 from the step before
  double bures = 0;         // W2 of the Gaussians with the same moments, from the step before
  double gromov = 0;        // of distance matrices; 0 for isometric clouds
  double gromov_pairs = 0;  // the same for the known pairs: an upper bound
  double cka_previous = 0;
  double residual = 0;        // of the rotation, in [0, 1]
  double entropy = 0;         // nats, Kozachenko-Leonenko, of the first principal axes; see below
  double entropy_bound = 0;   // of the Gaussian with the same covariance
  double directions = 0;      // participation ratio of Cov Z_l
  int64_t rank = 0;           // singular values above 1e-6 of the largest
  Summary class_separation;   // D = tr(S_w S_b^+), class_scatter.h; NaN without labels
  double separation = 0;      // share of the variance between the classes
  double class_distance = 0;  // mean W2 of pairs of classes / sqrt(tr S_w); NaN: too few examples
  double dead = 0;            // share of units that are constant over all examples
  int64_t duplicates = 0;     // examples whose features equal those of another
};

struct TransportPath {
  double length = 0;        // sum_l W_l in the frame of the input
  double w2 = 0;            // W2(x_0, x_L)
  double geodesicity = 0;   // w2 / length
  double straightness = 0;  // of the last layer
  double action = 0;        // L sum_l kappa_l
  double efficiency = 0;    // w2^2 / action
};

struct NetworkTransport {
  std::vector<LayerTransport> layers;  // the input first
  TransportPath path;
  int64_t samples = 0, repeats = 0;
  std::vector<std::string> notes;  // what was left out, and why
};

/// Entropies are taken in the space of the first kEntropyAxes principal axes of the normalised
/// cloud; the estimator is biased beyond that.
inline constexpr int64_t kEntropyAxes = 5;

/// `labels`: one class per example, or none. Repeats and pairs of classes are shared out over
/// threads and ranks (core/rank_map.h: all ranks must call this). Throws ValueError for fewer than
/// 8 examples.
NetworkTransport network_transport(
    const std::vector<LayerFeatures>& steps, std::span<const int64_t> labels,
    const LayerTransportOptions& options = {});

/// The clouds of the first `count` examples after every step, each [count, r], normalised and
/// rotated onto the one before: all in the frame of the input.
std::vector<Tensor> common_frame(const std::vector<LayerFeatures>& steps, int64_t count);

/// Movement of each layer between two states of one network on the same examples: mean |x - x'|^2
/// of the normalised clouds, rotated onto each other. 0: nothing moved; 2: nothing in common.
std::vector<double> movement_between(
    const std::vector<LayerFeatures>& before, const std::vector<LayerFeatures>& after,
    int64_t samples = 300);

}  // namespace limpid::interpret
