// tools/report_transport.cpp: words, tables and pictures of layers that move data.
#include "tools/report_transport.h"

#include "framework/core/error.h"
#include "interpret/report/plot.h"
#include "tools/report_results.h"
#include "tools/report_values.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace limpid::tools {
namespace {

using interpret::Report;

// ---- Pictures ----

// The pictures that an output names as objects {file, caption}; maps of layers stand below theirs.
void add_named_pictures(const Json& result, Gallery gallery) {
  if (!has_value(result, "pictures")) return;
  for (const Json& picture : result.at("pictures").items()) {
    gallery.add_svg(picture.text("file"), picture.text("caption") + ".");
    if (!has_value(picture, "maps")) continue;
    const std::string layer = std::filesystem::path(picture.text("maps")).stem().string();
    gallery.add_png(
        picture.text("maps"), "maps of " + layer + " for some examples",
        "Maps of " + layer + ": a row per example, a column per channel, the first of each.");
  }
  gallery.end();
}

struct Caption {
  const char* file;
  const char* text;
};

// The SVG pictures among the paths in a list, with what there is to say about each.
void add_listed_pictures(
    const Json& result, const std::string& key, const std::vector<Caption>& captions,
    Gallery gallery) {
  if (!has_value(result, key)) return;
  for (const Json& path : result.at(key).items()) {
    const std::string name = std::filesystem::path(path.text()).filename().string();
    if (!name.ends_with(".svg")) continue;
    const auto caption = std::ranges::find(captions, name, &Caption::file);
    gallery.add_svg(path.text(), caption == captions.end() ? name + "." : caption->text);
  }
  gallery.end();
}

// ---- Layers ----

std::vector<const Json*> faults_of(const Json& result) {
  std::vector<const Json*> faults;
  for (const Json& flag : result.at("flags").items()) {
    if (flag.text("kind") == "fault") faults.push_back(&flag);
  }
  return faults;
}

const Json* farthest_of(const Json& layers) {
  const Json* farthest = nullptr;
  for (const Json& layer : layers.items()) {
    if (!has_value(layer, "w2_previous")) continue;
    const bool is_farther =
        farthest == nullptr || layer.number("share") > farthest->number("share");
    if (is_farther) farthest = &layer;
  }
  return farthest;
}

std::string order_in_words(const std::vector<const Json*>& faults) {
  if (faults.empty()) return "No layer is out of order.";
  const Json& first = *faults.front();
  std::string text = "Begin with " + first.text("layer") +
                     ". It is out of order: " + first.text("text") +
                     ". What to do: " + first.text("advice") + ".";
  if (faults.size() > 1) {
    text += join_text(
        " There are ", faults.size() - 1,
        " more faults below, but what comes after a broken layer looks broken too.");
  }
  return text;
}

// What a reader wants to know first
void add_reading(Report& report, const Json& result) {
  const std::vector<const Json*> faults = faults_of(result);
  const Json* farthest = farthest_of(result.at("layers"));
  const double geodesicity = number_in(result.at("path"), "geodesicity");
  std::string text;
  if (farthest != nullptr) {
    text = farthest->text("name") + " moves the data most: " + share_of(farthest->number("share")) +
           " of all the way from the input to the output. ";
  }
  text += order_in_words(faults);
  if (std::isfinite(geodesicity)) {
    text += " The straight way from the input to the output is " + share_of(geodesicity) +
            " of the way that the layers take.";
  }
  report.paragraph(text);
  report.tiles(
      {{"Moves most", farthest == nullptr ? "-" : farthest->text("name"),
        farthest == nullptr ? "" : share_of(farthest->number("share")) + " of the way"},
       {"Out of order", faults.empty() ? "none" : faults.front()->text("layer"),
        faults.empty()
            ? "no fault in any layer"
            : join_text("the first of ", faults.size(), faults.size() == 1 ? " fault" : " faults")},
       {"Straight way", share_of(geodesicity), "of the way taken"}});
}

void add_layer_table(Report& report, const Json& layers) {
  Rows cells;
  for (const Json& layer : layers.items()) {
    const bool is_input = !has_value(layer, "alignment");
    const auto step = [&](const std::string& text) { return is_input ? "-" : text; };
    cells.push_back(
        {layer.text("name"), step(text_of(number_in(layer, "w2_previous"), 3)),
         text_of(number_in(layer, "floor"), 3), step(share_of(layer.number("share"))),
         step(text_of(number_in(layer, "twist"), 3)),
         text_of(number_in(layer, "class_separation"), 2), text_of(number_in(layer, "entropy"), 2),
         text_of(layer.number("directions"), 1), share_of(layer.number("dead")),
         step(text_in(layer, "alignment"))});
  }
  report.table(
      {"layer", "W2 before", "floor", "share", "twist", "classes D", "entropy", "directions",
       "dead", "axes"},
      cells,
      "Of features centred and scaled to one total variance. W2 before: distance from the layer "
      "before; as a statement about the distribution it means something from twice the floor on, "
      "the distance of two samples of one layer. Share: of the way in one frame. Twist: 1 where no "
      "example is moved past another. Classes D: small where they are narrow and far apart. "
      "Entropy: nats, of the first principal axes. Directions: how many are in use. Dead: units "
      "that say the same for every example. Axes: whether a layer has those of the one before, or "
      "is rotated onto it as well as possible.");
}

void add_flags(Report& report, const Json& flags) {
  Rows cells;
  for (const Json& flag : flags.items()) {
    cells.push_back(
        {flag.text("layer"), flag.text("kind") + ": " + flag.text("rule"), flag.text("text"),
         flag.text("advice")});
  }
  if (cells.empty()) return;
  report.table(
      {"layer", "what", "what was seen", "what to try"}, cells,
      "Faults are not seen in a network in order. Remarks are, and may be worth a look.");
}

void add_weights(Report& report, const Json& weights) {
  Rows cells;
  for (const Json& layer : weights.items()) {
    cells.push_back(
        {layer.text("name"), join_text(layer.integer("units")),
         brief(number_in(layer, "distance"), 3), share_of(layer.number("constant")),
         text_of(number_in(layer, "directions"), 2), text_of(number_in(layer, "weight_gain"), 3)});
  }
  if (cells.empty()) return;
  report.table(
      {"weights of", "units", "from shuffled", "constant", "directions", "gain"}, cells,
      "From shuffled: deviations between the output of the layer and that of its own weights in "
      "random order; up to 3.5 the layer may as well be untrained. Constant: units before their "
      "activation. Gain: root mean square of the weights times the root of the inputs of a unit.");
}

void add_euler_steps(Report& report, const Json& result) {
  const Json::Items& steps = result.at("euler").items();
  if (steps.empty()) return;
  Rows cells;
  for (const Json& step : steps) {
    cells.push_back(
        {step.text("name"), text_of(number_in(step, "size"), 3),
         text_of(number_in(step, "doubling"), 3), text_of(number_in(step, "turn"), 3)});
  }
  report.table(
      {"block", "step", "doubling error", "cosine"}, cells,
      "Residual blocks as Euler steps. Step: how far, relative to where it starts. Doubling error: "
      "of one step of double size in place of this block and the one before. Cosine: of the two.");
  for (const Json& line : result.at("depth_advice").items()) report.paragraph(line.text() + ".");
}

void add_movement(Report& report, const Json& result) {
  if (!has_value(result, "movement")) return;
  interpret::BarChart chart{
      .title = "Movement of each layer since the earlier run",
      .value_title = "mean squared movement"};
  for (const Json& layer : result.at("movement").items()) {
    chart.bars.push_back({.label = layer.text("name"), .value = number_in(layer, "moved")});
  }
  report.figure(
      interpret::bar_chart(chart),
      "How far training moved each layer's features. 0: not at all; 2: nothing is in common.");
}

// ---- A change ----

const char* meaning_of(const std::string& statistic) {
  struct Meaning {
    const char* name;
    const char* text;
  };
  static constexpr Meaning kMeanings[] = {
      {"shuffled", "deviations between the layer and its own weights in random order"},
      {"collapsed", "directions of its outputs"},
      {"dead", "share of units that say the same for every example"},
      {"scaled", "|log| of its weights against those of the other layers"},
      {"separation", "D of the classes, small where they are narrow and far apart"},
      {"distance", "how far it moves the data, mean squared"},
      {"twist", "1 where no example is moved past another"}};
  for (const Meaning& meaning : kMeanings) {
    if (statistic == meaning.name) return meaning.text;
  }
  return "";
}

std::string verdict_in_words(const Json& result) {
  const std::string change = result.text("change");
  if (!result.boolean("accepted")) {
    return "The change is not accepted: the figure is no better beyond the spread of the seeds, or "
           "the accuracy falls.";
  }
  return result.boolean("due_to_change")
             ? "The change is accepted: the figure is better beyond the spread of the seeds, the "
               "accuracy is kept, and training on without the change does not do as well."
             : "The layer is better and the accuracy kept, but training on without the change does "
               "as well: the layer needed training, not the change.";
}

std::string with_spread(double mean, double spread, int digits, double factor = 1) {
  if (!std::isfinite(mean)) return "-";
  const std::string text = text_of(factor * mean, digits);
  return std::isfinite(spread) ? text + " \xC2\xB1 " + text_of(factor * spread, digits) : text;
}

// ---- Shift ----

std::string kind_in_words(const Json& kind) {
  const std::string verdict = kind.text("verdict");
  const std::string tests =
      " (proportions of the classes p = " + text_of(kind.number("p_classes"), 3) +
      ", distances within classes p = " + text_of(kind.number("p_conditional"), 3) + ")";
  const std::string meaning =
      verdict == "label shift" ? "the classes look as before, but come in other proportions"
      : verdict == "covariate shift"
          ? "the proportions are as before, but the classes look different"
      : verdict == "no shift" ? "neither the classes nor their proportions can be told apart"
                              : "the classes look different and come in other proportions";
  return "Kind: " + verdict + "; " + meaning + tests + ".";
}

void add_classes(Report& report, const Json& kind) {
  Rows cells;
  for (const Json& row : kind.at("classes").items()) {
    cells.push_back(
        {row.text("class"), text_of(number_in(row, "w2"), 3),
         text_of(number_in(row, "null_mean"), 3)});
  }
  if (cells.empty()) return;
  report.table(
      {"class", "W2, known to new", "by chance"}, cells,
      "Classes with enough examples in both sets; by chance: mean over random divisions.");
}

// ---- Denoisers ----

void add_path_table(Report& report, const Json& path) {
  constexpr size_t kMost = 30;
  Rows cells;
  const Json::Items& rows = path.items();
  const size_t every = rows.size() / kMost + 1;
  for (size_t l = 0; l < rows.size(); ++l) {
    if (l % every != 0 && l + 1 != rows.size()) continue;
    const Json& row = rows[l];
    cells.push_back(
        {brief(row.number("time")), text_of(row.number("variance"), 4),
         text_of(row.number("w2_previous"), 4), text_of(row.number("w2_input"), 4),
         text_of(row.number("kinetic"), 4), text_of(number_in(row, "entropy_change"), 3)});
  }
  report.table(
      {"noise spent", "variance", "W2 before", "W2 input", "kinetic", "entropy change"}, cells,
      every > 1 ? join_text("Every ", every, "th layer.")
                : "After every layer; variances per coordinate, entropy in nats.");
}

void add_trained_layers(Report& report, const Json& result) {
  if (has_value(result, "trained")) {
    const Json& trained = result.at("trained");
    report.paragraph(
        "The first trained layer has loss " + brief(number_in(trained, "loss")) +
        ", the least possible one is " + brief(number_in(trained, "floor")) +
        "; its squared error against the exact map is " +
        share_of(number_in(trained, "relative_error")) + " of the displacement.");
  }
  if (has_value(result, "stack")) {
    const Json& stack = result.at("stack");
    report.paragraph(
        join_text(
            "A stack of ", stack.integer("layers"),
            " layers of codes, decoded, differs from layers composed in the space of the data "
            "by ") +
        share_of(number_in(stack, "gap")) + " of the variance.");
  }
}

// ---- Ridgelets ----

void add_units(Report& report, const Json& result) {
  if (!has_value(result, "units")) return;
  const Json& units = result.at("units");
  report.paragraph(
      join_text(
          "Of ", units.integer("count"), " trained units, ", units.integer("outside"),
          " lie outside the spectrum. Do units lie where the spectrum is large? Rank "
          "correlation ") +
      text_of(number_in(units, "spearman"), 2) +
      join_text(" over ", units.integer("bins"), " cells of the plane, ") +
      text_of(number_in(units, "spearman_near"), 2) + " where units can be.");
}

void add_synthesis(Report& report, const Json& result) {
  if (!has_value(result, "synthesis")) return;
  const Json& made = result.at("synthesis");
  report.paragraph(
      join_text("A denoiser without training, ", made.integer("width"), " units: error ") +
      share_of(number_in(made, "error_drawn")) + " as drawn, " +
      share_of(number_in(made, "error_least_squares")) +
      " with least squares. The flow of such layers ends " +
      brief(number_in(made, "flow_rms_to_exact"), 3) +
      " from the exact one, which moves points by " + brief(number_in(made, "flow_rms_moved"), 3) +
      ".");
}

void add_widths(Report& report, const Json& widths) {
  static const std::vector<std::string> kinds = {
      "oracle", "random_placed", "random_layer", "random_box"};
  if (widths.items().empty()) return;
  Rows cells;
  for (const Json& row : widths.items()) {
    std::vector<std::string> line = {join_text(row.integer("width"))};
    for (const std::string& kind : kinds) {
      line.push_back(share_of(number_in(row.at(kind), "mean")));
    }
    cells.push_back(line);
  }
  report.table(
      {"units", "from the spectrum", "random, placed", "random, as a layer", "random in a box"},
      cells,
      "Relative error of networks whose hidden units are drawn and whose output weights are fitted "
      "by least squares, mean over the seeds.");
}

}  // namespace

void add_layer_transport(
    Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  report.section(
      "How layers move the data: " + short_name(result.text("model")),
      join_text(
          result.integer("samples"), " examples of ", result.text("data"), ", ",
          result.integer("repeats"), " random subsamples."));
  add_reading(report, result);
  add_layer_table(report, result.at("layers"));
  add_flags(report, result.at("flags"));
  add_weights(report, result.at("weights"));
  add_euler_steps(report, result);
  add_movement(report, result);
  add_named_pictures(result, Gallery(report, folder, most_bytes));
  for (const Json& note : result.at("notes").items())
    report.paragraph("Note: " + note.text() + ".");
}

void add_layer_change(Report& report, const Json& result) {
  const std::string layer = result.text("layer"), change = result.text("change");
  report.section(
      "A change of " + layer + ": " + change,
      join_text(
          short_name(result.text("model")), " on ", result.text("data"), ", ",
          result.integer("seeds"), " trainings of ", result.integer("epochs"),
          " epochs with the change and as many without. ", verdict_in_words(result)));
  const std::string statistic = result.text("statistic"), better = result.text("better");
  interpret::BarChart chart{
      .title = statistic + " of " + layer + " with and without the change",
      .value_title = statistic + ", " + better + " is better"};
  Rows cells;
  std::vector<interpret::Tile> tiles;
  for (const auto& [key, label] :
       {std::pair<const char*, std::string>{"before", "before"},
        {"after", "trained on with " + change},
        {"control", "trained on without"}}) {
    const Json& state = result.at(key);
    const auto spread_in = [&](const std::string& name) {
      return has_value(state, name) ? state.number(name) : double{NAN};
    };
    const double value = number_in(state, "statistic"), spread = spread_in("statistic_std");
    chart.bars.push_back(
        {.label = label, .value = value, .low = value - spread, .high = value + spread});
    const double accuracy = number_in(state, "accuracy");
    tiles.push_back({label, brief(value, 3), share_of(accuracy) + " right"});
    cells.push_back(
        {label, with_spread(value, spread, 3),
         with_spread(accuracy, spread_in("accuracy_std"), 1, 100)});
  }
  tiles.push_back(
      {"Verdict", result.boolean("accepted") ? "accepted" : "not accepted",
       result.boolean("due_to_change") ? "better than training on alone"
                                       : "training on alone does as well"});
  report.tiles(tiles);
  report.figure(
      interpret::bar_chart(chart),
      statistic + ": " + meaning_of(statistic) + ". With the deviation over the seeds.");
  report.table({"", statistic, "accuracy, %"}, cells, "Mean and deviation over the seeds.");
}

void add_layer_shift(
    Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  const bool has_kind = has_value(result, "kind");
  const std::string first = text_in(result, "first_outside");
  report.section(
      "Are the data new to " + short_name(result.text("model")) + "?",
      join_text(
          result.text("against"), " beside ", result.text("data"), ", ", result.integer("samples"),
          " examples each, ", result.integer("repeats"), " draws of the band of chance.\n\n",
          first.empty() ? "No layer sees a difference beyond chance."
                        : "The first layer that sees a difference beyond chance is " + first + ".",
          has_kind ? " " + kind_in_words(result.at("kind"))
                   : " The kind of shift was not tested."));
  Rows cells;
  for (const Json& layer : result.at("layers").items()) {
    cells.push_back(
        {layer.text("name"), text_of(layer.number("shift"), 3),
         text_of(layer.number("null_mean"), 3) + " \xC2\xB1 " +
             text_of(layer.number("null_std"), 3),
         text_of(number_in(layer, "z"), 1), layer.boolean("outside") ? "outside" : "inside",
         text_of(number_in(layer, "amplification"), 2)});
  }
  add_named_pictures(result, Gallery(report, folder, most_bytes));
  report.table(
      {"layer", "shift", "by chance", "z", "band", "amplification"}, cells,
      "Shift: W2 from known to new features over their spread. Outside: z above 3. Amplification: "
      "the part beyond chance, against that of the input.");
  if (has_kind) add_classes(report, result.at("kind"));
}

void add_denoisers(
    Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  report.section(
      "Denoising autoencoders on " + short_name(result.text("data")),
      "Points: " + result.text("points") + ". Law: " + result.text("law") + ". Noise of variance " +
          brief(result.number("variance")) + ", spent in " + join_text(result.integer("layers")) +
          " layers (" + result.text("kind") + ").");
  const bool has_limit = result.text("theory") != "none";
  report.tiles(
      {{"Variance before", text_of(result.number("variance_before"), 3), "per coordinate"},
       {"One thick layer", text_of(result.number("variance_shallow"), 3), "all the noise at once"},
       {join_text(result.integer("layers"), " layers"), text_of(result.number("variance_after"), 3),
        "the same noise in parts"},
       {"Continuous", text_of(number_in(result, "variance_theory"), 3),
        !has_limit                             ? "was not asked for"
        : result.text("theory") == "particles" ? "the law's flow has ended: of particles"
                                               : "the limit of many layers"}});
  if (has_limit) {
    report.paragraph(
        "The thin layers end " + brief(number_in(result, "w2_to_theory"), 3) +
        " (W2) from the continuous limit, one thick layer " +
        brief(number_in(result, "w2_shallow_to_theory"), 3) + "; the points moved by " +
        brief(result.number("w2_moved"), 3) + ".");
  }
  add_listed_pictures(
      result, "pictures",
      {{"trajectories.svg",
        "Where points go: many thin layers, one thick layer, and the continuous limit."},
       {"density.svg", "Density along the flow: points gather as noise is spent."},
       {"field.svg", "Velocity at the start: towards higher density."}},
      Gallery(report, folder, most_bytes));
  add_path_table(report, result.at("path"));
  add_trained_layers(report, result);
}

void add_ridgelets(
    Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  report.section(
      "Ridgelet spectrum of " + short_name(result.text("subject")),
      "Of the " + result.text("what") + ": how much of each unit " + result.text("activation") +
          "(a x - b) the function needs. |a| up to " + brief(result.number("frequency")) +
          ", |b| up to " + brief(result.number("offset")) + ".");
  report.tiles(
      {{"Reconstruction", share_of(number_in(result, "reconstruction_error")), "relative error"},
       {"Below that frequency", share_of(number_in(result, "low_pass_error")),
        "error against the function without what is faster"},
       {"Faster parts", share_of(number_in(result, "low_pass_gap")),
        "of the function are left out"}});
  add_units(report, result);
  add_listed_pictures(
      result, "files",
      {{"spectrum.svg", "The spectrum over slope a and offset b."},
       {"spectrum-units.svg", "The same, near the units of the trained network."},
       {"reconstruction.svg",
        "The function, the function without what is faster, and the integral over the spectrum."}},
      Gallery(report, folder, most_bytes));
  add_widths(report, result.at("widths"));
  add_synthesis(report, result);
}

}  // namespace limpid::tools
