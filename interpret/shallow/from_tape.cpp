// interpret/shallow/from_tape.cpp: a network's affine stages, read off the tape of one pass.
#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/nn/layers.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/record.h"
#include "interpret/saliency/tape.h"
#include "interpret/shallow/piecewise_linear.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

namespace limpid::interpret {
namespace {

// Values of every op of a pass, by node. A value is seen before it gets its node.
class Values : public Observer {
 public:
  void on_result(const char* op, const Tensor& value) override { seen_.push_back({op, value}); }
  void on_gradient(const char*, const Tensor&) override {}
  /// Once the pass is over.
  void sort(const Tensor& x) {
    seen_.push_back({"x", x});
    for (const auto& [op, value] : seen_) {
      if (value.node()) values_[value.node().get()] = value;
    }
  }
  const Tensor& of(const Node* node) const { return values_.at(node); }

  /// The number c that stands for what a mask leaves out, in where(gate, z, c) = mask(z, gate) +
  /// mask(c, 1 - gate): it is broadcast between the op before and the sum. NaN if there is none.
  double other_choice(const Node* mask) const {
    size_t at = 0;
    while (at < seen_.size() && seen_[at].value.node().get() != mask) ++at;
    size_t first = at;
    while (first > 0 && !seen_[first - 1].value.node()) --first;
    for (size_t k = first; k < seen_.size() && (k <= at || !seen_[k].value.node()); ++k) {
      if (seen_[k].op != "broadcast_to" || seen_[k].value.node()) continue;
      const std::vector<double> numbers = seen_[k].value.to_vector();
      const bool is_one = std::ranges::all_of(numbers, [&](double v) { return v == numbers[0]; });
      if (is_one && !numbers.empty()) return numbers[0];
    }
    return std::numeric_limits<double>::quiet_NaN();
  }

 private:
  struct Seen {
    std::string op;
    Tensor value;
  };
  std::vector<Seen> seen_;  // holds the graph too
  std::map<const Node*, Tensor> values_;
};

// What the formulas of a node are handed beside the gradient
Tensor out_of(const Node& node) { return node.out.defined() ? *node.out : Tensor(); }

// An affine form over the variables [x; units so far]: rows of weights, shorter ones end in zeros.
struct Form {
  std::vector<std::vector<double>> weight;
  std::vector<double> bias;
  size_t rows() const { return bias.size(); }
};

void add_scaled(std::vector<double>& to, const std::vector<double>& from, double scale) {
  if (to.size() < from.size()) to.resize(from.size(), 0.0);
  for (size_t i = 0; i < from.size(); ++i) to[i] += scale * from[i];
}

Form unit_form(int64_t first, size_t rows) {
  Form form{.weight = {}, .bias = std::vector<double>(rows, 0.0)};
  for (size_t i = 0; i < rows; ++i) {
    form.weight.emplace_back(static_cast<size_t>(first) + i + 1, 0.0);
    form.weight.back().back() = 1;
  }
  return form;
}

// a + scale b
Form sum(Form a, const Form& b, double scale) {
  for (size_t i = 0; i < a.rows(); ++i) {
    add_scaled(a.weight[i], b.weight[i], scale);
    a.bias[i] += scale * b.bias[i];
  }
  return a;
}

Form shifted(Form a, double shift) {
  for (double& b : a.bias) b += shift;
  return a;
}

Form negated(Form a) {
  for (auto& row : a.weight) std::ranges::transform(row, row.begin(), std::negate<>());
  std::ranges::transform(a.bias, a.bias.begin(), std::negate<>());
  return a;
}

// Windows of a max-pool as positions in the plane [H, W], by what it makes of single ones.
std::vector<std::vector<int64_t>> windows_of(Module& pool, int64_t height, int64_t width) {
  const int64_t cells = height * width;
  Tensor ones = Tensor::zeros({cells, 1, height, width}, DType::f64);
  for (int64_t i = 0; i < cells; ++i) ones.mutable_data<double>()[i * cells + i] = 1;
  Pass pass;
  const Tensor seen = pool(ones, pass);
  const int64_t places = seen.numel() / cells;
  std::vector<std::vector<int64_t>> windows(static_cast<size_t>(places));
  for (int64_t i = 0; i < cells; ++i) {
    for (int64_t p = 0; p < places; ++p) {
      if (seen.data<double>()[i * places + p] > 0) windows[static_cast<size_t>(p)].push_back(i);
    }
  }
  return windows;
}

class Reader {
 public:
  Reader(Module& model, const Shape& example, int64_t max_numbers) : max_numbers_(max_numbers) {
    std::vector<int64_t> sizes = {1};
    for (const int64_t size : example.sizes()) sizes.push_back(size);
    x_ = Tensor::zeros(Shape(std::span<const int64_t>(sizes)), DType::f64);
    x_.require_gradient();
    inputs_ = x_.numel();
    variables_ = inputs_;
    const Recording on(true);
    Pass pass;
    pass.observer = [this](const Module& layer, const Tensor&, const Tensor& output) {
      if (dynamic_cast<const MaxPool2d*>(&layer) != nullptr && output.node()) {
        pools_[output.node().get()] = const_cast<Module*>(&layer);  // run again, never changed
      }
    };
    {
      const Observing watch(values_);
      y_ = model(x_, pass);
    }
    values_.sort(x_);
  }

  PiecewiseLinear read() {
    const Recording off(false);
    check_value(
        y_.node() != nullptr, "piecewise_linear", "the output does not depend on the input");
    part_ = between(y_, x_);
    check_value(
        !part_.nodes.empty(), "piecewise_linear", "the output does not depend on the input");
    forms_[x_.node().get()] = unit_form(0, static_cast<size_t>(inputs_));
    for (auto node = part_.nodes.rbegin(); node != part_.nodes.rend(); ++node) read_node(**node);
    AffineStage output = stage_of(form_of(*y_.node()));
    return {inputs_, std::move(hidden_), std::move(output)};
  }

 private:
  void read_node(const Node& node) {
    const std::string op = node.op;
    if (op == "relu" || op == "relu6" || op == "abs" || op == "max_pool2d") {
      const Form z = form_of(*node.edges[0].input);
      forms_[&node] = op == "relu"    ? rectified(z)
                      : op == "relu6" ? sum(rectified(z), rectified(shifted(z, -6)), -1)
                      : op == "abs"   ? sum(rectified(z), rectified(negated(z)), 1)
                                      : pooled(node, z);
    } else if (op == "mask") {
      const Form z = form_of(*node.edges[0].input);
      const double c = values_.other_choice(&node);
      forms_[&node] = std::isfinite(c) ? limited(node, z, c) : rectified(z);
      check_value(
          std::isfinite(c) || is_positive_part(node), "piecewise_linear",
          "a choice between two values (maximum, where) is not read; a limit that is one number "
          "(clamp), relu, relu6, leaky_relu, abs and MaxPool2d are");
    } else {
      const std::string known = op == "erf"           ? " (of a gelu)"
                                : op == "standardize" ? " (of an instance, group or layer norm)"
                                : op == "exp"         ? " (of a softmax or elu)"
                                                      : "";
      check_value(
          is_linear(node, part_), "piecewise_linear", "the op ", op, known,
          " is not piecewise linear; the exact form exists for relu, relu6, leaky_relu, abs, "
          "clamp, max-pool and what is linear");
    }
  }

  // mask(z, z): open where z > 0, closed elsewhere, and not by chance
  bool is_positive_part(const Node& node) const {
    const Tensor& z = values_.of(node.edges[0].input.get());
    const Tensor gate = node.edges[0].formula(Tensor::ones(z.shape(), DType::f64), out_of(node));
    const Tensor expected = greater(z, Tensor::scalar(0, DType::f64));
    return std::ranges::equal(gate.values<double>(), expected.values<double>());
  }

  // The part of max(z, c) = c + relu(z - c) or min(z, c) = z - relu(z - c) that stands on the tape,
  // a mask: where it is closed, c is a constant of the sum above it
  Form limited(const Node& node, const Form& z, double c) {
    const Tensor& value = values_.of(node.edges[0].input.get());
    const std::vector<double> at = value.to_vector();
    const std::vector<double> gate =
        node.edges[0].formula(Tensor::ones(value.shape(), DType::f64), out_of(node)).to_vector();
    bool can_be_max = true, can_be_min = true;
    for (size_t i = 0; i < at.size(); ++i) {
      can_be_max = can_be_max && (at[i] == c || (gate[i] != 0) == (at[i] > c));
      can_be_min = can_be_min && (at[i] == c || (gate[i] != 0) == (at[i] < c));
    }
    check_value(
        can_be_max != can_be_min, "piecewise_linear", "a choice between a value and ", c,
        " is neither their maximum nor their minimum, and is not read");
    const Form beyond = rectified(shifted(z, -c));
    Form form = can_be_max ? beyond : sum(z, beyond, -1);
    for (size_t i = 0; i < at.size(); ++i) {
      if (can_be_max && gate[i] != 0) form.bias[i] += c;
      if (can_be_min && gate[i] == 0) form.bias[i] -= c;
    }
    return form;
  }

  Form pooled(const Node& node, const Form& z) {
    const auto found = pools_.find(&node);
    check_value(found != pools_.end(), "piecewise_linear", "a max-pool outside a MaxPool2d layer");
    const Shape& in = values_.of(node.edges[0].input.get()).shape();
    const auto windows = windows_of(*found->second, in[2], in[3]);
    const int64_t cells = in[2] * in[3];
    std::vector<std::vector<int64_t>> groups;  // positions in z, one group per output
    for (int64_t c = 0; c < in[1]; ++c) {
      for (const auto& window : windows) {
        groups.emplace_back();
        for (const int64_t i : window) groups.back().push_back(c * cells + i);
      }
    }
    // Halve all windows at once: max(a, b) = a + relu(b - a)
    std::vector<Form> left(groups.size());
    for (size_t g = 0; g < groups.size(); ++g) {
      for (const int64_t i : groups[g]) {
        left[g].weight.push_back(z.weight[static_cast<size_t>(i)]);
        left[g].bias.push_back(z.bias[static_cast<size_t>(i)]);
      }
    }
    while (std::ranges::any_of(left, [](const Form& f) { return f.rows() > 1; })) halve(left);
    Form result;
    for (const Form& f : left) {
      result.weight.push_back(f.weight[0]);
      result.bias.push_back(f.bias[0]);
    }
    return result;
  }

  void halve(std::vector<Form>& groups) {
    Form differences;
    for (const Form& f : groups) {
      for (size_t i = 0; i + 1 < f.rows(); i += 2) {
        differences.weight.push_back(f.weight[i + 1]);
        add_scaled(differences.weight.back(), f.weight[i], -1);
        differences.bias.push_back(f.bias[i + 1] - f.bias[i]);
      }
    }
    const Form positive = rectified(differences);
    size_t next = 0;
    for (Form& f : groups) {
      Form half;
      for (size_t i = 0; i < f.rows(); i += 2) {
        half.weight.push_back(f.weight[i]);
        half.bias.push_back(f.bias[i]);
        if (i + 1 == f.rows()) continue;
        add_scaled(half.weight.back(), positive.weight[next++], 1);
      }
      f = std::move(half);
    }
  }

  // A new hidden stage relu(z)
  Form rectified(const Form& z) {
    const int64_t first = variables_;
    hidden_.push_back(stage_of(z));
    variables_ += static_cast<int64_t>(z.rows());
    return unit_form(first, z.rows());
  }

  AffineStage stage_of(const Form& z) const {
    const auto rows = static_cast<int64_t>(z.rows());
    check_value(
        rows * variables_ <= max_numbers_, "piecewise_linear", "a matrix of ", rows, " x ",
        variables_, " exceeds ", max_numbers_, " numbers; the regions that data visit need none");
    AffineStage stage{.rows = rows, .blocks = {}, .bias = z.bias};
    int64_t begin = 0;
    for (size_t source = 0; source <= hidden_.size(); ++source) {
      const int64_t columns = source == 0 ? inputs_ : hidden_[source - 1].rows;
      AffineBlock block{.source = static_cast<int64_t>(source), .weight = {}};
      bool is_zero = true;
      for (const auto& row : z.weight) {
        for (int64_t c = begin; c < begin + columns; ++c) {
          const auto k = static_cast<size_t>(c);
          block.weight.push_back(k < row.size() ? row[k] : 0.0);
          is_zero = is_zero && block.weight.back() == 0;
        }
      }
      if (!is_zero) stage.blocks.push_back(std::move(block));
      begin += columns;
    }
    return stage;
  }

  // A value as a form, by the derivatives of the linear ops that lead to it. A row of the
  // derivative times the values below leaves the constant.
  Form form_of(const Node& node) {
    const auto known = forms_.find(&node);
    if (known != forms_.end()) return known->second;
    const Tensor& value = values_.of(&node);
    Form form;
    for (int64_t i = 0; i < value.numel(); ++i) {
      Tensor seed = Tensor::zeros(value.shape(), DType::f64);
      seed.mutable_data<double>()[i] = 1;
      std::vector<double> row;
      double bias = value.data<double>()[i];
      for (const auto& [below, slope] : slopes_below(node, seed)) {
        const Form& part = forms_.at(below);
        const double* v = values_.of(below).data<double>();
        const double* s = slope.data<double>();
        for (size_t j = 0; j < part.rows(); ++j) {
          if (s[j] == 0) continue;
          add_scaled(row, part.weight[j], s[j]);
          bias += s[j] * (part.bias[j] - v[j]);
        }
      }
      form.weight.push_back(std::move(row));
      form.bias.push_back(bias);
    }
    return form;
  }

  // Gradients of <seed, value> by the nearest nodes that have a form
  std::vector<std::pair<const Node*, Tensor>> slopes_below(const Node& top, const Tensor& seed) {
    std::map<uint64_t, std::pair<const Node*, Tensor>> open;  // by age: the newest comes first
    open[top.sequence] = {&top, seed};
    std::vector<std::pair<const Node*, Tensor>> found;
    while (!open.empty()) {
      const auto newest = std::prev(open.end());
      const auto [node, g] = newest->second;
      open.erase(newest);
      if (forms_.contains(node)) {
        found.emplace_back(node, g);
        continue;
      }
      for (const Edge& edge : node->edges) {
        if (!part_.dependent.contains(edge.input.get())) continue;
        const Tensor part = edge.formula(g, out_of(*node));
        auto& place = open[edge.input->sequence];
        place = {edge.input.get(), place.first == nullptr ? part : place.second + part};
      }
    }
    return found;
  }

  int64_t max_numbers_;
  Tensor x_, y_;
  Values values_;
  std::map<const Node*, Module*> pools_;
  Between part_;
  std::map<const Node*, Form> forms_;  // of x and of what has a kink
  std::vector<AffineStage> hidden_;
  int64_t inputs_ = 0;
  int64_t variables_ = 0;
};

// The stages give what the network gives, at points of three sizes: what the tape shows at one
// point might hold there only by chance.
void check_equal(const PiecewiseLinear& net, Module& model, const Shape& example) {
  constexpr int64_t kPoints = 48;
  const Recording off(false);
  Rng rng(0);
  std::vector<double> points(static_cast<size_t>(kPoints * net.inputs()));
  rng.normal(points, 0, 1);
  for (size_t i = 0; i < points.size(); ++i)
    points[i] *= std::pow(10.0, static_cast<double>(i % 3) - 1);
  std::vector<int64_t> sizes = {kPoints};
  for (const int64_t size : example.sizes()) sizes.push_back(size);
  Pass pass;
  const Tensor y =
      model(Tensor::of(Shape(std::span<const int64_t>(sizes)), points, DType::f64), pass);
  const std::span<const double> x = points;
  double largest = 0, error = 0;
  for (int64_t p = 0; p < kPoints; ++p) {
    const auto n = static_cast<size_t>(net.inputs());
    const std::vector<double> own = net(x.subspan(static_cast<size_t>(p) * n, n));
    for (size_t o = 0; o < own.size(); ++o) {
      const double expected = y.data<double>()[static_cast<size_t>(p) * own.size() + o];
      largest = std::max(largest, std::abs(expected));
      error = std::max(error, std::abs(own[o] - expected));
    }
  }
  check_value(
      error <= 1e-9 * std::max(largest, 1.0), "piecewise_linear",
      "the stages differ from the network by ", error, ": it chooses in a way that is not read");
}

}  // namespace

PiecewiseLinear piecewise_linear(Module& model, const Shape& example, int64_t max_numbers) {
  for (const auto& [name, tensor] : state(model)) {
    check_dtype(
        tensor.dtype() != DType::f32, "piecewise_linear", name,
        " is f32; the exact form is computed in f64");
    if (tensor.dtype() != DType::f64) continue;
    const auto values = tensor.values<double>();
    check_value(
        std::ranges::all_of(values, [](double v) { return std::isfinite(v); }), "piecewise_linear",
        name, " holds NaN or infinity");
  }
  PiecewiseLinear net = Reader(model, example, max_numbers).read();
  check_equal(net, model, example);
  return net;
}

}  // namespace limpid::interpret
