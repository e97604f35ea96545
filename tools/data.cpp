// tools/data.cpp: limpid data list, limpid data info.
#include "framework/core/error.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/run_folder.h"

#include <filesystem>
#include <memory>

namespace limpid::tools {
namespace {

Json list(const Invocation& in) {
  Json rows = Json::array();
  const std::string folder = data_folder(in.common.data_dir);
  for (const datasets::Known& known : datasets::catalogue()) {
    const bool is_built_in = known.files.empty();
    const bool is_there = is_built_in || std::filesystem::exists(folder + "/" + known.name);
    const bool is_a_path = known.train == 0;  // a form of name, of any size
    const std::string count = is_a_path ? "" : join_text(", ", known.train, " + ", known.test);
    const char* place = is_a_path     ? ""
                        : is_built_in ? ", built in"
                        : is_there    ? ", in the data folder"
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

Json info(const Invocation& in, const std::string& name) {
  const datasets::Split split =
      load_data(name, {.data_dir = data_folder(in.common.data_dir)}, nullptr);
  const datasets::Dataset& train = split.train;
  const datasets::ChannelStatistics statistics = datasets::channel_statistics(train);
  const auto numbers = [](const auto& values) {
    Json items = Json::array();
    for (const auto value : values) items.push(value);
    return items;
  };
  Json counts = Json::array();
  Json class_names = Json::array();
  in.console.result(join_text(
      in.console.bold(name), ": ", train.size(), " + ", split.test.size(), " examples of ",
      train.example_shape(), ", ", train.classes, " classes"));
  const std::vector<int64_t> in_train = datasets::class_counts(train);
  for (size_t k = 0; k < in_train.size(); ++k) {
    counts.push(in_train[k]);
    class_names.push(train.class_names[k]);
    in.console.result(join_text("  ", k, " ", train.class_names[k], ": ", in_train[k]));
  }
  for (size_t c = 0; c < statistics.mean.size() && statistics.mean.size() <= 4; ++c) {
    in.console.result(join_text(
        "  channel ", c, ": mean ", fixed(statistics.mean[c], 4), ", standard deviation ",
        fixed(statistics.std[c], 4)));
  }
  const datasets::Known* known = datasets::find_known(name);
  const bool is_built_in = known != nullptr && known->files.empty();
  return Json::object(
      {{"name", name},
       {"train", train.size()},
       {"test", split.test.size()},
       {"shape", numbers(train.example_shape().sizes())},
       {"classes", train.classes},
       {"class_names", class_names},
       {"class_counts", counts},
       {"mean", numbers(statistics.mean)},
       {"std", numbers(statistics.std)},
       {"path", is_built_in ? Json() : Json(data_folder(in.common.data_dir))}});
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
  auto name = std::make_shared<std::string>();
  return {
      .name = "data info",
      .summary = "size, classes and statistics of a data set",
      .example = "limpid data info digits",
      .declare =
          [name](Arguments& a) {
            a.positional("DATA", *name, "a name from `limpid data list`, or idx:FOLDER");
          },
      .run = [name](const Invocation& in) { return info(in, *name); }};
}

}  // namespace limpid::tools
