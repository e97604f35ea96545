// interpret/support_vectors/audit.h: what support vectors tell of a classifier and its data.
//
// Paper    Deep Support Vectors (arXiv 2403.17329), section 5.1 (what decides, figures 3 and 10)
//          and appendix A (privacy). The paper shows pictures; the measures are chosen here.
//
//   part         question                          measure
//   cues         what does a class look like?      where its vectors differ most from the others',
//                                                  and whether that, pasted, makes it the class
//   mixing       do vectors carry their class?     x + s |x| v / |v|: how often it becomes v's
//   suspects     which labels may be wrong?        cos(theta, -g_i), most negative first
//   nearest      do vectors copy the data?         distance to the nearest training image
//   attribution  who voted for this prediction?    <d Phi_c / d theta, -lambda_i g_i>
//
// Cues. m_i is the mean of a patch of image i at one place and channel, and
//
//     z = (mean of m_i in the class - mean of m_i in the others) / sqrt(s^2 + e^2),
//
// s the standard deviation within the two groups (pooled), e one grey level, so that pixels which
// never change do not count as infinitely clear. A cue is the patch with the largest |z|; that it
// is there does not say that it decides, pasting it into images of other classes does.
//
// Suspects. In networks without biases <theta_l, -g_i> = Phi_y - sum_c p_c Phi_c for each layer l
// (Euler), so it is negative where the network clearly contradicts the label.
//
// Attribution. If Phi is homogeneous of degree L in theta (ReLU, pooling, no biases), and theta =
// -sum_i lambda_i g_i + R, then
//
//     L Phi_c(x) = <d Phi_c / d theta, theta> = sum_i lambda_i <d Phi_c / d theta, -g_i> + <., R>,
//
// an exact split of a logit over the vectors; the last part is what they do not explain.
//
// Shapes   images [n, C, H, W]; vectors of mixing, nearest and attribution of any shape [n, ...]
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"
#include "interpret/support_vectors/extraction.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace limpid::interpret {

/// The class that a network sees in each image, in whatever units the caller has its images.
using Classify = std::function<std::vector<int64_t>(const Tensor& images)>;

/// Of `count` images that are not of a class and were not taken for it, those that now are.
struct Flips {
  int64_t flipped = 0, count = 0;
  double share() const;  // NaN of none
};
Flips flips_to(
    int64_t label, std::span<const int64_t> labels, std::span<const int64_t> before,
    std::span<const int64_t> after);

// ---- Cues ----

struct Place {
  int64_t row = 0, column = 0;  // of the upper left pixel
  bool operator==(const Place&) const = default;
};

struct Cue {
  int64_t label = 0;
  Place place;
  int64_t channel = 0;
  double z = 0;
  Tensor patch;  // [C, P, P], the mean over the vectors of the class
};

struct CueOptions {
  int64_t patch = 0;              // pixels, P; 0: a quarter of the shorter side
  double grey_level = 1.0 / 255;  // e, in the units of the images
};

/// z at every place, [C, H - P + 1, W - P + 1] f64.
/// Throws ValueError unless the class and the others have at least one image each.
Tensor patch_scores(
    const Tensor& images, std::span<const int64_t> labels, int64_t label,
    const CueOptions& options = {});

/// The cue of each class that has images, in the order of the classes; of equal |z| the first.
/// Throws ShapeError unless there is one label per image [n, C, H, W], ValueError if the patch is
/// larger than the image or all have one label.
std::vector<Cue> find_cues(
    const Tensor& images, std::span<const int64_t> labels, const CueOptions& options = {});

/// The mean of the images of a class at a place, [C, P, P].
Tensor mean_patch(
    const Tensor& images, std::span<const int64_t> labels, int64_t label, const Place& place,
    int64_t patch);
/// Every image with the patch [C, P, P] at the place.
Tensor pasted(const Tensor& images, const Tensor& patch, const Place& place);
/// The corner of an H x W image that is farthest from the patch; of equal ones the first, row by
/// row.
Place farthest_corner(const Place& place, int64_t patch, int64_t H, int64_t W);

struct CueTest {
  Flips cue;        // the patch where it was found
  Flips elsewhere;  // control: the same patch at the farthest corner
  Flips real;       // control: the mean patch of real images of the class, at the place of the cue
  Place corner;
};
/// `before` is classify(images). `real_patch` as mean_patch() has it.
CueTest test_cue(
    const Cue& cue, const Tensor& real_patch, const Tensor& images, std::span<const int64_t> labels,
    std::span<const int64_t> before, const Classify& classify);

// ---- Mixing ----

/// x_i + share |x_i| v_i / |v_i|; v_i = 0 adds nothing.
Tensor mixed(const Tensor& images, const Tensor& additions, double share);

struct Mixing {
  double share = 0;
  Flips vectors, real;  // over all classes
};
/// Each class in turn is mixed into all images: its vectors one after the other, and around again;
/// as a control as many real images of the class, the first ones given.
/// Classes without vectors or without real images are left out.
std::vector<Mixing> mixing_test(
    const Tensor& vectors, std::span<const int64_t> vector_labels, const Tensor& real,
    std::span<const int64_t> real_labels, const Tensor& images, std::span<const int64_t> labels,
    std::span<const double> shares, const Classify& classify);

// ---- Suspects ----

/// Positions of the samples to look at first, by three orders.
struct Suspects {
  std::vector<int64_t> cosine;  // smallest first
  std::vector<int64_t> loss;    // baseline: largest first
  std::vector<int64_t> alpha;   // baseline: likewise
};
/// `loss` is L_i [n]. At most n positions.
Suspects find_suspects(const SupportVectors& vectors, const Tensor& loss, int64_t count);

// ---- Nearest ----

struct Nearest {
  int64_t index = 0;
  double distance = 0;  // Euclidean
};
/// Of each query the nearest row, of equal ones the first. One query at a time against blocks of
/// rows. Throws as check_rows() of coreset/distances.h, and ShapeError if the two do not fit.
std::vector<Nearest> nearest_in(const Tensor& rows, const Tensor& queries);

// ---- Attribution ----

struct Attribution {
  int64_t target = 0;      // c
  double logit = 0;        // Phi_c
  double total = 0;        // <d Phi_c / d theta, theta>
  Tensor parts;            // [n] f64: lambda_i <d Phi_c / d theta, -g_i>
  double unexplained = 0;  // <d Phi_c / d theta, R>
};
/// How the logits `targets` of the queries are made up, theta being the parameters named. Labels of
/// the vectors are classes [n] or distributions [n, K]; everything standardised, in the type of the
/// model. Throws as SampleGradients does.
std::vector<Attribution> attribute(
    Module& model, const Tensor& vectors, const Tensor& labels, const Tensor& lambda,
    const std::vector<std::string>& parameters, const Tensor& queries,
    std::span<const int64_t> targets);

}  // namespace limpid::interpret
