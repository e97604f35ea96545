// framework/tensor/tensor.cpp: factories, access checks and the few writes a Tensor allows.
#include "framework/tensor/tensor.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace limpid {

struct Tensor::Impl {
  Buffer values;
  Shape shape;
  DType dtype;
  std::shared_ptr<Node> node;  // null for anything computed without recording
};

const Tensor::Impl& Tensor::impl() const {
  if (impl_ == nullptr) throw GraphError("tensor: undefined (default-constructed) tensor used");
  return *impl_;
}

// ---- Factories ----

Tensor Tensor::wrap(Buffer buffer, const Shape& shape, DType dtype) {
  Tensor tensor;
  tensor.impl_ = std::make_shared<Impl>(Impl{std::move(buffer), shape, dtype, nullptr});
  return tensor;
}

Tensor Tensor::empty(const Shape& shape, DType dtype) {
  if (shape.numel() > std::numeric_limits<int64_t>::max() / size_of(dtype)) {
    raise<Error>("memory", "more than 2^63 bytes for ", name_of(dtype), " ", shape);
  }
  const int64_t bytes = shape.numel() * size_of(dtype);
  try {
    return wrap(Buffer::allocate(bytes), shape, dtype);
  } catch (const Error& error) {
    throw Error(join_text(error.what(), " for ", name_of(dtype), " ", shape));
  }
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  visit_any(dtype, [&]<class T>() {
    std::fill_n(tensor.mutable_data<T>(), tensor.numel(), static_cast<T>(value));
  });
  return tensor;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype) { return full(shape, 0, dtype); }

Tensor Tensor::ones(const Shape& shape, DType dtype) { return full(shape, 1, dtype); }

Tensor Tensor::scalar(double value, DType dtype) { return full({}, value, dtype); }

Tensor Tensor::of(const Shape& shape, std::span<const double> values, DType dtype) {
  check_shape(
      static_cast<int64_t>(values.size()) == shape.numel(), "tensor", values.size(),
      " values do not fill ", shape);
  Tensor tensor = empty(shape, dtype);
  visit_any(dtype, [&]<class T>() {
    std::transform(values.begin(), values.end(), tensor.mutable_data<T>(), [](double value) {
      return static_cast<T>(value);
    });
  });
  return tensor;
}

Tensor Tensor::of(const Shape& shape, std::initializer_list<double> values, DType dtype) {
  return of(shape, std::span<const double>(values.begin(), values.size()), dtype);
}

Tensor Tensor::of_integers(const Shape& shape, std::span<const int64_t> values) {
  check_shape(
      static_cast<int64_t>(values.size()) == shape.numel(), "tensor", values.size(),
      " values do not fill ", shape);
  Tensor tensor = empty(shape, DType::i64);
  std::copy(values.begin(), values.end(), tensor.mutable_data<int64_t>());
  return tensor;
}

Tensor Tensor::of_integers(const Shape& shape, std::initializer_list<int64_t> values) {
  return of_integers(shape, std::span<const int64_t>(values.begin(), values.size()));
}

Tensor Tensor::uniform(const Shape& shape, Rng& rng, double low, double high, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  visit_float("uniform", dtype, [&]<class T>() {
    const auto count = static_cast<size_t>(tensor.numel());
    rng.uniform(std::span<T>(tensor.mutable_data<T>(), count), low, high);
  });
  return tensor;
}

Tensor Tensor::normal(const Shape& shape, Rng& rng, double mean, double deviation, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  visit_float("normal", dtype, [&]<class T>() {
    const auto count = static_cast<size_t>(tensor.numel());
    rng.normal(std::span<T>(tensor.mutable_data<T>(), count), mean, deviation);
  });
  return tensor;
}

// ---- Form and values ----

const Shape& Tensor::shape() const { return impl().shape; }

DType Tensor::dtype() const { return impl().dtype; }

int64_t Tensor::size(int64_t axis) const { return shape()[resolve_axis("size", axis, shape())]; }

const std::byte* Tensor::checked_bytes(DType expected) const {
  check_dtype(
      dtype() == expected, "data", "tensor is ", name_of(dtype()), ", asked for ",
      name_of(expected));
  return impl_->values.data();
}

std::byte* Tensor::writable_bytes(DType expected) {
  checked_bytes(expected);
  impl_->values.note_write();
  return impl_->values.data();
}

double Tensor::item() const {
  check_shape(numel() == 1, "item", "needs exactly one element, got ", shape());
  return visit_any(dtype(), [&]<class T>() { return static_cast<double>(*data<T>()); });
}

std::vector<double> Tensor::to_vector() const {
  return visit_any(dtype(), [&]<class T>() {
    const auto all = values<T>();
    return std::vector<double>(all.begin(), all.end());
  });
}

std::span<const std::byte> Tensor::bytes() const {
  return {impl().values.data(), static_cast<size_t>(numel() * size_of(dtype()))};
}

void Tensor::assign(const Tensor& other) {
  check_shape(
      shape() == other.shape(), "assign", "shapes differ (", shape(), ", ", other.shape(), ")");
  visit_any(dtype(), [&]<class To>() {
    visit_any(other.dtype(), [&]<class From>() {
      const From* source = other.data<From>();
      std::transform(source, source + numel(), mutable_data<To>(), [](From value) {
        return static_cast<To>(value);
      });
    });
  });
}

Tensor Tensor::clone() const {
  Tensor copy = empty(shape(), dtype());
  std::memcpy(copy.impl_->values.data(), impl_->values.data(), bytes().size());
  return copy;
}

Tensor Tensor::viewed_as(const Shape& shape) const { return wrap(impl().values, shape, dtype()); }

Tensor Tensor::detach() const { return viewed_as(shape()); }

// ---- Gradients ----

bool Tensor::requires_gradient() const { return impl_ != nullptr && impl_->node != nullptr; }

Tensor& Tensor::require_gradient() {
  check_dtype(is_float(dtype()), "require_gradient", "i64 tensors carry no gradient");
  if (impl_->node == nullptr) impl_->node = make_leaf(shape(), dtype());
  return *this;
}

Tensor Tensor::gradient() const {
  return requires_gradient() && impl_->node->gradient ? *impl_->node->gradient : Tensor();
}

void Tensor::set_gradient(const Tensor& gradient) {
  check_graph(requires_gradient(), "set_gradient", "the tensor does not require a gradient");
  check_shape(
      gradient.shape() == shape(), "set_gradient", "gradient ", gradient.shape(),
      " does not fit tensor ", shape());
  check_dtype(
      gradient.dtype() == dtype(), "set_gradient", "gradient is ", name_of(gradient.dtype()),
      ", tensor is ", name_of(dtype()));
  impl_->node->gradient = std::make_unique<Tensor>(gradient);
}

void Tensor::clear_gradient() {
  if (requires_gradient()) impl_->node->gradient.reset();
}

const Buffer& Tensor::buffer() const { return impl().values; }

const std::shared_ptr<Node>& Tensor::node() const { return impl().node; }

void Tensor::set_node(std::shared_ptr<Node> node) { impl_->node = std::move(node); }

}  // namespace limpid
