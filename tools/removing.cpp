// tools/removing.cpp: maps, removal, training, accuracy.
#include "tools/removing.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/tensor/integers.h"
#include "framework/train/metrics.h"
#include "interpret/metrics/controls.h"
#include "interpret/metrics/roar.h"
#include "tools/arguments.h"
#include "tools/console.h"
#include "tools/explaining.h"
#include "tools/retraining.h"

#include <charconv>

namespace limpid::tools {
namespace {

// Images [N, C, H, W], standardised already, in place of those of the set.
BatchSource source_of(
    const Tensor& images, const datasets::Dataset& data, bool shuffles, uint64_t seed) {
  datasets::Dataset changed = data;
  changed.images = datasets::Examples(images);
  return batches_of(changed, {.batch = 64, .seed = seed, .shuffle = shuffles});
}

double retrained_accuracy(
    const RunFolder& folder, const datasets::Split& data, const Tensor& train, const Tensor& test,
    const RemovingOptions& o) {
  const auto net = fresh_network(folder, o.seed);
  const BatchSource source = source_of(train, data.train, true, o.seed);
  train_plainly(*net, source, {.epochs = o.epochs, .seed = o.seed});
  const Tensor logits = predict(*net, source_of(test, data.test, false, 0));
  return static_cast<double>(count_correct(logits, data.test.labels)) /
         static_cast<double>(data.test.size());
}

interpret::MappedImages random_maps(const Tensor& images, bool is_smooth, const Rng& rng) {
  const int64_t N = images.size(0), H = images.size(2), W = images.size(3);
  return {
      images, is_smooth ? interpret::smooth_random_control(N, H, W, rng)
                        : interpret::random_control(N, H, W, rng)};
}

}  // namespace

std::vector<Removal> remove_and_retrain_all(
    const RunFolder& folder, const datasets::Split& data, const RemovingOptions& o,
    Console& console) {
  const Tensor train = standardised(data.train.images.tensor(), folder.card);
  const Tensor test = standardised(data.test.images.tensor(), folder.card);
  const auto retrain = [&](const Tensor& train_images, const Tensor& test_images) {
    return retrained_accuracy(folder, data, train_images, test_images, o);
  };
  std::vector<Removal> rows;
  const auto add = [&](const std::string& name, bool is_control,
                       const interpret::MappedImages& first,
                       const interpret::MappedImages& second) {
    rows.push_back({name, is_control, remove_and_retrain(first, second, o.shares, retrain)});
    console.note(join_text("retrained without the pixels of ", name));
  };
  for (const std::string& name : o.methods) {
    const auto maps_of = [&](const Tensor& images, const datasets::Dataset& part) {
      check_interrupt();
      return interpret::MappedImages{
          images, as_masks(explain_images(
                      folder, {name}, o.layer, images, to_integers(part.labels), o.seed)[0])};
    };
    add(name, false, maps_of(train, data.train), maps_of(test, data.test));
  }
  const Rng rng(o.seed);
  for (const bool is_smooth : {false, true}) {
    add(is_smooth ? "smooth random" : "random", true, random_maps(train, is_smooth, rng.child(2)),
        random_maps(test, is_smooth, rng.child(3)));
  }
  return rows;
}

std::vector<double> shares_from(const std::vector<std::string>& texts) {
  std::vector<double> shares;
  for (const std::string& text : texts) {
    double value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_number = error == std::errc() && end == text.data() + text.size();
    if (!is_number || !(value >= 0 && value <= 100)) {
      throw UsageError("--roar: " + excerpt(text) + " is not a percentage in 0 to 100");
    }
    shares.push_back(value / 100);
  }
  return shares;
}

}  // namespace limpid::tools
