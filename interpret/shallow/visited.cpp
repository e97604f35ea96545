// interpret/shallow/visited.cpp: keys from the gates of a recorded pass.
#include "interpret/shallow/visited.h"

#include "framework/autograd/grad.h"
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/ops/linear_maps.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/tape.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>
#include <string>

namespace limpid::interpret {
namespace {

// Outputs of relu6, whose slope does not tell 0 from 6
class Capped : public Observer {
 public:
  void on_result(const char* op, const Tensor& value) override {
    if (std::string(op) == "relu6") values_.push_back(value);
  }
  void on_gradient(const char*, const Tensor&) override {}
  const std::vector<Tensor>& values() const { return values_; }

 private:
  std::vector<Tensor> values_;
};

// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)
uint64_t mixed(uint64_t v) {
  v += 0x9e3779b97f4a7c15;
  v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
  v = (v ^ v >> 27) * 0x94d049bb133111eb;
  return v ^ v >> 31;
}

void absorb(PatternKey& key, uint64_t bits) {
  key.high = mixed(key.high ^ bits);
  key.low = mixed(key.low + std::rotl(bits, 23) + 0x632be59bd9b4e019);
}

// The same random numbers for every example of a batch
Tensor probe(const Shape& shape, DType dtype) {
  const int64_t batch = shape[0], each = shape.numel() / batch;
  std::vector<double> row(static_cast<size_t>(each)), all;
  Rng rng(1);
  rng.uniform(row, 0.5, 1);
  for (int64_t b = 0; b < batch; ++b) all.insert(all.end(), row.begin(), row.end());
  return Tensor::of(shape, all, dtype);
}

void absorb_rows(std::vector<PatternKey>& keys, const std::vector<double>& values) {
  const size_t each = values.size() / keys.size();
  for (size_t b = 0; b < keys.size(); ++b) {
    uint64_t place = 0;
    for (size_t i = 0; i < each; ++i, ++place) {
      const double v = values[b * each + i];
      if (v != 0) absorb(keys[b], std::bit_cast<uint64_t>(v) ^ mixed(place));
    }
    absorb(keys[b], each);
  }
}

std::vector<PatternKey> keys_of_batch(Module& model, const Tensor& examples) {
  static const std::set<std::string> gated = {"relu", "relu6", "mask", "abs", "max_pool2d"};
  Tensor x = examples.detach();
  x.require_gradient();
  Capped capped;
  Tensor y;
  {
    const Recording on(true);
    const Observing watch(capped);
    Pass pass;
    y = model(x, pass);
  }
  const Recording off(false);
  std::vector<PatternKey> keys(static_cast<size_t>(x.size(0)));
  if (!y.node()) return keys;
  const Between part = between(y, x);
  for (auto place = part.nodes.rbegin(); place != part.nodes.rend(); ++place) {
    const Node& node = **place;
    if (!gated.contains(node.op)) {
      check_value(
          is_linear(node, part), "pattern_keys", "the op ", node.op, " is not piecewise linear");
      continue;
    }
    const Tensor out = node.out.defined() ? *node.out : Tensor();
    absorb_rows(keys, node.edges[0].formula(probe(node.shape, node.dtype), out).to_vector());
  }
  for (const Tensor& value : capped.values()) {
    std::vector<double> is_high = value.to_vector();
    for (double& v : is_high) v = v >= 6 ? 1 : 0;
    absorb_rows(keys, is_high);
  }
  return keys;
}

}  // namespace

std::vector<PatternKey> pattern_keys(Module& model, const Tensor& examples) {
  constexpr int64_t kBatch = 64;
  std::vector<PatternKey> keys;
  for (int64_t begin = 0; begin < examples.size(0); begin += kBatch) {
    const int64_t end = std::min(examples.size(0), begin + kBatch);
    const auto batch = keys_of_batch(model, slice(examples, 0, begin, end));
    keys.insert(keys.end(), batch.begin(), batch.end());
  }
  return keys;
}

int64_t Visited::single_point_regions() const { return std::ranges::count(counts, int64_t{1}); }

Visited visited_regions(std::span<const PatternKey> keys) {
  Visited visited;
  std::map<PatternKey, int64_t> known;
  for (size_t k = 0; k < keys.size(); ++k) {
    const auto [place, is_new] = known.emplace(keys[k], visited.size());
    if (is_new) {
      visited.keys.push_back(keys[k]);
      visited.first.push_back(static_cast<int64_t>(k));
      visited.counts.push_back(0);
    }
    ++visited.counts[static_cast<size_t>(place->second)];
    visited.region_of.push_back(place->second);
  }
  return visited;
}

double coverage(const Visited& visited, std::span<const PatternKey> others) {
  check_value(!others.empty(), "coverage", "there is no example");
  const std::set<PatternKey> known(visited.keys.begin(), visited.keys.end());
  const auto inside =
      std::ranges::count_if(others, [&](const PatternKey& key) { return known.contains(key); });
  return static_cast<double>(inside) / static_cast<double>(others.size());
}

VisitedCheck check_visited(
    Module& model, const Visited& visited, const Tensor& examples, const Tensor& others) {
  std::map<PatternKey, int64_t> region_of;
  for (size_t j = 0; j < visited.keys.size(); ++j) {
    region_of[visited.keys[j]] = static_cast<int64_t>(j);
  }
  const std::vector<PatternKey> keys = pattern_keys(model, others);
  std::map<int64_t, LocalMap> maps;
  VisitedCheck check{.points = others.size(0)};
  for (int64_t k = 0; k < check.points; ++k) {
    const auto found = region_of.find(keys[static_cast<size_t>(k)]);
    if (found == region_of.end()) continue;
    ++check.covered;
    auto place = maps.find(found->second);
    if (place == maps.end()) {
      const int64_t first = visited.first[static_cast<size_t>(found->second)];
      place = maps.emplace(found->second, local_map_at(model, slice(examples, 0, first, first + 1)))
                  .first;
    }
    const LocalMap& map = place->second;
    const Tensor x = slice(others, 0, k, k + 1);
    Pass pass;
    const std::vector<double> at = x.to_vector(), y = model(x, pass).to_vector();
    for (size_t o = 0; o < y.size(); ++o) {
      double value = map.bias[o];
      for (size_t i = 0; i < at.size(); ++i) value += map.weight[o * at.size() + i] * at[i];
      check.max_abs_error = std::max(check.max_abs_error, std::abs(value - y[o]));
    }
  }
  check.models = std::ssize(maps);
  return check;
}

LocalMap local_map_at(Module& model, const Tensor& example) {
  const Recording on(true);
  Tensor x = example.detach();
  x.require_gradient();
  Pass pass;
  const Tensor y = model(x, pass);
  const std::vector<double> at = x.to_vector();
  LocalMap map{.rows = y.numel(), .weight = {}, .bias = y.to_vector()};
  for (int64_t o = 0; o < map.rows; ++o) {
    std::vector<double> one(static_cast<size_t>(map.rows), 0.0);
    one[static_cast<size_t>(o)] = 1;
    const std::vector<double> row =
        grad(y, x, {.seed = Tensor::of(y.shape(), one, y.dtype())}).to_vector();
    for (size_t i = 0; i < row.size(); ++i) map.bias[static_cast<size_t>(o)] -= row[i] * at[i];
    map.weight.insert(map.weight.end(), row.begin(), row.end());
  }
  return map;
}

}  // namespace limpid::interpret
