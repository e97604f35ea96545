// tools/measuring.cpp: maps first, then controls, then one metric after the other.
#include "tools/measuring.h"

#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/resample.h"
#include "framework/tensor/record.h"
#include "interpret/metrics/controls.h"
#include "interpret/metrics/gradient_quality.h"
#include "interpret/metrics/localisation.h"
#include "interpret/metrics/sensitivity.h"
#include "interpret/metrics/similarity.h"
#include "interpret/numerics/statistics.h"
#include "tools/arguments.h"
#include "tools/console.h"
#include "tools/explaining.h"
#include "tools/stopwatch.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace limpid::tools {
namespace {

using interpret::Maps;

const std::vector<std::string> kControls = {"ones", "centre", "random", "shuffled"};

// A row before it is scored.
struct Candidate {
  MeasuredMethod row;
  Tensor masks;         // [N, 1, H, W] in [0, 1]
  Tensor attributions;  // the raw map if it has the image's size, else the masks
};

bool is_coarse(const Maps& maps) {
  return maps.raw.size(2) != maps.shown.size(2) || maps.raw.size(3) != maps.shown.size(3);
}

bool are_same(const Tensor& a, const Tensor& b) {
  const auto x = a.values<float>();
  const auto y = b.values<float>();
  return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](float u, float v) {
    return std::abs(u - v) <= 1e-6F;
  });
}

Candidate candidate(const std::string& name, const Maps& maps, double seconds) {
  Candidate c;
  c.row.name = name;
  c.row.is_slow = method_named(name).is_slow;
  c.row.flat = std::ranges::count_if(maps.notes, [](const auto& note) { return !note.empty(); });
  c.row.map_seconds = seconds;
  c.masks = as_masks(maps);
  c.attributions = is_coarse(maps) ? c.masks : maps.raw;
  return c;
}

Candidate control(const std::string& name, const Tensor& masks) {
  Candidate c;
  c.row.name = name;
  c.row.is_control = true;
  c.masks = c.attributions = masks;
  return c;
}

bool has_control(const MeasuringOptions& o, const std::string& name) {
  return std::ranges::find(o.controls, name) != o.controls.end();
}

// The cells of a coarse map in another order, resized as the map is.
Tensor shuffled_masks(const Maps& maps, uint64_t seed) {
  const Recording off(false);
  const Tensor cells = interpret::unit_range(relu(maps.raw));
  return resize_bilinear(
      interpret::shuffled_cells(cells, Rng(seed).child(1)), maps.shown.size(2), maps.shown.size(3));
}

// Methods together share forward and backward passes. A part of the images at a time, so that
// Ctrl-C is seen; parts are whole batches of the methods.
std::vector<Maps> maps_in_parts(
    const RunFolder& folder, const std::vector<std::string>& methods, const std::string& layer,
    const Tensor& images, std::span<const int64_t> classes, uint64_t seed, Console& console) {
  constexpr int64_t kPart = 64;
  std::vector<Maps> all(methods.size());
  std::vector<std::vector<Tensor>> raw(methods.size()), shown(methods.size());
  const int64_t count = images.size(0);
  for (int64_t begin = 0; begin < count; begin += kPart) {
    const int64_t end = std::min(count, begin + kPart);
    const auto labels =
        classes.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    const std::vector<Maps> some =
        explain_images(folder, methods, layer, slice(images, 0, begin, end), labels, seed);
    for (size_t m = 0; m < methods.size(); ++m) {
      all[m].is_evidence = some[m].is_evidence;
      raw[m].push_back(some[m].raw);
      shown[m].push_back(some[m].shown);
      all[m].notes.insert(all[m].notes.end(), some[m].notes.begin(), some[m].notes.end());
    }
    console.progress(methods.size() == 1 ? methods[0] : "maps", end, count);
    check_interrupt();
  }
  for (size_t m = 0; m < methods.size(); ++m) {
    all[m].raw = concat(raw[m], 0);
    all[m].shown = concat(shown[m], 0);
  }
  return all;
}

// How rough maps are, and how near to guided back-propagation of the same classes if they have a
// sign and a value per channel as it has.
void add_roughness(MeasuredMethod& row, const Maps& maps, const Tensor& guided) {
  row.roughness = interpret::total_variation(maps.shown);
  if (!maps.is_evidence) row.guided_cosine = interpret::cosines(maps.raw, guided);
}

// The controls that do not depend on a method.
std::vector<Candidate> fixed_controls(const Tensor& images, const MeasuringOptions& o) {
  const int64_t N = images.size(0), H = images.size(2), W = images.size(3);
  std::vector<Candidate> all;
  if (has_control(o, "ones")) all.push_back(control("all ones", interpret::ones_control(N, H, W)));
  if (has_control(o, "centre")) {
    all.push_back(control("centre", interpret::centre_control(N, H, W)));
  }
  if (has_control(o, "random")) {
    all.push_back(control("random", interpret::random_control(N, H, W, Rng(o.seed).child(0))));
  }
  return all;
}

// The rows of the methods and of the controls: the fast methods in one go, then the slow
// ones, each timed alone.
std::vector<Candidate> all_maps(
    const RunFolder& folder, const std::string& layer, const Tensor& images,
    const std::vector<int64_t>& classes, const MeasuringOptions& o, Console& console) {
  std::vector<std::string> fast, slow;
  for (const std::string& name : o.methods) {
    (method_named(name).is_slow ? slow : fast).push_back(name);
  }
  Tensor guided;  // [N, C, H, W], if asked for
  if (o.has_roughness) {
    guided = maps_in_parts(folder, {"guided"}, layer, images, classes, o.seed, console)[0].raw;
  }
  std::vector<Candidate> all, shuffled;
  const auto add = [&](const std::vector<std::string>& names) {
    if (names.empty()) return;
    const Stopwatch watch;
    const std::vector<Maps> maps =
        maps_in_parts(folder, names, layer, images, classes, o.seed, console);
    const double each = watch.seconds() / static_cast<double>(names.size());
    for (size_t m = 0; m < names.size(); ++m) {
      all.push_back(candidate(names[m], maps[m], each));
      if (o.has_roughness) add_roughness(all.back().row, maps[m], guided);
      std::string& same_as = all.back().row.same_as;
      for (size_t k = 0; k + 1 < all.size() && same_as.empty(); ++k) {
        if (are_same(all[k].masks, all.back().masks)) same_as = all[k].row.name;
      }
      if (has_control(o, "shuffled") && is_coarse(maps[m]) && same_as.empty()) {
        shuffled.push_back(control("shuffled " + names[m], shuffled_masks(maps[m], o.seed)));
      }
    }
  };
  add(fast);
  for (const std::string& name : slow) add({name});
  std::vector<Candidate> controls = fixed_controls(images, o);
  controls.insert(controls.end(), shuffled.begin(), shuffled.end());
  for (Candidate& c : controls) {
    if (o.has_roughness) c.row.roughness = interpret::total_variation(c.masks);
  }
  all.insert(all.end(), controls.begin(), controls.end());
  return all;
}

std::vector<double> as_numbers(const std::vector<bool>& hits) { return {hits.begin(), hits.end()}; }

// Mean over n of the correlations of each image; NaN where none is defined.
std::vector<double> mean_sensitivity(const std::vector<interpret::Sensitivity>& all) {
  std::vector<double> means;
  for (size_t n = 0; n < all.front().correlation.size(); ++n) {
    std::vector<double> defined;
    for (const interpret::Sensitivity& s : all) {
      if (std::isfinite(s.correlation[n])) defined.push_back(s.correlation[n]);
    }
    means.push_back(interpret::mean_of(defined));
  }
  return means;
}

}  // namespace

void check_measuring(const RunFolder& folder, const MeasuringOptions& o) {
  if (folder.card.input.rank() != 3) {
    throw UsageError(
        join_text("maps of images [C, H, W] are scored, the model takes ", folder.card.input));
  }
  if (o.methods.empty()) throw UsageError("--method names no method");
  for (const std::string& name : o.methods) {
    if (method_named(name).needs_layer) layer_for(folder, o.layer);
  }
  if (!o.layer.empty()) layer_for(folder, o.layer);
  if (o.steps.blur > 0 && o.steps.blur % 2 == 0) {
    throw UsageError(join_text("--blur ", o.steps.blur, " is even"));
  }
  for (const std::string& name : o.controls) {
    if (std::ranges::find(kControls, name) == kControls.end()) {
      throw UsageError("no control '" + name + "'; there are: ones, centre, random, shuffled");
    }
  }
}

Tensor as_masks(const Maps& maps) {
  return is_coarse(maps) ? maps.shown : interpret::unit_range(maps.shown);
}

Measurement measure(
    const RunFolder& folder, const MeasuredImages& subject, const MeasuringOptions& o,
    Console& console) {
  check_measuring(folder, o);
  const auto needs_layer = [](const std::string& name) { return method_named(name).needs_layer; };
  Measurement result;
  if (std::ranges::any_of(o.methods, needs_layer)) result.layer = layer_for(folder, o.layer);
  const Tensor images = standardised(subject.pictures, folder.card);
  std::vector<Candidate> candidates =
      all_maps(folder, result.layer, images, subject.classes, o, console);

  const auto per_channel = [](const std::vector<double>& values) {
    return Tensor::of({std::ssize(values)}, values);
  };
  const interpret::PixelSpace space{per_channel(folder.card.mean), per_channel(folder.card.std)};
  const auto score = interpret::class_probability(*folder.model, subject.classes);
  const std::vector<double> plain = interpret::plain_scores(score, images, space);
  std::optional<interpret::InsertionDeletion> curves;
  if (o.has_curves) {
    curves.emplace(score, images, o.steps);
    result.step = curves->step();
    result.steps = curves->steps();
  }

  for (Candidate& c : candidates) {
    MeasuredMethod& row = c.row;
    if (!row.same_as.empty()) {
      const auto twin = std::ranges::find(result.rows, row.same_as, &MeasuredMethod::name);
      MeasuredMethod copy = *twin;
      copy.name = row.name;
      copy.same_as = row.same_as;
      copy.flat = row.flat;
      copy.roughness = row.roughness;
      copy.guided_cosine = row.guided_cosine;
      copy.map_seconds = row.map_seconds;
      copy.score_seconds = 0;
      result.rows.push_back(copy);
      continue;
    }
    const Stopwatch watch;
    check_interrupt();
    row.confidence =
        interpret::confidence(plain, interpret::masked_scores(score, images, c.masks, space));
    if (curves) {
      curves->progress = [&](int64_t done, int64_t total) {
        console.progress(row.name, done, total);
        check_interrupt();
      };
      row.deletion = curves->deletion(c.masks);
      row.insertion = curves->insertion(c.masks);
    }
    if (subject.masks.defined()) {
      row.hits = as_numbers(interpret::pointing_game(c.masks, subject.masks, o.tolerance));
      row.class_mean_hits = interpret::class_mean(row.hits, subject.labels.values<int64_t>());
      row.energy = interpret::energy_pointing_game(c.masks, subject.masks);
    }
    if (o.has_sensitivity) {
      row.sensitivity = mean_sensitivity(
          interpret::sensitivity_n(score, images, c.attributions, {.seed = o.seed}));
    }
    row.score_seconds = watch.seconds();
    result.rows.push_back(row);
  }
  return result;
}

}  // namespace limpid::tools
