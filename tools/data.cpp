// tools/data.cpp: limpid data list, limpid data info, limpid data get.
#include "framework/core/error.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/run_folder.h"

#include <memory>
#include <unistd.h>

namespace limpid::tools {
namespace {

Json list(const Invocation& in) {
  Json rows = Json::array();
  const std::string folder = data_folder(in.common.data_dir);
  for (const datasets::Known& known : datasets::catalogue()) {
    const bool is_built_in = known.files.empty();
    const bool is_there = is_built_in || !datasets::find_folder(known, folder).empty();
    const bool is_a_path = known.train == 0;  // a form of name, of any size
    const std::string count = is_a_path ? "" : join_text(", ", known.train, " + ", known.test);
    const char* place = is_a_path     ? ""
                        : is_built_in ? ", built in"
                        : is_there    ? ", here"
                                      : ", not here";
    in.console.result(join_text(
        in.console.bold(known.name),
        std::string(known.name.size() < 14 ? 14 - known.name.size() : 1, ' '), known.shape, count,
        place, "\n              ", known.what, " (", known.licence, ")"));
    rows.push(Json::object(
        {{"name", known.name},
         {"what", known.what},
         {"shape", known.shape},
         {"classes", known.classes},
         {"train", known.train},
         {"test", known.test},
         {"licence", known.licence},
         {"available", is_there}}));
  }
  in.console.result("data folder: " + folder);
  return Json::object({{"data", rows}, {"path", folder}});
}

// Where a set comes from: the path in its name, or its folder; null for what is built in.
Json place_of(const std::string& name, const std::string& data_dir) {
  const size_t colon = name.find(':');
  if (colon != std::string::npos) return name.substr(colon + 1);
  const datasets::Known* known = datasets::find_known(name);
  if (known == nullptr || known->files.empty()) return {};
  return datasets::find_folder(*known, data_dir);
}

Json info(const Invocation& in, const std::string& name, const datasets::LoadOptions& options) {
  const datasets::Split split = load_data(name, options, nullptr);
  if (const std::string note = passed_over_note(split); !note.empty()) in.console.note(note);
  const datasets::Dataset& train = split.train;
  const datasets::ChannelStatistics statistics = datasets::channel_statistics(train);
  const std::string kind = train.is_regression() ? "targets" : join_text(train.classes, " classes");
  in.console.result(join_text(
      in.console.bold(name), ": ", train.size(), " + ", split.test.size(), " examples of ",
      train.example_shape(), ", ", kind));
  const std::vector<int64_t> counts = datasets::class_counts(train);
  Json class_names = Json::array();
  for (size_t k = 0; k < counts.size(); ++k) {
    class_names.push(train.class_names[k]);
    in.console.result(join_text("  ", k, " ", train.class_names[k], ": ", counts[k]));
  }
  for (size_t c = 0; c < statistics.mean.size() && statistics.mean.size() <= 4; ++c) {
    in.console.result(join_text(
        "  channel ", c, ": mean ", fixed(statistics.mean[c], 4), ", standard deviation ",
        fixed(statistics.std[c], 4)));
  }
  return Json::object(
      {{"name", name},
       {"train", train.size()},
       {"test", split.test.size()},
       {"shape", Json::array_of(train.example_shape().sizes())},
       {"classes", train.classes},
       {"class_names", class_names},
       {"class_counts", Json::array_of(counts)},
       {"mean", Json::array_of(statistics.mean)},
       {"std", Json::array_of(statistics.std)},
       {"path", place_of(name, options.data_dir)}});
}

// Brings the files of a set to the data folder, then reads them.
Json get(const Invocation& in, const std::string& name, const std::string& from) {
  const datasets::Known* known = datasets::find_known(name);
  const bool is_a_name = known != nullptr && known->train > 0;  // not a form like idx:FOLDER
  if (!is_a_name) {
    std::string names;
    for (const datasets::Known& entry : datasets::catalogue()) {
      if (!entry.files.empty()) names += (names.empty() ? "" : ", ") + entry.name;
    }
    throw UsageError(name + ": not a set that can be got; there are " + names);
  }
  if (known->files.empty()) {
    in.console.note(name + ": built in, there is nothing to get");
    return info(in, name, {.data_dir = data_folder(in.common.data_dir)});
  }
  in.console.note(known->name + ": " + known->what + "; licence: " + known->licence);
  const std::string folder = data_folder(in.common.data_dir) + "/" + known->name;
  try {
    datasets::fetch_files(
        known->address, known->files, folder,
        {.from = from,
         .shows_progress = !in.common.quiet && ::isatty(STDERR_FILENO) == 1,
         .report = [&](const std::string& line) { in.console.note(line); }});
  } catch (const Error&) {
    if (interrupted()) return Json::object({{"name", name}, {"path", folder}});
    throw;
  }
  return info(in, name, {.data_dir = data_folder(in.common.data_dir)});
}

}  // namespace

Command data_list_command() {
  return {
      .name = "data list",
      .summary = "the data sets that have names",
      .example = "limpid data list",
      .declare = [](Arguments&) {},
      .run = list};
}

Command data_info_command() {
  struct Options {
    std::string name, label_column;
    int64_t resize = 0;
  };
  auto o = std::make_shared<Options>();
  return {
      .name = "data info",
      .summary = "size, classes and statistics of a data set",
      .example = "limpid data info digits",
      .declare =
          [o](Arguments& a) {
            a.positional(
                "DATA", o->name,
                "a name from `limpid data list`, or a form like idx:FOLDER or images:FOLDER");
            a.integer(
                "resize", o->resize, "scale and cut pictures to squares of so many pixels", 0,
                16384);
            a.text("label-column", o->label_column, "column of a csv table that holds the labels");
          },
      .run =
          [o](const Invocation& in) {
            return info(
                in, o->name,
                {.data_dir = data_folder(in.common.data_dir),
                 .label_column = o->label_column,
                 .resize = o->resize});
          }};
}

Command data_get_command() {
  struct Options {
    std::string name, from;
  };
  auto o = std::make_shared<Options>();
  return {
      .name = "data get",
      .summary = "bring the files of a data set to the data folder and check their sums",
      .example = "limpid data get digits",
      .declare =
          [o](Arguments& a) {
            a.positional("DATA", o->name, "a name from `limpid data list` that has files");
            a.text("from", o->from, "a folder that has the files; nothing is transferred then");
          },
      .run = [o](const Invocation& in) { return get(in, o->name, o->from); }};
}

}  // namespace limpid::tools
