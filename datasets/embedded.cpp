// datasets/embedded.cpp: six files as object code, and their way to tensors.
//
// The assembler finds the files through -Wa,-I<source>/datasets/data (CMakeLists.txt).
#include "datasets/embedded.h"

#include "datasets/idx.h"
#include "framework/io/gzip.h"

#include <cstddef>
#include <cstdint>
#include <span>

// limpid_embedded: the files one after the other; limpid_embedded_offsets: where each one begins,
// and where the last one ends.
asm(
#if defined(__APPLE__)
    ".section __DATA,__const\n"
#else
    ".section .rodata\n"
#endif
    ".globl limpid_embedded\n"
    ".globl limpid_embedded_offsets\n"
    "limpid_embedded:\n"
    ".incbin \"digits-images-idx3-ubyte.gz\"\n"
    "limpid_embedded_1:\n"
    ".incbin \"digits-labels-idx1-ubyte.gz\"\n"
    "limpid_embedded_2:\n"
    ".incbin \"fashion-2k-train-images-idx3-ubyte.gz\"\n"
    "limpid_embedded_3:\n"
    ".incbin \"fashion-2k-train-labels-idx1-ubyte.gz\"\n"
    "limpid_embedded_4:\n"
    ".incbin \"fashion-2k-t10k-images-idx3-ubyte.gz\"\n"
    "limpid_embedded_5:\n"
    ".incbin \"fashion-2k-t10k-labels-idx1-ubyte.gz\"\n"
    "limpid_embedded_6:\n"
    ".balign 8\n"
    "limpid_embedded_offsets:\n"
    ".quad 0\n"
    ".quad limpid_embedded_1 - limpid_embedded\n"
    ".quad limpid_embedded_2 - limpid_embedded\n"
    ".quad limpid_embedded_3 - limpid_embedded\n"
    ".quad limpid_embedded_4 - limpid_embedded\n"
    ".quad limpid_embedded_5 - limpid_embedded\n"
    ".quad limpid_embedded_6 - limpid_embedded\n"
    ".text\n");

namespace limpid::datasets {

extern const std::byte embedded_bytes[] asm("limpid_embedded");
extern const uint64_t embedded_offsets[7] asm("limpid_embedded_offsets");

namespace {

constexpr int64_t kMaxBytes = 1 << 24;  // of one file, unpacked; the largest has 1.6 million

// A set from file `first` (images) and the one behind it (labels).
Dataset unpack(size_t first, const std::string& name, const IdxOptions& options) {
  const auto content = [&](size_t file) {
    const uint64_t begin = embedded_offsets[file];
    const std::span packed(embedded_bytes + begin, embedded_offsets[file + 1] - begin);
    return gunzip(packed, kMaxBytes, "embedded " + name);
  };
  const auto images = content(first);
  const auto labels = content(first + 1);
  Dataset out = parse_idx_pair(
      {.name = "embedded " + name, .bytes = images}, {.name = "embedded " + name, .bytes = labels},
      options);
  out.name = name;
  return out;
}

}  // namespace

Dataset digits() { return unpack(0, "digits", {.scale = 16, .classes = 10}); }

Split fashion_2k() {
  Split out;
  out.train = unpack(2, "fashion-2k", {.classes = 10});
  out.test = unpack(4, "fashion-2k", {.classes = 10});
  out.train.class_names = out.test.class_names = fashion_class_names();
  return out;
}

std::vector<std::string> fashion_class_names() {
  return {"T-shirt/top", "trouser", "pullover", "dress", "coat",
          "sandal",      "shirt",   "sneaker",  "bag",   "ankle boot"};
}

}  // namespace limpid::datasets
