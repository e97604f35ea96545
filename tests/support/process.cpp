// tests/support/process.cpp: fork, exec and wait; output goes to files, as a pipe could fill up.
#include "tests/support/process.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

extern char** environ;

namespace limpid {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("process: cannot " + what);
}

// A nameless file, or a descriptor, closed at the end of its object.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {
    if (number_ < 0) fail("open a file");
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_ = -1;
};

Descriptor nameless_file() {
  FILE* file = std::tmpfile();
  if (file == nullptr) fail("make a temporary file");
  const int number = ::fcntl(::fileno(file), F_DUPFD_CLOEXEC, 3);
  std::fclose(file);
  return Descriptor(number);
}

void append_all(int number, std::string& text) {
  char buffer[4096];
  for (ssize_t count; (count = ::read(number, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(count));
  }
}

std::string content_from_start(int number) {
  std::string text;
  ::lseek(number, 0, SEEK_SET);
  append_all(number, text);
  return text;
}

// The caller's variables with the changes, as NAME=value.
std::vector<std::string> changed_environment(
    const std::map<std::string, std::optional<std::string>>& changes) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    if (!changes.contains(variable.substr(0, variable.find('=')))) variables.push_back(variable);
  }
  for (const auto& [name, value] : changes) {
    if (value) variables.push_back(name + "=" + *value);
  }
  return variables;
}

std::vector<char*> null_terminated(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

struct Process::Files {
  Descriptor input, out, err;
  Descriptor terminal, theirs;  // our end of it, and the end of the program
};

Process::Process(
    const std::string& program, const std::vector<std::string>& arguments,
    const ProcessOptions& options)
    : options_(options), files_(std::make_unique<Files>()), start_(now()) {
  // Streams
  files_->input = nameless_file();
  if (::write(files_->input.number(), options.input.data(), options.input.size()) !=
      static_cast<ssize_t>(options.input.size())) {
    fail("write the input");
  }
  ::lseek(files_->input.number(), 0, SEEK_SET);
  if (options.has_terminal) {
    files_->terminal = Descriptor(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    const int ours = files_->terminal.number();
    ::fcntl(ours, F_SETFL, O_NONBLOCK);
    if (::grantpt(ours) != 0 || ::unlockpt(ours) != 0) fail("make a terminal");
    files_->theirs = Descriptor(::open(::ptsname(ours), O_RDWR | O_NOCTTY | O_CLOEXEC));
  }
  if (!options.output.empty()) {
    files_->out =
        Descriptor(::open(options.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  } else {
    files_->out = nameless_file();
  }
  files_->err = nameless_file();
  const int out = options.has_terminal && options.output.empty() ? files_->theirs.number()
                                                                 : files_->out.number();
  const int err = (options.has_terminal ? files_->theirs : files_->err).number();
  const int streams[3] = {files_->input.number(), out, err};

  // Everything that allocates happens before the fork
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = changed_environment(options.environment);
  const std::vector<char*> argv = null_terminated(words);
  const std::vector<char*> envp = null_terminated(variables);

  id_ = ::fork();
  if (id_ < 0) fail("start " + program);
  if (id_ == 0) {
    for (int k = 0; k < 3; ++k) ::dup2(streams[k], k);
    if (options.closes_output) ::close(1);
    if (options.closes_errors) ::close(2);
    if (options.address_space > 0) {
      const auto bytes = static_cast<rlim_t>(options.address_space);
      const rlimit limit{bytes, bytes};
      ::setrlimit(RLIMIT_AS, &limit);
    }
    if (!options.folder.empty() && ::chdir(options.folder.c_str()) != 0) ::_exit(127);
    ::execve(program.c_str(), argv.data(), envp.data());
    ::_exit(127);
  }
}

Process::~Process() {
  if (has_ended_) return;
  ::kill(id_, SIGKILL);
  ::waitpid(id_, nullptr, 0);
}

void Process::send(int signal) {
  look();
  if (!has_ended_) ::kill(id_, signal);
}

bool Process::has_ended() {
  look();
  return has_ended_;
}

void Process::look() {
  if (files_->terminal.number() >= 0) append_all(files_->terminal.number(), result_.out);
  if (has_ended_) return;
  int status = 0;
  rusage usage{};
  if (::wait4(id_, &status, WNOHANG, &usage) != id_) return;
  has_ended_ = true;
  result_.seconds = now() - start_;
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  result_.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  result_.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

ProcessResult Process::wait() {
  for (look(); !has_ended_; look()) {
    if (now() - start_ > options_.time_limit && !result_.ran_out_of_time) {
      result_.ran_out_of_time = true;
      ::kill(id_, SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (options_.has_terminal) {
    append_all(files_->terminal.number(), result_.out);
  } else if (options_.output.empty()) {
    result_.out = content_from_start(files_->out.number());
  }
  result_.err = content_from_start(files_->err.number());
  return std::move(result_);
}

ProcessResult run_process(
    const std::string& program, const std::vector<std::string>& arguments,
    const ProcessOptions& options) {
  return Process(program, arguments, options).wait();
}

}  // namespace limpid
