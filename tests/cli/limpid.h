// tests/cli/limpid.h: runs the program under test and looks at what it left behind.
#pragma once

#include "framework/io/json.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

#include <map>
#include <string>
#include <vector>

namespace limpid::cli {

/// The words of a command line, separated by spaces; nothing is quoted.
std::vector<std::string> words(const std::string& line);

/// `limpid` with the words of a line as arguments, started in the folder. The data folder is one
/// that does not exist.
ProcessResult run(const TempDir& folder, const std::string& line, ProcessOptions options = {});
/// The same for arguments that hold spaces.
ProcessResult run_words(
    const TempDir& folder, const std::vector<std::string>& arguments, ProcessOptions options = {});

/// Runs a line that must succeed.
ProcessResult succeed(
    const TempDir& folder, const std::string& line, const ProcessOptions& options = {});
/// The same with --json; checks that stdout is one line of JSON with the keys of every command.
Json run_json(const TempDir& folder, const std::string& line);

/// Checks that a line ends with this status, no result, one line `limpid: ...` that holds all the
/// texts, and no change to the folder.
void check_refused(
    const TempDir& folder, const std::string& line, int status,
    const std::vector<std::string>& texts);
/// Checks that an error is one line `limpid: ...` holding all the texts.
void check_one_line(const std::string& error, const std::vector<std::string>& texts);

/// Sets all weights in the last.safetensors of a run to 0: a network that looks at nothing.
void blind(const TempDir& folder, const std::string& run);

/// `train --quiet` that must succeed: its --out, the other options.
void train(const TempDir& folder, const std::string& out, const std::string& options);

std::string content(const std::string& path);
void write(const std::string& path, const std::string& text);
bool exists(const std::string& path);
/// Replaces the first occurrence of a text, which must be there.
std::string replaced(std::string text, const std::string& old_part, const std::string& new_part);
std::vector<std::string> lines(const std::string& text);

/// A line of a help text: an option with its dashes, or a word without, and what is said of it.
struct HelpRow {
  std::string name;
  std::string value;  // what stands for it, "N=10"; empty: a flag
  std::string help;
};
/// The positionals and options of a help text.
std::vector<HelpRow> help_rows(const std::string& help);
/// The line below "Example:", without the program's name.
std::string example_in(const std::string& help);
/// All commands that do something, in the order of the help.
std::vector<std::string> commands(const TempDir& folder);

/// Is there a program of that name?
bool has_program(const std::string& name);

/// Every file and folder below: relative path to content and time of the last change.
std::map<std::string, std::string> snapshot(const std::string& folder);

/// CRC-32 of a file as eight hexadecimal digits, to show that files agree.
std::string checksum(const std::string& path);

}  // namespace limpid::cli
