// tests/io/files_test.cpp: reading whole files, atomic writing, base64.
#include "framework/io/files.h"

#include "framework/core/error.h"
#include "framework/io/encode.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace limpid;

namespace {

std::string content_of(const std::string& path) {
  const auto bytes = read_file(path, 1 << 20);
  return std::string(as_text(bytes));
}

int64_t entries_in(const TempDir& folder) {
  return std::distance(
      std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator());
}

void write_plainly(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace

TEST_CASE("files: what is written is read back, also empty and binary") {
  const TempDir folder;
  for (const std::string& text :
       {std::string(), std::string("text\n"), std::string("\0\xFF\r\n\0", 5),
        std::string(300000, 'x')}) {
    write_file_atomic(folder.file("a"), as_bytes(text));
    CHECK(content_of(folder.file("a")) == text);
    CHECK(entries_in(folder) == 1);
  }
}

TEST_CASE("files: reading refuses what is no regular file, and too long files (bad input 1)") {
  const TempDir folder;
  const std::string pipe = folder.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  write_plainly(folder.file("ten"), "0123456789");

  CHECK_THROWS_WITH_AS(
      read_file(folder.file("none"), 100),
      (folder.file("none") + ": cannot read: No such file or directory").c_str(), FormatError);
  CHECK_THROWS_WITH_AS(
      read_file(folder.path().string(), 100), doctest::Contains("cannot read: Is a directory"),
      FormatError);
  CHECK_THROWS_WITH_AS(
      read_file(pipe, 100), doctest::Contains("cannot read: not a regular file"), FormatError);
  CHECK_THROWS_WITH_AS(
      read_file("/dev/zero", 100), doctest::Contains("cannot read: not a regular file"),
      FormatError);
  CHECK_THROWS_WITH_AS(
      read_file(folder.file("ten"), 9),
      doctest::Contains("cannot read: 10 bytes, at most 9 are read"), FormatError);
  CHECK(read_file(folder.file("ten"), 10).size() == 10);
}

TEST_CASE("files: a failing write names path and reason, and leaves nothing behind") {
  const TempDir folder;
  const std::string inner = folder.file("folder");
  std::filesystem::create_directory(inner);
  CHECK_THROWS_WITH_AS(
      write_file_atomic(inner, as_bytes("x")), (inner + ": cannot write: Is a directory").c_str(),
      Error);
  CHECK_THROWS_WITH_AS(
      write_file_atomic(folder.file("none/a"), as_bytes("x")),
      doctest::Contains("cannot write: No such file or directory"), Error);
  CHECK_THROWS_WITH_AS(
      write_file_atomic("", as_bytes("x")), doctest::Contains("cannot write"), Error);
  // rename() would replace a device by a file
  const std::string pipe = folder.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH_AS(
      write_file_atomic(pipe, as_bytes("x")), doctest::Contains("not a regular file"), Error);
  CHECK(std::filesystem::is_fifo(pipe));
  CHECK(entries_in(folder) == 2);
}

TEST_CASE(
    "files: a write that fails half-way leaves the old file and no temporary file (bad input 26)") {
  const TempDir folder;
  const std::string path = folder.file("a");
  write_file_atomic(path, as_bytes("old"));

  // A limit on the size of files stands in for a full disk: write() returns EFBIG
  struct rlimit before {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  struct rlimit small = before;
  small.rlim_cur = 100'000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string message;
  try {
    write_file_atomic(path, as_bytes(std::string(200'000, 'n')));
  } catch (const Error& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);

  CHECK(message == path + ": cannot write: File too large");
  CHECK(content_of(path) == "old");
  CHECK(entries_in(folder) == 1);
}

TEST_CASE("files: temporary files of dead writers are removed, of living ones kept") {
  const TempDir folder;
  const std::string path = folder.file("model");
  const std::string stray = folder.file(".model.tmp-4242-0");
  const std::string clash = folder.file(".model.tmp-" + std::to_string(::getpid()) + "-0");
  const std::string living = folder.file(".model.tmp-4242-1");
  const std::string of_another = folder.file(".model2.tmp-4242-0");
  const std::string no_number = folder.file(".model.tmp-mine");
  for (const auto& name : {stray, clash, living, of_another, no_number}) write_plainly(name, "x");
  const int writer = ::open(living.c_str(), O_RDWR);
  REQUIRE(::flock(writer, LOCK_EX) == 0);

  write_file_atomic(path, as_bytes("new"));
  CHECK(content_of(path) == "new");
  CHECK_FALSE(std::filesystem::exists(stray));
  CHECK_FALSE(std::filesystem::exists(clash));
  CHECK(std::filesystem::exists(living));
  CHECK(std::filesystem::exists(of_another));
  CHECK(std::filesystem::exists(no_number));
  CHECK(entries_in(folder) == 4);

  // The lock dies with its writer
  ::close(writer);
  write_file_atomic(path, as_bytes("newer"));
  CHECK_FALSE(std::filesystem::exists(living));
}

TEST_CASE("files: a name that a living writer of the same process number holds is passed over") {
  const TempDir folder;
  const std::string taken = folder.file(".a.tmp-" + std::to_string(::getpid()) + "-0");
  write_plainly(taken, "x");
  const int writer = ::open(taken.c_str(), O_RDWR);
  REQUIRE(::flock(writer, LOCK_EX) == 0);
  write_file_atomic(folder.file("a"), as_bytes("new"));
  CHECK(content_of(folder.file("a")) == "new");
  CHECK(content_of(taken) == "x");
  ::close(writer);
}

TEST_CASE("files: many writers of one path do not disturb each other (bad input 27)") {
  const TempDir folder;
  const std::string path = folder.file("a");
  std::atomic<int> failures = 0;
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&, text = std::string(1000, static_cast<char>('0' + w))] {
      for (int i = 0; i < 200; ++i) {
        try {
          write_file_atomic(path, as_bytes(text));
        } catch (const Error&) {
          ++failures;
        }
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  CHECK(failures == 0);
  const std::string found = content_of(path);
  CHECK(found == std::string(1000, found[0]));
  CHECK(entries_in(folder) == 1);
}

TEST_CASE("files: a writer killed at any moment leaves a whole file (bad input 25)") {
  const TempDir folder;
  const std::string path = folder.file("a");
  const std::string first(200'000, '1');
  const std::string second(300'000, '2');
  write_file_atomic(path, as_bytes(first));
  for (int round = 0; round < 200; ++round) {
    const pid_t writer = ::fork();
    REQUIRE(writer >= 0);
    if (writer == 0) {
      for (;;) {
        write_file_atomic(path, as_bytes(second));
        write_file_atomic(path, as_bytes(first));
      }
    }
    ::usleep(static_cast<useconds_t>(100 + 157 * round % 6280));
    ::kill(writer, SIGKILL);
    REQUIRE(::waitpid(writer, nullptr, 0) == writer);
    const std::string found = content_of(path);
    CHECK((found == first || found == second));
  }
  write_file_atomic(path, as_bytes("last"));
  CHECK(content_of(path) == "last");
  CHECK(entries_in(folder) == 1);
}

TEST_CASE(
    "files: permissions and symbolic links survive, an open old file stays readable (bad input "
    "28)") {
  const TempDir folder;
  const std::string path = folder.file("a");
  write_file_atomic(path, as_bytes("old"));
  REQUIRE(::chmod(path.c_str(), 0640) == 0);
  std::filesystem::create_symlink("a", folder.path() / "link");
  std::ifstream reader(path);

  write_file_atomic(folder.file("link"), as_bytes("new"));
  CHECK(std::filesystem::is_symlink(folder.path() / "link"));
  CHECK(content_of(path) == "new");
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
  CHECK(std::string(std::istreambuf_iterator<char>(reader), {}) == "old");
}

TEST_CASE("files: base64 known answers (RFC 4648, section 10)") {
  const std::string foobar = "foobar";
  const char* expected[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  for (size_t n = 0; n <= foobar.size(); ++n) {
    CHECK(base64_text(as_bytes(foobar.substr(0, n))) == expected[n]);
  }
  // All bits set give the last letter, and 0xFB 0xEF 0xBE the letter before it
  CHECK(base64_text(as_bytes("\xFF\xFF\xFF\xFB\xEF\xBE")) == "////++++");
}
