// interpret/shallow/coalitions.cpp: stages over lanes.
#include "interpret/shallow/coalitions.h"

#include <algorithm>

namespace limpid::interpret {
namespace {

constexpr int64_t kLanes = Coalitions::kLanes;

const AffineBlock* input_block(const AffineStage& stage) {
  const bool reads = !stage.blocks.empty() && stage.blocks[0].source == 0;
  return reads ? stage.blocks.data() : nullptr;
}

// Calls f(stage) for the hidden stages and the output
template <class F>
void for_stages(const PiecewiseLinear& net, const F& f) {
  for (const AffineStage& stage : net.hidden()) f(stage);
  f(net.output());
}

}  // namespace

Coalitions::Coalitions(const PiecewiseLinear& net) : net_(net) {
  for_stages(net, [&](const AffineStage& stage) {
    if (input_block(stage) != nullptr) rows_ += stage.rows;
    for (const AffineBlock& block : stage.blocks) {
      if (block.source != 0) operations_ += static_cast<int64_t>(block.weight.size());
    }
  });
  const auto n = static_cast<size_t>(net.inputs()), rows = static_cast<size_t>(rows_);
  columns_.resize(n * rows);
  size_t first = 0;
  for_stages(net, [&](const AffineStage& stage) {
    const AffineBlock* block = input_block(stage);
    if (block == nullptr) return;
    for (size_t k = 0; k < block->weight.size(); ++k) {
      columns_[k % n * rows + first + k / n] = block->weight[k];
    }
    first += static_cast<size_t>(stage.rows);
  });
}

std::vector<double> Coalitions::start(std::span<const double> x) const {
  std::vector<double> u;
  for_stages(net_, [&](const AffineStage& stage) {
    if (input_block(stage) != nullptr) u.insert(u.end(), stage.bias.begin(), stage.bias.end());
  });
  const double* column = columns_.data();
  for (const double v : x) {
    for (double& to : u) to += v * *column++;
  }
  return u;
}

void Coalitions::evaluate(const double* u, double* out, Scratch& scratch) const {
  scratch.stages.resize(net_.hidden().size());
  size_t l = 0;
  for_stages(net_, [&](const AffineStage& stage) {
    const bool is_output = l == net_.hidden().size();
    double* z = out;
    if (!is_output) {
      scratch.stages[l].resize(static_cast<size_t>(stage.rows * kLanes));
      z = scratch.stages[l].data();
    }
    const int64_t rows = is_output ? 1 : stage.rows;

    // What the inputs give, or the bias alone
    if (input_block(stage) != nullptr) {
      std::copy_n(u, rows * kLanes, z);
      u += stage.rows * kLanes;
    } else {
      for (int64_t r = 0; r < rows; ++r) {
        std::fill_n(z + r * kLanes, kLanes, stage.bias[static_cast<size_t>(r)]);
      }
    }

    // What earlier stages give
    for (const AffineBlock& block : stage.blocks) {
      if (block.source == 0) continue;
      const std::vector<double>& h = scratch.stages[static_cast<size_t>(block.source - 1)];
      const int64_t columns = std::ssize(h) / kLanes;
      for (int64_t r = 0; r < rows; ++r) {
        double* to = z + r * kLanes;
        for (int64_t j = 0; j < columns; ++j) {
          const double w = block.weight[static_cast<size_t>(r * columns + j)];
          const double* from = h.data() + j * kLanes;
          for (int64_t b = 0; b < kLanes; ++b) to[b] += w * from[b];
        }
      }
    }
    if (!is_output) {
      for (double& v : scratch.stages[l]) v = v > 0 ? v : 0;
    }
    ++l;
  });
}

}  // namespace limpid::interpret
