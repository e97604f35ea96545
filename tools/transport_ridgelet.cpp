// tools/transport_ridgelet.cpp: limpid transport ridgelet.
#include "framework/core/rng.h"
#include "framework/io/files.h"
#include "framework/io/npy.h"
#include "framework/linalg/linalg.h"
#include "interpret/numerics/statistics.h"
#include "interpret/report/plot.h"
#include "interpret/report/spectrum_plot.h"
#include "interpret/transport/flow.h"
#include "interpret/transport/ridgelet_units.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/interpreting.h"
#include "tools/model.h"
#include "tools/ridgelet_functions.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace limpid::tools {
namespace {

using interpret::DualPair;
using interpret::RandomUnits;
using interpret::RidgeletFunction;
using interpret::RidgeletGrid;
using interpret::RidgeletSamples;
using interpret::RidgeletSpectrum;
using interpret::RidgeUnit;
using interpret::RidgeUnits;

constexpr double kFlowDuration = 0.4;  // of the continuous denoiser: variances fall by 0.8

struct RidgeletOptions {
  ModelOptions model;
  std::string function, data, weight = "importance", activation, line = "principal";
  double frequency = 0, half_width = 0, offset_step = 0.25;
  int64_t radii = 0, directions = 24, side = 0, target = 0, seeds = 5, bins = 16, layers = 8;
  std::vector<double> widths = {10, 30, 100};
};

// What is transformed, and what is laid over it
struct Subject {
  std::string name, what;
  int64_t inputs = 1;
  double half_width = 3, frequency = 20;
  RidgeUnit unit = RidgeUnit::gaussian;
  RidgeletFunction f = {};  // empty: known at the samples alone
  RidgeletSamples samples = {};
  std::vector<double> y = {};  // f at the samples
  RidgeUnits units = {};       // trained; none for a function alone
};

size_t at(int64_t i) { return static_cast<size_t>(i); }

std::vector<double> evaluated(const RidgeletFunction& f, std::span<const double> x, size_t m) {
  std::vector<double> y(x.size() / m);
  for (size_t k = 0; k < y.size(); ++k) f(x.subspan(k * m, m), std::span(y).subspan(k, 1));
  return y;
}

// ---- The subject ----

std::vector<double> per_input(const std::vector<double>& channels, int64_t inputs) {
  std::vector<double> all;
  const int64_t each = inputs / std::ssize(channels);
  for (const double v : channels) all.insert(all.end(), at(each), v);
  return all;
}

// The output asked for, in the units of its targets; inputs standardised
RidgeUnits trained_units(const RunFolder& folder, int64_t target) {
  return as_usage([&] {
    RidgeUnits u = interpret::one_output(interpret::units_of(*folder.model), target);
    for (double& c : u.c) c *= folder.card.target_std;
    u.bias[0] = folder.card.target_mean + folder.card.target_std * u.bias[0];
    return u;
  });
}

double largest_frequency(const RidgeUnits& u) {
  double largest = 0;
  for (int64_t j = 0; j < u.size(); ++j) {
    largest = std::max(largest, std::abs(interpret::place_of(u, j).r));
  }
  return largest;
}

// The least squares fit c0 + c.x on the grid: [1 + m]
std::vector<double> affine_part(const RidgeUnits& u, double half_width) {
  const int64_t m = u.dimension;
  const RidgeletFunction one = [](std::span<const double>, std::span<double> y) { y[0] = 1; };
  const std::vector<double> x = interpret::sample_grid(one, m, 1, half_width, 40).x;
  const int64_t n = std::ssize(x) / m;
  Tensor A = Tensor::ones({n, m + 1}, DType::f64);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < m; ++k) {
      A.mutable_data<double>()[i * (m + 1) + k + 1] = x[at(i * m + k)];
    }
  }
  return least_squares(A, Tensor::of({n}, interpret::values_of(u, x), DType::f64)).x.to_vector();
}

// The network less its affine part, which no ridgelet sees, cut by a window
RidgeletFunction windowed_network(const RidgeUnits& u, double half_width) {
  return [u, half_width, affine = affine_part(u, half_width)](
             std::span<const double> x, std::span<double> y) {
    double linear = affine[0];
    for (size_t k = 0; k < x.size(); ++k) linear += affine[k + 1] * x[k];
    y[0] = (interpret::values_of(u, x)[0] - linear) * interpret::box_window(x, half_width);
  };
}

std::vector<double> line_through(const RidgeUnits& u, const std::string& line, uint64_t seed) {
  if (line == "principal") return interpret::principal_direction(u);
  std::vector<double> v(at(u.dimension));
  Rng(seed).normal(std::span(v), 0, 1);
  double squared = 0;
  for (const double value : v) squared += value * value;
  for (double& value : v) value /= std::sqrt(squared);
  return v;
}

void read_data(
    Subject& s, const RidgeletOptions& o, const Common& common, const RunFolder& folder) {
  if (s.inputs > 2) {
    throw UsageError(join_text("--data: needs a network of 1 or 2 inputs, got ", s.inputs));
  }
  const datasets::Dataset part = parts_of(o.data, common, folder).train;
  const int64_t n = part.labels.size(0);
  const Tensor X = standardised(part.images.tensor(), folder.card).viewed_as({n, s.inputs});
  for (const double label : part.labels.to_vector()) {
    s.y.push_back(part.is_regression() ? label : label == static_cast<double>(o.target) ? 1 : 0);
  }
  double mean = 0;  // invisible, and would end where the data end
  for (const double v : s.y) mean += v / static_cast<double>(n);
  for (double& v : s.y) v -= mean;
  s.samples = as_usage([&] {
    return interpret::sample_data(
        Tensor::of(X.shape(), X.to_vector(), DType::f64), Tensor::of({n, 1}, s.y, DType::f64),
        o.weight == "density" ? interpret::DataWeight::density : interpret::DataWeight::importance);
  });
  s.what = join_text(
      part.is_regression() ? "targets" : "membership of the class", " of ", n,
      " training examples less their mean, ",
      o.weight == "density" ? "density-weighted: the transform of f p, not of f"
                            : "weighted by 1 / p of a kernel density estimate");
}

void open_network(Subject& s, const RidgeletOptions& o, const Common& common, Console& console) {
  const RunFolder folder = open_model(o.model, console);
  check_finite(folder, o.model.model);
  s.units = trained_units(folder, o.target);
  s.inputs = s.units.dimension;
  s.unit = s.units.unit;
  if (!o.function.empty()) {
    if (s.inputs != function_named(o.function).inputs) {
      throw UsageError(join_text(
          "--function: ", o.function, " has ", function_named(o.function).inputs,
          " inputs, the network ", s.inputs));
    }
    // Both in raw inputs
    s.units = interpret::moved_units(
        s.units, per_input(folder.card.mean, s.inputs), per_input(folder.card.std, s.inputs));
    return;
  }
  s.name = name_of(folder);
  s.half_width = 3;
  s.what = "output less its affine part, cut by a window, of standardised inputs";
  if (!o.data.empty()) read_data(s, o, common, folder);
  if (s.inputs > 2) {
    const std::vector<double> v = line_through(s.units, o.line, static_cast<uint64_t>(common.seed));
    s.units = interpret::slice_along(s.units, v);
    s.what += join_text(
        ", along ",
        o.line == "principal" ? "the principal direction of its first weights"
                              : "a random direction",
        " through the mean of ", s.inputs, " inputs");
    s.inputs = 1;
  }
  s.frequency = std::max(s.inputs == 1 ? 20.0 : 8.0, 1.25 * largest_frequency(s.units));
}

Subject open_subject(const RidgeletOptions& o, const Common& common, Console& console) {
  if (o.model.model.empty() && o.function.empty()) {
    throw UsageError("needs a MODEL or --function");
  }
  if (!o.data.empty() && (o.model.model.empty() || !o.function.empty())) {
    throw UsageError("--data: needs a MODEL, and no --function");
  }
  Subject s;
  if (!o.model.model.empty()) open_network(s, o, common, console);
  if (!o.function.empty()) {
    const NamedFunction& named = function_named(o.function);
    s.name = named.name;
    s.what = named.formula;
    s.inputs = named.inputs;
    s.half_width = named.half_width;
    s.frequency = named.frequency;
    s.f = named.f;
  }
  if (!o.activation.empty()) s.unit = interpret::ridge_unit_named(o.activation);
  if (o.half_width > 0) s.half_width = o.half_width;
  if (o.frequency > 0) s.frequency = o.frequency;
  if (!o.data.empty()) return s;
  if (o.function.empty()) s.f = windowed_network(s.units, s.half_width);
  // psi(a.x) moves up to 6 A + what f itself does; in the plane as many as time allows
  const double waves = std::max(
      2 * s.half_width * (6 * s.frequency + 40) / 6,
      o.widths.empty() ? 0 : 4 * *std::ranges::max_element(o.widths));  // more points than units
  const int64_t side = o.side > 0      ? o.side
                       : s.inputs == 2 ? 40
                                       : static_cast<int64_t>(std::ceil(waves));
  s.samples =
      as_usage([&] { return interpret::sample_grid(s.f, s.inputs, 1, s.half_width, side); });
  s.y = evaluated(s.f, s.samples.x, at(s.inputs));
  return s;
}

// ---- Units at equal width ----

Json interval_of(const std::vector<double>& errors) {
  const interpret::Interval ci = interpret::bootstrap_mean(errors);
  Json list = Json::array();
  for (const double e : errors) list.push(e);
  return Json::object(
      {{"mean", interpret::mean_of(errors)},
       {"ci", Json::array({ci.low, ci.high})},
       {"errors", list}});
}

struct WidthRow {
  int64_t width = 0;
  std::vector<std::vector<double>> errors;  // oracle, then as in RandomUnits: [4][seeds]
};

// The relative error of least squares, at points between those it was fitted to
double fitted_error(RidgeUnits u, const Subject& s) {
  interpret::fit_outer(u, s.samples.x, s.y);
  if (!s.f) return interpret::relative_l2(interpret::values_of(u, s.samples.x), s.y);
  const int64_t side = s.samples.side + (s.inputs == 1 ? 37 : 7);
  const std::vector<double> x = interpret::sample_grid(s.f, s.inputs, 1, s.half_width, side).x;
  return interpret::relative_l2(interpret::values_of(u, x), evaluated(s.f, x, at(s.inputs)));
}

WidthRow compare_widths(
    const Subject& s, const RidgeletSpectrum& spectrum, int64_t width, int64_t seeds,
    uint64_t seed) {
  WidthRow row{.width = width, .errors = std::vector<std::vector<double>>(4)};
  for (int64_t k = 0; k < seeds; ++k) {
    const uint64_t own = seed + static_cast<uint64_t>(k);
    row.errors[0].push_back(fitted_error(interpret::oracle_units(spectrum, width, own), s));
    for (const RandomUnits kind : {RandomUnits::box, RandomUnits::placed, RandomUnits::layer}) {
      row.errors[1 + at(static_cast<int64_t>(kind))].push_back(
          fitted_error(interpret::random_units(spectrum, kind, s.half_width, width, own), s));
    }
    check_interrupt();
  }
  return row;
}

Json to_json(const WidthRow& row) {
  Json json = Json::object({{"width", row.width}, {"oracle", interval_of(row.errors[0])}});
  for (const RandomUnits kind : {RandomUnits::box, RandomUnits::placed, RandomUnits::layer}) {
    json.set(
        std::string("random_") + name_of(kind),
        interval_of(row.errors[1 + at(static_cast<int64_t>(kind))]));
  }
  return json;
}

// ---- A denoiser without training ----

struct Synthesis {
  int64_t width = 0;
  double drawn = 0, fitted = 0;                 // relative errors of one layer
  double flow_to_euler = 0, flow_to_exact = 0;  // root mean square over starting points
  double moved = 0;                             // root mean square of the exact displacement
};

RidgeletFunction flow_velocity(double t) {
  return [t](std::span<const double> x, std::span<double> v) {
    const Tensor point = Tensor::of({1, 1}, x, DType::f64);
    v[0] = denoiser_law().score(point, -2 * t).item() * interpret::box_window(x, 8);
  };
}

// x' = v_t(x) by Euler steps, as the layers go
std::vector<double> euler_points(std::vector<double> x, int64_t steps) {
  const double tau = kFlowDuration / static_cast<double>(steps);
  for (int64_t l = 0; l < steps; ++l) {
    const Tensor points = Tensor::of({std::ssize(x), 1}, x, DType::f64);
    const std::vector<double> v =
        denoiser_law().score(points, -2 * tau * static_cast<double>(l)).to_vector();
    for (size_t k = 0; k < x.size(); ++k) x[k] += tau * v[k];
  }
  return x;
}

double rms(const std::vector<double>& u, const std::vector<double>& v) {
  double sum = 0;
  for (size_t k = 0; k < u.size(); ++k) sum += (u[k] - v[k]) * (u[k] - v[k]);
  return std::sqrt(sum / static_cast<double>(u.size()));
}

Synthesis synthesise(
    const Subject& s, const RidgeletSpectrum& spectrum, const RidgeletOptions& o, uint64_t seed) {
  Synthesis result;
  result.width = static_cast<int64_t>(*std::ranges::max_element(o.widths));
  const RidgeUnits units = interpret::oracle_units(spectrum, result.width, seed);
  result.drawn = interpret::relative_l2(interpret::values_of(units, s.samples.x), s.y);
  result.fitted = fitted_error(units, s);
  const RidgeletGrid grid{
      .frequency = spectrum.frequency,
      .radii = std::ssize(spectrum.radii),
      .offset_step = o.offset_step};
  const auto layers = interpret::synthesise_flow(
      flow_velocity, spectrum.pair, grid,
      {.duration = kFlowDuration,
       .layers = o.layers,
       .width = result.width,
       .half_width = 8,
       .side = s.samples.side},
      seed);
  std::vector<double> x;
  for (int64_t k = 0; k <= 160; ++k) x.push_back(-4 + 0.05 * static_cast<double>(k));
  const std::vector<double> y = interpret::run_flow(layers, x);
  const Tensor start = Tensor::of({std::ssize(x), 1}, x, DType::f64);
  const std::vector<double> exact =
      interpret::continuous_flow(denoiser_law(), start, kFlowDuration, 1).at(-1).to_vector();
  result.flow_to_euler = rms(y, euler_points(x, o.layers));
  result.flow_to_exact = rms(y, exact);
  result.moved = rms(exact, x);
  return result;
}

// ---- Pictures ----

// The part of the (r, b) plane in a picture
struct View {
  double r = 0, b = 0;
};

// b as far as |T| reaches a hundredth of its largest value, and all units with |r| in the picture
View view_of(const Subject& s, const RidgeletSpectrum& t, double r) {
  View view{.r = r, .b = 4};
  double largest = 0;
  for (const double v : t.values) largest = std::max(largest, std::abs(v));
  const int64_t R = std::ssize(t.radii), N = std::ssize(t.offsets);
  for (int64_t k = 0; k < std::ssize(t.values); ++k) {
    if (std::abs(t.radii[at(k / N % R)]) > r || std::abs(t.values[at(k)]) < 0.01 * largest)
      continue;
    view.b = std::max(view.b, std::abs(t.offsets[at(k % N)]));
  }
  for (int64_t j = 0; j < s.units.size(); ++j) {
    const interpret::UnitPlace place = interpret::place_of(s.units, j);
    if (std::abs(place.r) <= r) view.b = std::max(view.b, 1.1 * std::abs(place.b));
  }
  view.b = std::min(view.b, t.offset);
  return view;
}

// T / K of the nearest cell; in the plane its root mean square over directions
Tensor picture_of(const RidgeletSpectrum& t, const View& view) {
  const int64_t R = std::ssize(t.radii), N = std::ssize(t.offsets), D = t.direction_count();
  const auto pixels = [](double share, int64_t cells) {  // no finer than the grid
    return std::clamp<int64_t>(std::llround(share * static_cast<double>(cells)), 2, 300);
  };
  const auto cell = [](double value, double limit, int64_t cells) {
    const double share = (value + limit) / (2 * limit);
    return std::clamp<int64_t>(
        static_cast<int64_t>(share * static_cast<double>(cells)), 0, cells - 1);
  };
  const auto centre = [](int64_t k, int64_t count, double limit) {
    return limit * ((2 * static_cast<double>(k) + 1) / static_cast<double>(count) - 1);
  };
  const int64_t width = pixels(view.r / t.frequency, R), height = pixels(view.b / t.offset, N);
  Tensor picture = Tensor::empty({height, width}, DType::f64);
  for (int64_t k = 0; k < width * height; ++k) {
    const int64_t i = cell(centre(k % width, width, view.r), t.frequency, R);
    const int64_t j = cell(-centre(k / width, height, view.b), t.offset, N);
    double squared = 0;
    for (int64_t d = 0; d < D; ++d) squared += std::pow(t.size_at(d, i, j) / t.pair.K, 2);
    const double mean = std::sqrt(squared / static_cast<double>(D));
    picture.mutable_data<double>()[k] = D > 1 ? mean : t.values[at(i * N + j)] / t.pair.K;
  }
  return picture;
}

// The spectrum for |a| <= r
std::string spectrum_picture(const Subject& s, const RidgeletSpectrum& t, double r) {
  const View view = view_of(s, t, r);
  const bool is_plane = s.inputs == 2;
  interpret::SpectrumPlot plot{
      .title = "Ridgelet spectrum of " + s.name,
      .value_title = is_plane ? "|T(a, b) / K|, root mean square over directions" : "T(a, b) / K",
      .x_title = is_plane ? "r, with a = r u and u in the upper half plane" : "a",
      .y_title = "b",
      .map = picture_of(t, view),
      .scale = is_plane ? interpret::MapScale::range : interpret::MapScale::symmetric,
      .x_low = -view.r,
      .x_high = view.r,
      .y_low = -view.b,
      .y_high = view.b,
      .mark_title = "Circles: units of the network, area by |c|; solid c > 0, dashed c < 0"};
  for (int64_t j = 0; j < s.units.size(); ++j) {
    const interpret::UnitPlace place = interpret::place_of(s.units, j);
    plot.marks.push_back({place.r, place.b, s.units.c[at(j)]});
  }
  return interpret::spectrum_plot(plot);
}

std::string reconstruction_picture(const Subject& s, const RidgeletSpectrum& t) {
  std::vector<double> line, x;
  for (int64_t k = 0; k <= 300; ++k) {
    line.push_back(s.half_width * (static_cast<double>(k) / 150 - 1));
    x.push_back(line.back());
    if (s.inputs == 2) x.push_back(0);
  }
  interpret::LineChart chart{
      .title = "Reconstruction of " + s.name,
      .x_title = s.inputs == 1 ? "x" : "first input, the second is 0",
      .y_title = "f(x)"};
  if (s.f) {
    chart.series = {
        {.name = "f", .x = line, .y = evaluated(s.f, x, at(s.inputs))},
        {.name = "f below A",
         .x = line,
         .y = interpret::low_passed(s.samples, t.pair, t.frequency, x)}};
  }
  chart.series.push_back({.name = "dual", .x = line, .y = interpret::ridgelet_dual(t, x)});
  return interpret::line_chart(chart);
}

// ---- The command ----

struct Result {
  double error = 0, low_pass_error = 0, low_pass_gap = 0;
  std::vector<WidthRow> rows;
  std::unique_ptr<interpret::UnitAgreement> agreement, near;
  std::unique_ptr<Synthesis> synthesis;
};

void print(const Subject& s, const RidgeletSpectrum& t, const Result& r, const Console& console) {
  console.result(console.bold("ridgelet spectrum of " + s.name));
  console.result(s.what);
  console.result(join_text(
      name_of(t.pair.unit), " units, psi = ", t.pair.psi.text(), ", K = ", t.pair.K,
      "; |a| <= ", t.frequency, ", |b| <= ", t.offset));
  console.result(join_text("error of the dual against f                ", r.error));
  if (s.f) {
    console.result(join_text("  against f below that frequency           ", r.low_pass_error));
    console.result(join_text("  of f below that frequency against f      ", r.low_pass_gap));
  }
  if (!r.rows.empty()) {
    console.result(console.bold(
        padded("units", 8) + padded("oracle", 14) + padded("random box", 14) +
        padded("placed", 14) + "layer"));
  }
  for (const WidthRow& row : r.rows) {
    std::string line = padded(join_text(row.width), 8);
    for (const auto& errors : row.errors) {
      line += padded(join_text(interpret::mean_of(errors)), 14);
    }
    console.result(line.substr(0, line.find_last_not_of(' ') + 1));
  }
  if (r.agreement) {
    console.result(join_text(
        "trained units against |T|: Spearman ", r.agreement->spearman, " over ", r.agreement->bins,
        " bins of (a, b), ", r.near->spearman, " over ", r.near->bins, " bins where units lie, ",
        r.agreement->places, " over ", r.agreement->place_bins, " places; ", r.agreement->outside,
        " of ", r.agreement->units, " units outside"));
  }
  if (r.synthesis) {
    console.result(join_text(
        "without training, ", r.synthesis->width, " units: error ", r.synthesis->drawn,
        " as drawn, ", r.synthesis->fitted, " with least squares; flow off its Euler steps by ",
        r.synthesis->flow_to_euler, ", off the exact flow by ", r.synthesis->flow_to_exact,
        ", which moves points by ", r.synthesis->moved));
  }
}

Json to_json(const interpret::UnitAgreement& all, const interpret::UnitAgreement& near) {
  return Json::object(
      {{"count", all.units},
       {"outside", all.outside},
       {"spearman", all.spearman},
       {"bins", all.bins},
       {"occupied_bins", all.occupied},
       {"spearman_near", near.spearman},
       {"bins_near", near.bins},
       {"spearman_places", all.places},
       {"place_bins", all.place_bins}});
}

Json to_json(const Synthesis& s, int64_t layers) {
  return Json::object(
      {{"width", s.width},
       {"error_drawn", s.drawn},
       {"error_least_squares", s.fitted},
       {"layers", layers},
       {"duration", kFlowDuration},
       {"flow_rms_to_euler", s.flow_to_euler},
       {"flow_rms_to_exact", s.flow_to_exact},
       {"flow_rms_moved", s.moved}});
}

Json write_files(const std::string& out, const Subject& s, const RidgeletSpectrum& t) {
  Json files = Json::array();
  if (out.empty()) return files;
  make_folder(out);
  const auto keep = [&](const std::string& name, const std::string& svg) {
    write_file_atomic(out + "/" + name, as_bytes(svg + "\n"));
    files.push(out + "/" + name);
  };
  save_npy(
      out + "/spectrum.npy",
      Tensor::of(
          {t.direction_count(), std::ssize(t.radii), std::ssize(t.offsets)}, t.values, DType::f64));
  files.push(out + "/spectrum.npy");
  keep("spectrum.svg", spectrum_picture(s, t, t.frequency));
  if (s.units.size() > 0) {
    const double near = std::min(t.frequency, 1.25 * largest_frequency(s.units));
    keep("spectrum-units.svg", spectrum_picture(s, t, near));
  }
  keep("reconstruction.svg", reconstruction_picture(s, t));
  return files;
}

Json spectrum_json(const RidgeletSpectrum& t, const std::string& out) {
  double largest = 0;
  for (const double v : t.values) largest = std::max(largest, std::abs(v));
  return Json::object(
      {{"file", out.empty() ? Json() : Json(out + "/spectrum.npy")},
       {"shape", Json::array({t.direction_count(), std::ssize(t.radii), std::ssize(t.offsets)})},
       {"a", Json::array({t.radii.front(), t.radii.back()})},
       {"b", Json::array({t.offsets.front(), t.offsets.back()})},
       {"largest", largest}});
}

Json run(const Invocation& in, const RidgeletOptions& o) {
  const auto seed = static_cast<uint64_t>(in.common.seed);
  for (const double width : o.widths) {
    if (width != std::floor(width)) throw UsageError("--widths: holds a number that is not whole");
  }
  const Subject s = open_subject(o, in.common, in.console);
  const auto radii = static_cast<int64_t>(std::ceil((s.inputs == 1 ? 20 : 16) * s.frequency));
  const RidgeletSpectrum t = as_usage([&] {
    return interpret::ridgelet_transform(
        s.samples, interpret::dual_pair(s.unit, s.inputs),
        {.frequency = s.frequency,
         .radii = o.radii > 0 ? o.radii : radii,
         .offset_step = o.offset_step,
         .directions = o.directions});
  });
  check_interrupt();
  Result r;
  const std::vector<double> dual = interpret::ridgelet_dual(t, s.samples.x);
  r.error = interpret::relative_l2(dual, s.y);
  if (s.f) {
    const std::vector<double> low =
        interpret::low_passed(s.samples, t.pair, t.frequency, s.samples.x);
    r.low_pass_error = interpret::relative_l2(dual, low);
    r.low_pass_gap = interpret::relative_l2(low, s.y);
  }
  for (const double width : o.widths) {
    r.rows.push_back(compare_widths(s, t, static_cast<int64_t>(width), o.seeds, seed));
  }
  if (s.units.size() > 0) {
    const double reach = s.half_width * std::sqrt(static_cast<double>(s.inputs));
    const auto compared = [&](double frequency) {
      return std::make_unique<interpret::UnitAgreement>(
          interpret::compare_units(t, s.units, reach, o.bins, frequency));
    };
    r.agreement = compared(t.frequency);
    r.near = compared(1.25 * largest_frequency(s.units));
  }
  if (s.name == "denoiser" && !o.widths.empty()) {
    r.synthesis = std::make_unique<Synthesis>(synthesise(s, t, o, seed));
  }
  const Json files = write_files(in.common.out, s, t);
  print(s, t, r, in.console);
  Json rows = Json::array();
  for (const WidthRow& row : r.rows) rows.push(to_json(row));
  return Json::object(
      {{"subject", s.name},
       {"what", s.what},
       {"inputs", s.inputs},
       {"activation", name_of(t.pair.unit)},
       {"psi", t.pair.psi.text()},
       {"K", t.pair.K},
       {"frequency", t.frequency},
       {"offset", t.offset},
       {"points", s.samples.size()},
       {"reconstruction_error", r.error},
       {"low_pass_error", s.f ? r.low_pass_error : Json()},
       {"low_pass_gap", s.f ? r.low_pass_gap : Json()},
       {"spectrum", spectrum_json(t, in.common.out)},
       {"widths", rows},
       {"units", r.agreement ? to_json(*r.agreement, *r.near) : Json()},
       {"synthesis", r.synthesis ? to_json(*r.synthesis, o.layers) : Json()},
       {"files", files}});
}

void declare(Arguments& a, RidgeletOptions& o) {
  declare_model(a, o.model, false);
  std::vector<std::string> names = {""};
  for (const NamedFunction& f : named_functions()) names.push_back(f.name);
  a.text(
      "function", o.function,
      "what is transformed; with MODEL too, its units are laid over that spectrum", names);
  a.text("data", o.data, "with MODEL: transform the targets of this data instead of the output");
  a.text("data-weight", o.weight, "how data stand for an integral", {"importance", "density"});
  a.text(
      "activation", o.activation, "gaussian, relu or tanh; the network's, gaussian without one",
      {"", "gaussian", "relu", "tanh"});
  a.number("frequency", o.frequency, "A, the largest |a|; 0: what suits", 0, 1e4);
  a.number("half-width", o.half_width, "L: f on [-L, L]; 0: what suits", 0, 1e4);
  a.integer("side", o.side, "points of the grid along each input; 0: what suits", 0, 1 << 16);
  a.integer("radii", o.radii, "cells of a; 0: 20 A, in the plane 16 A", 0, 1 << 20);
  a.number("offset-step", o.offset_step, "distance of two b", 1e-3, 1);
  a.integer("directions", o.directions, "of a in the plane", 1, 1 << 12);
  a.numbers("widths", o.widths, "numbers of units for oracle sampling", 1, 2000);
  a.integer("seeds", o.seeds, "of units for each width", 1, 1000);
  a.integer("target", o.target, "output of the network", 0, 1 << 20);
  a.text(
      "line", o.line, "for more than two inputs: the line to look along", {"principal", "random"});
  a.integer("bins", o.bins, "along a and b, to compare trained units", 2, 1 << 10);
  a.integer("layers", o.layers, "of the denoiser's flow without training", 1, 1000);
}

}  // namespace

Command transport_ridgelet_command() {
  auto options = std::make_shared<RidgeletOptions>();
  return {
      .name = "transport ridgelet",
      .summary = "a shallow network, or a function, as an integral over units: its spectrum",
      .example = "limpid transport ridgelet --function sine --out ridgelet",
      .declare = [options](Arguments& a) { declare(a, *options); },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "ridgelet.json"};
}

}  // namespace limpid::tools
