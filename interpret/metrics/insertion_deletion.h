// interpret/metrics/insertion_deletion.h: how fast a score falls or rises along a map.
//
// Petsiuk, Das and Saenko, RISE, BMVC 2018, section 4.2. Pixels are taken in the order of the map,
// largest first, of equals the lower index first, `step` at a time, from one picture to another:
//   deletion   from the image to zeros, the mean colour in the space of the network; lower is
//              better: the score depends on the pixels that the map names
//   insertion  from the blurred image to the image; higher is better
// With scores s_0 ... s_T, T = ceil(H W / step), the figure is the area under the curve,
//   (sum_t s_t - s_0 / 2 - s_T / 2) / T,
// in the units of the score. A last step that is short counts as a whole one.
#pragma once

#include "interpret/metrics/score.h"

namespace limpid::interpret {

/// n numbers that sum to 1: what the authors' program uses as blur, which is a Gaussian filter
/// applied to a window holding a single 1, so that the tails are reflected at its ends and fold
/// back: w[i] = sum of the taps g(i - c + t), |t| <= radius, whose mirror image is i.
/// For n = 11, sigma = 5 it is almost a box. Throws ValueError unless n is odd and sigma > 0.
std::vector<double> folded_gaussian(int64_t n, double sigma);

/// Each channel under the two-dimensional folded Gaussian, with zeros around the image.
Tensor blurred(const Tensor& images, int64_t size = 11, double sigma = 5);

struct StepOptions {
  int64_t step = 0;       // pixels at a time; 0: H W / 32, rounded up
  int64_t blur = 11;      // size of the filter in pixels, as in RISE; 0: insertion into zeros
  double blur_sigma = 5;  // in pixels
};

/// Per image: the curve and the area below it.
struct Curves {
  int64_t steps = 0;           // T
  std::vector<double> scores;  // [N, T + 1]
  std::vector<double> area;    // [N]

  std::vector<double> mean_curve() const;  // [T + 1]
  /// The areas with `factor` times the step, whose states are among those of the curve, [N].
  /// Throws ValueError unless factor divides T.
  std::vector<double> coarser_area(int64_t factor) const;
};

/// Everything that all maps of the same images share. Images [N, C, H, W] as the network sees them.
class InsertionDeletion {
 public:
  /// Scores the images and their ends. Throws ShapeError for anything but images and ValueError
  /// for a negative step.
  InsertionDeletion(Score score, const Tensor& images, const StepOptions& options = {});

  /// maps [N, 1, H, W], any real numbers; NaN comes last.
  Curves deletion(const Tensor& maps) const;
  Curves insertion(const Tensor& maps) const;

  int64_t step() const { return step_; }    // pixels at a time
  int64_t steps() const { return steps_; }  // T
  /// Called between batches with variants done and in all; may throw to stop.
  std::function<void(int64_t done, int64_t total)> progress;

 private:
  Curves run(
      const Tensor& maps, const Tensor& from, const std::vector<double>& first, const Tensor& to,
      const std::vector<double>& last) const;

  Score score_;
  int64_t step_, steps_;
  Tensor images_, blurred_, zeros_;                               // [N, C, H, W]
  std::vector<double> image_score_, blurred_score_, zero_score_;  // [N]
};

/// (sum s - s_0 / 2 - s_T / 2) / T. Throws ShapeError for fewer than two scores.
double area_below(std::span<const double> scores);

}  // namespace limpid::interpret
