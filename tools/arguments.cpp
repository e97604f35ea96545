// tools/arguments.cpp: parsing, help, exit statuses and error lines; the only user of CLI11.
#include "tools/arguments.h"

#include "framework/core/error.h"
#include "framework/core/parallel.h"
#include "framework/core/ranks.h"
#include "framework/core/text.h"
#include "framework/io/files.h"
#include "tools/console.h"
#include "tools/version.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sys/resource.h>
#include <unistd.h>

namespace limpid::tools {
namespace {

// The whole text as a number, or a UsageError saying what was expected.
template <class T>
T parse_number(const std::string& name, const std::string& text, T low, T high) {
  T value{};
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || !(value >= low && value <= high)) {
    throw UsageError(join_text(
        "--", name, ": ", excerpt(text), " is not a ", std::is_integral_v<T> ? "whole " : "",
        "number from ", low, " to ", high));
  }
  return value;
}

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> parts = split_text(text, ',');
  std::erase(parts, "");
  return parts;
}

// Throws UsageError unless the text is one of the choices, if there are any. `shown` is the option
// as the user writes it.
void check_choice(
    const std::string& shown, const std::string& text, const std::vector<std::string>& choices) {
  if (choices.empty() || std::ranges::find(choices, text) != choices.end()) return;
  throw UsageError(shown + ": " + excerpt(text) + " is not one of " + joined(choices, ", "));
}

// Does a sentence hold this word, with no letter, digit or dash beside it?
bool holds_word(const std::string& sentence, const std::string& word) {
  const auto is_inside = [&](size_t at) {
    return at < sentence.size() && (std::isalnum(static_cast<unsigned char>(sentence[at])) != 0 ||
                                    sentence[at] == '-' || sentence[at] == '_');
  };
  for (size_t at = sentence.find(word); at != std::string::npos; at = sentence.find(word, at + 1)) {
    if ((at == 0 || !is_inside(at - 1)) && !is_inside(at + word.size())) return true;
  }
  return false;
}

// A JSON value as the text that would stand on the command line.
std::string as_argument(const Json& value) {
  switch (value.kind()) {
    case Json::Kind::text: return value.text();
    case Json::Kind::array: return joined(value.items(), ",", as_argument);
    default: return to_text(value);
  }
}

}  // namespace

std::string shell_word(const std::string& text) {
  const auto is_plain = [](char c) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_letter || (c >= '0' && c <= '9') ||
           std::string_view("-_./:,=+%@").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, is_plain)) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

std::string alternatives(const std::vector<std::string>& names) {
  std::string list;
  for (size_t i = 0; i < names.size(); ++i) {
    list += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  }
  return list;
}

// ---- The table ----

void Arguments::add(Entry entry) { entries_.push_back(std::move(entry)); }

void Arguments::text(
    const std::string& name, std::string& value, const std::string& help,
    std::vector<std::string> choices) {
  const auto set = [name, &value, choices](const std::string& text) {
    check_choice("--" + name, text, choices);
    value = text;
  };
  add({.name = name, .help = help, .choices = choices, .set = set, .get = [&value] {
         return Json(value);
       }});
}

void Arguments::integer(
    const std::string& name, int64_t& value, const std::string& help, int64_t low, int64_t high) {
  const auto set = [=, &value](const std::string& text) {
    value = parse_number<int64_t>(name, text, low, high);
  };
  add(
      {.name = name,
       .help = help,
       .shows_value = value >= low && value <= high,
       .set = set,
       .get = [&value] { return Json(value); }});
}

void Arguments::number(
    const std::string& name, double& value, const std::string& help, double low, double high) {
  const auto set = [=, &value](const std::string& text) {
    value = parse_number<double>(name, text, low, high);
  };
  add(
      {.name = name,
       .help = help,
       .shows_value = value >= low && value <= high,
       .set = set,
       .get = [&value] { return Json(value); }});
}

void Arguments::flag(const std::string& name, bool& value, const std::string& help) {
  const auto set = [name, &value](const std::string& text) {
    if (text != "true" && text != "false") {
      throw UsageError("--" + name + ": " + excerpt(text) + " is not true or false");
    }
    value = text == "true";
  };
  add({.name = name, .help = help, .is_flag = true, .set = set, .get = [&value] {
         return Json(value);
       }});
}

void Arguments::list(
    const std::string& name, std::vector<std::string>& value, const std::string& help) {
  add(
      {.name = name,
       .help = help,
       .set = [&value](const std::string& text) { value = split_commas(text); },
       .get = [&value] { return Json::array_of(value); }});
}

void Arguments::numbers(
    const std::string& name, std::vector<double>& value, const std::string& help, double low,
    double high) {
  const auto set = [=, &value](const std::string& text) {
    std::vector<double> numbers;
    for (const std::string& part : split_commas(text)) {
      numbers.push_back(parse_number<double>(name, part, low, high));
    }
    value = numbers;
  };
  add({.name = name, .help = help, .set = set, .get = [&value] { return Json::array_of(value); }});
}

void Arguments::positional(
    const std::string& name, std::string& value, const std::string& help, bool is_required) {
  add(
      {.name = name,
       .help = help,
       .is_positional = true,
       .is_required = is_required,
       .set = [&value](const std::string& text) { value = text; },
       .get = [&value] { return Json(value); }});
}

void Arguments::choice(
    const std::string& name, std::string& value, const std::string& help,
    std::vector<std::string> choices) {
  const auto set = [name, &value, choices](const std::string& text) {
    check_choice(name, text, choices);
    value = text;
  };
  add(
      {.name = name,
       .help = help,
       .is_positional = true,
       .choices = choices,
       .set = set,
       .get = [&value] { return Json(value); }});
}

void Arguments::positionals(
    const std::string& name, std::vector<std::string>& values, const std::string& help) {
  add(
      {.name = name,
       .help = help,
       .is_positional = true,
       .is_many = true,
       .set = [&values](const std::string& text) { values.push_back(text); },
       .get = [] { return Json(); }});
}

OptionHelp Arguments::described(const Entry& entry) {
  OptionHelp shown{
      .name = entry.name,
      .help = entry.help,
      .value_name = "",
      .value = "",
      .choices = entry.choices,
      .is_positional = entry.is_positional,
      .is_many = entry.is_many,
      .is_required = entry.is_positional && entry.is_required,
      .is_common = entry.is_common};
  std::erase(shown.choices, "");  // stands for "not given"
  const bool names_all = std::ranges::all_of(
      shown.choices, [&](const std::string& choice) { return holds_word(entry.help, choice); });
  if (!names_all) shown.help += "; " + alternatives(shown.choices);
  if (entry.is_flag) return shown;
  const Json value = entry.get();
  shown.value_name = value.kind() == Json::Kind::integer ? "N"
                     : value.kind() == Json::Kind::real  ? "X"
                                                         : "TEXT";
  if (entry.shows_value && !entry.is_many) shown.value = as_argument(value);
  return shown;
}

void Arguments::apply(const Json& defaults, const std::string& source) {
  for (const Json::Member& member : defaults.members()) {
    const auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) {
      return e.name == member.key && !e.is_positional;
    });
    if (entry == entries_.end()) {
      throw UsageError(source + ": " + excerpt(member.key) + " is not an option of this command");
    }
    if (!entry->was_given) entry->set(as_argument(member.value));
  }
}

void Arguments::give(const Json& values) {
  for (const Json::Member& member : values.members()) {
    const auto entry = std::ranges::find(entries_, member.key, &Entry::name);
    if (entry == entries_.end()) {
      throw UsageError(excerpt(member.key) + " is not an option of this command");
    }
    entry->set(as_argument(member.value));
    entry->was_given = true;
  }
}

Json Arguments::resolved() const {
  Json values = Json::object();
  for (const Entry& entry : entries_) {
    if (!entry.is_common && !entry.is_positional) values.set(entry.name, entry.get());
  }
  return values;
}

bool Arguments::is_word(const std::string& name) const {
  return std::ranges::any_of(
      entries_, [&](const Entry& e) { return e.name == name && e.is_positional; });
}

void Arguments::require(const std::string& name) const {
  for (const Entry& entry : entries_) {
    if (entry.name != name) continue;
    const Json value = entry.get();
    const bool is_empty =
        value.kind() == Json::Kind::array ? value.items().empty() : value == Json("");
    if (is_empty) throw UsageError("--" + name + " is missing");
  }
}

// ---- Parsing ----

Json read_json_file(const std::string& path) {
  constexpr int64_t kLargest = 64 << 20;
  const std::vector<std::byte> bytes = read_file(path, kLargest);
  const Json json = parse_json(as_text(bytes), path);
  if (json.kind() != Json::Kind::object) throw FormatError(path, "", "is not a JSON object");
  return json;
}

/// Builds the CLI11 application from the tables and reads the values back.
class Parser {
 public:
  Parser(const std::vector<Command>& commands, const std::map<std::string, std::string>& groups)
      : commands_(commands), help_{.summary = kSummary, .groups = groups, .commands = {}} {
    app_.set_version_flag("--version", version_text());
    app_.require_subcommand(1);
    for (const Command& command : commands) declare(command);
  }

  /// The command that was asked for.
  const Command& parse(int argc, char** argv) {
    app_.parse(argc, argv);
    for (size_t i = 0; i < commands_.size(); ++i) {
      if (!slots_[i]->app->parsed()) continue;
      chosen_ = slots_[i].get();
      return commands_[i];
    }
    throw UsageError("no command");  // CLI11 has refused this before
  }

  /// Hands the values of the command line and of --config to the command.
  void set_values() {
    for (size_t k = 0; k < chosen_->arguments.entries_.size(); ++k) {
      Arguments::Entry& entry = chosen_->arguments.entries_[k];
      const CLI::Option& option = *chosen_->options[k];
      entry.was_given = option.count() > 0;
      if (!entry.was_given) continue;
      if (!entry.is_many) entry.set(option.results().back());
      for (const std::string& word : option.results()) {
        if (entry.is_many) entry.set(word);
      }
    }
    read_config(*chosen_);
  }

  /// The words of the command line that name a command: "", "data" or "data list".
  std::string named() const {
    std::string name;
    for (const CLI::App* app = &app_; !app->get_subcommands().empty();) {
      app = app->get_subcommands().front();
      name += (name.empty() ? "" : " ") + app->get_name();
    }
    return name;
  }

  /// What is wrong with a command line that CLI11 refused.
  std::string complaint(const CLI::ParseError& error, int argc, char** argv) const {
    const std::string name = named();
    const bool is_group = name.empty() || groups_.contains(name);
    if (!is_group) return std::string(error.what()) + "; see limpid " + name + " --help";

    // A word that should have named a command
    const CLI::App* group = name.empty() ? &app_ : groups_.at(name);
    const int next = name.empty() ? 1 : 2;
    const std::string word = next < argc ? argv[next] : "";
    if (word.starts_with('-')) return "no option " + excerpt(word) + "; see limpid --help";
    return (word.empty() ? "no command" : "no command " + excerpt(word)) +
           "; there are: " + joined(group->get_subcommands(nullptr), ", ", &CLI::App::get_name);
  }

  const Common& common() const { return chosen_->common; }
  Arguments& arguments() { return chosen_->arguments; }
  const HelpTable& help() const { return help_; }
  CLI::App& app() { return app_; }

 private:
  static constexpr const char* kSummary = "train small networks on a CPU and see what they do";

  struct Slot {
    CLI::App* app = nullptr;
    Common common;
    Arguments arguments;
    std::vector<CLI::Option*> options;  // one per entry
  };

  // "data list" lives below "data"
  CLI::App* place(const Command& command) {
    const size_t space = command.name.find(' ');
    if (space == std::string::npos) return app_.add_subcommand(command.name, command.summary);
    const std::string group = command.name.substr(0, space);
    if (!groups_.contains(group)) {
      groups_[group] = app_.add_subcommand(group, help_.groups.at(group));
      groups_[group]->require_subcommand(1);
    }
    return groups_[group]->add_subcommand(command.name.substr(space + 1), command.summary);
  }

  void declare(const Command& command) {
    auto slot = std::make_unique<Slot>();
    slot->app = place(command);
    slot->app->footer("Example:\n  " + command.example);
    command.declare(slot->arguments);
    const size_t own = slot->arguments.entries_.size();
    declare_common(slot->common, slot->arguments, command.result_file);
    CommandHelp help{command.name, command.summary, command.example, {}};
    for (size_t k = 0; k < slot->arguments.entries_.size(); ++k) {
      Arguments::Entry& entry = slot->arguments.entries_[k];
      entry.is_common = k >= own;
      OptionHelp said = Arguments::described(entry);
      said.is_common &= entry.name != "out" || command.result_file.empty();
      help.options.push_back(std::move(said));
      slot->options.push_back(add_option(*slot->app, help.options.back()));
    }
    slots_.push_back(std::move(slot));
    help_.commands.push_back(std::move(help));
  }

  static CLI::Option* add_option(CLI::App& app, const OptionHelp& help) {
    const std::string name = (help.is_positional ? "" : "--") + help.name;
    if (help.value_name.empty()) return app.add_flag(name)->description(help.help);
    CLI::Option* option = app.add_option(name)->description(help.help);
    if (help.is_many)
      option->expected(1, CLI::detail::expected_max_vector_size)->allow_extra_args();
    if (help.is_positional) return option->required(help.is_required);
    option->type_name(help.value_name);
    return help.value.empty() ? option : option->default_str(help.value);
  }

  static void declare_common(Common& c, Arguments& a, const std::string& result_file) {
    a.integer("seed", c.seed, "seed of everything random", 0, INT64_MAX);
    a.integer("threads", c.threads, "threads; all cores unless given", 1, 1024);
    a.text(
        "out", c.out,
        result_file.empty()
            ? "folder or file for the results"
            : "folder for the results; " + result_file + " there holds what --json prints");
    a.text("data-dir", c.data_dir, "data folder; else LIMPID_DATA, else the user's cache folder");
    a.text("config", c.config, "options from a JSON file; the command line wins");
    a.text("color", c.color, "colours on a terminal", {"auto", "always", "never"});
    a.flag("quiet", c.quiet, "no progress, no notes");
    a.flag("json", c.json, "print the result as one JSON object");
  }

  static void read_config(Slot& slot) {
    const std::string& path = slot.common.config;
    if (path.empty()) return;
    const Json file = read_json_file(path);
    const Json* options = file.find("options");  // a config.json written by train
    slot.arguments.apply(options == nullptr ? file : *options, path);
  }

  const std::vector<Command>& commands_;
  HelpTable help_;
  CLI::App app_{std::string("limpid: ") + kSummary, "limpid"};
  std::map<std::string, CLI::App*> groups_;
  std::vector<std::unique_ptr<Slot>> slots_;
  Slot* chosen_ = nullptr;
};

namespace {

// Linux says it of this program alone; getrusage also counts what the starting program had.
double peak_rss_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::atof(line.c_str() + 6) / 1024;  // from kB
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// One line, whatever the message holds.
void print_error(const std::string& command, const std::string& message) {
  const bool is_named = command.empty() || message.starts_with(command + ": ");
  std::string line = "limpid: " + (is_named ? "" : command + ": ") + message;
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  std::fprintf(stderr, "%s\n", line.c_str());
}

// Rank 0 speaks for all; another rank only of an error that is its own. That one ends all.
int report_error(const std::string& command, const std::string& message, int status) {
  if (ranks::is_first()) print_error(command, message);
  if (ranks::leave(status)) return status;
  if (!ranks::is_first()) print_error(command, join_text("rank ", ranks::mine(), ": ", message));
  ranks::abandon(status);
}

// Results that cannot be written are a failure.
void flush_stdout() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) throw Error("cannot write to stdout");
}

// What --json prints, in the --out folder of a command that keeps it; without the keys that differ
// from run to run.
void write_result(const Command& command, const std::string& out, const Json& keys) {
  if (command.result_file.empty() || out.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) throw Error(out + ": cannot create the folder: " + error.message());
  Json kept = Json::object({{"schema", 1}, {"command", command.name}});
  for (const Json::Member& member : keys.members()) kept.set(member.key, member.value);
  write_file_atomic(out + "/" + command.result_file, as_bytes(to_text(kept, 2) + "\n"));
}

// Runs the command and prints its result.
int run_command(const Command& command, Parser& parser) {
  const Common& common = parser.common();
  if (ranks::count() > 1 && command.if_rank_dies.empty()) {
    throw UsageError(command.name + " runs in one process; start it without mpirun");
  }
  if (common.threads > 0) {
    parallel::set_threads(static_cast<int>(common.threads));
  } else if (ranks::count() > 1) {
    parallel::set_threads(std::max(1, parallel::threads() / ranks::on_this_machine()));
  }
  Console console(
      {.quiet = common.quiet || !ranks::is_first(), .json = common.json, .color = common.color});
  const auto start = std::chrono::steady_clock::now();
  Json keys = Json::object();
  try {
    keys = command.run({common, parser.arguments(), console, parser.help()});
  } catch (const Interrupted&) {
    // The exit status says it. Other ranks may wait for this one, and end with it
    if (ranks::count() > 1) ranks::abandon(interrupt_status());
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!interrupted() && ranks::is_first()) write_result(command, common.out, keys);
  if (common.json) {
    Json result = Json::object(
        {{"schema", 1},
         {"command", command.name},
         {"seconds", seconds},
         {"peak_rss_mb", peak_rss_mb()}});
    for (const Json::Member& member : keys.members()) result.set(member.key, member.value);
    std::printf("%s\n", to_text(result).c_str());
  }
  flush_stdout();
  return interrupted() ? interrupt_status() : 0;
}

}  // namespace

Json run_inside(
    const Command& command, const Json& values, const std::string& out, const Invocation& outer) {
  Common own = outer.common;
  own.out = out;
  own.json = own.quiet = true;
  Arguments arguments;
  command.declare(arguments);
  arguments.give(values);
  Console console({.quiet = true, .json = true, .color = "never"});
  const Json keys = command.run({own, arguments, console, outer.help});
  write_result(command, out, keys);
  Json result = Json::object({{"schema", 1}, {"command", command.name}});
  for (const Json::Member& member : keys.members()) result.set(member.key, member.value);
  return result;
}

std::string command_line(const Command& command, const Json& values, const std::string& out) {
  Arguments arguments;
  command.declare(arguments);
  std::string words, options;
  for (const Json::Member& member : values.members()) {
    const std::string value = shell_word(as_argument(member.value));
    if (arguments.is_word(member.key)) {
      words += " " + value;
    } else {
      options += " --" + member.key + (value == "true" ? "" : " " + value);
    }
  }
  return "limpid " + command.name + words + options + " --out " + out;
}

int run_commands(
    const std::vector<Command>& commands, const std::map<std::string, std::string>& groups,
    int argc, char** argv) {
  std::string name;
  std::atomic<const Command*> running = nullptr;  // read by the thread that watches other ranks
  try {
    ranks::join([&running](int rank) {
      const Command* command = running;
      print_error(
          command == nullptr ? "" : command->name,
          join_text(
              "rank ", rank, " of ", ranks::count(), " has died",
              command == nullptr ? "" : "; " + command->if_rank_dies));
    });
    if (!ranks::is_first() && std::freopen("/dev/null", "w", stdout) == nullptr) {
      throw Error("cannot open /dev/null");
    }
    Parser parser(commands, groups);
    try {
      const Command& command = parser.parse(argc, argv);
      name = command.name;
      running = &command;
      parser.set_values();
      const int status = run_command(command, parser);
      ranks::leave(0);
      return status;
    } catch (const CLI::ParseError& error) {
      name = parser.named();
      if (error.get_exit_code() != 0) throw UsageError(parser.complaint(error, argc, argv));
      parser.app().exit(error);  // prints help or version
      std::cout.flush();
      flush_stdout();
      ranks::leave(0);
      return 0;
    }
  } catch (const UsageError& error) {
    return report_error(name, error.what(), 2);
  } catch (const FormatError& error) {
    return report_error(name, error.what(), 3);
  } catch (const std::bad_alloc&) {
    return report_error(name, "out of memory", 1);
  } catch (const std::exception& error) {
    return report_error(name, error.what(), 1);
  }
}

}  // namespace limpid::tools
