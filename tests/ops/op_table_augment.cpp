// tests/ops/op_table_augment.cpp: records of framework/ops/augment.h.
#include "framework/ops/augment.h"
#include "framework/ops/pointwise.h"
#include "tests/ops/op_table.h"
#include "tests/reference/reference.h"

#include <limits>

namespace limpid {
namespace {

const std::vector<PixelMap> kMaps = {
    {.yp = 0.7, .yq = -0.4, .y0 = 0.3, .xp = 0.5, .xq = 0.8, .x0 = -0.6},
    {.yp = -1.2, .yq = 0.1, .y0 = 4.6, .xp = 0, .xq = 0.45, .x0 = 0.2}};

// Both images of kMaps n times over.
std::vector<PixelMap> many_maps(int64_t n) {
  std::vector<PixelMap> maps;
  for (int64_t i = 0; i < n; ++i) maps.push_back(kMaps[static_cast<size_t>(i % 2)]);
  return maps;
}

// The calls that every function refuses: another number of parameters than images, no images.
std::vector<BadCall> bad_images() {
  return {
      {{{3, 2, 4, 5}}, "needs one parameter per image, got 2 for [3, 2, 4, 5]"},
      {{{2, 4, 5}}, "needs images [N, C, H, W]"},
      {{{2, 1, 0, 5}}, "with pixels"}};
}

std::vector<BadCall> bad_samples(const Function& no_pixels, const Function& not_finite) {
  std::vector<BadCall> calls = bad_images();
  calls.push_back({{{2, 2, 4, 5}}, "no pixels in 0x3", Throws::shape_error, no_pixels});
  calls.push_back({{{2, 2, 4, 5}}, "place must be finite", Throws::value_error, not_finite});
  return calls;
}

const std::vector<PixelMap> kBadMaps = {{}, {.x0 = std::numeric_limits<double>::infinity()}};

std::vector<OpCase> sample_cases() {
  return {
      {.name = "sample_bilinear",
       .op = [](Inputs t) { return sample_bilinear(t[0], kMaps, 4, 3); },
       .inputs = {{2, 2, 4, 5}},
       .reference = [](Inputs t) { return reference::sample_bilinear(t[0], kMaps, 4, 3); },
       .throws = bad_samples(
           [](Inputs t) { return sample_bilinear(t[0], kMaps, 0, 3); },
           [](Inputs t) { return sample_bilinear(t[0], kBadMaps, 4, 3); })},
      {.name = "sample_bilinear edge",
       .op = [](Inputs t) { return sample_bilinear(t[0], kMaps, 3, 6, Border::edge); },
       .inputs = {{2, 2, 4, 3}},
       .reference =
           [](Inputs t) { return reference::sample_bilinear(t[0], kMaps, 3, 6, Border::edge); }},
      {.name = "sample_bilinear of a square",
       .op = [](Inputs t) { return sample_bilinear(t[0] * t[0], kMaps, 3, 3); },
       .inputs = {{2, 1, 4, 4}},
       .reference =
           [](Inputs t) {
             const Tensor square = reference::map(t[0], [](double x) { return x * x; });
             return reference::sample_bilinear(square, kMaps, 3, 3);
           }},
      {.name = "spread_bilinear",
       .op = [](Inputs t) { return spread_bilinear(t[0], kMaps, 4, 5); },
       .inputs = {{2, 2, 4, 3}},
       .reference = [](Inputs t) { return reference::spread_bilinear(t[0], kMaps, 4, 5); },
       .throws = bad_samples(
           [](Inputs t) { return spread_bilinear(t[0], kMaps, 0, 3); },
           [](Inputs t) { return spread_bilinear(t[0], kBadMaps, 4, 5); })},
      {.name = "spread_bilinear edge",
       .op = [](Inputs t) { return spread_bilinear(t[0], kMaps, 4, 3, Border::edge); },
       .inputs = {{2, 2, 3, 6}},
       .reference =
           [](Inputs t) { return reference::spread_bilinear(t[0], kMaps, 4, 3, Border::edge); }},
      {.name = "sample_bilinear large",
       .op = [](Inputs t) { return sample_bilinear(t[0], many_maps(40), 12, 9, Border::edge); },
       .inputs = {{40, 3, 12, 14}},
       .reference =
           [](Inputs t) {
             return reference::sample_bilinear(t[0], many_maps(40), 12, 9, Border::edge);
           },
       .is_large = true},
      {.name = "spread_bilinear large",
       .op = [](Inputs t) { return spread_bilinear(t[0], many_maps(40), 12, 14); },
       .inputs = {{40, 3, 12, 9}},
       .reference =
           [](Inputs t) { return reference::spread_bilinear(t[0], many_maps(40), 12, 14); },
       .is_large = true},
  };
}

std::vector<OpCase> place_cases() {
  const std::vector<Offset> offsets = {{.down = 1, .right = -2}, {.down = -3, .right = 0}};
  const std::vector<bool> flipped = {true, false};
  const std::vector<double> degrees = {25, -130};
  const std::vector<Box> boxes = {
      {.top = 0.7, .left = 1.2, .height = 2.5, .width = 3.1},
      {.top = -0.6, .left = 0, .height = 5, .width = 5}};
  const std::vector<Box> whole = {{.height = 4, .width = 5}, {.height = 4, .width = 5}};
  const std::vector<Box> empty = {{.height = 4, .width = 5}, {.height = 4, .width = 0}};
  std::vector<BadCall> bad_boxes = bad_images();
  bad_boxes.push_back(
      {{{2, 2, 4, 5}}, "empty box of 4x0 pixels", Throws::value_error, [empty](Inputs t) {
         return crop_resize(t[0], empty, 3, 3);
       }});
  bad_boxes.push_back({{{2, 2, 4, 5}}, "no pixels in 3x-1", Throws::shape_error, [whole](Inputs t) {
                         return crop_resize(t[0], whole, 3, -1);
                       }});
  return {
      {.name = "shift",
       .op = [offsets](Inputs t) { return shift(t[0], offsets); },
       .inputs = {{2, 2, 4, 5}},
       .reference = [offsets](Inputs t) { return reference::shift(t[0], offsets); },
       .throws = bad_images()},
      {.name = "flip_horizontal",
       .op = [flipped](Inputs t) { return flip_horizontal(t[0], flipped); },
       .inputs = {{2, 2, 3, 4}},
       .reference = [flipped](Inputs t) { return reference::flip_horizontal(t[0], flipped); },
       .throws = bad_images()},
      {.name = "rotate",
       .op = [degrees](Inputs t) { return rotate(t[0], degrees); },
       .inputs = {{2, 2, 4, 5}},
       .reference = [degrees](Inputs t) { return reference::rotate(t[0], degrees); },
       .throws = bad_images()},
      {.name = "crop_resize",
       .op = [boxes](Inputs t) { return crop_resize(t[0], boxes, 3, 6); },
       .inputs = {{2, 2, 4, 5}},
       .reference = [boxes](Inputs t) { return reference::crop_resize(t[0], boxes, 3, 6); },
       .throws = bad_boxes},
      {.name = "crop_resize of the whole image",
       .op = [whole](Inputs t) { return crop_resize(t[0], whole, 6, 3); },
       .inputs = {{2, 2, 4, 5}},
       .reference = [](Inputs t) { return reference::resize_bilinear(t[0], 6, 3); }},
  };
}

std::vector<OpCase> value_cases() {
  const std::vector<Box> boxes = {
      {.top = 1, .left = 2, .height = 2, .width = 2},
      {.top = -1.4, .left = 3, .height = 3, .width = 7}};
  const std::vector<double> factors = {0.6, 1.7};
  const auto noise = [](const Shape& shape) {
    Rng rng(5);
    return Tensor::normal(shape, rng, 0, 1, DType::f64);
  };
  return {
      {.name = "cutout",
       .op = [boxes](Inputs t) { return cutout(t[0], boxes); },
       .inputs = {{2, 2, 4, 5}},
       .reference = [boxes](Inputs t) { return reference::cutout(t[0], boxes); },
       .throws = bad_images()},
      {.name = "add_noise",
       .op =
           [factors](Inputs t) {
             Rng rng(5);
             return add_noise(t[0], factors, rng);
           },
       .inputs = {{2, 2, 3, 4}},
       .reference =
           [factors, noise](Inputs t) {
             return reference::add_noise(t[0], factors, noise(t[0].shape()));
           },
       .throws = bad_images()},
      {.name = "brightness",
       .op = [factors](Inputs t) { return brightness(t[0], factors); },
       .inputs = {{2, 2, 3, 4}},
       .reference = [factors](Inputs t) { return reference::brightness(t[0], factors); },
       .throws = bad_images()},
      {.name = "contrast",
       .op = [factors](Inputs t) { return contrast(t[0], factors); },
       .inputs = {{2, 2, 3, 4}},
       .reference = [factors](Inputs t) { return reference::contrast(t[0], factors); },
       .throws = bad_images()},
  };
}

}  // namespace

std::vector<OpCase> augment_cases() {
  std::vector<OpCase> all = sample_cases();
  for (const auto& more : {place_cases(), value_cases()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace limpid
