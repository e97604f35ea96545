// framework/io/safetensors.h: named tensors in one file, without code and without surprises.
//
// Layout (https://github.com/huggingface/safetensors, "Format"): the header size N as u64, N bytes
// of JSON, then the data of all tensors, little-endian and row-major:
//     {"__metadata__": {"key": "text"}, "name": {"dtype": "F32", "shape": [2, 3],
//      "data_offsets": [begin, end]}, ...}
// The offsets count from the end of the header. Together the tensors cover the data exactly: no
// hole, no overlap, nothing behind the last one.
//
// F32, F64 and I64 are read as they are; F16 and BF16 become f32; BOOL and integers of up to 32
// bits become i64. U64, complex numbers and floats of 8 bits and less are refused.
#pragma once

#include "framework/tensor/tensor.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace limpid {

struct SafetensorsFile {
  std::map<std::string, std::string> metadata;
  std::map<std::string, Tensor> tensors;  // by name; a name is never used as a path
};

/// Reads a whole file held in memory; `name` stands in the error texts. The tensors are copies.
/// Throws FormatError, naming the tensor, if any rule of the format is broken, for a tensor of more
/// than six dimensions and for a type that is not read. Everything is checked before the first
/// tensor is made, and no tensor is made larger than its bytes, except by the widening above.
SafetensorsFile read_safetensors(std::span<const std::byte> bytes, const std::string& name);
/// The same from a file, which is not held in memory beside its tensors.
SafetensorsFile load_safetensors(const std::string& path);

/// The bytes of such a file: the same for the same content. Tensors of wide elements come first,
/// then by name, and the data begins at a multiple of 8, so that every tensor is aligned.
/// Throws ValueError for a tensor named `__metadata__`, for text that is not UTF-8 and for a header
/// over the limit that readers accept (10^8 bytes).
std::vector<std::byte> safetensors_bytes(
    const std::map<std::string, Tensor>& tensors,
    const std::map<std::string, std::string>& metadata = {});
/// Writes atomically, see files.h.
void save_safetensors(
    const std::string& path, const std::map<std::string, Tensor>& tensors,
    const std::map<std::string, std::string>& metadata = {});

}  // namespace limpid
