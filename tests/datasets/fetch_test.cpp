// tests/datasets/fetch_test.cpp: MD5 sums, and files brought to a folder by curl or by copying.
#include "datasets/fetch.h"

#include "datasets/md5.h"
#include "framework/core/error.h"
#include "framework/io/files.h"
#include "tests/datasets/sample_files.h"
#include "tests/support/failure.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

namespace fs = std::filesystem;

namespace limpid::datasets {
namespace {

std::string md5_of(const std::string& text) { return md5_text(as_bytes(text)); }

bool has_curl() { return run_process("/usr/bin/env", {"curl", "--version"}).status == 0; }

std::string content(const fs::path& path) {
  return std::string(as_text(read_file(path.string(), 1 << 20)));
}

// A place that files are published in, a folder they go to, and what was said meanwhile.
struct Fixture {
  Fixture() {
    fs::create_directories(source());
    const Bytes letters = bytes_of_text("abcdefghij");
    write_bytes(source() / "a.gz", gzip_bytes(letters, "a"));
    write_bytes(source() / "b.bin", bytes_of_text("second file"));
    files = {
        {.name = "a.gz",
         .md5 = md5_text(gzip_bytes(letters, "a")),
         .content_md5 = md5_of("abcdefghij")},
        {.name = "b.bin", .md5 = md5_of("second file")}};
  }

  static Bytes bytes_of_text(const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
  }

  fs::path source() const { return dir.path() / "published files"; }
  fs::path folder() const { return dir.path() / "data" / "set"; }

  /// The error of fetching; empty if there is none.
  std::string fetch(const std::string& from = "") {
    said.clear();
    try {
      const auto note = [this](const std::string& line) { said += line + "\n"; };
      // As in an address, a blank is written %20
      const std::string place = dir.path().string() + "/published%20files/";
      fetch_files("file://" + place, files, folder().string(), {.from = from, .report = note});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  TempDir dir;
  std::vector<KnownFile> files;
  std::string said;
};

}  // namespace

TEST_CASE("md5: the test suite of RFC 1321, and lengths around a block") {
  CHECK(md5_of("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_of("a") == "0cc175b9c0f1b6a831c399e269772661");
  CHECK(md5_of("abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(md5_of("message digest") == "f96b697d7cb7938d525a2f31aaf161d0");
  CHECK(md5_of("abcdefghijklmnopqrstuvwxyz") == "c3fcd3d76192e4007dfb496cca67e13b");
  CHECK(
      md5_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") ==
      "d174ab98d277d9f5a5611c2c9f419d9f");
  std::string digits;
  for (int i = 0; i < 8; ++i) digits += "1234567890";
  CHECK(md5_of(digits) == "57edf4a22be3c955ac49da2e2107b67a");
  // Python: hashlib.md5(b"x" * n).hexdigest()
  CHECK(md5_of(std::string(55, 'x')) == "04364420e25c512fd958a70738aa8f72");
  CHECK(md5_of(std::string(56, 'x')) == "668a72d5ba17f08e62dabcafad6db14b");
  CHECK(md5_of(std::string(63, 'x')) == "7dc2ca208106a2f703567bdff99d8981");
  CHECK(md5_of(std::string(64, 'x')) == "c1bb4f81d892b2d57947682aeb252456");
  CHECK(md5_of(std::string(100'000, 'x')) == "d5816f35916d1d9482fb0f1ec201101d");
}

TEST_CASE("fetch: files are transferred, checked and named, and checked again later") {
  if (!has_curl()) {
    MESSAGE("no curl here: skipped");
    return;
  }
  Fixture f;
  CHECK(f.fetch() == "");
  CHECK(content(f.folder() / "b.bin") == "second file");
  CHECK(content(f.folder() / "a.gz") == content(f.source() / "a.gz"));
  CHECK(contains(f.said, "getting file://"));
  CHECK(contains(f.said, "b.bin: the sum is right"));
  CHECK_FALSE(fs::exists(f.folder() / "a.gz.part"));
  CHECK(f.fetch() == "");
  CHECK(contains(f.said, "a.gz: already here, the sum is right"));
  CHECK_FALSE(contains(f.said, "getting"));
}

TEST_CASE("fetch: a transfer that stopped goes on") {
  if (!has_curl()) return;
  Fixture f;
  fs::create_directories(f.folder());
  SUBCASE("in the middle") {
    write_bytes(f.folder() / "b.bin.part", Fixture::bytes_of_text("second "));
    CHECK(f.fetch() == "");
    CHECK(contains(f.said, "going on with file://"));
  }
  SUBCASE("behind the last byte") {
    write_bytes(f.folder() / "b.bin.part", Fixture::bytes_of_text("second file"));
    fs::remove(f.source() / "b.bin");
    CHECK(f.fetch() == "");
  }
  CHECK(content(f.folder() / "b.bin") == "second file");
  CHECK_FALSE(fs::exists(f.folder() / "b.bin.part"));
}

TEST_CASE("fetch: a .part that is longer than the file is kept and named") {
  if (!has_curl()) return;
  Fixture f;
  fs::create_directories(f.folder());
  write_bytes(f.folder() / "b.bin.part", Fixture::bytes_of_text("second file and more"));
  CHECK(contains(f.fetch(), "b.bin.part; remove it to start anew"));
  fs::remove(f.folder() / "b.bin.part");
  CHECK(f.fetch() == "");
}

TEST_CASE("fetch: a wrong sum is an error with both sums, and nothing is installed") {
  if (!has_curl()) return;
  Fixture f;
  f.files[1].md5 = std::string(32, '0');
  const std::string text = f.fetch();
  CHECK(contains(text, "b.bin: MD5 sum is " + md5_of("second file") + ", expected 00000000"));
  CHECK(fs::exists(f.folder() / "a.gz"));
  CHECK_FALSE(fs::exists(f.folder() / "b.bin"));
  CHECK_FALSE(fs::exists(f.folder() / "b.bin.part"));

  // A file that is there already is not replaced
  write_bytes(f.folder() / "b.bin", Fixture::bytes_of_text("mine"));
  CHECK(contains(f.fetch(), "b.bin: MD5 sum is " + md5_of("mine")));
  CHECK(content(f.folder() / "b.bin") == "mine");
}

TEST_CASE("fetch: an address that does not answer, and a machine without curl") {
  Fixture f;
  if (has_curl()) {
    fs::remove(f.source() / "b.bin");
    const std::string text = f.fetch();
    CHECK(contains(text, "b.bin: curl ended with status 37; nothing was transferred"));
    fs::remove_all(f.folder());
  }
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", "/nonexistent", 1);
  const std::string text = f.fetch();
  ::setenv("PATH", path.c_str(), 1);
  CHECK(contains(text, "curl: no such program; install it, or bring the files yourself"));
  CHECK(f.fetch("none") == "none/a.gz: no such file, packed or not");
}

TEST_CASE("fetch: from a folder, as published, packed otherwise or unpacked") {
  Fixture f;
  const std::string from = f.source().string();
  SUBCASE("as published") {
    CHECK(f.fetch(from) == "");
    CHECK(content(f.folder() / "a.gz") == content(f.source() / "a.gz"));
    CHECK(contains(f.said, "a.gz: copied from " + from + ", the sum is right"));
    CHECK(f.fetch("none") == "");  // all is here, nothing is copied
  }
  SUBCASE("packed otherwise; the content decides") {
    write_bytes(f.source() / "a.gz", gzip_bytes(Fixture::bytes_of_text("abcdefghij"), ""));
    CHECK(f.fetch(from) == "");
    write_bytes(f.source() / "a.gz", gzip_bytes(Fixture::bytes_of_text("abcdefghiJ"), ""));
    CHECK(f.fetch(from) == "");  // the good one is already here
    fs::remove_all(f.folder());
    CHECK(contains(f.fetch(from), "expected " + md5_of("abcdefghij") + "; sums are those of the"));
    CHECK_FALSE(fs::exists(f.folder() / "a.gz"));
  }
  SUBCASE("unpacked") {
    fs::remove(f.source() / "a.gz");
    write_bytes(f.source() / "a", Fixture::bytes_of_text("abcdefghij"));
    CHECK(f.fetch(from) == "");
    CHECK(content(f.folder() / "a") == "abcdefghij");
    CHECK(f.fetch("none") == "");
  }
  SUBCASE("unpacked, but only the sum of the packed file is known") {
    f.files[0].content_md5 = "";
    fs::remove(f.source() / "a.gz");
    write_bytes(f.source() / "a", Fixture::bytes_of_text("abcdefghij"));
    CHECK(contains(f.fetch(from), "only the sum of a.gz is known, so the unpacked file cannot be"));
    CHECK_FALSE(fs::exists(f.folder() / "a"));
  }
  SUBCASE("damaged") {
    write_bytes(f.source() / "b.bin", Fixture::bytes_of_text("second filE"));
    CHECK(contains(f.fetch(from), "b.bin: MD5 sum is "));
    CHECK_FALSE(fs::exists(f.folder() / "b.bin"));
  }
}

}  // namespace limpid::datasets
