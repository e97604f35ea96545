// tools/demo.cpp: limpid demo, the main job once on the embedded data, ending in one page to read.
#include "framework/core/error.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/loss.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "interpret/numerics/squared_distances.h"
#include "interpret/report/heatmap.h"
#include "interpret/report/plot.h"
#include "interpret/report/report.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/explaining.h"
#include "tools/measuring.h"
#include "tools/reporting.h"
#include "tools/training.h"

#include <filesystem>
#include <memory>

namespace limpid::tools {
namespace {

constexpr double kLambda = 0.3;  // of the gradient penalty

struct DemoOptions {
  bool quick = false;
};

// ---- Training ----

TrainingResult train(
    const std::string& data, const std::string& model, int64_t epochs, const Invocation& in,
    const std::string& out, const std::string& name, const PenaltyOptions& penalty = {}) {
  const TrainingOptions options{
      .data = data, .model = model, .epochs = epochs, .penalty = penalty, .replaces = true};
  Json config = Json::object(
      {{"seed", in.common.seed}, {"data", data}, {"model", model}, {"epochs", epochs}});
  if (penalty.is_on()) {
    config.set("interpretable-gradients", penalty.error).set("lambda", penalty.lambda);
  }
  return train_run(options, config, out + "/" + name, in.common, in.console);
}

std::string command_of(const TrainingResult& result, int64_t seed) {
  return join_text(
      "limpid train --data ", result.folder.card.data, " --model ", result.folder.card.architecture,
      " --epochs ", result.curve.size(), " --seed ", seed, " --out ", result.run);
}

// ---- What the page shows of a training run ----

std::string confusion(const TrainingResult& result) {
  const std::vector<std::string>& names = result.folder.card.class_names;
  interpret::MatrixChart chart{
      .title = "Confusion matrix, " + result.folder.card.data,
      .row_names = names,
      .column_names = names,
      .values = {}};
  for (const auto& row : result.test.classes->confusion)
    chart.values.emplace_back(row.begin(), row.end());
  return interpret::matrix_chart(chart);
}

// Share of test examples whose nearest training example is of their class.
double nearest_neighbour_accuracy(const datasets::Split& data) {
  const auto rows = [](const datasets::Dataset& part) {
    return to(flatten(part.images.tensor()), DType::f64);
  };
  const Tensor distances = interpret::squared_distances(rows(data.test), rows(data.train));
  const Tensor nearest = arg_max(-distances, 1);
  int64_t right = 0;
  for (int64_t n = 0; n < nearest.numel(); ++n) {
    right += data.train.labels.data<int64_t>()[nearest.data<int64_t>()[n]] ==
                     data.test.labels.data<int64_t>()[n]
                 ? 1
                 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(nearest.numel());
}

// The two classes that are taken for each other most often.
std::string worst_confusion(const TrainingResult& result) {
  const auto& cells = result.test.classes->confusion;
  const auto& names = result.folder.card.class_names;
  size_t a = 0;
  size_t b = 1;
  for (size_t i = 0; i < cells.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (cells[i][j] + cells[j][i] > cells[a][b] + cells[b][a]) {
        a = j;
        b = i;
      }
    }
  }
  return join_text(
      "The pair that is confused most often is ", names[a], " and ", names[b], ": ",
      cells[a][b] + cells[b][a], " of ", result.test.count, " test images.");
}

// ---- Explanations ----

// Test images to show: the first that is classified correctly of each of `classes` classes, and the
// first that is not classified correctly at all.
std::vector<int64_t> choose_images(const Tensor& predicted, const Tensor& labels, int64_t classes) {
  std::vector<int64_t> chosen;
  std::vector<bool> is_shown(static_cast<size_t>(classes), false);
  int64_t mistake = -1;
  for (int64_t n = 0; n < labels.numel(); ++n) {
    const int64_t label = labels.data<int64_t>()[n];
    const bool is_correct = predicted.data<int64_t>()[n] == label;
    if (!is_correct && mistake < 0) mistake = n;
    if (!is_correct || label >= classes || is_shown[static_cast<size_t>(label)]) continue;
    is_shown[static_cast<size_t>(label)] = true;
    chosen.push_back(n);
  }
  if (mistake >= 0) chosen.push_back(mistake);
  return chosen;
}

void add_maps(
    interpret::Report& report, const TrainingResult& result,
    const std::vector<std::string>& methods, const std::string& caption) {
  constexpr int64_t kShownClasses = 5;
  const RunFolder& folder = result.folder;
  const datasets::Dataset& test = result.split.test;
  const Tensor logits = predict(*folder.model, source_in_order(test, folder.card));
  const Tensor predicted = arg_max(logits, 1);
  const Tensor probability = max(softmax(logits), 1);
  const std::vector<int64_t> chosen = choose_images(predicted, test.labels, kShownClasses);
  const datasets::Dataset shown = datasets::take(test, chosen);
  const Tensor images = standardised(shown.images.tensor(), folder.card);
  std::vector<int64_t> classes;
  for (const int64_t n : chosen) classes.push_back(predicted.data<int64_t>()[n]);

  // One row per image, one column per method
  std::vector<std::string> columns = {"image"};
  std::vector<interpret::ImageRow> rows(chosen.size());
  for (size_t k = 0; k < chosen.size(); ++k) {
    const auto n = static_cast<int64_t>(k);
    const auto name = [&](int64_t c) { return folder.card.class_names[static_cast<size_t>(c)]; };
    const int64_t label = shown.labels.data<int64_t>()[n];
    const double p = probability.to_vector()[static_cast<size_t>(chosen[k])];
    rows[k].label = label == classes[k] ? name(label) : name(label) + ", mistaken";
    rows[k].images.push_back(picture_alone(interpret::one_of(shown.images.tensor(), n)));
    rows[k].notes.push_back("predicted: " + name(classes[k]) + ", " + percent(p));
  }
  for (const std::string& method : methods) {
    const std::string layer = method_named(method).needs_layer ? layer_for(folder, "") : "";
    columns.push_back(layer.empty() ? method : method + " at " + layer);
    const interpret::Maps maps =
        explain_images(folder, {method}, layer, images, classes, 0).front();
    for (size_t k = 0; k < chosen.size(); ++k) {
      const auto n = static_cast<int64_t>(k);
      std::string note;
      rows[k].images.push_back(picture_with_map(
          interpret::one_of(shown.images.tensor(), n), interpret::one_of(maps.shown, n), &note));
      rows[k].notes.push_back(maps.notes[k].empty() ? note : maps.notes[k]);
    }
  }
  report.image_grid(columns, rows, caption);
}

// ---- The page ----

void describe_training(
    interpret::Report& report, const std::string& heading, const std::string& text,
    const TrainingResult& result, int64_t seed) {
  report.section(heading, text);
  add_curves(report, result.folder.card.data, result.curve);
  report.figure(
      confusion(result), "Test images by true and predicted class. " + worst_confusion(result));
  report.command(command_of(result, seed));
}

// The same small network with and without a penalty; returns what was measured.
Json compare_penalty(
    interpret::Report& report, const TrainingResult& standard, const TrainingResult& penalised,
    const Invocation& in) {
  report.section(
      "Training for clean gradients",
      join_text(
          "Two ", standard.folder.card.architecture,
          " on the same images from the same first weights. The second is also pulled towards "
          "gradients that point where its guided gradients do (",
          penalty_of(penalised.folder), "). Test accuracy: ", percent(penalised.test.accuracy()),
          ", of the first ", percent(standard.test.accuracy()), "."));
  const std::vector<ShownRun> runs = {
      {.name = "standard", .folder = &standard.folder, .curve = standard.curve},
      {.name = "penalised", .folder = &penalised.folder, .curve = penalised.curve}};
  const Json measured = add_comparison(
      report, runs, standard.split.test,
      {.count = 5, .seed = static_cast<uint64_t>(in.common.seed)}, in.console);
  report.command(command_of(standard, in.common.seed));
  report.command(
      command_of(penalised, in.common.seed) +
      join_text(" --interpretable-gradients cosine --lambda ", kLambda));
  return measured;
}

// ---- The other four techniques, by their commands ----

// A command that the page shows with what it printed
struct Shown {
  std::string technique;  // the key of the results
  Command command;
  Json values;
  std::string out;
};

// Small cases of each technique on the networks of this page, some seconds each
std::vector<Shown> shown_commands(
    const std::string& out, const std::string& convolutional, const std::string& digits,
    const std::string& moons, bool is_quick) {
  const auto object = [](std::initializer_list<Json::Member> members) {
    return Json::object(members);
  };
  const auto list = [](std::initializer_list<const char*> words) { return Json::array_of(words); };
  const int64_t steps = is_quick ? 50 : 400;
  return {
      {"dsv", dsv_extract_command(),
       object({{"MODEL", digits}, {"per-class", 3}, {"score", "lambda"}, {"rho", 0.01}}),
       out + "/dsv/selected.safetensors"},
      {"dsv", dsv_synthesize_command(),
       object({{"MODEL", digits}, {"per-class", 3}, {"steps", steps}}),
       out + "/dsv/synthesised.safetensors"},
      {"coreset", coreset_interpret_command(),
       object(
           {{"MODEL", convolutional},
            {"methods", list({"random", "herding"})},
            {"fractions", list({"0.1", "0.3"})},
            {"seeds", 2},
            {"interpreter", "vebi"}}),
       out + "/coreset"},
      {"shallow", shallow_plot_command(), object({{"MODEL", moons}, {"box", "-3,3"}}),
       out + "/shallow/regions.svg"},
      {"shallow", shallow_explain_command(),
       object({{"MODEL", digits}, {"indices", list({"0", "1"})}, {"shap", list({"path"})}}),
       out + "/shallow"},
      {"transport", transport_report_command(),
       object({{"MODEL", convolutional}, {"repeats", is_quick ? 1 : 3}, {"samples", 150}}),
       out + "/transport"},
      {"transport", transport_dae_command(),
       object({{"data", "moons"}, {"variance", 0.05}, {"layers", 8}, {"kind", "kde"}}),
       out + "/dae"},
  };
}

// Runs them and adds what they found to the page, technique by technique, with the lines that
// repeat it. Returns the results by technique.
Json add_techniques(
    interpret::Report& report, const std::vector<Shown>& all, const Invocation& in) {
  Json results = Json::object();
  for (size_t first = 0, next = 0; first < all.size(); first = next) {
    Json of_technique = Json::object();
    std::vector<ResultFile> files;
    std::vector<std::string> lines;
    for (next = first; next < all.size() && all[next].technique == all[first].technique; ++next) {
      const Shown& shown = all[next];
      in.console.progress(shown.command.name, static_cast<int64_t>(next), std::ssize(all));
      make_folder(std::filesystem::path(shown.out).parent_path().string());
      const Json result = run_inside(shown.command, shown.values, shown.out, in);
      const bool is_folder = std::filesystem::is_directory(shown.out);
      files.push_back({is_folder ? shown.out + "/result.json" : shown.out + ".json", result});
      lines.push_back(command_line(shown.command, shown.values, shown.out));
      of_technique.set(shown.command.name, result);
      in.console.stage(lines.back());
      check_interrupt();
    }
    add_results(report, files);
    for (const std::string& line : lines) report.command(line);
    results.set(all[first].technique, of_technique);
  }
  return results;
}

interpret::Report build_report(
    const TrainingResult& fashion, const TrainingResult& digits, int64_t seed) {
  interpret::Report report(
      "What two small networks see",
      join_text(
          "limpid demo: ", fashion.folder.card.architecture, " on Fashion-MNIST images, ",
          digits.folder.card.architecture, " on handwritten digits, seed ", seed));
  report.tiles({
      {"Fashion accuracy", percent(fashion.test.accuracy()),
       join_text(fashion.test.count, " test images")},
      {"Digits accuracy", percent(digits.test.accuracy()),
       join_text(digits.test.count, " test images")},
      {"Fashion network", join_text(fashion.parameters), "parameters"},
      {"Digits network", join_text(digits.parameters), "parameters"},
  });
  report.paragraph(
      "All networks were trained for this page, on the data that is shipped inside the program. It "
      "asks them five questions. Which pixels does an answer depend on, and can training make that "
      "clearer? Which training images hold the network up? How little data is enough to say which "
      "units matter? What is the network exactly, region by region? And how far does each layer "
      "move the data? The figures describe the networks, not the truth: a map can look sensible "
      "for a wrong answer. Each part ends with the commands that made it.");
  describe_training(
      report, "A residual network on Fashion-MNIST",
      join_text(
          "A class-balanced cut of Fashion-MNIST: ", fashion.split.train.size(), " training and ",
          fashion.split.test.size(),
          " test images of 28 x 28 pixels in ten classes. The class of the nearest training image "
          "would be right for ",
          percent(nearest_neighbour_accuracy(fashion.split)), " of them."),
      fashion, seed);
  report.section(
      "Where the residual network looks",
      "Each row is one test image: the first correctly classified one of five classes, and the "
      "first mistake. The maps explain the predicted class.\n\n"
      "gradient: how strongly each pixel changes the score. guided: the same, passing only "
      "positive influence back through every rectifier; it is sharp, but follows edges of the "
      "image even where the class hardly matters. grad-cam: the last feature maps weighted by "
      "their influence; it is coarse, because those maps are small.");
  add_maps(
      report, fashion, {"gradient", "guided", "grad-cam"},
      "Yellow: strong, violet: none; each map has a scale of its own.");
  report.command("limpid explain " + fashion.run + " --method gradient,guided,grad-cam --out maps");
  describe_training(
      report, "A multilayer perceptron on digits",
      join_text(
          "UCI handwritten digits, 8 x 8 pixels: ", digits.split.train.size(), " training and ",
          digits.split.test.size(),
          " test images. The network sees 64 numbers and knows nothing "
          "about neighbouring pixels."),
      digits, seed);
  report.section(
      "Which pixels the perceptron uses",
      "Without convolutions there is no feature map, so Grad-CAM does not apply. The gradient of "
      "such a network is noisy: neighbouring pixels have weights of their own.");
  add_maps(
      report, digits, {"gradient", "guided"},
      "Yellow: strong, violet: none; each map has a scale of its own.");
  report.command("limpid explain " + digits.run + " --method gradient,guided --out maps");
  return report;
}

Json run(const Invocation& in, const DemoOptions& o) {
  const std::string out = in.common.out.empty() ? "limpid-demo" : in.common.out;
  const auto trained = [&](const std::string& data, const std::string& model, int64_t epochs,
                           const std::string& name, const PenaltyOptions& penalty = {}) {
    TrainingResult result = train(data, model, epochs, in, out, name, penalty);
    check_interrupt();
    return result;
  };
  const auto penalty = [](double lambda) {  // 0: only measured
    return PenaltyOptions{.error = "cosine", .lambda = lambda};
  };
  const TrainingResult fashion = trained("fashion-2k", "resnet8", o.quick ? 2 : 12, "fashion-2k");
  const TrainingResult digits = trained("digits", "mlp:64-32", o.quick ? 5 : 40, "digits");
  const int64_t epochs = o.quick ? 2 : 12;
  const TrainingResult standard = trained("fashion-2k", "lenet5", epochs, "standard", penalty(0));
  const TrainingResult penalised =
      trained("fashion-2k", "lenet5", epochs, "penalised", penalty(kLambda));
  const TrainingResult moons = trained("moons", "mlp:8-8", o.quick ? 5 : 60, "moons");
  const std::string page = out + "/report.html";
  interpret::Report report = build_report(fashion, digits, in.common.seed);
  const Json compared = compare_penalty(report, standard, penalised, in);
  const Json techniques =
      add_techniques(report, shown_commands(out, standard.run, digits.run, moons.run, o.quick), in);
  report.save(page);

  Json models = Json::array();
  for (const TrainingResult* result : {&fashion, &digits, &standard, &penalised, &moons}) {
    in.console.result(join_text(
        result->folder.card.architecture, " on ", result->folder.card.data, ": test accuracy ",
        percent(result->test.accuracy())));
    models.push(Json::object(
        {{"data", result->folder.card.data},
         {"model", result->folder.card.architecture},
         {"test_accuracy", result->test.accuracy()}}));
  }
  in.console.result(page);
  Json results = Json::object({{"interpretable_gradients", compared}});
  for (const Json::Member& member : techniques.members()) results.set(member.key, member.value);
  return Json::object({{"report", page}, {"models", models}, {"results", results}});
}

}  // namespace

Command demo_command() {
  auto options = std::make_shared<DemoOptions>();
  return {
      .name = "demo",
      .summary = "train on the embedded data, explain, write report.html",
      .example = "limpid demo --quick --out demo",
      .declare =
          [options](Arguments& a) {
            a.flag("quick", options->quick, "a few epochs only, for a first look");
          },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
