// tests/datasets/cifar_test.cpp: CIFAR files of a few records, in every form they come in.
#include "datasets/cifar.h"

#include "datasets/catalogue.h"
#include "framework/core/error.h"
#include "tests/datasets/sample_tar.h"
#include "tests/support/failure.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <filesystem>

namespace fs = std::filesystem;

namespace limpid::datasets {
namespace {

std::string parse_failure(const Bytes& bytes, CifarKind kind = CifarKind::cifar10) {
  const CifarFile file{"file", bytes};
  return failure([&] { parse_cifar(kind, {&file, 1}); });
}

std::string ten_names() {
  std::string text;
  for (char c = 'a'; c < 'a' + 10; ++c) text += std::string("class_") + c + "\r\n";
  return text + "\n";
}

// Three and two training records, one for testing.
void write_ten(const fs::path& folder, const std::string& ending = "") {
  const auto pack = [&](const Bytes& content) {
    return ending.empty() ? content : gzip_bytes(content, "");
  };
  fs::create_directories(folder);
  write_bytes(folder / ("data_batch_10.bin" + ending), pack(cifar_records({4, 5})));
  write_bytes(folder / ("data_batch_2.bin" + ending), pack(cifar_records({1, 2, 3})));
  write_bytes(folder / ("test_batch.bin" + ending), pack(cifar_records({9})));
}

// As published: a folder in an archive.
Bytes archive_of_hundred() {
  Bytes archive;
  add_member(archive, "cifar-100-binary/", {}, '5');
  add_member(archive, "cifar-100-binary/train.bin", cifar_records({99, 0, 42}, true));
  add_member(archive, "cifar-100-binary/test.bin", cifar_records({7}, true));
  end_archive(archive);
  return archive;
}

}  // namespace

TEST_CASE("cifar: records become images and labels") {
  const Bytes one = cifar_records({3, 0}), two = cifar_records({9});
  const CifarFile files[] = {{"one", one}, {"two", two}};
  const Dataset set = parse_cifar(CifarKind::cifar10, files);
  CHECK(set.images.shape() == Shape{3, 3, 32, 32});
  CHECK(set.images.are_bytes());
  CHECK(set.labels.to_vector() == std::vector<double>{3, 0, 9});
  CHECK(set.classes == 10);
  const Tensor images = set.images.tensor();
  CHECK(images.values<float>()[1] == 1.0F / 255);
  CHECK(images.values<float>()[3072] == 7.0F / 255);
  CHECK(images.values<float>()[2 * 3072 + 255] == 1.0F);
  CHECK_NOTHROW(check_dataset("test", set));

  const Bytes fine = cifar_records({99, 20}, true);
  const CifarFile file{"fine", fine};
  const Dataset hundred = parse_cifar(CifarKind::cifar100, {&file, 1});
  CHECK(hundred.labels.to_vector() == std::vector<double>{99, 20});
  CHECK(hundred.images.tensor().data<float>()[3073] == 8.0F / 255);
}

// A file length that is no multiple of the record, among others.
TEST_CASE("cifar: damaged files are refused with their place (bad input 19)") {
  const Bytes good = cifar_records({1, 2});
  CHECK(parse_failure(good) == "");
  CHECK(contains(parse_failure({}), "file: holds no examples"));
  for (const size_t n : {1U, 3072U, 3074U, 6145U}) {
    const std::string text = parse_failure(Bytes(good.begin(), good.begin() + n));
    CHECK(contains(text, "ends inside a record"));
  }
  CHECK(contains(parse_failure(Bytes(6145)), "file: byte 3073: ends inside a record: 6145 bytes"));
  CHECK(contains(parse_failure(good, CifarKind::cifar100), "each record has 3074"));
  CHECK(contains(
      parse_failure(cifar_records({1, 10})),
      "file: byte 3073: class 10 is out of range, expected 0 to 9"));
  CHECK(contains(parse_failure(cifar_records({100}, true), CifarKind::cifar100), "byte 1: class"));
  Bytes coarse = cifar_records({5}, true);
  coarse[0] = std::byte{20};
  CHECK(contains(parse_failure(coarse, CifarKind::cifar100), "byte 0: class 20"));
}

TEST_CASE("cifar: a folder of batches, plain, .gz or mixed, in numeric order") {
  TempDir dir;
  const fs::path folder = dir.path();
  SUBCASE("plain") { write_ten(folder); }
  SUBCASE("gz") { write_ten(folder, ".gz"); }
  SUBCASE("both; the plain one is read") {
    write_ten(folder);
    write_bytes(folder / "data_batch_2.bin.gz", bytes_of_text("damaged"));
  }
  SUBCASE("with others beside them") {
    write_ten(folder);
    write_bytes(folder / "readme.html", {});
    write_bytes(folder / "data_batch_x.bin", {});
    write_bytes(folder / "cifar-10-binary.tar.gz", bytes_of_text("damaged"));
  }
  const Split split = load_cifar(folder.string());
  CHECK(split.train.name == "cifar:" + folder.string());
  CHECK(split.train.labels.to_vector() == std::vector<double>{1, 2, 3, 4, 5});
  CHECK(split.test.labels.to_vector() == std::vector<double>{9});
  CHECK(split.train.class_names[7] == "7");
}

TEST_CASE("cifar: class names") {
  TempDir dir;
  write_ten(dir.path());
  const auto names = [&](const std::string& text) {
    write_bytes(dir.path() / "batches.meta.txt", bytes_of_text(text));
    return load_cifar(dir.path().string()).test.class_names;
  };
  CHECK(names(ten_names())[9] == "class_j");
  CHECK(contains(failure([&] { names("a\nb"); }), "batches.meta.txt: 2 class names, expected 10"));
}

TEST_CASE("cifar: the published archive, packed or not") {
  TempDir dir;
  const fs::path folder = dir.path();
  const Bytes archive = archive_of_hundred();
  SUBCASE("gz") { write_bytes(folder / "cifar-100-binary.tar.gz", gzip_bytes(archive, "x")); }
  SUBCASE("plain") { write_bytes(folder / "cifar-100-binary.tar", archive); }
  const Split split = load("cifar:" + folder.string());
  CHECK(split.train.labels.to_vector() == std::vector<double>{99, 0, 42});
  CHECK(split.test.labels.to_vector() == std::vector<double>{7});
  CHECK(split.train.classes == 100);
}

TEST_CASE("cifar: names in the data folder") {
  TempDir dir;
  const fs::path data = dir.path();
  const auto text_of = [&](const char* name) {
    return failure([&] { load(name, {.data_dir = data.string()}); });
  };
  CHECK(contains(text_of("cifar10"), "cifar-10-binary.tar.gz (MD5 c32a1d4ab5d03f1284b67883e8d"));
  CHECK(contains(text_of("cifar10"), "limpid data get cifar10"));
  fs::create_directories(data / "cifar100");
  write_bytes(data / "cifar100" / "cifar-100-binary.tar", archive_of_hundred());
  const Split split = load("cifar100", {.data_dir = data.string()});
  CHECK(split.train.name == "cifar100");
  CHECK(split.test.size() == 1);
  fs::rename(data / "cifar100", data / "cifar10");
  CHECK(contains(text_of("cifar10"), "holds 100 classes, not 10"));
}

TEST_CASE("cifar: missing, doubled and damaged files are named") {
  TempDir dir;
  const fs::path folder = dir.path();
  const auto text = [&] { return failure([&] { load_cifar(folder.string()); }); };
  CHECK(contains(failure([] { load_cifar("none"); }), "none: cannot read folder"));
  CHECK(contains(text(), "holds no CIFAR files; expected data_batch_1.bin ... and test_batch.bin"));
  write_ten(folder);
  fs::remove(folder / "test_batch.bin");
  CHECK(contains(text(), "missing test_batch.bin; expected"));
  write_bytes(folder / "test.bin", cifar_records({7}, true));
  CHECK(contains(text(), "holds both CIFAR-10 and CIFAR-100"));
  fs::remove_all(folder / "data_batch_2.bin");
  fs::remove_all(folder / "data_batch_10.bin");
  CHECK(contains(text(), "missing train.bin; expected"));
  fs::remove(folder / "test.bin");

  // Archives: a member that occurs twice, one that is missing, one that is damaged
  const fs::path archive = folder / "cifar-10-binary.tar";
  Bytes bytes;
  add_member(bytes, "a/test_batch.bin", cifar_records({7}));
  Bytes doubled = bytes;
  add_member(doubled, "b/test_batch.bin", {});
  end_archive(doubled);
  write_bytes(archive, doubled);
  CHECK(contains(text(), "cifar-10-binary.tar: \"test_batch.bin\": two members have this name"));
  Bytes lacking = bytes;
  end_archive(lacking);
  write_bytes(archive, lacking);
  CHECK(contains(text(), "cifar-10-binary.tar: missing data_batch_1.bin"));
  add_member(bytes, "a/data_batch_1.bin", bytes_of_text("12345"));
  end_archive(bytes);
  write_bytes(archive, bytes);
  CHECK(contains(text(), "cifar-10-binary.tar: data_batch_1.bin: byte 0: ends inside a record"));
  write_bytes(folder / "cifar-100-binary.tar.gz", {});
  CHECK(contains(text(), "holds both archives"));
}

}  // namespace limpid::datasets
