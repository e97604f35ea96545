// tools/help_pages.h: texts made from the table of commands: shell completion, manual page.
#pragma once

#include "tools/arguments.h"

#include <string>
#include <vector>

namespace limpid::tools {

/// A word that may stand next on the command line.
struct NextWord {
  std::string name;
  std::string summary;
  bool is_group = false;
};
/// What may follow `limpid` (group "") or `limpid GROUP`, in the order of help.
std::vector<NextWord> words_after(const HelpTable& help, const std::string& group);

/// Scripts that complete commands, options and choices; files for every other value.
std::string bash_completion(const HelpTable& help);
std::string zsh_completion(const HelpTable& help);
std::string fish_completion(const HelpTable& help);

/// limpid.1, in the man macros of troff.
std::string man_page(const HelpTable& help);

/// A text as the result: written to --out (atomically), else printed. Returns {key: text}.
Json text_result(const Invocation& in, const std::string& key, const std::string& text);

}  // namespace limpid::tools
