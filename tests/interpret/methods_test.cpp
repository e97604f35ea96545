// tests/interpret/methods_test.cpp: what all saliency methods promise alike.
#include "interpret/saliency/methods.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/nn/models.h"
#include "framework/ops/ops.h"
#include "tests/interpret/small_nets.h"
#include "tests/support/compare.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>

using namespace limpid;
using namespace limpid::interpret;

namespace {

// Every method, and one smoothed.
std::vector<std::string> all_methods() {
  std::vector<std::string> names;
  for (const MethodInfo& method : saliency_methods()) names.push_back(method.name);
  names.push_back("smooth:grad-cam++");
  return names;
}

const SaliencySettings kQuick = {.noisy_copies = 3, .steps = 4, .masks = 40, .opti_steps = 6};

struct Fixture {
  Rng rng{61};
  std::unique_ptr<Module> net = make_model("resnet8", {.input = {3, 12, 12}, .classes = 3}, rng);
  Tensor x = Tensor::normal({2, 3, 12, 12}, rng, 0, 1);
  std::vector<int64_t> classes = {2, 0};
  Explained subject{
      .model = *net,
      .layer = &find_layer(*net, "layer3"),
      .mean = Tensor::of({3}, {0.5, 0.4, 0.3}),
      .deviation = Tensor::of({3}, {0.2, 0.25, 0.3}),
      .seed = 5,
      .settings = kQuick};
};

double largest(const Tensor& x) { return max(reshape(x, {x.numel()}), 0).item(); }

}  // namespace

TEST_CASE("every method: shapes, finite values, and 28 of them") {
  Fixture f;
  CHECK(saliency_methods().size() == 28);
  for (const std::string& name : all_methods()) {
    INFO(name);
    const Maps maps = saliency_maps(name, f.subject, f.x, f.classes);
    CHECK(maps.shown.shape() == Shape({2, 1, 12, 12}));
    CHECK(maps.raw.rank() == 4);
    CHECK(maps.raw.size(0) == 2);
    CHECK(maps.notes.size() == 2);
    CHECK(maps.is_evidence == (maps.raw.size(1) == 1));
    for (const Tensor& tensor : {maps.raw, maps.shown}) {
      const std::vector<double> values = tensor.to_vector();
      CHECK(std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }));
    }
    CHECK(largest(-maps.shown) <= 0);
    CHECK_FALSE(saliency_method(name).what.empty());
  }
}

TEST_CASE("every method leaves the model bitwise unchanged, also when it throws") {
  Fixture f;
  for (auto& [name, tensor] : parameters(*f.net)) {
    tensor.set_gradient(Tensor::normal(tensor.shape(), f.rng, 0, 1));
  }
  const auto before = bits(*f.net);
  const std::vector<std::byte> pixels(f.x.bytes().begin(), f.x.bytes().end());
  const Explained no_layer{.model = *f.net};
  Explained no_map = f.subject;
  no_map.layer = &find_layer(*f.net, "linear");
  Explained wrong_mean = f.subject;
  wrong_mean.mean = Tensor::zeros({7});
  for (const std::string& name : all_methods()) {
    INFO(name);
    saliency_maps(name, f.subject, f.x, f.classes);
    for (const std::vector<int64_t>& wrong : {std::vector<int64_t>{-1, 0}, {0, 3}, {0, 1000}}) {
      CHECK_THROWS_AS(saliency_maps(name, f.subject, f.x, wrong), ValueError);
    }
    CHECK_THROWS_AS(saliency_maps(name, f.subject, f.x, std::vector<int64_t>{1}), ShapeError);
    CHECK_THROWS_AS(  // the channels do not fit the first convolution
        saliency_maps(name, f.subject, slice(f.x, 1, 0, 1), f.classes), ShapeError);
    if (saliency_method(name).needs_layer) {
      CHECK_THROWS_AS(saliency_maps(name, no_layer, f.x, f.classes), ValueError);
      CHECK_THROWS_AS(saliency_maps(name, no_map, f.x, f.classes), ShapeError);
    }
    if (name == "rise" || name == "occlusion" || name == "opti-cam" || name == "deeplift") {
      CHECK_THROWS_AS(saliency_maps(name, wrong_mean, f.x, f.classes), ShapeError);
    }
    CHECK(bits(*f.net) == before);
    CHECK(std::equal(pixels.begin(), pixels.end(), f.x.bytes().begin()));
    CHECK_FALSE(f.x.requires_gradient());
  }
}

TEST_CASE("every method gives the same bits at one thread, at three, and twice") {
  Fixture f;
  for (const std::string& name : all_methods()) {
    INFO(name);
    Maps one, three;
    {
      const parallel::ThreadLimit limit(1);
      one = saliency_maps(name, f.subject, f.x, f.classes);
    }
    {
      const parallel::ThreadLimit limit(3);
      three = saliency_maps(name, f.subject, f.x, f.classes);
    }
    CHECK(bitwise_equal(one.raw, three.raw));
    CHECK(bitwise_equal(one.shown, three.shown));
  }
}

TEST_CASE("flat maps are zeros with the cause") {
  Fixture f;
  const auto notes_of = [&](Module& net, const Module& layer, const Tensor& x, const char* method) {
    const Explained subject{.model = net, .layer = &layer, .settings = kQuick};
    const Maps maps = saliency_maps(method, subject, x, std::vector<int64_t>{1});
    CHECK(largest(abs(maps.shown)) == 0);
    return maps.notes[0];
  };
  const auto check_note = [](const std::string& note, const char* cause) {
    INFO(note);
    CHECK(note.find(cause) != std::string::npos);
  };
  Rng rng(62);
  SmallNet small(1, 3, 2, false, rng);
  const Tensor x = Tensor::uniform({1, 1, 6, 6}, rng, 0, 1, DType::f64);
  NamedTensors p = parameters(small.net);

  // Dead rectifiers: a bias that no pixel reaches
  p[1].second.assign(Tensor::full({3}, -100, DType::f64));
  check_note(notes_of(small.net, *small.maps, x, "grad-cam"), "the layer's output is 0 everywhere");
  check_note(
      notes_of(small.net, *small.maps, x, "eigen-cam"), "the layer's output is 0 everywhere");
  check_note(notes_of(small.net, *small.maps, x, "gradient"), "does not react to the image");
  check_note(
      notes_of(small.net, *small.maps, x, "occlusion"),
      "the class score is the same under all masks");

  check_note(
      notes_of(small.net, *small.maps, x, "rise"), "the evidence is the same at all positions");

  // Maps of one value each: filters of zeros
  p[0].second.assign(Tensor::zeros({3, 1, 3, 3}, DType::f64));
  p[1].second.assign(Tensor::of({3}, {1, 2, 3}, DType::f64));
  for (const char* method : {"grad-cam", "score-cam", "opti-cam", "layer-cam"}) {
    INFO(method);
    check_note(
        notes_of(small.net, *small.maps, x, method),
        "the layer's output is the same at all positions");
  }

  // Nothing speaks for the class: negative weights of the head
  p[0].second.assign(Tensor::uniform({3, 1, 3, 3}, rng, 0, 1, DType::f64));
  p[2].second.assign(Tensor::full({2, 3}, -1, DType::f64));
  check_note(notes_of(small.net, *small.maps, x, "grad-cam"), "the evidence is nowhere positive");
  p[2].second.assign(Tensor::zeros({2, 3}, DType::f64));
  check_note(
      notes_of(small.net, *small.maps, x, "grad-cam"),
      "the class score does not depend on the layer");
}

TEST_CASE("maps that are not finite are shown as zeros and say how many values are bad") {
  Rng rng(63);
  SmallNet small(1, 3, 2, false, rng);
  NamedTensors p = parameters(small.net);
  p[0].second.assign(Tensor::full({3, 1, 3, 3}, NAN, DType::f64));
  const Tensor x = Tensor::uniform({1, 1, 6, 6}, rng, 0, 1, DType::f64);
  const Explained subject{.model = small.net, .layer = small.maps, .settings = kQuick};
  for (const std::string& name : all_methods()) {
    INFO(name);
    const Maps maps = saliency_maps(name, subject, x, std::vector<int64_t>{1});
    if (maps.notes[0].starts_with("flat map")) continue;  // rectifiers stop some NaN
    CHECK(maps.notes[0].starts_with("map holds NaN or infinity: "));
    CHECK(largest(abs(maps.shown)) == 0);
  }
}

TEST_CASE("a constant image has a map or a note, never NaN") {
  Fixture f;
  const Tensor x = Tensor::full({1, 3, 12, 12}, 0.7);
  for (const std::string& name : all_methods()) {
    INFO(name);
    const Maps maps = saliency_maps(name, f.subject, x, std::vector<int64_t>{1});
    const std::vector<double> values = maps.shown.to_vector();
    CHECK(std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }));
    CHECK((largest(maps.shown) > 0) == maps.notes[0].empty());
  }
}

TEST_CASE("tables have gradients but no pictures") {
  Rng rng(64);
  const auto net = make_model("mlp:8", {.input = {4}, .classes = 2}, rng);
  const Tensor x = Tensor::normal({3, 4}, rng, 0, 1);
  const std::vector<int64_t> classes = {0, 1, 1};
  const Explained subject{
      .model = *net, .mean = Tensor::zeros({4}), .deviation = Tensor::ones({4})};
  for (const char* name :
       {"gradient", "integrated-gradients", "smoothgrad", "lrp-epsilon", "deeplift",
        "smooth:gradient-x-input"}) {
    INFO(name);
    const Maps maps = saliency_maps(name, subject, x, classes);
    CHECK(maps.raw.shape() == Shape({3, 4}));
    CHECK(maps.shown.shape() == Shape({3, 4}));
  }
  CHECK_THROWS_AS(saliency_maps("rise", subject, x, classes), ShapeError);
  CHECK_THROWS_WITH_AS(
      saliency_maps("nope", subject, x, classes), doctest::Contains("gradient, guided"),
      ValueError);
}
