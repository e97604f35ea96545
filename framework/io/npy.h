// framework/io/npy.h: the array files of numpy.
//
// Layout (numpy, lib/format.py): the magic "\x93NUMPY", version, length of the header, the header,
// which is a Python dictionary like {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), },
// then the elements.
#pragma once

#include "framework/io/elements.h"
#include "framework/tensor/tensor.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace limpid {

/// What an .npy file says about itself.
struct NpyHeader {
  Stored type = Stored::f32;
  std::endian order = std::endian::little;  // of the bytes of an element
  bool is_fortran = false;                  // the first index runs fastest
  Shape shape = {};
  int64_t begin = 0;  // bytes before the elements
  int64_t size = 0;   // bytes of the elements
};

/// Longest header that is read, with everything in front of it.
inline constexpr int64_t kMaxNpyHeader = (64 << 10) + 12;

/// The header alone; the elements need not be there. Throws FormatError as read_npy does.
NpyHeader read_npy_header(std::span<const std::byte> bytes, const std::string& name);

/// Reads versions 1.0 to 3.0: floats of 2, 4 and 8 bytes, signed integers of up to 8 and unsigned
/// ones of up to 4 bytes, and truth values, in both byte orders and both memory orders. Types are
/// widened as elements.h says. `name` stands in the error texts.
/// Throws FormatError for a damaged, cut or too long file, for more than six dimensions and for
/// other types; object arrays are pickles, that is programs, and are never loaded.
Tensor read_npy(std::span<const std::byte> bytes, const std::string& name);
Tensor load_npy(const std::string& path);

/// Version 1.0, little-endian, row-major, as numpy itself writes it.
std::vector<std::byte> npy_bytes(const Tensor& tensor);
/// Writes atomically, see files.h.
void save_npy(const std::string& path, const Tensor& tensor);

}  // namespace limpid
