// framework/tensor/print.cpp: tensors as text, for people.
//
//   f32 [2, 3] [[1, 2, 3], [4, 5, 6]]        i64 [9] [0, 1, 2, 3, ...] with limit 4
#include "framework/core/dtype.h"
#include "framework/core/error.h"
#include "framework/tensor/tensor.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace limpid {
namespace {

// The shortest decimal number that reads back as the same value; inf and nan by name.
template <class T>
void append_number(std::string& text, T value) {
  std::array<char, 32> digits;  // the longest, -2.2250738585072014e-308, has 24
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  text.append(digits.data(), end);
}

// Appends dimension d and all below it; `values` moves past everything that belongs to it.
template <class T>
void append_values(std::string& text, const Shape& shape, int d, int64_t limit, const T*& values) {
  if (d == shape.rank()) return append_number(text, *values++);
  const int64_t size = shape[d];
  const int64_t below = split_at(shape, d).inner;  // values per entry
  const int64_t shown = std::min(size, limit);
  text += '[';
  for (int64_t i = 0; i < shown; ++i) {
    if (i > 0) text += ", ";
    append_values(text, shape, d + 1, limit, values);
  }
  if (shown < size) text += shown > 0 ? ", ..." : "...";
  text += ']';
  values += (size - shown) * below;
}

}  // namespace

std::string to_string(const Tensor& tensor, int64_t limit) {
  check_value(limit >= 0, "to_string", "needs a limit of at least 0, got ", limit);
  if (!tensor.defined()) return "undefined";
  std::string text = join_text(name_of(tensor.dtype()), " ", tensor.shape(), " ");
  visit_any(tensor.dtype(), [&]<class T>() {
    const T* values = tensor.data<T>();
    append_values(text, tensor.shape(), 0, limit, values);
  });
  return text;
}

}  // namespace limpid
