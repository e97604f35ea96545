// framework/core/pack.h: values as bytes and back, for messages between processes of one program.
//
// What can be packed: values that can be copied byte by byte (no pointers), vectors and texts of
// what can be packed, and structs that list their fields:
//
//     template <class Self, class Visit>
//     static void fields(Self& self, Visit& visit) { visit(self.n, self.values, self.name); }
//
// Not a file format: sizes and byte order are those of this machine. Files are framework/io's.
#pragma once

#include "framework/core/error.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace limpid {

/// Values one after the other, as bytes.
class Packer {
 public:
  template <class... Fields>
  void operator()(const Fields&... fields) {
    (put(fields), ...);
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  template <class T>
  void put(const T& value) {
    if constexpr (std::is_trivially_copyable_v<T>) {
      put_all(std::span<const T>(&value, 1));
    } else if constexpr (requires { T::fields(value, *this); }) {
      T::fields(value, *this);
    } else {
      put(static_cast<int64_t>(value.size()));
      if constexpr (std::is_trivially_copyable_v<typename T::value_type>) {
        put_all(std::span<const typename T::value_type>(value));
      } else {
        for (const auto& element : value) put(element);
      }
    }
  }
  template <class T>
  void put_all(std::span<const T> values) {
    const auto added = std::as_bytes(values);
    bytes_.insert(bytes_.end(), added.begin(), added.end());
  }

  std::vector<std::byte> bytes_;
};

/// The values that a Packer was given, in that order and of those types.
class Unpacker {
 public:
  /// The bytes must outlive this.
  explicit Unpacker(std::span<const std::byte> bytes) : rest_(bytes) {}

  /// Throws Error if there are not as many bytes.
  template <class... Fields>
  void operator()(Fields&... fields) {
    (take(fields), ...);
  }

 private:
  template <class T>
  void take(T& value) {
    if constexpr (std::is_trivially_copyable_v<T>) {
      take_all(std::span<T>(&value, 1));
    } else if constexpr (requires { T::fields(value, *this); }) {
      T::fields(value, *this);
    } else {
      int64_t size = 0;
      take(size);
      value.resize(static_cast<size_t>(size));
      if constexpr (std::is_trivially_copyable_v<typename T::value_type>) {
        take_all(std::span<typename T::value_type>(value));
      } else {
        for (auto& element : value) take(element);
      }
    }
  }
  template <class T>
  void take_all(std::span<T> values) {
    if (rest_.size() < values.size_bytes()) raise<Error>("unpack", "the bytes end too early");
    if (!values.empty()) std::memcpy(values.data(), rest_.data(), values.size_bytes());
    rest_ = rest_.subspan(values.size_bytes());
  }

  std::span<const std::byte> rest_;
};

}  // namespace limpid
