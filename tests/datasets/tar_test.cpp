// tests/datasets/tar_test.cpp: archives of a few blocks, whole and damaged.
#include "datasets/tar.h"

#include "framework/core/error.h"
#include "framework/io/files.h"
#include "tests/datasets/sample_tar.h"
#include "tests/support/failure.h"

#include <doctest/doctest.h>

namespace limpid::datasets {
namespace {

// The text of the FormatError that parsing gives; empty if there is none.
std::string error_of(const Bytes& archive) {
  return failure([&] { parse_tar(archive, "a.tar"); });
}

Bytes sample() {
  Bytes archive;
  add_member(archive, "folder/", {}, '5');
  add_member(archive, "folder/a.txt", bytes_of_text("hello"));
  add_member(archive, "empty", {});
  add_member(archive, "b", Bytes(512, std::byte{'b'}));
  end_archive(archive);
  return archive;
}

}  // namespace

TEST_CASE("tar: regular files in their order, folders passed over") {
  const Bytes archive = sample();
  const auto members = parse_tar(archive, "a.tar");
  REQUIRE(members.size() == 3);
  CHECK(members[0].name == "folder/a.txt");
  CHECK(as_text(members[0].bytes) == "hello");
  CHECK(members[1].name == "empty");
  CHECK(members[1].bytes.empty());
  CHECK(as_text(members[2].bytes) == std::string(512, 'b'));
}

TEST_CASE("tar: long names, prefixes, pax headers, links, sizes in base 256") {
  const std::string long_name = std::string(200, 'n') + "/x.bin";
  Bytes archive;
  add_member(archive, "././@LongLink", bytes_of_text(long_name + '\0'), 'L');
  add_member(archive, "nnn", bytes_of_text("1"));
  add_member(archive, "PaxHeader", bytes_of_text("13 path=pax/\n"), 'x');
  add_member(archive, "next", bytes_of_text("22"));
  add_member(archive, "global", bytes_of_text("x"), 'g');
  add_member(archive, "link", {}, '2');
  const size_t at = archive.size();
  add_member(archive, "last", bytes_of_text("333"), '\0');
  put_text(archive, at + 345, "prefix");
  put_text(archive, at + 124, std::string("\x80\0\0\0\0\0\0\0\0\0\0\3", 12));
  sign_header(archive, at);
  end_archive(archive);
  const auto members = parse_tar(archive, "a.tar");
  REQUIRE(members.size() == 3);
  CHECK(members[0].name == long_name);
  CHECK(members[1].name == "next");
  CHECK(members[2].name == "prefix/last");
  CHECK(as_text(members[2].bytes) == "333");
}

TEST_CASE("tar: damaged archives are refused with their place") {
  const Bytes good = sample();
  const auto with = [&](size_t at, const std::string& text) {
    Bytes archive = good;
    put_text(archive, at, text);
    sign_header(archive, 512);
    return error_of(archive);
  };
  CHECK(with(512, "other") == "");
  CHECK(contains(with(512 + 124, "0000000000x"), "a.tar: byte 512: tar: the size is no number"));
  CHECK(contains(with(512 + 124, "            "), "the size is no number"));
  CHECK(contains(with(512 + 124, "77777777777"), "the member has 8589934591 bytes, the archive"));
  CHECK(contains(with(512 + 124, std::string(12, '\xFF')), "the size is no number"));
  CHECK(contains(
      with(512 + 124, std::string("\x80\0\0\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12)),
      "the member has 9223372036854775807 bytes"));
  CHECK(contains(with(512 + 124, std::string("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12)), "no number"));

  Bytes changed = good;
  changed[512] ^= std::byte{1};
  CHECK(
      contains(error_of(changed), "a.tar: byte 512: tar: no member header: the checksum differs"));
  CHECK(contains(error_of(bytes_of_text(std::string(600, 'x'))), "the checksum differs"));
  changed = good;
  changed.push_back(std::byte{1});
  CHECK(contains(error_of(changed), "goes on behind its end"));

  Bytes long_name;
  add_member(long_name, "././@LongLink", Bytes(70'000, std::byte{'n'}), 'L');
  end_archive(long_name);
  CHECK(contains(error_of(long_name), "a name of 70000 bytes"));
}

TEST_CASE("tar: an archive cut inside a member or before its end is refused") {
  const Bytes good = sample();
  for (size_t n = 0; n + 1024 < good.size() + 512; ++n) {
    const std::string text = error_of(Bytes(good.begin(), good.begin() + std::ptrdiff_t(n)));
    if (text.empty()) FAIL("accepted ", n, " bytes");
  }
}

}  // namespace limpid::datasets
