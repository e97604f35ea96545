// datasets/dataset.cpp: selecting, splitting and describing sets of examples.
#include "datasets/dataset.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/rng.h"
#include "framework/tensor/integers.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace limpid::datasets {
namespace {

constexpr int64_t kBlockValues = 1 << 14;  // values per parallel block, about one L1 cache

int64_t block_of_rows(int64_t row) { return std::max<int64_t>(1, kBlockValues / row); }

// The examples of each class, in file order; for targets, all of them in one.
std::vector<std::vector<int64_t>> members(const Dataset& dataset) {
  if (dataset.is_regression()) return {index_range(0, dataset.size())};
  std::vector<std::vector<int64_t>> result(static_cast<size_t>(dataset.classes));
  const int64_t* labels = dataset.labels.data<int64_t>();  // [N]
  for (int64_t i = 0; i < dataset.size(); ++i) {
    result[static_cast<size_t>(labels[i])].push_back(i);
  }
  return result;
}

// The channel axis of [N, C, ...]: sizes before, at and after it.
AxisSplit channels_of(const char* op, const Shape& images) {
  check_shape(images.rank() >= 2, op, "needs images [N, C, ...], got ", images);
  return split_at(images, 1);
}

// Sums of term(x, channel) over each channel, some rows at a time: bytes are converted on the way.
template <class Term>
std::vector<double> channel_sums(const Examples& images, const AxisSplit& d, const Term& term) {
  constexpr int64_t kRows = 4096;  // examples at a time; a memory limit, the sums depend on it
  std::vector<double> sums(static_cast<size_t>(d.size), 0);
  for (int64_t begin = 0; begin < d.outer; begin += kRows) {
    const Tensor part = images.rows(begin, std::min(d.outer, begin + kRows));  // [B, C, ...]
    const float* values = part.data<float>();
    for (size_t c = 0; c < sums.size(); ++c) {
      const int64_t at = static_cast<int64_t>(c);
      sums[c] += parallel::sum_blocks(
          part.size(0), block_of_rows(d.size * d.inner), [&](int64_t from, int64_t to) {
            double sum = 0;
            for (int64_t n = from; n < to; ++n) {
              const float* plane = values + (n * d.size + at) * d.inner;
              for (int64_t i = 0; i < d.inner; ++i) sum += term(static_cast<double>(plane[i]), c);
            }
            return sum;
          });
    }
  }
  return sums;
}

}  // namespace

Shape Dataset::example_shape() const { return Shape(images.shape().sizes().subspan(1)); }

void check_dataset(const char* op, const Dataset& dataset) {
  const std::string set = dataset.name.empty() ? "the data set" : dataset.name;
  check_value(!dataset.is_empty() && dataset.images.defined(), op, set, " holds no examples");
  const Shape& shape = dataset.images.shape();
  check_shape(
      dataset.labels.rank() == 1 && shape.rank() >= 2 && shape[0] == dataset.size(), op, set,
      " needs one label per image (images ", shape, ", labels ", dataset.labels.shape(), ")");
  check_shape(shape.numel() > 0, op, set, " holds images without pixels (images ", shape, ")");
  const DType values = dataset.images.are_bytes() ? DType::f32 : dataset.images.tensor().dtype();
  check_dtype(
      values == DType::f32 && dataset.labels.dtype() != DType::f64, op,
      "needs f32 images and i64 labels or f32 targets, got ", name_of(values), " and ",
      name_of(dataset.labels.dtype()));
  if (dataset.masks.defined()) {
    check_shape(
        dataset.masks.rank() >= 1 && dataset.masks.shape()[0] == dataset.size(), op, set,
        " needs one mask per image (images ", shape, ", masks ", dataset.masks.shape(), ")");
  }
  check_value(
      std::ssize(dataset.class_names) == dataset.classes, op, set, " has ", dataset.classes,
      " classes but ", dataset.class_names.size(), " class names");
  if (dataset.is_regression()) {
    for (const float target : dataset.labels.values<float>()) {
      check_value(std::isfinite(target), op, set, " has the target ", target);
    }
    return;
  }
  for (const int64_t label : dataset.labels.values<int64_t>()) {
    check_value(
        label >= 0 && label < dataset.classes, op, set, " has label ", label, " but only ",
        dataset.classes, " classes");
  }
}

void check_labels(const Tensor& labels, int64_t classes, const std::string& file) {
  const auto values = labels.values<int64_t>();  // [N]
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= 0 && values[i] < classes) continue;
    throw FormatError(
        file, join_text("label ", i),
        join_text("class ", values[i], " is out of range, expected 0 to ", classes - 1));
  }
}

std::vector<std::string> numbered_classes(int64_t classes) {
  std::vector<std::string> names;
  for (int64_t k = 0; k < classes; ++k) names.push_back(std::to_string(k));
  return names;
}

Dataset take(const Dataset& dataset, std::span<const int64_t> indices) {
  check_dataset("take", dataset);
  Dataset out = dataset;
  out.images = dataset.images.take(indices);
  out.labels = gather(dataset.labels, indices);
  if (dataset.masks.defined()) out.masks = gather(dataset.masks, indices);
  if (!dataset.files.empty()) {
    out.files.clear();
    for (const int64_t i : indices) out.files.push_back(dataset.files[static_cast<size_t>(i)]);
  }
  return out;
}

Dataset first(const Dataset& dataset, int64_t n) {
  return take(dataset, index_range(0, std::min(n, dataset.size())));
}

Dataset limit_balanced(const Dataset& dataset, int64_t n) {
  check_dataset("limit_balanced", dataset);
  check_value(n >= 1, "limit_balanced", "needs at least 1 example, got ", n);
  if (n >= dataset.size()) return dataset;

  // Deal one place per round to every class that has an example left
  const auto classes = members(dataset);
  std::vector<int64_t> chosen;
  for (size_t round = 0; std::ssize(chosen) < n; ++round) {
    for (const auto& of_class : classes) {
      if (round < of_class.size() && std::ssize(chosen) < n) chosen.push_back(of_class[round]);
    }
  }
  std::ranges::sort(chosen);
  return take(dataset, chosen);
}

Split stratified_split(const Dataset& dataset, double fraction, uint64_t seed) {
  const char* op = "stratified_split";
  check_dataset(op, dataset);
  check_value(fraction > 0 && fraction < 1, op, "fraction must lie in (0, 1), got ", fraction);

  // Draw the test examples of each class from a stream of its own
  const auto classes = members(dataset);
  std::vector<int64_t> train, test;
  for (size_t k = 0; k < classes.size(); ++k) {
    const auto& of_class = classes[k];
    const int64_t count = std::ssize(of_class);
    int64_t part = std::llround(fraction * static_cast<double>(count));
    part = count < 2 ? 0 : std::clamp<int64_t>(part, 1, count - 1);
    const auto order = Rng(seed).child(k).permutation(count);
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(order[static_cast<size_t>(i)]);
      (i < part ? test : train).push_back(of_class[at]);
    }
  }
  check_value(!test.empty(), op, "no class of ", dataset.name, " has two examples to divide");

  std::ranges::sort(train);
  std::ranges::sort(test);
  return {.train = take(dataset, train), .test = take(dataset, test)};
}

std::vector<int64_t> class_counts(const Dataset& dataset) {
  check_dataset("class_counts", dataset);
  std::vector<int64_t> counts;
  if (dataset.is_regression()) return counts;
  for (const auto& of_class : members(dataset)) counts.push_back(std::ssize(of_class));
  return counts;
}

void check_statistics(const char* op, const ChannelStatistics& statistics, int64_t channels) {
  check_shape(
      std::ssize(statistics.mean) == channels && std::ssize(statistics.std) == channels, op,
      "needs one mean and one std for each of ", channels, " channels, got ",
      statistics.mean.size(), " and ", statistics.std.size());
  for (const double mean : statistics.mean) {
    check_value(std::isfinite(mean), op, "mean must be finite, got ", mean);
  }
  for (const double deviation : statistics.std) {
    check_value(
        deviation > 0 && std::isfinite(deviation), op, "std must be positive, got ", deviation);
  }
}

ChannelStatistics channel_statistics(const Dataset& dataset) {
  check_dataset("channel_statistics", dataset);
  const AxisSplit d = channels_of("channel_statistics", dataset.images.shape());
  const auto count = static_cast<double>(d.outer * d.inner);

  // Measure from the first value: then a constant channel has a spread of exactly zero
  const Tensor first = dataset.images.rows(0, 1);  // [1, C, ...]
  ChannelStatistics out;
  std::vector<double> origin;
  for (int64_t c = 0; c < d.size; ++c) {
    origin.push_back(static_cast<double>(first.data<float>()[c * d.inner]));
  }
  const std::vector<double> sums =
      channel_sums(dataset.images, d, [&](double x, size_t c) { return x - origin[c]; });
  for (size_t c = 0; c < sums.size(); ++c) out.mean.push_back(origin[c] + sums[c] / count);
  const std::vector<double> squares = channel_sums(
      dataset.images, d, [&](double x, size_t c) { return (x - out.mean[c]) * (x - out.mean[c]); });
  for (const double square : squares) {
    const double deviation = std::sqrt(square / count);
    out.std.push_back(deviation > 0 ? deviation : 1);
  }
  return out;
}

Tensor standardise(const Tensor& images, const ChannelStatistics& statistics) {
  const AxisSplit d = channels_of("standardise", images.shape());
  check_statistics("standardise", statistics, d.size);
  const float* in = images.data<float>();
  Tensor out = Tensor::empty(images.shape());  // [N, C, ...]
  float* result = out.mutable_data<float>();
  const int64_t row = std::max<int64_t>(1, d.size * d.inner);
  parallel::for_blocks(d.outer, block_of_rows(row), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin * d.size; plane < end * d.size; ++plane) {
      const auto c = static_cast<size_t>(plane % d.size);
      const auto mean = static_cast<float>(statistics.mean[c]);
      const auto deviation = static_cast<float>(statistics.std[c]);
      for (int64_t i = plane * d.inner; i < (plane + 1) * d.inner; ++i) {
        result[i] = (in[i] - mean) / deviation;
      }
    }
  });
  return out;
}

}  // namespace limpid::datasets
