// interpret/transport/layer_flags.cpp: thresholds and sentences.
#include "interpret/transport/layer_flags.h"

#include "framework/core/error.h"

#include <algorithm>
#include <cmath>

namespace limpid::interpret {
namespace {

double median_of(std::vector<double> values) {
  if (values.empty()) return NAN;
  std::ranges::sort(values);
  const size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

std::string percent(double share) { return join_text(std::round(1000 * share) / 10, " %"); }
std::string rounded(double value) {
  const double unit = std::pow(10, 2 - std::floor(std::log10(std::max(std::abs(value), 1e-12))));
  return join_text(std::round(value * unit) / unit);
}

class Flags {
 public:
  Flags(const NetworkTransport& transport, std::span<const LayerHealth> health, const FlagRules& r)
      : transport_(transport), health_(health), rules_(r) {}

  std::vector<LayerFlag> all() {
    for (size_t i = 0; i < health_.size(); ++i) {
      shuffled(health_[i]);
      collapsed(health_[i]);
      scaled(i);
      constant(health_[i]);
      if (is_last_of_step(i)) dead(health_[i].step);
    }
    for (size_t l = 1; l < transport_.layers.size(); ++l) {
      distance(l);
      separation(l);
      loss(l);
      twist(l);
      silent(l);
    }
    return std::move(flags_);
  }

 private:
  void add(
      const std::string& layer, const char* rule, bool is_fault, double value, double threshold,
      std::string text, std::string advice) {
    flags_.push_back(
        {layer, rule, is_fault, value, threshold, layer + " " + std::move(text),
         std::move(advice)});
  }

  // ---- Faults ----

  void shuffled(const LayerHealth& h) {
    if (h.distance > rules_.shuffled_distance || h.fan_in < rules_.least_fan_in) return;
    add(h.name, "shuffled", true, h.distance, rules_.shuffled_distance,
        "does no more than its own weights in random order would (" + rounded(h.distance) +
            " deviations from them)",
        "its weights were lost or never trained: train it again, or remove it");
  }

  void collapsed(const LayerHealth& h) {
    const bool says_nothing = h.own.directions == 0;
    if (!says_nothing && (h.units < 3 || h.own.directions >= rules_.collapsed_directions)) return;
    add(h.name, "collapsed", true, h.own.directions, rules_.collapsed_directions,
        says_nothing ? "gives the same output for every example"
                     : join_text("says the same with all its ", h.units, " units"),
        "train it again with a skip connection, normalisation or less weight decay");
  }

  void scaled(size_t i) {
    if (health_.size() < 3) return;
    std::vector<double> gains;
    for (const LayerHealth& h : health_) gains.push_back(h.weight_gain);
    const double usual = median_of(gains);
    const double ratio = health_[i].weight_gain / usual;
    if (!(usual > 0) || (ratio <= rules_.scale_factor && ratio >= 1 / rules_.scale_factor)) return;
    add(health_[i].name, "scaled", true, ratio, rules_.scale_factor,
        "has weights " + rounded(ratio) + " times as large as is usual in this network",
        "train it with weight decay, or normalise its output");
  }

  bool is_last_of_step(size_t i) const {
    return i + 1 == health_.size() || health_[i + 1].step != health_[i].step;
  }

  void constant(const LayerHealth& h) {
    if (h.constant <= rules_.constant_share || h.own.directions == 0) return;
    add(h.name, "dead", true, h.constant, rules_.constant_share, silence_of(h.constant),
        "train it again");
  }

  void dead(const std::string& step) {
    for (const LayerTransport& t : transport_.layers) {
      if (t.name != step || t.dead <= rules_.dead_share) continue;
      add(step, "dead", true, t.dead, rules_.dead_share, silence_of(t.dead), kForSilence);
    }
  }

  // ---- Remarks ----

  void distance(size_t l) {
    std::vector<double> logs;
    for (size_t k = 1; k < transport_.layers.size(); ++k) {
      logs.push_back(std::log(std::max(transport_.layers[k].kinetic.median, 1e-12)));
    }
    const double middle = median_of(logs);
    std::vector<double> deviations;
    for (const double v : logs) deviations.push_back(std::abs(v - middle));
    const double mad = 1.4826 * median_of(deviations);
    const double away = (logs[l - 1] - middle) / mad;
    if (logs.size() < 4 || !(mad > 0) || std::abs(away) <= rules_.kinetic_mad) return;
    const double ratio = std::exp(logs[l - 1] - middle);
    if (ratio < rules_.kinetic_factor && ratio > 1 / rules_.kinetic_factor) return;
    const LayerTransport& t = transport_.layers[l];
    add(t.name, "distance", false, away, rules_.kinetic_mad,
        "moves " + percent(t.share) + " of all distance; its mean square is " + rounded(ratio) +
            " times the median of the layers",
        away > 0 ? "a transport penalty or a skip connection would spread the work"
                 : "it may be removed");
  }

  void separation(size_t l) {
    const LayerTransport& t = transport_.layers[l];
    const LayerTransport& last = transport_.layers[l - 1];
    const Summary &d = t.class_separation, &before = last.class_separation;
    if (!(d.median > rules_.separation_growth * before.median) || d.low <= before.high) return;
    if (t.separation >= last.separation) return;
    add(t.name, "separation", false, d.median / before.median, rules_.separation_growth,
        "mixes the classes: D = tr(S_w S_b^+) grows from " + rounded(before.median) + " to " +
            rounded(d.median) + ", the variance between them falls from " +
            percent(last.separation) + " to " + percent(t.separation),
        "try more units here, or a skip connection");
  }

  void loss(size_t l) {
    const LayerTransport& t = transport_.layers[l];
    const LayerTransport& before = transport_.layers[l - 1];
    const bool improves = t.class_separation.median < before.class_separation.median;
    if (t.directions >= before.directions / 2 || improves) return;
    add(t.name, "loss", false, t.directions / before.directions, 0.5,
        "uses " + rounded(t.directions) + " directions after " + rounded(before.directions) +
            " and does not separate the classes better",
        "information may be lost here: try more units or a skip connection");
  }

  void twist(size_t l) {
    const LayerTransport& t = transport_.layers[l];
    if (!(t.twist.median < rules_.twist)) return;
    add(t.name, "twist", false, t.twist.median, rules_.twist,
        "moves examples past each other: W^2 / kappa = " + rounded(t.twist.median),
        "a transport penalty makes it move them along");
  }

  void silent(size_t l) {
    const LayerTransport& t = transport_.layers[l];
    if (t.dead <= rules_.silent_share || t.dead > rules_.dead_share) return;
    add(t.name, "silent", false, t.dead, rules_.silent_share, silence_of(t.dead), kForSilence);
  }

  static std::string silence_of(double share) {
    return "has " + percent(share) + " units that say the same for every example";
  }
  static constexpr const char* kForSilence =
      "train it with a lower learning rate or normalisation, or make it narrower";

  const NetworkTransport& transport_;
  std::span<const LayerHealth> health_;
  const FlagRules& rules_;
  std::vector<LayerFlag> flags_;
};

}  // namespace

std::vector<LayerFlag> layer_flags(
    const NetworkTransport& transport, std::span<const LayerHealth> health,
    const FlagRules& rules) {
  std::vector<LayerFlag> flags = Flags(transport, health, rules).all();
  std::ranges::stable_partition(flags, [](const LayerFlag& f) { return f.is_fault; });
  return flags;
}

}  // namespace limpid::interpret
