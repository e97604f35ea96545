// tests/datasets/embedded_test.cpp: the shipped data are what their README says.
//
// The numbers were computed from the files in datasets/data by zcat and Python's zlib.
#include "datasets/embedded.h"

#include "framework/io/gzip.h"

#include <doctest/doctest.h>

#include <cmath>

namespace limpid::datasets {
namespace {

// The bytes that the values were read from.
std::vector<std::byte> original(const Tensor& images, float scale) {
  std::vector<std::byte> out;
  for (const float x : images.values<float>()) {
    out.push_back(static_cast<std::byte>(std::lround(x * scale)));
  }
  return out;
}

std::vector<std::byte> original(const Tensor& labels) {
  std::vector<std::byte> out;
  for (const int64_t label : labels.values<int64_t>()) {
    out.push_back(static_cast<std::byte>(label));
  }
  return out;
}

}  // namespace

TEST_CASE("embedded: digits") {
  const Dataset set = digits();
  CHECK(set.name == "digits");
  CHECK(set.images.shape() == Shape{1797, 1, 8, 8});
  CHECK(
      class_counts(set) == std::vector<int64_t>{178, 182, 177, 183, 181, 182, 181, 179, 174, 180});
  CHECK(set.class_names.size() == 10);
  CHECK(set.class_names[3] == "3");
  CHECK(set.images.tensor().data<float>()[2] == 5.0F / 16);  // first image: 0 0 5 13 9 1 0 0
  CHECK(set.images.tensor().data<float>()[3] == 13.0F / 16);
  CHECK(crc32(original(set.images.tensor(), 16)) == 0xf3a2533c);
  CHECK(crc32(original(set.labels)) == 0xf86fc929);

  const ChannelStatistics s = channel_statistics(set);
  CHECK(s.mean[0] == doctest::Approx(561718.0 / (1797 * 64 * 16)).epsilon(1e-12));
  CHECK(s.std[0] == doctest::Approx(0.3760492217921994).epsilon(1e-12));

  const Split split = stratified_split(set, 0.2, 0);
  CHECK(split.train.size() == 1438);
  CHECK(split.test.size() == 359);
}

TEST_CASE("embedded: the Fashion-MNIST cut") {
  const Split split = fashion_2k();
  CHECK(split.train.name == "fashion-2k");
  CHECK(split.train.images.shape() == Shape{2000, 1, 28, 28});
  CHECK(split.test.images.shape() == Shape{500, 1, 28, 28});
  CHECK(class_counts(split.train) == std::vector<int64_t>(10, 200));
  CHECK(class_counts(split.test) == std::vector<int64_t>(10, 50));
  CHECK(split.train.class_names[9] == "ankle boot");
  CHECK(split.train.labels.values<int64_t>()[0] == 9);
  CHECK(split.train.images.tensor().data<float>()[14 * 28 + 12] == doctest::Approx(237.0 / 255));
  CHECK(crc32(original(split.train.images.tensor(), 255)) == 0xb9067e91);
  CHECK(crc32(original(split.train.labels)) == 0x6f73a100);
  CHECK(crc32(original(split.test.images.tensor(), 255)) == 0x58279f41);
  CHECK(crc32(original(split.test.labels)) == 0x4f4d3dd7);
}

}  // namespace limpid::datasets
