// tools/report_vectors.cpp: charts, grids and tables of support vectors.
#include "tools/report_vectors.h"

#include "framework/core/error.h"
#include "framework/ops/pointwise.h"
#include "interpret/numerics/statistics.h"
#include "interpret/report/heatmap.h"
#include "interpret/report/markup.h"
#include "interpret/report/plot.h"
#include "tools/report_results.h"
#include "tools/report_values.h"
#include "tools/reporting.h"
#include "tools/support_file.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace limpid::tools {
namespace {

using interpret::fixed_text;
using interpret::LineChart;
using interpret::Report;
using interpret::Series;

std::string integer_of(int64_t value) { return join_text(value); }

// "42.0 % (21 of 50)"
std::string flips_of(const Json& flips) {
  return join_text(
      share_of(number_in(flips, "share")), " (", flips.integer("flipped"), " of ",
      flips.integer("count"), ")");
}

// From the least value, 0, to the greatest, 1
Tensor stretched(const Tensor& image) {
  const std::vector<double> values = image.to_vector();
  const auto [low, high] = std::ranges::minmax(values);
  return high > low ? (image - low) * (1 / (high - low)) : image;
}

// The column of a list of objects.
std::vector<double> column(const Json& rows, const std::string& key) {
  std::vector<double> values;
  for (const Json& row : rows.items()) values.push_back(number_in(row, key));
  return values;
}

// ---- Extraction ----

// Vectors in quarters by lambda, the largest first.
void add_quarters(Report& report, const Json& result) {
  constexpr size_t kParts = 4;
  const std::vector<double> lambda = numbers_in(result, "lambda");
  const std::vector<double> alpha = numbers_in(result, "alpha");
  const std::vector<double> entropy = numbers_in(result, "entropy");
  const std::vector<double> margin = numbers_in(result, "margin");
  check_value(
      lambda.size() == entropy.size() && lambda.size() == margin.size() &&
          lambda.size() == alpha.size(),
      "lambda", "has ", lambda.size(), " numbers, others have not");
  std::vector<size_t> order(lambda.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return lambda[a] > lambda[b]; });
  Rows cells;
  for (size_t part = 0; part < kParts; ++part) {
    const size_t begin = part * order.size() / kParts, end = (part + 1) * order.size() / kParts;
    if (begin == end) continue;
    const auto mean = [&](const std::vector<double>& values) {
      std::vector<double> chosen;
      for (size_t k = begin; k < end; ++k) chosen.push_back(values[order[k]]);
      return interpret::mean_of(chosen);
    };
    const std::string name = join_text(
        "lambda ", interpret::number_text(lambda[order[end - 1]], 3), " to ",
        interpret::number_text(lambda[order[begin]], 3));
    cells.push_back(
        {name, join_text(end - begin), interpret::number_text(mean(alpha), 3),
         text_of(mean(entropy), 3), text_of(mean(margin), 3)});
  }
  const auto by_lambda = [&](const char* title, const char* y_title,
                             const std::vector<double>& values) {
    return interpret::line_chart(
        {.title = title,
         .x_title = "lambda",
         .y_title = y_title,
         .series = {{.x = lambda, .y = values, .is_joined = false}}});
  };
  report.figure(
      by_lambda("Entropy of the vectors by lambda", "entropy, nats", entropy),
      "Entropy -sum p ln p of the prediction of each chosen vector. Rank correlation (Spearman) " +
          text_of(interpret::spearman(lambda, entropy), 3) + ".");
  report.figure(
      by_lambda("Margin of the vectors by lambda", "margin", margin),
      "Logit of the label minus the largest other. Rank correlation (Spearman) " +
          text_of(interpret::spearman(lambda, margin), 3) + ".");
  report.table(
      {"quarter", "vectors", "mean alpha", "mean entropy", "mean margin"}, cells,
      "Vectors in quarters by lambda. alpha = lambda |p - y| is what support vector machines call "
      "the multiplier.");
}

// Chosen vectors beside all, in words.
std::string reading_of(const Json& result) {
  const auto chosen = [&](const std::string& key) { return number_in(result, key + "_selected"); };
  const auto all = [&](const std::string& key) { return number_in(result, key + "_all"); };
  const auto both = [&](const std::string& key) {
    return join_text(
        " (", key, " ", text_of(chosen(key), 3), " against ", text_of(all(key), 3), ")");
  };
  return join_text(
      "In the mean the network is ", chosen("entropy") > all("entropy") ? "less" : "more",
      " certain of the chosen images than of all", both("entropy"), ", and they lie ",
      chosen("margin") > all("margin") ? "farther from" : "nearer to", " the decision boundary",
      both("margin"),
      ". The residual says how far the weights are from what all vectors give: the conditions are "
      "those of training to the end with weight decay.");
}

// ---- Audit ----

void add_coverage(Report& report, const Json& result, const std::string& definition) {
  Rows cells;
  for (const Json& row : result.at("coverage").items()) {
    cells.push_back(
        {row.text("class_name"), integer_of(row.integer("vectors")),
         interpret::number_text(row.number("lambda"), 4),
         interpret::number_text(row.number("alpha"), 4), share_of(number_in(row, "error"))});
  }
  const Json& pearson = result.at("coverage_pearson");
  report.table(
      {"class", "vectors", "sum lambda", "sum alpha", "test error"}, cells,
      join_text(
          "Coverage by ", result.text("coverage_of"), ": ", definition,
          ". Correlation (Pearson) with the error: lambda ",
          text_of(number_in(pearson, "lambda"), 3), ", alpha ",
          text_of(number_in(pearson, "alpha"), 3),
          ". Read it with care: fitted on test images, wrong ones lose their lambda, so that it "
          "goes with accuracy almost by construction; on training images nothing of the kind "
          "holds, and either sign occurs."));
}

void add_cues(
    Report& report, const Json& result, const std::string& definition, const std::string& folder,
    int64_t most_bytes) {
  const Json& cues = result.at("cues");
  if (cues.items().empty()) return;
  Rows cells;
  for (const Json& row : cues.items()) {
    cells.push_back(
        {row.text("class_name"),
         join_text("row ", row.integer("row"), ", column ", row.integer("column")),
         text_of(number_in(row, "z"), 1), flips_of(row.at("pasted")),
         share_of(number_in(row.at("elsewhere"), "share")),
         has_value(row, "real") ? share_of(number_in(row.at("real"), "share")) : "-"});
  }
  report.table(
      {"class", "place", "z", "become the class", "elsewhere", "patch of real images"}, cells,
      "Cues: " + definition +
          ". Only a patch that turns images, and does not elsewhere, is something the network "
          "decides by.");
  add_pictures(
      report, cues, "vectors, their mean, z (red: brighter), an image before and after", folder,
      most_bytes, "", [](const Json& row) { return row.text("class_name"); });
}

void add_mixing(Report& report, const Json& result, const std::string& definition) {
  if (result.at("mixing").items().empty()) return;
  Rows cells;
  for (const Json& row : result.at("mixing").items()) {
    cells.push_back(
        {share_of(number_in(row, "share")), flips_of(row.at("vectors")), flips_of(row.at("real")),
         has_value(row, "ratio") ? text_of(row.number("ratio"), 2) : "-"});
  }
  report.table(
      {"added", "follow the vector", "follow a real image", "ratio"}, cells,
      "Mixing: " + definition + ". A ratio near 1 says that vectors are no stronger than images.");
}

void add_suspects(
    Report& report, const Json& result, const std::string& definition, const std::string& folder,
    int64_t most_bytes) {
  const Json& suspects = result.at("suspects");
  if (suspects.items().empty()) return;
  Rows cells;
  for (const Json& row : suspects.items()) {
    cells.push_back(
        {integer_of(row.integer("index")), row.text("label_name"), row.text("predicted_name"),
         text_of(number_in(row, "cosine"), 4), text_of(number_in(row, "loss"), 3),
         interpret::number_text(row.number("alpha"), 3)});
  }
  report.table(
      {"training image", "label", "seen as", "cosine", "loss", "alpha"}, cells,
      "Suspects: " + definition + ". The first are worth looking at by hand.");
  add_pictures(report, suspects, "image", folder, most_bytes, "", [](const Json& row) {
    return join_text(
        "image ", row.integer("index"), ": labelled ", row.text("label_name"), ", seen as ",
        row.text("predicted_name"));
  });
}

void add_nearest(Report& report, const Json& result, const std::string& definition) {
  constexpr size_t kShown = 10;
  std::vector<const Json*> rows;
  for (const Json& row : result.at("nearest").items()) rows.push_back(&row);
  if (rows.empty()) return;
  std::ranges::stable_sort(rows, [](const Json* a, const Json* b) {
    return number_in(*a, "distance") < number_in(*b, "distance");
  });
  rows.resize(std::min(rows.size(), kShown));
  Rows cells;
  for (const Json* row : rows) {
    cells.push_back(
        {integer_of(row->integer("vector")), integer_of(row->integer("class")),
         integer_of(row->integer("index")), text_of(row->number("distance"), 3),
         share_of(row->number("quantile"))});
  }
  report.table(
      {"vector", "class", "training image", "distance", "quantile"}, cells,
      "The vectors nearest to training images: " + definition +
          ". A quantile near 0 means that a vector lies closer to a training image than unseen "
          "images do: it may be a copy.");
}

void add_attributions(Report& report, const Json& result, const std::string& definition) {
  if (result.at("attributions").items().empty()) return;
  Rows cells;
  for (const Json& row : result.at("attributions").items()) {
    std::string voters;
    for (const Json& voter : row.at("voters").items()) {
      voters += join_text(
          voters.empty() ? "" : ", ", voter.contains("index") ? "image " : "vector ",
          voter.integer(voter.contains("index") ? "index" : "vector"), " (class ",
          voter.integer("class"), ") ", text_of(voter.number("part"), 3));
    }
    cells.push_back(
        {integer_of(row.integer("index")), integer_of(row.integer("label")),
         integer_of(row.integer("target")), text_of(number_in(row, "logit"), 3),
         text_of(number_in(row, "total"), 3), text_of(number_in(row, "explained"), 3),
         text_of(number_in(row, "unexplained"), 3), voters});
  }
  report.table(
      {"test image", "label", "class", "logit", "to split", "explained", "unexplained", "voters"},
      cells, "Who voted: " + definition + ".");
}

}  // namespace

void add_extraction(Report& report, const Json& result) {
  report.section(
      "Support vectors of " + short_name(result.text("model")),
      join_text(
          "The weights should be -sum lambda g, g the gradient of the loss of an image: images "
          "with a large lambda hold up the decision. ",
          result.at("indices").items().size(), " of ", result.integer("count"),
          " training images were chosen by ", result.text("score"), "."));
  report.tiles(
      {{"Residual", text_of(number_in(result, "total_residual"), 3),
        "of |weights|; 0: the condition holds, 1: lambda does nothing"},
       {"Have lambda > 0", share_of(number_in(result, "alive")), "of the training images"},
       {"Entropy", text_of(number_in(result, "entropy_selected"), 3),
        "nats, chosen; all: " + text_of(number_in(result, "entropy_all"), 3)},
       {"Margin", text_of(number_in(result, "margin_selected"), 2),
        "chosen; all: " + text_of(number_in(result, "margin_all"), 2)}});
  report.paragraph(reading_of(result));
  add_quarters(report, result);
  report.figure(
      interpret::line_chart(
          {.title = "Residual by iteration",
           .x_title = "line of the trace",
           .y_title = "|theta + sum lambda g| / |theta|",
           .series =
               {{.name = result.text("solver"), .y = column(result.at("trace"), "residual")}}}),
      "How far the weights are from what the vectors give; where it flattens, no lambda does "
      "better.");
}

void add_synthesis(Report& report, const Json& result) {
  report.section(
      "Synthesised vectors of " + short_name(result.text("model")),
      "Images made from the weights alone, so that they satisfy the conditions of a support "
      "vector: what the network takes for its classes, which need not look like the data.");
  report.tiles(
      {{"Classified as meant", share_of(number_in(result, "primal_accuracy")),
        "in views " + share_of(number_in(result, "primal_accuracy_views"))},
       {"Residual", text_of(number_in(result, "relative_residual"), 3),
        "of |weights|; 0: the condition holds"},
       {"Entropy", text_of(number_in(result, "entropy"), 3), "nats, of the predictions"},
       {"Alive", join_text(result.integer("alive"), " of ", result.integer("candidates")),
        "the others had lambda < 0"}});
  const Json& trace = result.at("trace");
  const std::vector<double> steps = column(trace, "step");
  const auto chart = [&](const std::string& title, const char* y_title,
                         const std::vector<std::pair<std::string, std::string>>& lines) {
    LineChart c{.title = title, .x_title = "step", .y_title = y_title};
    for (const auto& [name, key] : lines) {
      c.series.push_back({.name = name, .x = steps, .y = column(trace, key)});
    }
    return interpret::line_chart(c);
  };
  report.figure(
      chart(
          "Stationarity by step", "share",
          {{"residual", "relative_residual"},
           {"right", "primal_accuracy"},
           {"right in views", "primal_accuracy_views"}}),
      "Residual of the weights, and share of the images that are classified as meant.");
  report.figure(
      chart("Entropy by step", "nats", {{"entropy", "entropy"}}),
      "Mean entropy of the predictions: where it stays above 0, vectors lie near the boundary.");
  Rows cells;
  for (const Json& judge : result.at("judges").items()) {
    cells.push_back(
        {judge.text("model"), share_of(number_in(judge, "accuracy")),
         text_of(number_in(judge, "probability"), 3)});
  }
  if (!cells.empty()) {
    report.table(
        {"other network", "classified as meant", "mean probability"}, cells,
        "What networks that had no part in it see: features of a class are shared, habits of one "
        "network are not.");
  }
}

void add_edits(Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  report.section(
      "Images moved to class " + integer_of(result.integer("target")),
      "The smallest distance says least about what the class looks like: adversarial steps (FGSM, "
      "PGD) change every pixel by a little. An edit is worth its distance if what it draws belongs "
      "to the class.");
  const auto row_of = [](const std::string& name, const Json& figures, const std::string& reached) {
    return std::vector<std::string>{
        name, text_of(number_in(figures, "target_probability"), 3), reached,
        text_of(number_in(figures, "distance"), 3), text_of(number_in(figures, "ssim"), 3)};
  };
  const Json& images = result.at("images");
  const std::vector<std::string> methods = {"edit", "fgsm", "pgd"};
  const auto figures_of = [](const Json& figures, const std::string& method) -> const Json& {
    return method == "edit" ? figures : figures.at(method);
  };
  Rows means, cells;
  for (const std::string& method : methods) {
    int64_t reached = 0;
    for (size_t k = 0; k < images.items().size(); ++k) {
      const Json& figures = figures_of(images.items()[k], method);
      const bool is_reached = figures.boolean("reached");
      reached += is_reached ? 1 : 0;
      cells.push_back(row_of(join_text(k, ", ", method), figures, is_reached ? "yes" : "no"));
    }
    means.push_back(row_of(
        method, figures_of(result, method), join_text(reached, " of ", images.items().size())));
  }
  report.table(
      {"method", "probability", "reached", "distance", "SSIM"}, means,
      "Means over the images: probability of the class aimed at, Euclidean distance and structural "
      "similarity to the source.");
  add_pictures(
      report, images, "source, edit, FGSM, PGD", folder, most_bytes, "", [](const Json& row) {
        return "probability " + text_of(number_in(row, "target_probability"), 3);
      });
  report.table(
      {"image", "probability", "reached", "distance", "SSIM"}, cells, "Each image by itself.");
}

void add_audit(Report& report, const Json& result, const std::string& folder, int64_t most_bytes) {
  const Json& definitions = result.at("definitions");
  report.section(
      "Audit of " + short_name(result.text("model")),
      join_text(
          "What ", result.integer("vectors"), " support vectors ",
          has_value(result, "support") ? "of " + short_name(result.text("support"))
                                       : std::string("chosen from the training images"),
          " tell about the network and its data. A finding here is a place to look at, not yet a "
          "fault."));
  const Json& bytes = result.at("bytes");
  const auto bytes_text = [&](const char* key) {
    return interpret::number_text(number_in(bytes, key), 9);
  };
  report.tiles(
      {{"Test accuracy", share_of(number_in(result, "accuracy")), result.text("data")},
       {"Vectors, bytes", bytes_text("support"), definitions.text("bytes")},
       {"Training data, bytes", bytes_text("data"), ""},
       {"Weights, bytes", bytes_text("weights"), ""}});
  add_coverage(report, result, definitions.text("coverage"));
  add_cues(report, result, definitions.text("cues"), folder, most_bytes / 2);
  add_mixing(report, result, definitions.text("mixing"));
  add_suspects(report, result, definitions.text("suspects"), folder, most_bytes / 2);
  add_nearest(report, result, definitions.text("nearest"));
  add_attributions(report, result, definitions.text("attributions"));
}

void add_vectors(Report& report, const std::vector<VectorFile>& files, int64_t most_bytes) {
  constexpr size_t kShown = 4;  // of each file and class
  std::map<int64_t, std::vector<std::vector<Image>>> by_class;
  std::vector<std::string> titles;
  std::vector<size_t> columns;  // of each file
  for (const VectorFile& file : files) {
    const SupportSet set = read_support(file.path);
    if (set.images.rank() != 4) continue;
    const size_t used = columns.size();
    columns.push_back(0);
    const std::vector<int64_t> classes = classes_of(set);
    for (size_t i = 0; i < classes.size(); ++i) {
      std::vector<std::vector<Image>>& row = by_class[classes[i]];
      row.resize(files.size());
      if (row[used].size() == kShown) continue;
      const auto at = static_cast<int64_t>(i);
      row[used].push_back(
          for_grid(interpret::image_of(stretched(interpret::one_of(set.images, at)))));
      columns[used] = std::max(columns[used], row[used].size());
    }
    for (size_t k = 0; k < columns[used]; ++k) {
      titles.push_back(join_text(file.title, " ", k + 1));
    }
  }
  const size_t used = columns.size();
  if (used == 0) return;
  report.section(
      "Support vectors by class",
      "One row per class. What the vectors of a class share, and those of others have not, is a "
      "guess at what decides; limpid dsv audit tests it. Each image is stretched from black to "
      "white.");
  std::vector<interpret::ImageRow> rows;
  int64_t bytes = 0, left_out = 0;
  for (const auto& [label, parts] : by_class) {
    interpret::ImageRow row{.label = join_text("class ", label), .images = {}};
    for (size_t f = 0; f < used; ++f) {
      for (size_t k = 0; k < columns[f]; ++k) {
        const bool is_there = k < parts[f].size();
        row.images.push_back(is_there ? parts[f][k] : Image{});
        if (is_there) bytes += bytes_in_page(parts[f][k]);
      }
    }
    if (bytes > most_bytes && !rows.empty()) {
      ++left_out;
      continue;
    }
    rows.push_back(row);
  }
  report.image_grid(
      titles, rows,
      left_out == 0 ? ""
                    : join_text(left_out, " more classes are left out to keep the page small."));
}

}  // namespace limpid::tools
