// tests/io/npz_test.cpp: archives of arrays, good, damaged and malicious.
#include "framework/io/npz.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/io/files.h"
#include "framework/io/gzip.h"
#include "framework/io/npy.h"
#include "framework/io/zip.h"
#include "tests/support/failure.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace limpid;

namespace {

std::string as_string(std::span<const std::byte> bytes) { return std::string(as_text(bytes)); }

std::string error_of(const std::string& archive) {
  return failure([&] { read_npz(as_bytes(archive), "a.npz"); });
}

std::string number(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value & 0xFF);
  return text;
}

/// A member with every field free to lie.
struct Member {
  std::string name = "a.npy";
  std::string packed = {};
  uint64_t size = 0;  // as claimed
  uint64_t crc = 0;
  uint64_t method = 0, flags = 0;
  std::string extra = {};          // of the local header
  uint64_t local_size = 1U << 31;  // 2^31: the same as size

  /// From the version to the sizes.
  std::string common(bool is_local) const {
    const uint64_t s = is_local && local_size != 1U << 31 ? local_size : size;
    const uint64_t p = is_local && local_size != 1U << 31 ? local_size : packed.size();
    return number(20, 2) + number(flags, 2) + number(method, 2) + number(0, 4) + number(crc, 4) +
           number(p, 4) + number(s, 4);
  }
};

/// The local headers, directory and end record of these members.
std::string zip_of(const std::vector<Member>& members, const std::string& comment = "") {
  std::string out;
  std::string directory;
  for (const Member& m : members) {
    directory += "PK\1\2" + number(20, 2) + m.common(false) + number(m.name.size(), 2) +
                 number(0, 12) + number(out.size(), 4) + m.name;
    out += "PK\3\4" + m.common(true) + number(m.name.size(), 2) + number(m.extra.size(), 2) +
           m.name + m.extra + m.packed;
  }
  const size_t begin = out.size();
  return out + directory + "PK\5\6" + number(0, 4) + number(members.size(), 2) +
         number(members.size(), 2) + number(directory.size(), 4) + number(begin, 4) +
         number(comment.size(), 2) + comment;
}

Member stored(const std::string& name, const std::string& content) {
  return {.name = name, .packed = content, .size = content.size(), .crc = crc32(as_bytes(content))};
}

/// A DEFLATE stream of stored blocks.
std::string deflated(const std::string& content) {
  const uint64_t size = content.size();
  return "\1" + number(size, 2) + number(~size, 2) + content;
}

std::string small_npy() { return as_string(npy_bytes(Tensor::of({2}, {1, -2}))); }

}  // namespace

TEST_CASE("npz: random arrays survive bit by bit, in memory and on disk") {
  const TempDir folder;
  Rng rng(3);
  for (int round = 0; round < 20; ++round) {
    std::map<std::string, Tensor> arrays;
    for (int i = 0; i < round % 5; ++i) {
      arrays["w/" + std::to_string(i)] = Tensor::normal({rng.integer(4), 3}, rng, 0, 1);
    }
    arrays["caf\xC3\xA9"] = Tensor::of_integers({}, {round});
    save_npz(folder.file("a.npz"), arrays);
    const auto back = load_npz(folder.file("a.npz"));
    REQUIRE(back.size() == arrays.size());
    for (const auto& [name, tensor] : arrays) {
      CHECK(back.at(name).shape() == tensor.shape());
      CHECK(as_text(back.at(name).bytes()) == as_text(tensor.bytes()));
    }
    CHECK(as_string(npz_bytes(arrays)) == as_string(npz_bytes(back)));
  }
  CHECK(read_npz(npz_bytes({}), "a.npz").empty());
}

TEST_CASE("npz: stored, deflated, with a comment, with the sizes in other places") {
  const std::string npy = small_npy();
  const auto value = [](const std::string& archive) {
    return read_npz(as_bytes(archive), "a.npz").at("a").to_vector();
  };
  Member member = stored("a.npy", npy);
  CHECK(value(zip_of({member})) == std::vector<double>{1, -2});
  CHECK(value(zip_of({member}, "a comment")) == std::vector<double>{1, -2});
  member.packed = deflated(npy);
  member.method = 8;
  CHECK(value(zip_of({member})) == std::vector<double>{1, -2});

  // As numpy writes it: a zip64 field in the local header only
  member.local_size = 0xFFFFFFFF;
  member.extra =
      number(1, 2) + number(16, 2) + number(npy.size(), 8) + number(member.packed.size(), 8);
  CHECK(value(zip_of({member})) == std::vector<double>{1, -2});
  member.extra = "xx" + number(3, 2) + "abc" + member.extra;
  CHECK(value(zip_of({member})) == std::vector<double>{1, -2});
}

// Zip bomb, encrypted, zip64 lies, a member that leads out of the folder, a doubled member.
TEST_CASE("npz: malicious archives are refused (bad input 16)") {
  const std::string npy = small_npy();
  const Member good = stored("a.npy", npy);
  const auto error_with = [&](auto change) {
    Member member = good;
    change(member);
    return error_of(zip_of({member}));
  };
  CHECK(error_with([](Member&) {}) == "");
  CHECK(contains(
      error_with([](Member& m) { m.flags = 1; }), "a.npz: member \"a.npy\": zip: encrypted"));
  CHECK(contains(error_with([](Member& m) { m.flags = 64; }), "unknown flags 64"));
  CHECK(contains(error_with([](Member& m) { m.method = 12; }), "packed by method 12"));
  CHECK(contains(error_with([](Member& m) { m.size = 0xFFFFFFFF; }), "zip64"));
  CHECK(contains(error_with([](Member& m) { ++m.size; }), "stored, but 136 bytes are said"));
  CHECK(contains(error_with([](Member& m) { m.local_size = 5; }), "the directory disagree"));
  CHECK(contains(error_with([](Member& m) { m.local_size = 0xFFFFFFFF; }), "disagree"));
  CHECK(contains(
      error_with([](Member& m) {
        m.local_size = 0xFFFFFFFF;
        m.extra = number(1, 2) + number(16, 2) + number(1, 8) + number(1, 8);
      }),
      "disagree"));
  CHECK(contains(error_with([](Member& m) { ++m.crc; }), "\"a.npy\": zip: the checksum differs"));
  for (const std::string& name :
       {std::string("../../x.npy"), std::string("/etc/x.npy"), std::string("a/../x.npy"),
        std::string("..\\x.npy"), std::string(".."), std::string(), std::string("x\0.npy", 6)}) {
    CAPTURE(name);
    CHECK(contains(error_with([&](Member& m) { m.name = name; }), "leads out of a folder"));
  }
  CHECK(contains(error_with([](Member& m) { m.name = "a.txt"; }), "\"a.txt\": not an .npy file"));
  CHECK(contains(error_of(zip_of({good, good})), "\"a.npy\": zip: two members have this name"));
}

TEST_CASE("npz: a bomb is refused before it is inflated") {
  // 200,000 zeros behind the array; the archive says so, the array does not
  const std::string npy = small_npy();
  const std::string long_npy = npy + std::string(60'000, '\0');
  Member member = stored("a.npy", long_npy);
  CHECK(contains(error_of(zip_of({member})), "shape needs 8 bytes, the archive says 60008"));
  member.packed = deflated(long_npy);
  member.method = 8;
  CHECK(contains(error_of(zip_of({member})), "shape needs 8 bytes, the archive says 60008"));
  // The archive is honest about the array, but there is more inside, or less
  member.size = npy.size();
  CHECK(contains(error_of(zip_of({member})), "inflates to more than 136 bytes"));
  member.packed = deflated(npy.substr(0, 132));
  CHECK(contains(error_of(zip_of({member})), "132 bytes, said to be 136"));
  member.packed = deflated(npy) + "x";
  CHECK(contains(error_of(zip_of({member})), "unexpected bytes behind the data"));

  // Two members that share their bytes
  std::string shared = zip_of({stored("a.npy", npy), stored("b.npy", npy)});
  const size_t second = shared.rfind("PK\1\2");
  const std::string first_name = "a.npy";
  shared.replace(second + 42, 4, number(0, 4));
  CHECK(contains(error_of(shared), "disagree"));
  std::string inner = zip_of({stored("b.npy", npy)});
  inner.resize(inner.rfind("PK\1\2"));
  std::string outer = zip_of({stored("a.npy", inner), stored("b.npy", npy)});
  const size_t entry = outer.rfind("PK\1\2");
  outer.replace(entry + 42, 4, number(30 + 5, 4));
  CHECK(contains(error_of(outer), "\"b.npy\": zip: overlaps \"a.npy\""));
}

TEST_CASE("npz: damaged end record and directory") {
  const std::string good = zip_of({stored("a.npy", small_npy())});
  const size_t end = good.rfind("PK\5\6");
  const auto with = [&](size_t at, const std::string& text) {
    std::string damaged = good;
    damaged.replace(end + at, text.size(), text);
    return error_of(damaged);
  };
  CHECK(contains(error_of(""), "no end record: not a zip archive, or cut short"));
  CHECK(contains(error_of("\x93NUMPY" + std::string(200, ' ')), "no end record"));
  CHECK(contains(error_of(good + "x"), "no end record"));
  CHECK(contains(error_of("x" + good), "does not end here"));
  CHECK(contains(with(4, "\1"), "one of several volumes"));
  CHECK(contains(with(8, number(2, 2)), "one of several volumes"));
  CHECK(contains(with(8, number(2, 2) + number(2, 2)), "no directory entry"));
  CHECK(contains(with(8, number(0, 2) + number(0, 2)), "more entries than it says"));
  CHECK(contains(with(8, number(0xFFFF, 2) + number(0xFFFF, 2)), "zip64"));
  CHECK(contains(with(16, number(0xFFFFFFFF, 4)), "zip64"));
  CHECK(contains(with(12, number(0xFFFFFFF0, 4)), "does not end here"));
  for (size_t n = 0; n < good.size(); ++n) {
    CAPTURE(n);
    CHECK(error_of(good.substr(0, n)) != "");
  }
}

TEST_CASE("npz: any changed byte gives arrays or a FormatError, nothing else") {
  Member member = stored("a.npy", small_npy());
  member.packed = deflated(small_npy());
  member.method = 8;
  const std::string good = zip_of({member, stored("b.npy", small_npy())});
  int refused = 0;
  for (size_t n = 0; n < good.size(); ++n) {
    for (const char value : {'\0', '\x01', '\x7F', '\xFF'}) {
      std::string damaged = good;
      damaged[n] = value;
      if (!error_of(damaged).empty()) ++refused;
    }
  }
  CHECK(refused > 800);
}

TEST_CASE("npz: the writer refuses what it cannot write") {
  std::vector<ZipSource> many(70'000);
  CHECK_THROWS_AS(zip_bytes(many), ValueError);
  CHECK_THROWS_AS(save_npz("/nonexistent/a.npz", {}), Error);
}
