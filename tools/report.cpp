// tools/report.cpp: limpid report.
#include "interpret/report/report.h"

#include "framework/core/error.h"
#include "framework/core/text.h"
#include "framework/io/files.h"
#include "interpret/report/markup.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/explaining.h"
#include "tools/layers.h"
#include "tools/measuring.h"
#include "tools/report_coreset.h"
#include "tools/report_results.h"
#include "tools/report_shallow.h"
#include "tools/report_transport.h"
#include "tools/report_values.h"
#include "tools/report_vectors.h"
#include "tools/reporting.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>

namespace limpid::tools {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestPage = 5'000'000;       // bytes
constexpr int64_t kExplanationBytes = 2'500'000;  // of all pictures made by `explain`

struct ReportOptions {
  std::vector<std::string> paths;
  std::string title;
  ComparisonOptions comparison;
};

// ---- Reading ----

struct Inputs {
  std::vector<RunFolder> runs;
  std::vector<ResultFile> results;
};

std::string folder_of(const ResultFile& file) { return fs::path(file.path).parent_path().string(); }

// Adds what a page shows of a result: from the figures alone, or with pictures from the folder of
// its file, or with pictures of at most so many bytes.
class Section {
 public:
  Section(void (*add)(interpret::Report&, const Json&))
      : add_([add](auto& report, const ResultFile& f, int64_t) { add(report, f.json); }) {}
  Section(void (*add)(interpret::Report&, const Json&, const std::string& folder))
      : add_([add](auto& report, const ResultFile& f, int64_t) {
          add(report, f.json, folder_of(f));
        }) {}
  Section(void (*add)(interpret::Report&, const Json&, const std::string& folder, int64_t))
      : add_([add](auto& report, const ResultFile& f, int64_t most_bytes) {
          add(report, f.json, folder_of(f), most_bytes);
        }) {}

  void operator()(interpret::Report& report, const ResultFile& file, int64_t most_bytes) const {
    add_(report, file, most_bytes);
  }

 private:
  std::function<void(interpret::Report&, const ResultFile&, int64_t)> add_;
};

// What a page can show of the results of a command, in the order of its sections.
struct ResultKind {
  std::string command;
  Section add;
  std::string in_folder = {};     // its file in the --out folder of the command, "" if it has none
  const char* vectors = nullptr;  // key that names a file of support vectors
  const char* vectors_title = nullptr;
};

const std::vector<ResultKind>& result_kinds() {
  static const std::vector<ResultKind> kinds = {
      {"metrics", add_metrics, "metrics.json"},
      {"eval", add_evaluation, "eval.json"},
      {"sanity", add_sanity, "sanity.json"},
      {"explain", add_explanations, "explain.json"},
      {"dsv extract", add_extraction, "", "support", "selected"},
      {"dsv synthesize", add_synthesis, "", "out", "synthesised"},
      {"dsv edit", add_edits, "edit.json"},
      {"dsv audit", add_audit, "audit.json"},
      {"coreset interpret", add_protocol, "interpret.json"},
      {"coreset grow", add_growth, "grow.json"},
      {"shallow convert", add_shallow_forms},
      {"shallow plot", add_shallow_regions},
      {"shallow explain", add_shallow_values, "shallow.json"},
      {"shallow certify", add_shallow_certificates, "certify.json"},
      {"shallow visited", add_shallow_visited, "visited.json"},
      {"transport report", add_layer_transport, "transport.json"},
      {"transport fix", add_layer_change, "fix.json"},
      {"transport shift", add_layer_shift, "shift.json"},
      {"transport dae", add_denoisers, "dae.json"},
      {"transport ridgelet", add_ridgelets, "ridgelet.json"},
      {"reproduce", add_predictions, "reproduce.json"},
  };
  return kinds;
}

// "metrics, sanity and explain"
std::string listed(const std::vector<std::string>& names, const char* last) {
  std::string text;
  for (size_t k = 0; k < names.size(); ++k) {
    if (k > 0) text += k + 1 < names.size() ? ", " : last;
    text += names[k];
  }
  return text;
}

std::vector<std::string> commands_shown() {
  std::vector<std::string> names;
  for (const ResultKind& kind : result_kinds()) names.push_back(kind.command);
  return names;
}

std::vector<std::string> files_in_folders() {
  std::vector<std::string> names;
  for (const ResultKind& kind : result_kinds()) {
    if (!kind.in_folder.empty()) names.push_back(kind.in_folder);
  }
  return names;
}

void read_result(const std::string& path, Inputs& inputs) {
  const Json json = read_json_file(path);
  const Json* command = json.find("command");
  if (command == nullptr || command->kind() != Json::Kind::text) {
    throw FormatError(path, "", "is no result of limpid: it names no \"command\"");
  }
  const std::string& name = command->text();
  if (std::ranges::find(result_kinds(), name, &ResultKind::command) == result_kinds().end()) {
    throw FormatError(
        path, "",
        "holds a result of the command " + excerpt(name) + "; a page takes those of " +
            listed(commands_shown(), " and ") + ", and run folders");
  }
  inputs.results.push_back({path, json});
}

// A run folder, a folder of results, or both.
void read_folder(const std::string& path, Inputs& inputs) {
  bool is_empty = true;
  if (fs::exists(path + "/config.json")) {
    inputs.runs.push_back(open_run(path));
    is_empty = false;
  }
  for (const std::string& name : files_in_folders()) {
    const std::string file = (fs::path(path) / name).string();
    if (!fs::exists(file)) continue;
    read_result(file, inputs);
    is_empty = false;
  }
  if (!is_empty) return;
  throw UsageError(
      path + ": nothing to report: neither a config.json nor a " +
      listed(files_in_folders(), " or ") + " is in it");
}

Inputs read_inputs(const std::vector<std::string>& paths) {
  Inputs inputs;
  std::set<fs::path> seen;
  for (const std::string& path : paths) {
    std::error_code error;
    const fs::path whole = fs::canonical(path, error);
    if (error) throw UsageError(path + ": there is no such file or folder");
    if (!seen.insert(whole).second) continue;
    if (fs::is_directory(whole)) {
      read_folder(path, inputs);
    } else {
      read_result(path, inputs);
    }
  }
  return inputs;
}

// Runs by the last part of their path, or by all of it where that would not be unique.
std::vector<ShownRun> named_runs(const std::vector<RunFolder>& folders) {
  std::vector<ShownRun> runs;
  for (const RunFolder& folder : folders) {
    const std::string name = short_name(folder.path);
    const auto alike = std::ranges::count_if(
        folders, [&](const RunFolder& other) { return short_name(other.path) == name; });
    runs.push_back(
        {.name = alike == 1 ? name : folder.path,
         .folder = &folder,
         .curve = read_curve(folder.path + "/metrics.jsonl")});
  }
  return runs;
}

// ---- What was trained ----

// The options of a run that are not those of `limpid train` without options.
std::vector<std::pair<std::string, std::string>> chosen_options(const RunFolder& folder) {
  Arguments train;
  const Command command = train_command();
  command.declare(train);
  const Json defaults = train.resolved();
  std::vector<std::pair<std::string, std::string>> chosen;
  const Json options = folder.config.get_or("options", Json::object());
  for (const Json::Member& member : options.members()) {
    const Json* usual = defaults.find(member.key);
    const bool is_usual = usual != nullptr && to_text(*usual) == to_text(member.value);
    if (is_usual) continue;
    std::string text = member.value.kind() == Json::Kind::text ? member.value.text() : "";
    if (member.value.kind() == Json::Kind::array) {
      text = joined(member.value.items(), ",", [](const Json& item) { return item.text(); });
    } else if (text.empty()) {
      text = to_text(member.value);
    }
    chosen.emplace_back(member.key, text);
  }
  return chosen;
}

std::string command_of(const RunFolder& folder) {
  std::string line = "limpid train";
  for (const auto& [name, value] : chosen_options(folder)) {
    line += " --" + name + (value == "true" ? "" : " " + shell_word(value));
  }
  return line;
}

// The layers with weights, of a large network those that stand inside no other.
void add_layers(interpret::Report& report, const RunFolder& folder) {
  constexpr size_t kMost = 24;
  std::vector<LayerRow> rows = layer_rows(folder);
  std::erase_if(rows, [](const LayerRow& row) { return row.parameters == 0; });
  if (rows.size() > kMost) {
    std::erase_if(
        rows, [](const LayerRow& row) { return row.name.find('.') != std::string::npos; });
  }
  std::vector<std::vector<std::string>> cells;
  for (const LayerRow& row : rows) {
    cells.push_back(
        {row.name, row.type, to_string(row.output),
         interpret::number_text(static_cast<double>(row.parameters), 9)});
  }
  report.table({"layer", "type", "output", "parameters"}, cells, "Layers with weights.");
}

std::string described(const ShownRun& run) {
  const ModelCard& card = run.folder->card;
  const std::string penalty = penalty_of(*run.folder);
  return join_text(
      card.architecture, " with ",
      interpret::number_text(static_cast<double>(parameter_count(*run.folder->model)), 9),
      " parameters, trained on ", card.data, ": inputs ", to_string(card.input),
      card.task == Task::classify ? join_text(", ", card.classes(), " classes")
                                  : join_text(", task ", name_of(card.task)),
      ". ", run.curve.size(), " epochs",
      penalty == "standard" ? ", without a gradient penalty." : ", with a " + penalty + ".");
}

// The last epoch in a few figures.
std::vector<interpret::Tile> final_figures(const ShownRun& run) {
  if (run.curve.empty()) return {};
  const EpochLine& last = run.curve.back();
  std::vector<interpret::Tile> tiles;
  const auto share = [&](const char* label, double value, const char* note) {
    if (std::isfinite(value)) tiles.push_back({label, percent(value), note});
  };
  const auto figure = [&](const char* label, double value, const char* note) {
    if (std::isfinite(value)) tiles.push_back({label, interpret::fixed_text(value, 4), note});
  };
  share("Test accuracy", last.test_accuracy, "after the last epoch");
  figure("Test loss", last.test_loss, "likewise");
  share("Training accuracy", last.train_accuracy, "as the weights changed");
  figure("Gradient cosine", last.gradient_cosine, "with the guided gradient, test images");
  return tiles;
}

void add_run(interpret::Report& report, const ShownRun& run) {
  report.section("Run " + run.name, described(run));
  report.tiles(final_figures(run));
  add_curves(report, run.name, run.curve);
  add_layers(report, *run.folder);
  report.command(command_of(*run.folder));
}

// All runs in one table.
void add_overview(interpret::Report& report, const std::vector<ShownRun>& runs) {
  std::vector<std::vector<std::string>> rows;
  for (const ShownRun& run : runs) {
    const auto cell = [&](double EpochLine::*value, double factor, int digits) -> std::string {
      if (run.curve.empty() || !std::isfinite(run.curve.back().*value)) return "-";
      return interpret::fixed_text(factor * (run.curve.back().*value), digits);
    };
    rows.push_back(
        {run.name, run.folder->card.data, run.folder->card.architecture, penalty_of(*run.folder),
         join_text(run.curve.size()), cell(&EpochLine::test_accuracy, 100, 1),
         cell(&EpochLine::test_loss, 1, 4), cell(&EpochLine::gradient_cosine, 1, 3)});
  }
  report.table(
      {"run", "data", "model", "training", "epochs", "test accuracy, %", "test loss", "cosine"},
      rows, "All runs after their last epoch.");
}

// ---- Runs side by side ----

// What two runs must share to be compared: the same test images.
std::string images_of(const RunFolder& folder) {
  const Json options = folder.config.get_or("options", Json::object());
  std::string key = folder.card.data + " " + to_string(folder.card.input);
  for (const char* name : {"test-fraction", "split-seed", "limit-test", "resize"}) {
    key += " " + to_text(options.get_or(name, nullptr));
  }
  return key;
}

std::vector<std::vector<ShownRun>> comparable(const std::vector<ShownRun>& runs) {
  std::vector<std::vector<ShownRun>> groups;
  for (const ShownRun& run : runs) {
    const ModelCard& card = run.folder->card;
    if (card.task != Task::classify || card.input.rank() != 3) continue;
    const auto group = std::ranges::find_if(groups, [&](const std::vector<ShownRun>& other) {
      return images_of(*other.front().folder) == images_of(*run.folder) &&
             other.front().folder->card.class_names == card.class_names;
    });
    if (group == groups.end()) {
      groups.push_back({run});
    } else {
      group->push_back(run);
    }
  }
  std::erase_if(groups, [](const std::vector<ShownRun>& group) { return group.size() < 2; });
  return groups;
}

Json add_comparisons(
    interpret::Report& report, const std::vector<ShownRun>& runs, const ReportOptions& o,
    const Invocation& in) {
  Json all = Json::array();
  if (o.comparison.count == 0) return all;
  ComparisonOptions options = o.comparison;
  options.seed = static_cast<uint64_t>(in.common.seed);
  for (const std::vector<ShownRun>& group : comparable(runs)) {
    const datasets::Dataset test = test_part("", in.common, *group.front().folder);
    in.console.stage(join_text("comparing ", group.size(), " runs on ", test.name));
    report.section("Side by side on " + test.name);
    all.push(add_comparison(report, group, test, options, in.console));
  }
  return all;
}

// ---- The page ----

// Whatever is wrong with the keys of a file is said with its name.
template <class F>
void with_file(const std::string& path, F&& f) {
  try {
    f();
  } catch (const FormatError&) {
    throw;
  } catch (const ValueError& error) {
    throw FormatError(path, "", error.what());
  }
}

// Vectors that were selected beside those that were made.
void add_vector_files(interpret::Report& report, const std::vector<ResultFile>& results) {
  std::vector<VectorFile> files;
  for (const ResultKind& kind : result_kinds()) {
    if (kind.vectors == nullptr) continue;
    for (const ResultFile& file : results) {
      if (file.json.text("command") != kind.command) continue;
      with_file(file.path, [&] {
        files.push_back(
            {kind.vectors_title, found_at(file.json.text(kind.vectors), folder_of(file))});
      });
    }
  }
  if (!files.empty()) add_vectors(report, files, kExplanationBytes);
}

interpret::Report build(
    const Inputs& inputs, const ReportOptions& o, const Invocation& in, Json& result) {
  const std::vector<ShownRun> runs = named_runs(inputs.runs);
  const std::string subtitle = joined(runs, ", ", &ShownRun::name);
  interpret::Report report(o.title.empty() ? "limpid report" : o.title, subtitle);
  if (runs.size() > 1) add_overview(report, runs);
  for (const ShownRun& run : runs) {
    with_file(run.folder->path + "/config.json", [&] { add_run(report, run); });
  }
  const Json comparisons = add_comparisons(report, runs, o, in);
  add_results(report, inputs.results);
  Json names = Json::array();
  for (const ShownRun& run : runs) names.push(run.name);
  result.set("runs", names).set("comparisons", comparisons);
  return report;
}

Json run(const Invocation& in, const ReportOptions& o) {
  for (const std::string& method : o.comparison.methods) method_named(method);
  const Inputs inputs = read_inputs(o.paths);
  Json result = Json::object();
  const interpret::Report report = build(inputs, o, in, result);
  const std::string page = report.html();
  if (std::ssize(page) > kLargestPage) {
    throw UsageError(join_text(
        "the page would have ", fixed(static_cast<double>(page.size()) / 1e6, 1), " MB, more than ",
        kLargestPage / 1'000'000, "; give fewer paths, methods or images (--count)"));
  }
  const std::string path = in.common.out.empty() ? "report.html" : in.common.out;
  const std::string folder = fs::path(path).parent_path().string();
  if (!folder.empty()) make_folder(folder);
  write_file_atomic(path, as_bytes(page));
  in.console.result(path);
  return result.set("report", path).set("bytes", std::ssize(page));
}

}  // namespace

void add_results(interpret::Report& report, const std::vector<ResultFile>& results) {
  for (const ResultKind& kind : result_kinds()) {
    const auto is_of_kind = [&](const ResultFile& f) {
      return f.json.text("command") == kind.command;
    };
    const auto alike = std::max<int64_t>(1, std::ranges::count_if(results, is_of_kind));
    for (const ResultFile& file : results) {
      if (!is_of_kind(file)) continue;
      with_file(file.path, [&] { kind.add(report, file, kExplanationBytes / alike); });
    }
  }
  add_vector_files(report, results);
}

Command report_command() {
  auto options = std::make_shared<ReportOptions>();
  return {
      .name = "report",
      .summary = "one self-contained page from runs and from results of other commands",
      .example = "limpid report runs/fashion --out report.html",
      .declare =
          [options](Arguments& a) {
            a.positionals(
                "PATH", options->paths,
                "run folders; folders that eval, metrics, sanity, explain, dsv edit, dsv audit, "
                "coreset interpret, coreset grow, shallow certify, visited or explain, or "
                "transport named with --out; JSON files with what these, dsv extract, dsv "
                "synthesize or shallow convert or plot print with --json");
            a.text("title", options->title, "heading of the page");
            a.list(
                "method", options->comparison.methods,
                "maps to show where two or more classifiers have the same data");
            a.integer(
                "count", options->comparison.count, "images to show there; 0: no comparison", 0,
                100);
          },
      .run = [options](const Invocation& in) { return run(in, *options); }};
}

}  // namespace limpid::tools
