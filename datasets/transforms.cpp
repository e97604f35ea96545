// datasets/transforms.cpp: drawing transforms and carrying them out.
#include "datasets/transforms.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>
#include <string_view>

namespace limpid::datasets {
namespace {

constexpr int64_t kBlockValues = 1 << 14;  // values per parallel block, about one L1 cache
constexpr double kLargestLength = 4096;    // pixels

// ---- Names ----

// A step as it is written: "word" or "word:number".
struct Word {
  const char* name;
  double largest;  // the number may be 0 to this; -1: there is none
  bool is_whole;
  void (*set)(Augmentation& a, double number);
};
constexpr Word kWords[] = {
    {"crop-flip", -1, true, [](Augmentation& a, double) { a.crop_padding = 4, a.flip = true; }},
    {"crop", kLargestLength, true,
     [](Augmentation& a, double n) { a.crop_padding = static_cast<int64_t>(n); }},
    {"flip", -1, true, [](Augmentation& a, double) { a.flip = true; }},
    {"translate", kLargestLength, true,
     [](Augmentation& a, double n) { a.translate = static_cast<int64_t>(n); }},
    {"rotate", 180, false, [](Augmentation& a, double n) { a.rotation = n; }},
    {"jitter", 1, false,
     [](Augmentation& a, double n) { a.brightness = a.contrast = a.saturation = n; }},
    {"brightness", 1, false, [](Augmentation& a, double n) { a.brightness = n; }},
    {"contrast", 1, false, [](Augmentation& a, double n) { a.contrast = n; }},
    {"saturation", 1, false, [](Augmentation& a, double n) { a.saturation = n; }},
    {"noise", 1, false, [](Augmentation& a, double n) { a.noise = n; }},
    {"cutout", kLargestLength, true,
     [](Augmentation& a, double n) { a.cutout = static_cast<int64_t>(n); }},
    {"mixup", 1000, false, [](Augmentation& a, double n) { a.mixup = n; }},
};

std::string known_words() {
  std::string text = "none";
  for (const Word& word : kWords)
    text += std::string(", ") + word.name + (word.largest < 0 ? "" : ":N");
  return text;
}

void set_step(Augmentation& augmentation, std::string_view step) {
  const char* op = "augmentation";
  const size_t colon = step.find(':');
  const std::string_view name = step.substr(0, colon);
  const auto word = std::ranges::find_if(kWords, [&](const Word& w) { return w.name == name; });
  check_value(
      word != std::end(kWords), op, "unknown step '", name, "', expected ", known_words(),
      " or a list of those, separated by commas");
  if (word->largest < 0) {
    check_value(colon == step.npos, op, name, " takes no number, got '", step, "'");
    word->set(augmentation, 0);
    return;
  }
  const std::string_view text = colon == step.npos ? "" : step.substr(colon + 1);
  double number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  check_value(
      is_number && number >= 0 && number <= word->largest &&
          (!word->is_whole || number == std::floor(number)),
      op, name, " needs a ", word->is_whole ? "whole " : "", "number from 0 to ", word->largest,
      ", as in ", name, ":1, got '", step, "'");
  word->set(augmentation, number);
}

void check_strengths(const char* op, const Augmentation& a) {
  const auto check = [op](const char* name, double value, double largest) {
    check_value(
        value >= 0 && value <= largest, op, name, " must lie in [0, ", largest, "], got ", value);
  };
  check("crop_padding", static_cast<double>(a.crop_padding), kLargestLength);
  check("translate", static_cast<double>(a.translate), kLargestLength);
  check("cutout", static_cast<double>(a.cutout), kLargestLength);
  check("rotation", a.rotation, 180);
  check("brightness", a.brightness, 1);
  check("contrast", a.contrast, 1);
  check("saturation", a.saturation, 1);
  check("noise", a.noise, 1);
  check("mixup", a.mixup, 1000);
}

// ---- Drawing ----

// One child generator per step of an example.
enum Step : uint64_t {
  for_crop,
  for_flip,
  for_translate,
  for_rotate,
  for_brightness,
  for_contrast,
  for_saturation,
  for_noise,
  for_cutout
};

// ---- Carrying out; x [C, H, W] is changed in place, `old` has room for a copy ----

struct Size {
  int64_t C, H, W;
  int64_t numel() const { return C * H * W; }
};

void keep_in_range(float& value) { value = std::clamp(value, 0.0F, 1.0F); }

void shift(const Size& s, int64_t dy, int64_t dx, float* x, float* old) {
  std::copy_n(x, s.numel(), old);
  for (int64_t row = 0; row < s.C * s.H; ++row) {
    const int64_t source = row % s.H - dy;
    for (int64_t j = 0; j < s.W; ++j) {
      const bool inside = source >= 0 && source < s.H && j - dx >= 0 && j - dx < s.W;
      x[row * s.W + j] = inside ? old[(row - dy) * s.W + j - dx] : 0;
    }
  }
}

void mirror(const Size& s, float* x) {
  for (int64_t row = 0; row < s.C * s.H; ++row) std::reverse(x + row * s.W, x + (row + 1) * s.W);
}

// The value of a plane at a place between four pixels, by nearness; outside it is 0.
double value_at(const Size& s, const float* plane, double y, double x) {
  const double top = std::floor(y), left = std::floor(x);
  const double down = y - top, right = x - left;
  const double weight[4] = {
      (1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right};
  double value = 0;
  for (int k = 0; k < 4; ++k) {
    const int64_t i = static_cast<int64_t>(top) + k / 2;
    const int64_t j = static_cast<int64_t>(left) + k % 2;
    if (i < 0 || i >= s.H || j < 0 || j >= s.W) continue;
    value += weight[k] * static_cast<double>(plane[i * s.W + j]);
  }
  return value;
}

void rotate(const Size& s, double degrees, float* x, float* old) {
  std::copy_n(x, s.numel(), old);
  const double angle = degrees * std::numbers::pi / 180;
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const double middle_y = static_cast<double>(s.H - 1) / 2;
  const double middle_x = static_cast<double>(s.W - 1) / 2;
  for (int64_t i = 0; i < s.H; ++i) {
    for (int64_t j = 0; j < s.W; ++j) {
      // Turn back to where this pixel came from; y points down
      const double v = static_cast<double>(i) - middle_y, u = static_cast<double>(j) - middle_x;
      const double from_y = middle_y + cosine * v + sine * u;
      const double from_x = middle_x + cosine * u - sine * v;
      for (int64_t plane = 0; plane < s.numel(); plane += s.H * s.W) {
        x[plane + i * s.W + j] = static_cast<float>(value_at(s, old + plane, from_y, from_x));
      }
    }
  }
}

// factor x + (1 - factor) other, in range.
void blend(float& x, double factor, double other) {
  x = static_cast<float>(factor * static_cast<double>(x) + (1 - factor) * other);
  keep_in_range(x);
}

void change_contrast(const Size& s, double factor, float* x) {
  double sum = 0;
  for (int64_t i = 0; i < s.numel(); ++i) sum += static_cast<double>(x[i]);
  const double mean = sum / static_cast<double>(s.numel());
  for (int64_t i = 0; i < s.numel(); ++i) blend(x[i], factor, mean);
}

void change_saturation(const Size& s, double factor, float* x) {
  if (s.C != 3) return;
  const int64_t plane = s.H * s.W;
  for (int64_t i = 0; i < plane; ++i) {
    float* pixel = x + i;
    const double grey = 0.299 * static_cast<double>(pixel[0]) +
                        0.587 * static_cast<double>(pixel[plane]) +
                        0.114 * static_cast<double>(pixel[2 * plane]);  // ITU-R BT.601
    for (int64_t c = 0; c < 3; ++c) blend(pixel[c * plane], factor, grey);
  }
}

void add_noise(const Size& s, double deviation, Rng source, float* x, float* noise) {
  source.normal(std::span(noise, static_cast<size_t>(s.numel())), 0, deviation);
  for (int64_t i = 0; i < s.numel(); ++i) {
    x[i] += noise[i];
    keep_in_range(x[i]);
  }
}

void cut_out(const Size& s, int64_t middle_y, int64_t middle_x, int64_t side, float* x) {
  const auto is_cut = [side](int64_t i, int64_t middle) {
    const int64_t first = middle - side / 2;
    return i >= first && i < first + side;
  };
  for (int64_t row = 0; row < s.C * s.H; ++row) {
    if (!is_cut(row % s.H, middle_y)) continue;
    for (int64_t j = 0; j < s.W; ++j) {
      if (is_cut(j, middle_x)) x[row * s.W + j] = 0;
    }
  }
}

void apply_one(const Size& s, const Transform& t, float* x, float* old) {
  if (t.crop_y != 0 || t.crop_x != 0) shift(s, t.crop_y, t.crop_x, x, old);
  if (t.flip) mirror(s, x);
  if (t.shift_y != 0 || t.shift_x != 0) shift(s, t.shift_y, t.shift_x, x, old);
  if (t.angle != 0) rotate(s, t.angle, x, old);
  if (t.brightness != 1) {
    for (int64_t i = 0; i < s.numel(); ++i) blend(x[i], t.brightness, 0);
  }
  if (t.contrast != 1) change_contrast(s, t.contrast, x);
  if (t.saturation != 1) change_saturation(s, t.saturation, x);
  if (t.noise != 0) add_noise(s, t.noise, t.noise_source, x, old);
  if (t.cutout > 0) cut_out(s, t.cutout_y, t.cutout_x, t.cutout, x);
}

Size size_of_image(const char* op, const Tensor& images) {
  const Shape& shape = images.shape();
  check_shape(
      shape.rank() == 4 && shape.numel() > 0, op, "needs images [B, C, H, W] with pixels, got ",
      shape);
  check_dtype(images.dtype() == DType::f32, op, "needs f32 images, got ", name_of(images.dtype()));
  return {shape[1], shape[2], shape[3]};
}

}  // namespace

Augmentation augmentation_named(const std::string& text) {
  Augmentation out;
  if (text == "none") return out;
  std::string_view rest = text;
  for (;;) {
    const size_t comma = rest.find(',');
    set_step(out, rest.substr(0, comma));
    if (comma == rest.npos) return out;
    rest.remove_prefix(comma + 1);
  }
}

Transform draw_transform(const Augmentation& a, int64_t height, int64_t width, const Rng& rng) {
  const char* op = "draw_transform";
  check_strengths(op, a);
  check_value(height >= 1 && width >= 1, op, "needs pixels, got ", height, "x", width);
  Transform t;
  const auto offset = [](Rng& source, int64_t largest) {
    return source.integer(2 * largest + 1) - largest;
  };
  const auto between = [&rng](Step step, double low, double high) {
    return rng.child(step).uniform(low, high);
  };
  if (a.crop_padding > 0) {
    Rng source = rng.child(for_crop);
    t.crop_y = offset(source, a.crop_padding);
    t.crop_x = offset(source, a.crop_padding);
  }
  if (a.flip) t.flip = rng.child(for_flip).integer(2) == 1;
  if (a.translate > 0) {
    Rng source = rng.child(for_translate);
    t.shift_y = offset(source, a.translate);
    t.shift_x = offset(source, a.translate);
  }
  if (a.rotation > 0) t.angle = between(for_rotate, -a.rotation, a.rotation);
  if (a.brightness > 0) t.brightness = between(for_brightness, 1 - a.brightness, 1 + a.brightness);
  if (a.contrast > 0) t.contrast = between(for_contrast, 1 - a.contrast, 1 + a.contrast);
  if (a.saturation > 0) t.saturation = between(for_saturation, 1 - a.saturation, 1 + a.saturation);
  t.noise = a.noise;
  t.noise_source = rng.child(for_noise);
  if (a.cutout > 0) {
    Rng source = rng.child(for_cutout);
    t.cutout = a.cutout;
    t.cutout_y = source.integer(height);
    t.cutout_x = source.integer(width);
  }
  return t;
}

Tensor apply_transforms(const Tensor& images, std::span<const Transform> transforms) {
  const Size s = size_of_image("apply_transforms", images);
  check_shape(
      std::ssize(transforms) == images.shape()[0], "apply_transforms", transforms.size(),
      " transforms for images ", images.shape());
  for (const Transform& t : transforms) {
    check_value(std::isfinite(t.angle), "apply_transforms", "angle must be finite, got ", t.angle);
  }
  Tensor out = images.clone();                     // [B, C, H, W]
  Tensor scratch = Tensor::empty(images.shape());  // [B, C, H, W]
  float* values = out.mutable_data<float>();
  float* old = scratch.mutable_data<float>();
  const int64_t block = std::max<int64_t>(1, kBlockValues / s.numel());
  parallel::for_blocks(images.shape()[0], block, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b * s.numel();
      apply_one(s, transforms[static_cast<size_t>(b)], values + first, old + first);
    }
  });
  return out;
}

Rng example_rng(uint64_t seed, int64_t epoch, int64_t index) {
  const char* op = "example_rng";
  check_value(epoch >= 0, op, "epoch must not be negative, got ", epoch);
  check_value(index >= 0, op, "position must not be negative, got ", index);
  return Rng(seed).child(static_cast<uint64_t>(epoch)).child(static_cast<uint64_t>(index));
}

Tensor augment(
    const Tensor& images, std::span<const int64_t> indices, int64_t epoch, uint64_t seed,
    const Augmentation& augmentation) {
  Augmentation of_one = augmentation;
  of_one.mixup = 0;
  if (of_one.is_none()) return images;
  const Size s = size_of_image("augment", images);
  check_shape(
      std::ssize(indices) == images.shape()[0], "augment", indices.size(), " positions for images ",
      images.shape());
  std::vector<Transform> transforms;  // [B]
  for (const int64_t i : indices) {
    transforms.push_back(draw_transform(augmentation, s.H, s.W, example_rng(seed, epoch, i)));
  }
  return apply_transforms(images, transforms);
}

}  // namespace limpid::datasets
