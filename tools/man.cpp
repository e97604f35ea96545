// tools/man.cpp: limpid man, the manual page, from the table that --help uses.
#include "tools/commands.h"
#include "tools/help_pages.h"
#include "tools/version.h"

#include <algorithm>
#include <sstream>

namespace limpid::tools {
namespace {

// Text that troff shows as it stands, every "-" one that can be copied.
std::string troff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\': out += "\\e"; break;
      case '-': out += "\\-"; break;
      case '\'': out += "\\(aq"; break;
      case '`': out += "\\(ga"; break;
      case '"': out += "\\(dq"; break;
      case '^': out += "\\(ha"; break;
      case '~': out += "\\(ti"; break;
      default: out += c;
    }
  }
  return out;
}

// A paragraph of text in lines of at most 80 characters, if words allow; none starts with a dot,
// which would make it a request.
std::string filled(const std::string& text) {
  constexpr size_t kWidth = 80;
  std::istringstream words(troff(text));
  std::string out, line;
  for (std::string word; words >> word;) {
    if (!line.empty() && line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line.clear();
    }
    if (line.empty()) {
      line = (word.starts_with('.') ? "\\&" : "") + word;
    } else {
      line += " " + word;
    }
  }
  return out + line + "\n";
}

std::string bold(const std::string& text) { return "\\fB" + troff(text) + "\\fR"; }
std::string italic(const std::string& text) { return "\\fI" + troff(text) + "\\fR"; }

std::string section(const std::string& title) { return ".SH " + title + "\n"; }
std::string tagged(const std::string& tag, const std::string& text) {
  return ".TP\n" + tag + "\n" + filled(text);
}

std::string option_entry(const OptionHelp& option) {
  const std::string tag =
      option.is_positional ? italic(option.name)
                           : bold("--" + option.name) +
                                 (option.value_name.empty() ? "" : " " + italic(option.value_name));
  const bool has_default = !option.is_positional && !option.value.empty();
  return tagged(tag, option.help + (has_default ? "; default " + option.value : ""));
}

std::string synopsis_of(const CommandHelp& command) {
  std::string line = bold("limpid " + command.name);
  for (const OptionHelp& option : command.options) {
    if (!option.is_positional) continue;
    const std::string word = italic(option.name) + (option.is_many ? " ..." : "");
    line += option.is_required ? " " + word : " [" + word + "]";
  }
  return line + " [" + italic("options") + "]\n";
}

std::string command_entry(const CommandHelp& command) {
  std::string text = ".SS limpid " + troff(command.name) + "\n" + synopsis_of(command) + ".PP\n" +
                     filled(command.summary);
  for (const OptionHelp& option : command.options) {
    if (!option.is_common) text += option_entry(option);
  }
  return text + ".PP\nExample:\n.PP\n.RS 4\n.EX\n" + troff(command.example) + "\n.EE\n.RE\n";
}

// Options that say the same of every command, once.
std::string common_entries(const HelpTable& help) {
  std::string text;
  std::vector<std::string> seen;
  for (const CommandHelp& command : help.commands) {
    for (const OptionHelp& option : command.options) {
      if (!option.is_common || std::ranges::find(seen, option.name) != seen.end()) continue;
      seen.push_back(option.name);
      text += option_entry(option);
    }
  }
  return text + tagged(bold("--help") + ", " + bold("-h"), "print help; after any command");
}

std::string groups_text(const HelpTable& help) {
  std::string text;
  for (const NextWord& word : words_after(help, "")) {
    if (word.is_group) text += tagged(bold("limpid " + word.name), word.summary);
  }
  return text;
}

std::string exit_statuses() {
  return section("EXIT STATUS") + tagged("0", "done") +
         tagged("1", "the run failed: reading or writing, numbers, a goal that was not reached") +
         tagged("2", "wrong usage: an unknown option, a value out of range") +
         tagged("3", "a bad input file") + tagged("130", "interrupted; 143 after SIGTERM") +
         ".PP\nAn error is one line on standard error:\n" + bold("limpid:") + " " +
         italic("COMMAND") + ": " + italic("what and why") + "\n";
}

std::string environment() {
  return section("ENVIRONMENT") +
         tagged("LIMPID_DATA", "the data folder, unless --data-dir names it") +
         tagged("XDG_CACHE_HOME", "else the folder limpid in this one is the data folder") +
         tagged("HOME", "else .cache/limpid in this one") +
         tagged("NO_COLOR", "if it is set, --color auto means never") +
         tagged("TERM", "the same if it is dumb") +
         tagged("LIMPID_KERNELS", "instruction set of the kernels, such as avx2; else the fastest");
}

std::string files() {
  return section("FILES") +
         tagged(
             italic("~/.cache/limpid"),
             "data sets, one folder each, as limpid data get keeps "
             "them") +
         tagged(
             italic("RUN/config.json"),
             "how limpid train was called; --config takes it, and so does every MODEL") +
         tagged(italic("RUN/metrics.jsonl"), "one line of JSON for each epoch") +
         tagged(
             italic("RUN/last.safetensors"),
             "weights and buffers of the last epoch, with what --resume needs") +
         tagged(italic("RUN/best.safetensors"), "those of the epoch with the best validation loss");
}

std::string description() {
  return section("DESCRIPTION") +
         filled(
             "limpid trains networks on a CPU and explains them. Results go to standard output, "
             "progress and notes to standard error. With --json the result is one JSON object: "
             "first \"schema\", \"command\", \"seconds\" and \"peak_rss_mb\", then what the "
             "command found. The same seed gives the same results with any number of threads.") +
         ".PP\n" +
         filled(
             "MODEL is a run folder that limpid train has written, or ARCH:FILE.safetensors, or "
             "onnx:FILE. Data are named as limpid data list shows them. An option --name VALUE "
             "may be written --name=VALUE.");
}

}  // namespace

std::string man_page(const HelpTable& help) {
  std::string text = ".\\\" Made by: limpid man\n.TH LIMPID 1 \"" + version_date() +
                     "\" \"limpid " + version_number() + "\" \"User Commands\"\n.ad l\n";
  text += section("NAME") + "limpid \\- " + troff(help.summary) + "\n";
  text += section("SYNOPSIS") + bold("limpid") + " " + italic("COMMAND") + " [" +
          italic("SUBCOMMAND") + "] [" + italic("options") + "]\n.br\n" + bold("limpid --help") +
          "\n.br\n" + bold("limpid --version") + "\n";
  text += description() + section("COMMANDS") + "Commands with subcommands:\n" + groups_text(help);
  for (const CommandHelp& command : help.commands) text += command_entry(command);
  text += section("COMMON OPTIONS") + "Every command has these.\n" + common_entries(help);
  return text + exit_statuses() + environment() + files();
}

Command man_command() {
  return {
      .name = "man",
      .summary = "the manual page, limpid.1, for man -l",
      .example = "limpid man --out limpid.1",
      .declare = [](Arguments&) {},
      .run = [](const Invocation& in) { return text_result(in, "page", man_page(in.help)); }};
}

}  // namespace limpid::tools
