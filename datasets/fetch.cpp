// datasets/fetch.cpp: curl as a child process, sums, and renaming when all is well.
#include "datasets/fetch.h"

#include "datasets/md5.h"
#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/io/gzip.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <spawn.h>
#include <sys/wait.h>
#include <system_error>
#include <vector>

extern char** environ;  // not in every <unistd.h>

namespace limpid::datasets {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxBytes = int64_t{4} << 30;  // of one file, packed or not

void report(const FetchOptions& options, const std::string& line) {
  if (options.report) options.report(line);
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::string sum_of(const fs::path& path) { return md5_text(read_file(path.string(), kMaxBytes)); }

std::string wrong_sum(
    const std::string& expected, const std::string& found, const std::string& hint) {
  return join_text("MD5 sum is ", found, ", expected ", expected, "; ", hint);
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(folder.string() + ": cannot make folder: " + error.message());
}

// ---- Transfer ----

// Runs a program found in PATH; returns its exit status, or 128 + the signal that ended it.
int run(const std::vector<std::string>& words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, words[0].c_str(), nullptr, nullptr, arguments.data(), environ);
  if (failed == ENOENT) {
    throw Error(
        words[0] + ": no such program; install it, or bring the files yourself and use --from");
  }
  if (failed != 0) throw Error(words[0] + ": cannot start: " + std::strerror(failed));
  int status = 0;
  while (::waitpid(child, &status, 0) == -1) {
    if (errno != EINTR) throw Error(words[0] + ": lost: " + std::strerror(errno));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Gets one file to its .part name, going on where an earlier transfer stopped.
void transfer(const std::string& url, const fs::path& part, const FetchOptions& options) {
  std::vector<std::string> words = {"curl", "--fail", "--location", "--continue-at", "-"};
  words.insert(words.end(), {"--retry", "3", "--output", part.string()});
  if (options.shows_progress) {
    words.emplace_back("--progress-bar");
  } else {
    words.insert(words.end(), {"--silent", "--show-error"});
  }
  words.push_back(url);
  const int status = run(words);
  if (status == 0) return;
  const std::string kept =
      "; the next call goes on from " + part.string() + "; remove it to start anew";
  throw Error(join_text(
      url, ": curl ended with status ", status,
      is_there(part) ? kept : "; nothing was transferred"));
}

void download(
    const std::string& url, const KnownFile& file, const fs::path& target,
    const FetchOptions& options) {
  const fs::path part = target.string() + ".part";

  // An earlier transfer may have come to its end but not to its name
  if (!is_there(part) || sum_of(part) != file.md5) {
    report(options, join_text(is_there(part) ? "going on with " : "getting ", url));
    transfer(url, part, options);
  }
  const std::string found = sum_of(part);
  if (found != file.md5) {
    fs::remove(part);  // more bytes would not make it right
    throw Error(
        target.string() + ": " +
        wrong_sum(file.md5, found, "what came from " + url + " was removed"));
  }
  fs::rename(part, target);
}

// ---- Files that are there already ----

std::string unpacked_name(const std::string& name) {
  return name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name;
}

// The content of a file whose sum, or the sum of what it holds, is right.
std::vector<std::byte> read_checked(const fs::path& path, const KnownFile& file) {
  std::vector<std::byte> bytes = read_file(path.string(), kMaxBytes);
  const std::string found = md5_text(bytes);
  if (found == file.md5) return bytes;
  if (!file.content_md5.empty()) {
    const std::string inside =
        is_gzip(bytes) ? md5_text(gunzip(bytes, kMaxBytes, path.string())) : found;
    if (inside == file.content_md5) return bytes;
    throw FormatError(
        path.string(), "",
        wrong_sum(file.content_md5, inside, "sums are those of the unpacked content"));
  }
  const bool is_unpacked = path.filename() != file.name;
  const std::string hint =
      is_unpacked ? "only the sum of " + file.name +
                        " is known, so the unpacked file cannot be checked; read it in its folder "
                        "as idx:FOLDER or cifar:FOLDER"
                  : "it is not the published file";
  throw FormatError(path.string(), "", wrong_sum(file.md5, found, hint));
}

// The file in a folder, under its name or unpacked; nothing if there is neither.
std::optional<fs::path> find_in(const fs::path& folder, const KnownFile& file) {
  for (const std::string& name : {file.name, unpacked_name(file.name)}) {
    if (is_there(folder / name)) return folder / name;
  }
  return std::nullopt;
}

}  // namespace

void fetch_files(
    const std::string& address, std::span<const KnownFile> files, const std::string& folder,
    const FetchOptions& options) {
  for (const KnownFile& file : files) {
    const fs::path target = fs::path(folder) / file.name;
    if (const auto here = find_in(folder, file)) {
      read_checked(*here, file);
      report(options, here->string() + ": already here, the sum is right");
      continue;
    }
    if (options.from.empty()) {
      make_folder(folder);
      download(address + file.name, file, target, options);
      report(options, target.string() + ": the sum is right");
      continue;
    }
    const auto source = find_in(options.from, file);
    if (!source) {
      throw FormatError(
          (fs::path(options.from) / file.name).string(), "", "no such file, packed or not");
    }
    const fs::path copy = fs::path(folder) / source->filename();
    const std::vector<std::byte> bytes = read_checked(*source, file);
    make_folder(folder);
    write_file_atomic(copy.string(), bytes);
    report(options, join_text(copy.string(), ": copied from ", options.from, ", the sum is right"));
  }
}

}  // namespace limpid::datasets
