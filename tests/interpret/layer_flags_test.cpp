// tests/interpret/layer_flags_test.cpp: remarks on layers, each from figures that call for it.
#include "interpret/transport/layer_flags.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace limpid::interpret;

namespace {

Summary exactly(double value) { return {.median = value, .low = value, .high = value}; }

// An input and five layers in order: all move the data alike, D falls, the variance parts
NetworkTransport in_order() {
  NetworkTransport all;
  const double kinetic[] = {0, 0.20, 0.21, 0.19, 0.22, 0.20};
  for (int l = 0; l < 6; ++l) {
    LayerTransport t;
    t.name = "layer" + std::to_string(l);
    t.kinetic = exactly(kinetic[l]);
    t.twist = exactly(1);
    t.class_separation = exactly(10 - l);
    t.separation = 0.3 + 0.1 * l;
    t.directions = 5;
    t.share = l > 0 ? 0.2 : 0;
    all.layers.push_back(t);
  }
  return all;
}

std::vector<std::string> rules_of(const NetworkTransport& transport) {
  std::vector<std::string> rules;
  for (const LayerFlag& f : layer_flags(transport, {})) {
    CHECK_FALSE(f.is_fault);
    rules.push_back(f.layer + " " + f.rule);
  }
  return rules;
}

using Rules = std::vector<std::string>;

}  // namespace

TEST_CASE("layer_flags: a network in order has no remark") { CHECK(rules_of(in_order()).empty()); }

TEST_CASE("layer_flags: classes are mixed where D grows and the variance between them falls") {
  NetworkTransport both = in_order();
  both.layers[3].class_separation = exactly(12);
  both.layers[3].separation = 0.4;
  CHECK(rules_of(both) == Rules{"layer3 separation"});

  // D alone: the nearest two classes draw together while the others part
  NetworkTransport growing = both;
  growing.layers[3].separation = 0.6;
  CHECK(rules_of(growing).empty());

  // Within the spread over subsamples it is no growth
  NetworkTransport spread = both;
  spread.layers[3].class_separation = {.median = 12, .low = 7, .high = 15};
  CHECK(rules_of(spread).empty());
}

TEST_CASE("layer_flags: a step stands out by its deviations and by a factor of two") {
  NetworkTransport far = in_order();
  far.layers[2].kinetic = exactly(0.8);
  CHECK(rules_of(far) == Rules{"layer2 distance"});
  far.layers[2].kinetic = exactly(0.05);
  CHECK(rules_of(far) == Rules{"layer2 distance"});

  // More than 3.5 MAD of steps that are nearly alike, but hardly half as far again
  NetworkTransport near = in_order();
  near.layers[2].kinetic = exactly(0.3);
  CHECK(rules_of(near).empty());
}

TEST_CASE("layer_flags: twisted, silent and narrowing layers") {
  NetworkTransport all = in_order();
  all.layers[1].twist = exactly(0.4);
  all.layers[2].dead = 0.4;
  all.layers[4].directions = 2;
  all.layers[4].class_separation = exactly(7);  // no better than before
  CHECK(rules_of(all) == Rules{"layer1 twist", "layer2 silent", "layer4 loss"});
}
