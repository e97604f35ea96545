// tools/console.h: results on stdout; progress and notes on stderr.
#pragma once

#include <cstdint>
#include <string>

namespace limpid::tools {

class Console {
 public:
  struct Options {
    bool quiet = false;
    bool json = false;           // results are printed by the caller as one object
    std::string color = "auto";  // auto, always, never
  };
  explicit Console(const Options& options);

  /// A line of the result, on stdout; nothing with --json.
  void result(const std::string& line) const;
  /// A line on stderr; nothing with --quiet.
  void note(const std::string& line);
  /// A bar that is redrawn on a terminal; elsewhere nothing, since stages print their own lines.
  void progress(const std::string& what, int64_t done, int64_t total);
  /// The end of a stage: replaces the bar by one line.
  void stage(const std::string& line);
  std::string bold(const std::string& text) const;

 private:
  void clear_bar();

  Options options_;
  bool is_terminal_;
  bool has_color_;
  bool shows_bar_ = false;
  int64_t last_drawn_ = 0;  // milliseconds
};

/// True once Ctrl-C or SIGTERM arrived; a second one ends the process at once.
bool interrupted();
/// Thrown out of long work after Ctrl-C; the command ends without a result.
struct Interrupted {};
/// Throws Interrupted after Ctrl-C or SIGTERM.
void check_interrupt();
void catch_interrupts();
/// 130 after Ctrl-C, 143 after SIGTERM.
int interrupt_status();

/// Fixed digits, locale-independent: 12.34.
std::string fixed(double value, int digits);
/// A share as a percentage: "95.3 %".
std::string percent(double share);
/// A cell of a table: text filled with spaces up to `width`, and at least one.
std::string padded(const std::string& text, size_t width);

}  // namespace limpid::tools
