// interpret/shallow/polygons.cpp: convex clipping, stage by stage.
#include "interpret/shallow/polygons.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <memory>
#include <utility>

namespace limpid::interpret {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int64_t kPieces = 128;  // blocks of work; never a function of the thread count

struct Corner {
  double x = 0, y = 0;
};

// z = a x + b y + c with a^2 + b^2 = 1
struct Line {
  double a = 0, b = 0, c = 0;
  double at(const Corner& p) const { return a * p.x + b * p.y + c; }
};

struct StageMaps {
  std::shared_ptr<const StageMaps> before;
  Pattern on_before;
  LocalMap map;
};

// A region of the first stages
struct Piece {
  std::vector<Corner> corners;
  Pattern on;  // of the last stage
};
struct Open {
  Piece piece;
  std::shared_ptr<const StageMaps> maps;
  size_t stage = 0;  // the next one
};

class Clipper {
 public:
  Clipper(const PiecewiseLinear& net, double margin) : net_(net), margin_(margin) {
    out_.units = net.units();
    out_.outputs = net.outputs();
  }

  Polygons& result() { return out_; }

  /// All parts of a piece by the units of its next stage, or a finished region.
  void step(Open open, std::vector<Open>& todo) {
    if (open.stage == net_.hidden().size()) {
      finish(open);
      return;
    }
    auto maps = std::make_shared<StageMaps>();
    maps->before = std::move(open.maps);
    maps->on_before = std::move(open.piece.on);
    maps->map = map_of(net_.hidden()[open.stage], *maps);
    split_by_stage(std::move(open.piece.corners), maps->map);
    for (size_t k = pieces_.size(); k-- > 0;) {  // the first piece is taken up first
      todo.push_back({.piece = std::move(pieces_[k]), .maps = maps, .stage = open.stage + 1});
    }
    pieces_.clear();
  }

 private:
  LocalMap map_of(const AffineStage& stage, const StageMaps& maps) {
    earlier_.clear();
    on_.clear();
    const Pattern* on_here = &maps.on_before;
    for (const StageMaps* m = maps.before.get(); m != nullptr; m = m->before.get()) {
      earlier_.push_back(&m->map);
      on_.push_back(on_here->data());
      on_here = &m->on_before;
    }
    std::ranges::reverse(earlier_);
    std::ranges::reverse(on_);
    return stage_map(stage, 2, earlier_, on_);
  }

  // Into pieces_
  void split_by_stage(std::vector<Corner> corners, const LocalMap& map) {
    Piece whole{.corners = std::move(corners), .on = Pattern(static_cast<size_t>(map.rows), 0)};
    double scale = 0;
    for (const double a : map.weight) scale = std::max(scale, std::abs(a));
    for (const double d : map.bias) scale = std::max(scale, std::abs(d));
    lines_.clear();
    for (size_t i = 0; i < whole.on.size(); ++i) {
      const double a = map.weight[2 * i], b = map.weight[2 * i + 1], c = map.bias[i];
      const double length = std::sqrt(a * a + b * b);
      if (length <= 1e-14 * scale) {
        whole.on[i] = c > 0 ? 1 : 0;
        continue;
      }
      const Line line{a / length, b / length, c / length};
      const auto [low, high] = range(whole.corners, line);
      if (low < -margin_ && high > margin_) {
        lines_.emplace_back(i, line);
      } else {
        whole.on[i] = high > -low ? 1 : 0;
      }
    }
    pieces_.clear();
    pieces_.push_back(std::move(whole));
    for (const auto& [unit, line] : lines_) {
      const size_t count = pieces_.size();
      for (size_t k = 0; k < count; ++k) {
        const auto [low, high] = range(pieces_[k].corners, line);
        if (low < -margin_ && high > margin_) {
          pieces_.push_back(positive_part(pieces_[k], line));
          pieces_.back().on[unit] = 1;
        } else {
          pieces_[k].on[unit] = high > -low ? 1 : 0;
        }
      }
    }
  }

  static std::pair<double, double> range(const std::vector<Corner>& corners, const Line& line) {
    double low = line.at(corners[0]), high = low;
    for (size_t k = 1; k < corners.size(); ++k) {
      const double z = line.at(corners[k]);
      low = std::min(low, z);
      high = std::max(high, z);
    }
    return {low, high};
  }

  // Cuts the piece: what is positive is returned, the rest stays.
  Piece positive_part(Piece& piece, const Line& line) {
    Piece positive{.corners = {}, .on = piece.on};
    positive.corners.reserve(piece.corners.size() + 2);
    kept_.clear();
    const size_t count = piece.corners.size();
    Corner last = piece.corners[count - 1];
    double z_last = line.at(last);
    for (const Corner& here : piece.corners) {
      const double z = line.at(here);
      if ((z > 0) != (z_last > 0)) {
        const double share = z_last / (z_last - z);
        const Corner crossing{
            last.x + share * (here.x - last.x), last.y + share * (here.y - last.y)};
        positive.corners.push_back(crossing);
        kept_.push_back(crossing);
      }
      (z > 0 ? positive.corners : kept_).push_back(here);
      last = here;
      z_last = z;
    }
    piece.corners.assign(kept_.begin(), kept_.end());
    return positive;
  }

  void finish(const Open& open) {
    const size_t begin = out_.patterns.size();
    out_.patterns.resize(begin + static_cast<size_t>(out_.units));
    auto end = out_.patterns.end();
    end = std::copy_backward(open.piece.on.begin(), open.piece.on.end(), end);
    for (const StageMaps* m = open.maps.get(); m != nullptr; m = m->before.get()) {
      end = std::copy_backward(m->on_before.begin(), m->on_before.end(), end);
    }
    for (const Corner& corner : open.piece.corners) {
      out_.corners.push_back(corner.x);
      out_.corners.push_back(corner.y);
    }
    out_.start.push_back(std::ssize(out_.corners) / 2);
    StageMaps last;
    last.before = open.maps;
    last.on_before = open.piece.on;
    const LocalMap map = map_of(net_.output(), last);
    out_.weights.insert(out_.weights.end(), map.weight.begin(), map.weight.end());
    out_.biases.insert(out_.biases.end(), map.bias.begin(), map.bias.end());
  }

  const PiecewiseLinear& net_;
  double margin_;
  Polygons out_;
  std::vector<Piece> pieces_;
  // Scratch
  std::vector<std::pair<size_t, Line>> lines_;
  std::vector<Corner> kept_;
  std::vector<const LocalMap*> earlier_;
  std::vector<const uint8_t*> on_;
};

void append(Polygons& whole, const Polygons& part, int64_t limit) {
  const int64_t count = std::min(limit, part.size());
  const auto join = [&](auto& to, const auto& from, int64_t size) {
    to.insert(to.end(), from.begin(), from.begin() + size);
  };
  const int64_t before = whole.start.back();
  for (int64_t j = 1; j <= count; ++j) {
    whole.start.push_back(before + part.start[static_cast<size_t>(j)]);
  }
  join(whole.patterns, part.patterns, count * part.units);
  join(whole.corners, part.corners, 2 * part.start[static_cast<size_t>(count)]);
  join(whole.weights, part.weights, 2 * count * part.outputs);
  join(whole.biases, part.biases, count * part.outputs);
  whole.truncated = whole.truncated || part.truncated || count < part.size();
}

}  // namespace

double Polygons::area(int64_t region) const {
  const std::span<const double> p = polygon(region);
  double sum = 0;
  for (size_t k = 2; k + 3 < p.size(); k += 2) {  // triangles from the first corner
    sum += (p[k] - p[0]) * (p[k + 3] - p[1]) - (p[k + 2] - p[0]) * (p[k + 1] - p[1]);
  }
  return sum / 2;
}

Polygons clip_regions(const PiecewiseLinear& net, const Domain& box, const RegionOptions& options) {
  check_shape(net.inputs() == 2, "clip_regions", "needs two inputs, got ", net.inputs());
  check_value(!box.is_all, "clip_regions", "needs a box");
  for (size_t i = 0; i < 2; ++i) {
    check_value(
        std::isfinite(box.low[i]) && std::isfinite(box.high[i]) && box.low[i] < box.high[i],
        "clip_regions", "the box is empty: [", box.low[i], ", ", box.high[i], "] for input ", i);
  }
  const double width = box.high[0] - box.low[0], height = box.high[1] - box.low[1];
  const double margin =
      options.margin > 0 ? options.margin : 1e-9 * std::sqrt(width * width + height * height);
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(options.time_limit));
  const auto is_late = [&] {
    return (options.time_limit > 0 && Clock::now() > deadline) ||
           (options.should_stop && options.should_stop());
  };

  // The pieces of the first stage, then each block of them with all that is below
  Clipper first(net, margin);
  std::vector<Open> pieces;
  const std::vector<Corner> corners = {
      {box.low[0], box.low[1]},
      {box.high[0], box.low[1]},
      {box.high[0], box.high[1]},
      {box.low[0], box.high[1]}};
  first.step({.piece = {.corners = corners, .on = {}}, .maps = nullptr, .stage = 0}, pieces);
  std::ranges::reverse(pieces);  // a stack so far
  Polygons whole = std::move(first.result());
  whole.margin = margin;
  const int64_t block = (std::ssize(pieces) + kPieces - 1) / kPieces;
  std::vector<Polygons> parts(static_cast<size_t>(kPieces));
  std::vector<std::exception_ptr> errors(parts.size());
  parallel::for_blocks(
      std::ssize(pieces), std::max<int64_t>(block, 1), [&](int64_t begin, int64_t end) {
        const auto k = static_cast<size_t>(begin / block);
        try {
          Clipper clipper(net, margin);
          std::vector<Open> todo;
          for (int64_t i = end; i-- > begin;) todo.push_back(pieces[static_cast<size_t>(i)]);
          for (int64_t steps = 0; !todo.empty(); ++steps) {
            if (clipper.result().size() >= options.max_regions || (steps % 64 == 0 && is_late())) {
              clipper.result().truncated = true;
              break;
            }
            Open open = std::move(todo.back());
            todo.pop_back();
            clipper.step(std::move(open), todo);
          }
          parts[k] = std::move(clipper.result());
        } catch (...) {
          errors[k] = std::current_exception();
        }
      });
  for (size_t k = 0; k < parts.size(); ++k) {
    if (errors[k]) std::rethrow_exception(errors[k]);
    append(whole, parts[k], options.max_regions - whole.size());
    parts[k] = {};
  }
  return whole;
}

}  // namespace limpid::interpret
