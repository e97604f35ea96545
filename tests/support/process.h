// tests/support/process.h: runs a program and keeps everything it says; no shell in between.
//
//     ProcessResult r = run_process("/bin/ls", {"-a"}, {.folder = "/tmp"});
//     CHECK(r.status == 0);
//
//     Process p("/bin/sleep", {"100"});  // still running
//     p.send(SIGINT);
//     CHECK(p.wait().status == 130);
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace limpid {

struct ProcessOptions {
  std::string folder = {};  // to start in; empty: the folder of the caller
  /// Changes to the caller's environment; a variable without a value is removed.
  std::map<std::string, std::optional<std::string>> environment = {};
  std::string input = {};      // what the program finds on stdin
  std::string output = {};     // a file that gets stdout; empty: it is kept in the result
  bool closes_output = false;  // stdout is closed
  bool closes_errors = false;  // stderr is closed
  bool has_terminal = false;   // stderr, and stdout without `output`: one terminal, kept in `out`
  int64_t address_space = 0;   // bytes the program may map; 0: no limit
  double time_limit = 60;      // seconds, after which the program is killed
};

struct ProcessResult {
  int status = 0;  // exit status; 128 + number if a signal ended it
  std::string out = {};
  std::string err = {};
  bool ran_out_of_time = false;
  double seconds = 0;      // from start to end
  double cpu_seconds = 0;  // user and system time of all its threads
};

/// A running program. It is killed at the end of the scope unless it has ended before.
class Process {
 public:
  /// Throws std::runtime_error if the program cannot be started at all; a program that is missing
  /// or a folder that does not exist gives status 127.
  Process(
      const std::string& program, const std::vector<std::string>& arguments,
      const ProcessOptions& options = {});
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  /// Sends a signal; nothing happens if the program has ended.
  void send(int signal);
  /// Waits for the end. May be called once.
  ProcessResult wait();
  bool has_ended();

 private:
  struct Files;
  void look();  // whether the program has ended, without waiting
  ProcessOptions options_;
  std::unique_ptr<Files> files_;
  pid_t id_ = -1;
  bool has_ended_ = false;
  double start_ = 0;  // seconds on a steady clock
  ProcessResult result_;
};

ProcessResult run_process(
    const std::string& program, const std::vector<std::string>& arguments,
    const ProcessOptions& options = {});

}  // namespace limpid
