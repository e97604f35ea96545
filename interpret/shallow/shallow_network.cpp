// interpret/shallow/shallow_network.cpp: assembly and evaluation.
#include "interpret/shallow/shallow_network.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstring>
#include <limits>
#include <string>
#include <unordered_map>

namespace limpid::interpret {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

void rectify(std::vector<double>& values) {
  for (double& v : values) v = std::max(v, 0.0);
}

// Distinct rows z by their bits: a rounded copy is another row, or a boundary would move.
struct DistinctRows {
  std::vector<int64_t> of_cut;  // number of the row of each cut
  std::vector<int64_t> cut_of;  // a cut with that row
};
DistinctRows distinct_rows(const RegionTree& tree) {
  DistinctRows rows;
  std::unordered_map<std::string, int64_t> known;
  const auto bytes = static_cast<size_t>(tree.inputs + 1) * sizeof(double);
  for (int64_t cut = 0; cut < std::ssize(tree.cuts); ++cut) {
    std::string bits(bytes, '\0');
    std::memcpy(bits.data(), tree.rows.data() + cut * (tree.inputs + 1), bytes);
    const auto [place, is_new] = known.emplace(std::move(bits), std::ssize(rows.cut_of));
    if (is_new) rows.cut_of.push_back(cut);
    rows.of_cut.push_back(place->second);
  }
  return rows;
}

// A region asks that row `row` is on, or that it is off.
struct Condition {
  int64_t row = 0;
  bool on = false;
  auto operator<=>(const Condition&) const = default;
};

std::vector<Condition> conditions_of(
    const RegionTree& tree, const DistinctRows& rows, int64_t region) {
  std::vector<Condition> conditions;
  int32_t child = ~static_cast<int32_t>(region);
  int32_t at = tree.parents[static_cast<size_t>(region)];
  while (at >= 0) {
    const Cut& cut = tree.cuts[static_cast<size_t>(at)];
    conditions.push_back({rows.of_cut[static_cast<size_t>(at)], cut.on == child});
    child = at;
    at = cut.parent;
  }
  std::ranges::sort(conditions);
  conditions.erase(std::unique(conditions.begin(), conditions.end()), conditions.end());
  return conditions;
}

// The number of each half-space in use: 2 row + on -> k, or -1
struct HalfSpaces {
  std::vector<int64_t> number;
  std::vector<Condition> list;
};
HalfSpaces half_spaces_of(const RegionTree& tree, const DistinctRows& rows) {
  HalfSpaces spaces{.number = std::vector<int64_t>(2 * rows.cut_of.size(), -1), .list = {}};
  for (int64_t region = 0; region < tree.size(); ++region) {
    for (const Condition& c : conditions_of(tree, rows, region)) {
      int64_t& number = spaces.number[static_cast<size_t>(2 * c.row + (c.on ? 1 : 0))];
      if (number >= 0) continue;
      number = std::ssize(spaces.list);
      spaces.list.push_back(c);
    }
  }
  return spaces;
}

class Assembly {
 public:
  Assembly(const RegionTree& tree, Boundary boundary, int64_t max_entries)
      : tree_(tree), rows_(distinct_rows(tree)), models_(tree.size() * tree.outputs) {
    net_.boundary = boundary;
    net_.inputs = tree.inputs;
    net_.outputs = tree.outputs;
    net_.regions = tree.size();
    check_size(max_entries);
  }

  ShallowNetwork closed() {
    const HalfSpaces spaces = half_spaces_of(tree_, rows_);
    const int64_t k = net_.conditions = std::ssize(spaces.list);
    for (auto& layer : net_.layers) layer.columns = 0;
    // u_i = relu(-z) for a row that must be on, relu(z) for one that must be off
    for (const Condition& c : spaces.list) add_row(layer(1), c.row, c.on ? -1 : 1);
    add_models(layer(1));
    layer(1).columns = tree_.inputs;

    // t_j = relu(sum of its u_i), v carried
    for (int64_t j = 0; j < net_.regions; ++j) {
      for (const Condition& c : conditions_of(tree_, rows_, j)) {
        layer(2).add_entry(spaces.number[static_cast<size_t>(2 * c.row + (c.on ? 1 : 0))], 1);
      }
      layer(2).end_row(0);
    }
    carry(layer(2), k, 2 * models_);
    layer(2).columns = k + 2 * models_;

    add_gated(net_.regions, [&](int64_t region, ExtendedLayer& to) {
      to.add_entry(region, kMinusInfinity);
    });
    return std::move(net_);
  }

  ShallowNetwork half_open() {
    const int64_t m = net_.conditions = std::ssize(rows_.cut_of);
    for (int64_t i = 0; i < m; ++i) add_row(layer(1), i, 1);
    add_models(layer(1));
    layer(1).columns = tree_.inputs;

    // s_i = relu(1 - inf u_i), u and v carried
    for (int64_t i = 0; i < m; ++i) {
      layer(2).add_entry(i, kMinusInfinity);
      layer(2).end_row(1);
    }
    carry(layer(2), 0, m + 2 * models_);
    layer(2).columns = m + 2 * models_;

    add_gated(2 * m, [&](int64_t region, ExtendedLayer& to) {
      for (const Condition& c : conditions_of(tree_, rows_, region)) {
        to.add_entry(c.on ? c.row : m + c.row, kMinusInfinity);
      }
    });
    return std::move(net_);
  }

 private:
  ExtendedLayer& layer(int number) { return net_.layers[static_cast<size_t>(number - 1)]; }

  void check_size(int64_t max_entries) const {
    int64_t entries = 2 * models_ * (tree_.inputs + 3);
    for (int64_t j = 0; j < tree_.size(); ++j) {
      for (int32_t at = tree_.parents[static_cast<size_t>(j)]; at >= 0;
           at = tree_.cuts[static_cast<size_t>(at)].parent) {
        entries += 2 * tree_.outputs;
      }
    }
    check_value(
        entries <= max_entries, "shallow", "the network of ", tree_.size(), " regions needs ",
        entries, " weights, the limit is ", max_entries, "; find fewer regions");
  }

  // sign z
  void add_row(ExtendedLayer& to, int64_t row, double sign) const {
    const double* z =
        tree_.rows.data() + rows_.cut_of[static_cast<size_t>(row)] * (tree_.inputs + 1);
    for (int64_t c = 0; c < tree_.inputs; ++c) to.add_entry(c, sign * z[c]);
    to.end_row(sign * z[tree_.inputs]);
  }

  // Lambda, then -Lambda
  void add_models(ExtendedLayer& to) const {
    for (const double sign : {1.0, -1.0}) {
      for (int64_t r = 0; r < models_; ++r) {
        const double* a = tree_.weights.data() + r * tree_.inputs;
        for (int64_t c = 0; c < tree_.inputs; ++c) to.add_entry(c, sign * a[c]);
        to.end_row(sign * tree_.biases[static_cast<size_t>(r)]);
      }
    }
  }

  static void carry(ExtendedLayer& to, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      to.add_entry(first + i, 1);
      to.end_row(0);
    }
  }

  // Layer 3, where the models stand from column `models` on, and the output
  template <class Gate>
  void add_gated(int64_t models, const Gate& gate) {
    for (int64_t r = 0; r < 2 * models_; ++r) {
      gate(r % models_ / tree_.outputs, layer(3));
      layer(3).add_entry(models + r, 1);
      layer(3).end_row(0);
    }
    layer(3).columns = models + 2 * models_;
    layer(4).columns = 2 * models_;
    for (int64_t o = 0; o < tree_.outputs; ++o) {
      for (int64_t r = o; r < 2 * models_; r += tree_.outputs) {
        layer(4).add_entry(r, r < models_ ? 1 : -1);
      }
      layer(4).end_row(0);
    }
  }

  const RegionTree& tree_;
  DistinctRows rows_;
  int64_t models_;  // p q
  ShallowNetwork net_;
};

}  // namespace

void ExtendedLayer::add_entry(int64_t at, double v) {
  column.push_back(at);
  value.push_back(v);
}

void ExtendedLayer::end_row(double b) {
  start.push_back(std::ssize(column));
  bias.push_back(b);
}

std::vector<double> ExtendedLayer::operator()(std::span<const double> x) const {
  std::vector<double> y;
  y.reserve(bias.size());
  for (size_t i = 0; i < bias.size(); ++i) {
    double sum = 0;
    bool is_open = true;
    for (auto e = static_cast<size_t>(start[i]); e < static_cast<size_t>(start[i + 1]); ++e) {
      const double in = x[static_cast<size_t>(column[e])];
      if (value[e] == kMinusInfinity) {
        is_open = is_open && !(in > 0);
      } else {
        sum += value[e] * in;
      }
    }
    y.push_back(is_open ? sum + bias[i] : kMinusInfinity);
  }
  return y;
}

ShallowNetwork::Answer ShallowNetwork::answer(std::span<const double> x) const {
  std::vector<double> h = layers[0](x);
  rectify(h);
  h = layers[1](h);
  rectify(h);
  h = layers[2](h);
  Answer answer;
  for (int64_t j = 0; j < regions; ++j) {
    answer.claims += h[static_cast<size_t>(j * outputs)] != kMinusInfinity ? 1 : 0;
  }
  rectify(h);
  answer.value = layers[3](h);
  return answer;
}

std::vector<double> ShallowNetwork::operator()(std::span<const double> x) const {
  return answer(x).value;
}

int64_t ShallowNetwork::claims(std::span<const double> x) const { return answer(x).claims; }

std::array<int64_t, 3> ShallowNetwork::widths() const {
  return {layers[0].rows(), layers[1].rows(), layers[2].rows()};
}

ShallowNetwork assemble(const RegionTree& tree, Boundary boundary, int64_t max_entries) {
  check_value(tree.size() >= 1, "shallow", "there is no region");
  Assembly assembly(tree, boundary, max_entries);
  return boundary == Boundary::closed ? assembly.closed() : assembly.half_open();
}

int64_t half_spaces(const RegionTree& tree) {
  return std::ssize(half_spaces_of(tree, distinct_rows(tree)).list);
}

RegionTree merge_equal(const RegionTree& tree) {
  const auto numbers = static_cast<size_t>(tree.outputs * tree.inputs);
  const auto outputs = static_cast<size_t>(tree.outputs);
  const auto is_equal = [&](int32_t a, int32_t b) {
    const auto i = static_cast<std::ptrdiff_t>(a), j = static_cast<std::ptrdiff_t>(b);
    const auto n = static_cast<std::ptrdiff_t>(numbers), q = static_cast<std::ptrdiff_t>(outputs);
    return std::equal(
               tree.weights.begin() + i * n, tree.weights.begin() + (i + 1) * n,
               tree.weights.begin() + j * n) &&
           std::equal(
               tree.biases.begin() + i * q, tree.biases.begin() + (i + 1) * q,
               tree.biases.begin() + j * q);
  };
  // What stands for each cut: itself, or the region that both of its sides are. Cuts come before
  // those below them.
  std::vector<int32_t> stands(tree.cuts.size());
  const auto resolved = [&](int32_t child) {
    return child >= 0 ? stands[static_cast<size_t>(child)] : child;
  };
  for (size_t k = tree.cuts.size(); k-- > 0;) {
    const int32_t off = resolved(tree.cuts[k].off), on = resolved(tree.cuts[k].on);
    const bool merges =
        off < 0 && on < 0 && off != kUnexplored && on != kUnexplored && is_equal(~off, ~on);
    stands[k] = merges ? off : static_cast<int32_t>(k);
  }

  // Copy what is left, from the root down
  RegionTree merged = tree;
  for (auto* part :
       {&merged.rows, &merged.centres, &merged.radii, &merged.weights, &merged.biases}) {
    part->clear();
  }
  merged.cuts.clear();
  merged.patterns.clear();
  merged.parents.clear();
  const auto copy_region = [&](int32_t region, int32_t parent) {
    const auto r = static_cast<std::ptrdiff_t>(region);
    const auto append = [&](auto& to, const auto& from, int64_t size) {
      to.insert(to.end(), from.begin() + r * size, from.begin() + (r + 1) * size);
    };
    append(merged.patterns, tree.patterns, tree.units);
    append(merged.centres, tree.centres, tree.inputs);
    append(merged.radii, tree.radii, 1);
    append(merged.weights, tree.weights, tree.outputs * tree.inputs);
    append(merged.biases, tree.biases, tree.outputs);
    merged.parents.push_back(parent);
    return ~static_cast<int32_t>(merged.size() - 1);
  };
  struct Open {
    int32_t child, parent;
    bool is_on;
  };
  std::vector<Open> todo = {{tree.cuts.empty() ? ~0 : stands[0], -1, false}};
  while (!todo.empty()) {
    const Open open = todo.back();
    todo.pop_back();
    int32_t number = kUnexplored;
    if (open.child >= 0) {
      const Cut& cut = tree.cuts[static_cast<size_t>(open.child)];
      number = static_cast<int32_t>(merged.cuts.size());
      merged.cuts.push_back({.parent = open.parent, .unit = cut.unit, .off = 0, .on = 0});
      const auto row =
          tree.rows.begin() + static_cast<std::ptrdiff_t>(open.child) * (tree.inputs + 1);
      merged.rows.insert(merged.rows.end(), row, row + tree.inputs + 1);
      todo.push_back({resolved(cut.on), number, true});
      todo.push_back({resolved(cut.off), number, false});
    } else if (open.child != kUnexplored) {
      number = copy_region(~open.child, open.parent);
    }
    if (open.parent >= 0) {
      Cut& above = merged.cuts[static_cast<size_t>(open.parent)];
      (open.is_on ? above.on : above.off) = number;
    }
  }
  return merged;
}

ShallowNetwork with_finite_weights(const ShallowNetwork& network, double large) {
  check_value(
      large > 0 && std::isfinite(large), "shallow", "needs a finite number over 0, got ", large);
  ShallowNetwork finite = network;
  for (ExtendedLayer& layer : finite.layers) {
    for (double& v : layer.value) v = v == kMinusInfinity ? -large : v;
  }
  return finite;
}

}  // namespace limpid::interpret
