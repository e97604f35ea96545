// tools/arguments.h: the command line, behind a small table of options that each command fills.
//
// The only user of CLI11 is arguments.cpp, because that header takes long to compile. Values are
// parsed by our own checks: locale-independent, NaN never passes a range.
#pragma once

#include "framework/core/error.h"
#include "framework/io/json.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace limpid::tools {

/// The command line asks for something that does not exist: exit status 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// Calls f, turning the library's complaints about a name or a value into wrong usage.
template <class F>
decltype(auto) as_usage(F&& f) {
  try {
    return f();
  } catch (const ValueError& error) {
    throw UsageError(error.what());
  } catch (const ShapeError& error) {
    throw UsageError(error.what());
  }
}

/// A word as a shell reads it back: quoted if it holds a space or another special sign.
std::string shell_word(const std::string& text);

/// Options that every command has.
struct Common {
  int64_t seed = 0;
  int64_t threads = 0;  // 0: all cores
  std::string out;
  std::string data_dir;
  std::string config;
  std::string color = "auto";
  bool quiet = false;
  bool json = false;
};

/// What help, the manual page and shell completion say of one option.
struct OptionHelp {
  std::string name;                  // without dashes; of a positional the word that stands for it
  std::string help;                  // names all choices
  std::string value_name;            // N a whole number, X a real one, else TEXT; "" for a flag
  std::string value;                 // unless given; "" if there is none
  std::vector<std::string> choices;  // empty: anything
  bool is_positional = false;
  bool is_many = false;      // positional: one word or more
  bool is_required = false;  // positional
  bool is_common = false;    // every command has it, in these words
};

/// The options of one command: where each value goes, what it may be, what help says.
class Arguments {
 public:
  /// A text; if `choices` is not empty it must be one of them.
  void text(
      const std::string& name, std::string& value, const std::string& help,
      std::vector<std::string> choices = {});
  /// A whole number in [low, high].
  void integer(
      const std::string& name, int64_t& value, const std::string& help, int64_t low, int64_t high);
  /// A real number in [low, high].
  void number(
      const std::string& name, double& value, const std::string& help, double low, double high);
  void flag(const std::string& name, bool& value, const std::string& help);
  /// Comma-separated texts.
  void list(const std::string& name, std::vector<std::string>& value, const std::string& help);
  /// Comma-separated real numbers in [low, high].
  void numbers(
      const std::string& name, std::vector<double>& value, const std::string& help, double low,
      double high);
  /// A word without an option name; left out it keeps the value, if it may be.
  void positional(
      const std::string& name, std::string& value, const std::string& help,
      bool is_required = true);
  /// A word without an option name that must be there and be one of the choices.
  void choice(
      const std::string& name, std::string& value, const std::string& help,
      std::vector<std::string> choices);
  /// One word or more without an option name.
  void positionals(
      const std::string& name, std::vector<std::string>& values, const std::string& help);

  /// Sets every option that the command line did not name from an object {"name": value}.
  /// Throws UsageError for a key that is no option or a value out of range.
  void apply(const Json& defaults, const std::string& source);
  /// Sets options and words without a name, as one command gives them to another. Throws as
  /// apply().
  void give(const Json& values);
  /// All options of the command with their values, except those common to every command.
  Json resolved() const;
  /// Whether that is a word without an option name.
  bool is_word(const std::string& name) const;
  /// Throws UsageError if the option has no value.
  void require(const std::string& name) const;

 private:
  friend class Parser;
  struct Entry {
    std::string name;  // without dashes
    std::string help;
    bool is_flag = false;
    bool is_positional = false;
    bool is_many = false;     // positional: set once for each word
    bool is_required = true;  // positional
    bool is_common = false;
    bool was_given = false;
    bool shows_value = true;                // false: a number that only stands for "not given"
    std::vector<std::string> choices = {};  // empty: anything
    std::function<void(const std::string&)> set;  // throws UsageError
    std::function<Json()> get;
  };
  void add(Entry entry);
  static OptionHelp described(const Entry& entry);
  std::vector<Entry> entries_;
};

class Console;

/// What is said of one command; `name` may have two words ("data list").
struct CommandHelp {
  std::string name;
  std::string summary;
  std::string example;
  std::vector<OptionHelp> options;
};

/// All commands; `groups` says what each first word of two ("data") is about.
struct HelpTable {
  std::string summary;
  std::map<std::string, std::string> groups;
  std::vector<CommandHelp> commands;
};

/// What a command gets.
struct Invocation {
  const Common& common;
  Arguments& arguments;
  Console& console;
  const HelpTable& help;
};

/// One command: `name` may have two words ("data list").
struct Command {
  std::string name;
  std::string summary;
  std::string example;  // a command line that runs as it stands
  std::function<void(Arguments&)> declare;
  /// Does the work; returns the keys of the JSON result.
  std::function<Json(const Invocation&)> run;
  /// A file in the --out folder, if one is named, for what --json prints.
  std::string result_file = {};
  /// What is left if a rank dies, where several ranks of mpirun may share the work
  /// (framework/core/ranks.h). Empty: the command runs in one process.
  std::string if_rank_dies = {};
};
/// Of a command that writes nothing before its end.
inline constexpr const char* kNoResult = "there is no result";

/// A JSON object from a file. Throws FormatError.
Json read_json_file(const std::string& path);

/// Runs a command from within another one, silently, with the common options of that one and
/// results in the folder or file `out`. Returns what --json would print.
Json run_inside(
    const Command& command, const Json& values, const std::string& out, const Invocation& outer);
/// The same as a command line: "limpid shallow plot runs/moons --box -3,3 --out plot.svg".
std::string command_line(const Command& command, const Json& values, const std::string& out);
/// What a user may choose from, as it stands in sentences: "a", "a or b", "a, b or c".
std::string alternatives(const std::vector<std::string>& names);

/// Parses the command line, runs the command, prints the result. Returns the exit status.
/// `groups` says what each first word of two is about.
int run_commands(
    const std::vector<Command>& commands, const std::map<std::string, std::string>& groups,
    int argc, char** argv);

}  // namespace limpid::tools
