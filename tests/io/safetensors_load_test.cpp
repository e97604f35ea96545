// tests/io/safetensors_load_test.cpp: files read straight into tensors agree with bytes in memory.
#include "framework/core/error.h"
#include "framework/io/files.h"
#include "framework/io/safetensors.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

#include <cstring>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace limpid;

namespace {

/// Header size, header, data.
std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t size = header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &size, 8);
  return text + header + data;
}

/// The text of the FormatError that f gives, without the name it begins with; empty if none.
template <class F>
std::string error_of(const std::string& name, const F& f) {
  try {
    f();
  } catch (const FormatError& error) {
    return std::string(error.what()).substr(name.size());
  }
  return "";
}

/// Kept types, a widened one and an empty tensor.
const std::string kMixedFile = file_of(
    R"({"__metadata__":{"k":"v"},"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
    R"("f":{"dtype":"F32","shape":[],"data_offsets":[4,8]},)"
    R"("i":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},)"
    R"("e":{"dtype":"F64","shape":[2,0],"data_offsets":[16,16]}})",
    std::string("\x00\x3C\x00\xC0\0\0\x80\x3F\x07\0\0\0\0\0\0\0", 16));

}  // namespace

TEST_CASE("safetensors: a file gives the same tensors as its bytes") {
  const TempDir folder;
  const std::string path = folder.file("a.st");
  for (const std::string& text : {kMixedFile, file_of("{}", "")}) {
    write_file_atomic(path, as_bytes(text));
    const SafetensorsFile loaded = load_safetensors(path);
    const SafetensorsFile expected = read_safetensors(as_bytes(text), "a.st");
    CHECK(loaded.metadata == expected.metadata);
    REQUIRE(loaded.tensors.size() == expected.tensors.size());
    for (const auto& [name, tensor] : expected.tensors) {
      const Tensor& other = loaded.tensors.at(name);
      CHECK(other.dtype() == tensor.dtype());
      CHECK(other.shape() == tensor.shape());
      CHECK(as_text(other.bytes()) == as_text(tensor.bytes()));
    }
  }
}

TEST_CASE("safetensors: a file cut at any byte gives the same error as its bytes") {
  const TempDir folder;
  const std::string path = folder.file("a.st");
  for (size_t n = 0; n < kMixedFile.size(); ++n) {
    CAPTURE(n);
    const std::string cut = kMixedFile.substr(0, n);
    write_file_atomic(path, as_bytes(cut));
    const std::string error = error_of(path, [&] { load_safetensors(path); });
    CHECK(error != "");
    CHECK(error == error_of("a.st", [&] { read_safetensors(as_bytes(cut), "a.st"); }));
  }
}

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// In a child process: the highest memory so far never goes down again in this one.
TEST_CASE("safetensors: a file of 48 MB takes at most 1.2 times its size in memory") {
  constexpr int kTensors = 12;
  const TempDir folder;
  const std::string path = folder.file("a.st");
  std::map<std::string, Tensor> tensors;
  for (int i = 0; i < kTensors; ++i) tensors["t" + std::to_string(i)] = Tensor::ones({1 << 20});
  save_safetensors(path, tensors);
  tensors.clear();
  trim_memory();

  const pid_t child = ::fork();
  if (child == 0) {
    const auto peak_kilobytes = [] {
      rusage usage{};
      ::getrusage(RUSAGE_SELF, &usage);
      return usage.ru_maxrss;
    };
    const auto before = peak_kilobytes();
    const SafetensorsFile file = load_safetensors(path);
    const auto used = peak_kilobytes() - before;
    ::_exit(file.tensors.size() == kTensors && used <= kTensors * 4096 * 6 / 5 ? 0 : 1);
  }
  REQUIRE(child > 0);
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
}
#endif
