// framework/io/files.cpp: POSIX calls behind reading and atomic writing.
#include "framework/io/files.h"

#include "framework/core/error.h"
#include "framework/core/ranks.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace limpid {

namespace fs = std::filesystem;

namespace {

/// Calls a POSIX function again while a signal interrupts it.
template <class Call>
auto retried(Call call) {
  auto result = call();
  while (result == -1 && errno == EINTR) result = call();
  return result;
}

/// An open file, closed at the end of the scope.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, mode_t mode = 0)
      : number_(retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); })) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }

  bool valid() const { return number_ != -1; }
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }
  bool close() { return number_ == -1 || ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

std::string reason(int error = errno) { return std::generic_category().message(error); }

[[noreturn]] void cannot_read(const std::string& path, const std::string& why) {
  throw FormatError(path, "", "cannot read: " + why);
}

[[noreturn]] void cannot_write(const std::string& path, const std::string& why) {
  throw Error(path + ": cannot write: " + why);
}

// ---- Temporary files. A writer keeps its file locked, and a lock dies with its process: a file
// ---- that somebody else can lock has been left behind.

/// The part of a temporary name before its numbers; the leading dot keeps it out of listings.
std::string temporary_prefix(const fs::path& target) {
  return "." + target.filename().string() + ".tmp-";
}

bool is_temporary_of(const std::string& prefix, const std::string& name) {
  return name.starts_with(prefix) && name.size() > prefix.size() &&
         name.find_first_not_of("0123456789-", prefix.size()) == std::string::npos;
}

/// Deletes what killed processes left for `target`. Failing to do so is no error.
void remove_strays(const fs::path& target) {
  const std::string prefix = temporary_prefix(target);
  std::error_code ignored;
  fs::directory_iterator entry(target.parent_path(), ignored);
  for (; entry != fs::directory_iterator(); entry.increment(ignored)) {
    if (!is_temporary_of(prefix, entry->path().filename().string())) continue;
    const std::string path = entry->path().string();
    const Descriptor stray(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
    if (!stray.valid() || ::flock(stray.number(), LOCK_EX | LOCK_NB) != 0) continue;

    // Its writer may have renamed it meanwhile, and another one taken the name
    struct stat opened {};
    struct stat named {};
    if (::fstat(stray.number(), &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
        opened.st_dev == named.st_dev && opened.st_ino == named.st_ino) {
      ::unlink(path.c_str());
    }
  }
}

/// A new locked file beside `target`, deleted at the end of the scope unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) : file_(create(target)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  TemporaryFile(TemporaryFile&&) = delete;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  Descriptor& file() { return file_; }

  bool rename_to(const fs::path& target) {
    if (::rename(path_.c_str(), target.c_str()) != 0) return false;
    path_.clear();
    return true;
  }

 private:
  Descriptor create(const fs::path& target) {
    const std::string stem =
        (target.parent_path() / temporary_prefix(target)).string() + std::to_string(::getpid());
    for (int attempt = 0; attempt < 1000; ++attempt) {
      path_ = stem + "-" + std::to_string(attempt);
      Descriptor file(path_, O_WRONLY | O_CREAT | O_EXCL, 0666);
      if (!file.valid() && errno == EEXIST) continue;  // of another thread or another machine
      if (!file.valid()) cannot_write(target.string(), reason());

      // Another writer may have taken the file for a stray before the lock was ours: try again.
      // File systems without locks never delete strays, so there the lock may fail.
      retried([&] { return ::flock(file.number(), LOCK_EX); });
      struct stat status {};
      if (::fstat(file.number(), &status) == 0 && status.st_nlink > 0) return file;
    }
    cannot_write(target.string(), "no free name for a temporary file");
  }

  std::string path_;
  Descriptor file_;
};

bool write_all(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const size_t part = std::min<size_t>(bytes.size(), size_t{1} << 30);
    const ssize_t written = retried([&] { return ::write(file, bytes.data(), part); });
    if (written < 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

/// The file that a path names in the end. Throws Error for anything that rename() must not replace.
fs::path write_target(const std::string& path) {
  std::error_code error;
  fs::path target = path;
  if (fs::is_symlink(fs::symlink_status(target, error))) {
    target = fs::canonical(target, error);
    if (error) cannot_write(path, error.message());
  }
  const fs::file_status status = fs::status(target, error);
  if (fs::is_directory(status)) cannot_write(path, reason(EISDIR));
  if (fs::exists(status) && !fs::is_regular_file(status)) cannot_write(path, "not a regular file");
  if (target.filename().empty()) cannot_write(path, reason(ENOENT));
  return target.has_parent_path() ? target : "." / target;
}

}  // namespace

InputFile::InputFile(const std::string& path, int64_t max_bytes) : path_(path) {
  // Open without waiting for the other end of a pipe, then look at what was opened
  Descriptor file(path, O_RDONLY | O_NONBLOCK);
  if (!file.valid()) cannot_read(path, reason());
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) cannot_read(path, reason());
  if (S_ISDIR(status.st_mode)) cannot_read(path, reason(EISDIR));
  if (!S_ISREG(status.st_mode)) cannot_read(path, "not a regular file");
  if (status.st_size > max_bytes) {
    cannot_read(
        path, join_text(int64_t{status.st_size}, " bytes, at most ", max_bytes, " are read"));
  }
  size_ = status.st_size;
  number_ = file.release();
}

InputFile::~InputFile() { ::close(number_); }

void InputFile::read(int64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const size_t part = std::min<size_t>(out.size(), size_t{1} << 30);
    const ssize_t count = retried([&] { return ::pread(number_, out.data(), part, offset); });
    if (count < 0) cannot_read(path_, reason());
    if (count == 0) cannot_read(path_, join_text("ends at byte ", offset));  // it was longer
    offset += count;
    out = out.subspan(static_cast<size_t>(count));
  }
}

std::vector<std::byte> read_file(const std::string& path, int64_t max_bytes) {
  const InputFile file(path, max_bytes);
  std::vector<std::byte> bytes;
  try {
    bytes.resize(static_cast<size_t>(file.size()));
  } catch (const std::bad_alloc&) {
    cannot_read(path, join_text("no memory for ", file.size(), " bytes"));
  }
  file.read(0, bytes);
  return bytes;
}

void write_file_atomic(const std::string& path, std::span<const std::byte> bytes) {
  if (!ranks::is_first()) return;
  const fs::path target = write_target(path);
  remove_strays(target);
  TemporaryFile temporary(target);

  // Fill the temporary file and bring it to the disk
  const int number = temporary.file().number();
  struct stat old {};
  if (::stat(target.c_str(), &old) == 0 && ::fchmod(number, old.st_mode & 07777) != 0) {
    cannot_write(path, reason());
  }
  if (!write_all(number, bytes)) cannot_write(path, reason());
  if (retried([&] { return ::fsync(number); }) != 0) cannot_write(path, reason());

  // Replace the target, then make the new name durable too, where the file system can do that
  if (!temporary.rename_to(target)) cannot_write(path, reason());
  if (!temporary.file().close()) cannot_write(path, reason());
  const Descriptor folder(target.parent_path().string(), O_RDONLY | O_DIRECTORY);
  if (folder.valid()) retried([&] { return ::fsync(folder.number()); });
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

}  // namespace limpid
