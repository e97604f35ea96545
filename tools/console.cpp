// tools/console.cpp: lines, the progress bar, and signals.
#include "tools/console.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <signal.h>
#include <unistd.h>

namespace limpid::tools {
namespace {

volatile sig_atomic_t signal_seen = 0;

void on_signal(int number) {
  if (signal_seen != 0) _exit(128 + number);
  signal_seen = number;
}

int64_t milliseconds() {
  using namespace std::chrono;
  return duration_cast<std::chrono::milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return signal_seen != 0; }

void check_interrupt() {
  if (interrupted()) throw Interrupted();
}

int interrupt_status() { return 128 + signal_seen; }

Console::Console(const Options& options) : options_(options) {
  const char* term = std::getenv("TERM");
  const bool is_dumb = term == nullptr || std::strcmp(term, "dumb") == 0;
  is_terminal_ = isatty(STDERR_FILENO) != 0 && !is_dumb;
  // Colours are for results, the bar for notes: two streams, each with its own answer
  const bool is_allowed =
      isatty(STDOUT_FILENO) != 0 && !is_dumb && std::getenv("NO_COLOR") == nullptr;
  has_color_ = options.color == "always" || (options.color == "auto" && is_allowed);
}

void Console::result(const std::string& line) const {
  if (!options_.json) std::printf("%s\n", line.c_str());
}

void Console::note(const std::string& line) {
  if (options_.quiet) return;
  clear_bar();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void Console::stage(const std::string& line) { note(line); }

void Console::progress(const std::string& what, int64_t done, int64_t total) {
  if (options_.quiet || !is_terminal_ || total <= 0) return;
  const int64_t now = milliseconds();
  if (shows_bar_ && now - last_drawn_ < 100 && done < total) return;
  constexpr int64_t kWidth = 30;
  const int64_t filled = kWidth * done / total;
  std::string bar;
  for (int64_t i = 0; i < kWidth; ++i) bar += i < filled ? '#' : '.';
  std::fprintf(
      stderr, "\r\033[K%s [%s] %lld/%lld", what.c_str(), bar.c_str(), static_cast<long long>(done),
      static_cast<long long>(total));
  std::fflush(stderr);
  shows_bar_ = true;
  last_drawn_ = now;
}

void Console::clear_bar() {
  if (!shows_bar_) return;
  std::fprintf(stderr, "\r\033[K");
  shows_bar_ = false;
}

std::string Console::bold(const std::string& text) const {
  return has_color_ ? "\033[1m" + text + "\033[0m" : text;
}

std::string fixed(double value, int digits) {
  std::array<char, 400> buffer{};
  const auto end = std::to_chars(
      buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, digits);
  return {buffer.data(), end.ptr};
}

std::string percent(double share) { return fixed(100 * share, 1) + " %"; }

std::string padded(const std::string& text, size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 1, ' ');
}

}  // namespace limpid::tools
