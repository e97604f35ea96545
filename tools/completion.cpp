// tools/completion.cpp: limpid completion, scripts for bash, zsh and fish.
#include "framework/core/text.h"
#include "framework/io/files.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/help_pages.h"

#include <algorithm>
#include <memory>

namespace limpid::tools {
namespace {

std::string replaced_all(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// A file or any other text: shells offer files.
bool is_free_text(const OptionHelp& option) {
  return option.value_name == "TEXT" && option.choices.empty();
}

// The options of a command that satisfy a condition, with dashes.
template <class Condition>
std::vector<std::string> options_where(const CommandHelp& command, Condition condition) {
  std::vector<std::string> names;
  for (const OptionHelp& option : command.options) {
    if (!option.is_positional && condition(option)) names.push_back("--" + option.name);
  }
  return names;
}

// ---- bash ----

// "=" is a word of its own in COMP_WORDS. An empty COMPREPLY means files, by `-o default`.
constexpr const char* kBashStart =
    R"(# Completion of limpid for bash, made by: limpid completion bash
_limpid() {
  local IFS=$' \t\n'
  local word="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD - 1]}"
  local command="${COMP_WORDS[1]}" names="" options="" choices="" kind=""
  COMPREPLY=()
  if [ "$word" = "=" ]; then
    word=""
  elif [ "$previous" = "=" ]; then
    previous="${COMP_WORDS[COMP_CWORD - 2]}"
  fi
)";

constexpr const char* kBashEnd = R"(  esac
  if [ "$kind" = number ]; then
    compopt +o default 2>/dev/null
  elif [ "$kind" = text ]; then
    :
  elif [ "$kind" = choice ]; then
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
  elif [ "${word#-}" != "$word" ]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  else
    COMPREPLY=($(compgen -W "$names" -- "$word"))
  fi
}
complete -o default -F _limpid limpid
)";

std::string bash_case(const std::vector<std::string>& options, const std::string& action) {
  return options.empty() ? "" : "        " + joined(options, " | ") + ") " + action + " ;;\n";
}

std::string bash_command(const CommandHelp& command) {
  const auto has_value = [](const OptionHelp& o) { return !o.value_name.empty(); };
  std::string text = "    \"" + command.name + "\")\n";
  text += "      options=\"" +
          joined(options_where(command, [](const OptionHelp&) { return true; }), " ") +
          " --help\"\n";
  text += "      case \"$previous\" in\n";
  for (const OptionHelp& option : command.options) {
    if (option.is_positional || option.choices.empty()) continue;
    text += bash_case(
        {"--" + option.name}, "kind=choice choices=\"" + joined(option.choices, " ") + "\"");
  }
  text += bash_case(options_where(command, is_free_text), "kind=text");
  text += bash_case(
      options_where(
          command,
          [&](const OptionHelp& o) {
            return has_value(o) && o.choices.empty() && !is_free_text(o);
          }),
      "kind=number");
  text += "      esac\n";
  for (const OptionHelp& option : command.options) {
    if (!option.is_positional || option.choices.empty()) continue;
    text += "      names=\"" + joined(option.choices, " ") + "\"\n";
  }
  return text + "      ;;\n";
}

// ---- zsh ----

// Inside '...' of an argument of _arguments or _describe.
std::string zsh_text(std::string text) {
  for (const char* special : {"\\", "[", "]", ":"}) {
    text = replaced_all(text, special, std::string("\\") + special);
  }
  return replaced_all(text, "'", "'\\''");
}

std::string zsh_names(const std::vector<NextWord>& words, const std::string& indent) {
  std::string text = indent + "names=(\n";
  for (const NextWord& word : words) {
    text += indent + "  '" + word.name + ":" + zsh_text(word.summary) + "'\n";
  }
  return text + indent + ")\n" + indent + "_describe -t commands command names\n";
}

std::string zsh_option(const OptionHelp& option, int position) {
  const std::string values = !option.choices.empty() ? "(" + joined(option.choices, " ") + ")"
                             : is_free_text(option)  ? "_files"
                                                     : " ";
  if (option.is_positional) {
    const std::string place = option.is_many ? "*" : std::to_string(position);
    return "'" + place + (option.is_required || option.is_many ? ":" : "::") + option.name + ":" +
           values + "'";
  }
  const std::string help = "[" + zsh_text(option.help) + "]";
  if (option.value_name.empty()) return "'--" + option.name + help + "'";
  return "'--" + option.name + "=" + help + ":" + option.value_name + ":" + values + "'";
}

std::string zsh_command(const CommandHelp& command) {
  std::string text = "    '" + command.name + "')\n      _arguments";
  int position = 0;
  for (const OptionHelp& option : command.options) {
    if (option.is_positional) ++position;
    text += " \\\n        " + zsh_option(option, position);
  }
  return text + " \\\n        '--help[print help]'\n      ;;\n";
}

// ---- fish ----

std::string fish_text(const std::string& text) {
  return "'" + replaced_all(replaced_all(text, "\\", "\\\\"), "'", "\\'") + "'";
}

constexpr const char* kFishStart =
    R"(# Completion of limpid for fish, made by: limpid completion fish
function __limpid_words
    set -l words (commandline -opc)
    test (count $words) -eq $argv[1]
end
function __limpid_command
    set -l words (commandline -opc)
    set -e words[1]
    test (count $words) -ge (count $argv); or return 1
    for i in (seq (count $argv))
        test $words[$i] = $argv[$i]; or return 1
    end
end
)";

std::string fish_line(const std::string& condition, const std::string& rest) {
  return "complete -c limpid -n " + fish_text(condition) + " " + rest + "\n";
}

std::string fish_names(const std::vector<NextWord>& words, const std::string& condition) {
  std::string text;
  for (const NextWord& word : words) {
    text += fish_line(condition, "-f -a " + word.name + " -d " + fish_text(word.summary));
  }
  return text;
}

std::string fish_option(const OptionHelp& option) {
  const std::string values =
      option.choices.empty() ? "" : " -a " + fish_text(joined(option.choices, " "));
  if (option.is_positional) return values.empty() ? "" : "-f" + values;
  const std::string kind = option.value_name.empty() ? "" : is_free_text(option) ? " -r" : " -x";
  return "-l " + option.name + kind + values + " -d " + fish_text(option.help);
}

Json complete(const Invocation& in, const std::string& shell) {
  const std::string script = shell == "bash"  ? bash_completion(in.help)
                             : shell == "zsh" ? zsh_completion(in.help)
                                              : fish_completion(in.help);
  const Json printed = text_result(in, "script", script);
  return Json::object({{"shell", shell}, {"script", printed.at("script")}});
}

}  // namespace

std::vector<NextWord> words_after(const HelpTable& help, const std::string& group) {
  std::vector<NextWord> words;
  for (const CommandHelp& command : help.commands) {
    const size_t space = command.name.find(' ');
    const bool has_two = space != std::string::npos;
    const std::string first = command.name.substr(0, space);
    if (!group.empty()) {
      if (has_two && first == group) {
        words.push_back({command.name.substr(space + 1), command.summary});
      }
    } else if (!has_two) {
      words.push_back({first, command.summary});
    } else if (std::ranges::find(words, first, &NextWord::name) == words.end()) {
      words.push_back({first, help.groups.at(first), true});
    }
  }
  return words;
}

std::string bash_completion(const HelpTable& help) {
  std::string text = kBashStart;
  text += "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"" +
          joined(words_after(help, ""), " ", &NextWord::name) +
          " --help --version\" -- \"$word\"))\n    return\n  fi\n  case \"$command\" in\n";
  for (const auto& [group, summary] : help.groups) {
    text += "    " + group + ") names=\"" + joined(words_after(help, group), " ", &NextWord::name) +
            " --help\" ;;\n";
  }
  text += R"(  esac
  if [ -n "$names" ]; then
    if [ "$COMP_CWORD" -eq 2 ]; then
      COMPREPLY=($(compgen -W "$names" -- "$word"))
      return
    fi
    command="$command ${COMP_WORDS[2]}" names=""
  fi
  case "$command" in
)";
  for (const CommandHelp& command : help.commands) text += bash_command(command);
  return text + kBashEnd;
}

std::string zsh_completion(const HelpTable& help) {
  std::string text = R"(#compdef limpid
# Completion of limpid for zsh, made by: limpid completion zsh
_limpid() {
  local -a names
  local command="$words[2]"
  if (( CURRENT == 2 )); then
)";
  text += zsh_names(words_after(help, ""), "    ");
  text +=
      "    compadd -- --help --version\n    return\n  fi\n  shift words\n  (( CURRENT -= 1 ))\n";
  text += "  case \"$command\" in\n";
  for (const auto& [group, summary] : help.groups) {
    text += "    " + group + ")\n      if (( CURRENT == 2 )); then\n" +
            zsh_names(words_after(help, group), "        ") +
            "        return\n      fi\n      command=\"$command $words[2]\"\n" +
            "      shift words\n      (( CURRENT -= 1 ))\n      ;;\n";
  }
  text += "  esac\n  case \"$command\" in\n";
  for (const CommandHelp& command : help.commands) text += zsh_command(command);
  // Found by its file name, or read with `source`
  return text + R"(  esac
}
if [ "$funcstack[1]" = "_limpid" ]; then
  _limpid "$@"
else
  compdef _limpid limpid
fi
)";
}

std::string fish_completion(const HelpTable& help) {
  std::string text = kFishStart;
  text += fish_names(words_after(help, ""), "__limpid_words 1");
  text += fish_line("__limpid_words 1", "-l version -d 'print the version'");
  text += "complete -c limpid -l help -d 'print help'\n";
  for (const auto& [group, summary] : help.groups) {
    text += fish_names(words_after(help, group), "__limpid_words 2; and __limpid_command " + group);
  }
  for (const CommandHelp& command : help.commands) {
    for (const OptionHelp& option : command.options) {
      const std::string said = fish_option(option);
      if (!said.empty()) text += fish_line("__limpid_command " + command.name, said);
    }
  }
  return text;
}

Json text_result(const Invocation& in, const std::string& key, const std::string& text) {
  const std::string& out = in.common.out;
  if (out.empty()) {
    in.console.result(text.substr(0, text.size() - 1));  // which ends the line
  } else {
    write_file_atomic(out, as_bytes(text));
    in.console.result(out);
  }
  return Json::object({{key, text}});
}

Command completion_command() {
  auto shell = std::make_shared<std::string>();
  return {
      .name = "completion",
      .summary = "a script that completes commands, options and their choices in a shell",
      .example = "limpid completion bash",
      .declare =
          [shell](Arguments& a) {
            a.choice("SHELL", *shell, "the shell that reads the script", {"bash", "zsh", "fish"});
          },
      .run = [shell](const Invocation& in) { return complete(in, *shell); }};
}

}  // namespace limpid::tools
