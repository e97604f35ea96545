// framework/ops/norm.cpp: the standardize family and its one hand-derived formula.
#include "framework/ops/norm.h"

#include "framework/core/error.h"
#include "framework/kernels/norm.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/rank_sum.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/record.h"

#include <algorithm>
#include <initializer_list>

namespace limpid {
namespace {

using kernels::NormDims;

NormDims norm_dims(const char* op, const Shape& x, const NormOptions& o) {
  check_shape(x.rank() >= 2, op, "needs [N, C, ...], got ", x);
  const AxisSplit at_channel = split_at(x, 1);
  const bool per_image = o.groups == NormGroups::image_and_channel;
  const NormDims d{
      .outer = per_image ? 1 : x[0],
      .groups = per_image ? x[0] * x[1] : x[1],
      .inner = at_channel.inner,
      .channels = x[1]};
  check_shape(
      d.outer * d.inner >= 2 || x.numel() == 0, op, "a group needs at least two values, got ",
      d.outer * d.inner, " (", x, ")");
  check_shape(per_image || x[0] > 0, op, "statistics over an empty batch (", x, ")");
  return d;
}

void check_channels(const char* op, const Tensor& per_channel, const Tensor& x) {
  if (!per_channel.defined()) return;
  check_shape(
      per_channel.shape() == Shape({x.shape()[1]}), op, "needs one value per channel, got ",
      per_channel.shape(), " for ", x.shape());
  check_dtype(
      per_channel.dtype() == x.dtype(), op, "mixes ", name_of(x.dtype()), " with ",
      name_of(per_channel.dtype()));
}

template <class T>
const T* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

// Shape and statistics that all members of one family call share.
struct Family {
  NormDims dims;
  NormOptions options;
  Kept mean;   // [groups]
  Kept scale;  // [groups]
};

Moments moments_of(const char* op, const Tensor& x, const NormOptions& o) {
  const NormDims d = norm_dims(op, x.shape(), o);
  Moments m{
      Tensor::empty({d.groups}, x.dtype()), Tensor::empty({d.groups}, x.dtype()),
      Tensor::empty({d.groups}, x.dtype())};
  visit_float(op, x.dtype(), [&]<class T>() {
    kernels::group_moments<T>(
        d, o.epsilon, x.data<T>(), m.mean.mutable_data<T>(), m.scale.mutable_data<T>(),
        m.variance.mutable_data<T>());
  });
  return m;
}

Family family(const char* op, const Tensor& x, const NormOptions& o, const Moments& known) {
  const NormDims d = norm_dims(op, x.shape(), o);
  for (const Tensor& t : {known.mean, known.scale}) {
    check_shape(
        t.shape() == Shape({d.groups}), op, x.shape(), " has ", d.groups,
        " groups and does not fit the moments ", t.shape());
    check_dtype(
        t.dtype() == x.dtype(), op, "mixes ", name_of(x.dtype()), " with moments of ",
        name_of(t.dtype()));
  }
  return {d, o, keep(known.mean), keep(known.scale)};
}

Family family(const char* op, const Tensor& x, const NormOptions& o) {
  return family(op, x, o, moments_of(op, x, o));
}

// [N, C, ...] -> [C]
Tensor channel_sum(const Tensor& x) {
  const AxisSplit split = split_at(x.shape(), 1);
  const Tensor grouped = reshape(x, {split.outer, split.size, split.inner});
  return reshape(sum(grouped, {0, 2}), {split.size});
}

Tensor standardize(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Family& f);
Tensor standardize_input(const Tensor& g, const Tensor& x, const Tensor& gamma, const Family& f);
Tensor standardize_gamma(const Tensor& g, const Tensor& x, const Family& f);

Tensor inverse_root(const Tensor& x) { return Tensor::scalar(1, x.dtype()) / sqrt(x); }

// A gamma that may be undefined, kept for a formula.
Kept keep_if_defined(const Tensor& tensor) { return tensor.defined() ? keep(tensor) : Kept(); }
Tensor value_of(const Kept& kept) {
  return kept.defined() ? static_cast<const Tensor&>(kept) : Tensor();
}

// s [groups] as a function of x: ds/dx = -s^2 h / M
Tensor scale_of(const Tensor& x, const Family& f) {
  return record("standardize_scale", f.scale->clone(), wrt(x, [x = keep(x), f](const Tensor& g) {
                  const Tensor s = scale_of(x, f);
                  const auto M = static_cast<double>(f.dims.outer * f.dims.inner);
                  return standardize(x, s * s * g * (-1 / M), Tensor(), f);
                }));
}

Tensor standardize_by_input(
    const Tensor& g, const Tensor& x, const Tensor& gamma, const Family& f) {
  const bool holds = backward_rules().holds_statistics && f.options.groups == NormGroups::channel;
  if (!holds) return standardize_input(g, x, gamma, f);
  const Tensor s = scale_of(x, f);
  return scale_shift(g, gamma.defined() ? gamma * s : s, Tensor());
}

Tensor standardize(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Family& f) {
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_float("standardize", x.dtype(), [&]<class T>() {
    kernels::standardize<T>(
        f.dims, x.data<T>(), f.mean->data<T>(), f.scale->data<T>(), data_or_null<T>(gamma),
        data_or_null<T>(beta), y.mutable_data<T>());
  });
  return record(
      "standardize", y,
      wrt(x, [x = keep(x), gamma = keep_if_defined(gamma),
              f](const Tensor& g) { return standardize_by_input(g, x, value_of(gamma), f); }),
      wrt(gamma, [x = keep(x), f](const Tensor& g) { return standardize_gamma(g, x, f); }),
      wrt(beta, [](const Tensor& g) { return channel_sum(g); }));
}

Tensor standardize_gamma(const Tensor& g, const Tensor& x, const Family& f) {
  Tensor dgamma = Tensor::empty({f.dims.channels}, x.dtype());
  visit_float("standardize_gamma", x.dtype(), [&]<class T>() {
    kernels::standardize_gamma<T>(
        f.dims, g.data<T>(), x.data<T>(), f.mean->data<T>(), f.scale->data<T>(),
        dgamma.mutable_data<T>());
  });
  return record(
      "standardize_gamma", dgamma,
      wrt(g, [x = keep(x), f](const Tensor& v) { return standardize(x, v, Tensor(), f); }),
      wrt(x, [g = keep(g), x = keep(x), f](const Tensor& v) {
        return standardize_input(g, x, v, f);
      }));
}

// d<v, s P(u)>/dx = -s^2 (h k + b P(v) + a P(u)) with u = gamma g, a = mean(v h), b = mean(u h) and
// k = mean(v u) - mean(v) mean(u) - a b, all means over the group. Written with ordinary ops on the
// view [outer, groups, inner], so that third and higher orders exist too.
Tensor second_derivative(
    const Tensor& v_in, const Tensor& g_in, const Tensor& x_in, const Tensor& gamma,
    const Family& f) {
  const NormDims& d = f.dims;
  const Shape grouped = {d.outer, d.groups, d.inner};
  const auto group_mean = [](const Tensor& t) { return mean(t, {0, 2}); };  // [1, groups, 1]
  const Tensor v = reshape(v_in, grouped);
  const Tensor x = reshape(x_in, grouped);
  Tensor u = reshape(g_in, grouped);
  if (gamma.defined()) {
    const Tensor tiled =
        broadcast_to(reshape(gamma, {1, d.channels}), {d.groups / d.channels, d.channels});
    u = u * reshape(tiled, {1, d.groups, 1});
  }

  // Statistics as functions of x
  const Tensor centred = x - group_mean(x);
  const Tensor s = inverse_root(group_mean(centred * centred) + f.options.epsilon);
  const Tensor h = centred * s;
  const auto project = [&](const Tensor& t) { return t - group_mean(t) - h * group_mean(t * h); };

  const Tensor a = group_mean(v * h);
  const Tensor b = group_mean(u * h);
  const Tensor k = group_mean(v * u) - group_mean(v) * group_mean(u) - a * b;
  return reshape(-(s * s) * (h * k + b * project(v) + a * project(u)), x_in.shape());
}

// The two derivatives of standardize_input that are no members: one pass where nothing is recorded.
bool is_recorded(std::initializer_list<Tensor> inputs) {
  return Recording::is_on() && std::ranges::any_of(inputs, [](const Tensor& t) {
           return t.defined() && t.requires_gradient();
         });
}

Tensor second_by_x(
    const Tensor& v, const Tensor& g, const Tensor& x, const Tensor& gamma, const Family& f) {
  if (is_recorded({v, g, x, gamma})) return second_derivative(v, g, x, gamma, f);
  Tensor dx = Tensor::empty(x.shape(), x.dtype());
  visit_float("standardize_input", x.dtype(), [&]<class T>() {
    kernels::standardize_second<T>(
        f.dims, v.data<T>(), g.data<T>(), x.data<T>(), f.mean->data<T>(), f.scale->data<T>(),
        data_or_null<T>(gamma), dx.mutable_data<T>());
  });
  return dx;
}

Tensor second_by_gamma(const Tensor& v, const Tensor& g, const Tensor& x, const Family& f) {
  if (is_recorded({v, g, x})) return channel_sum(g * standardize_input(v, x, Tensor(), f));
  Tensor dgamma = Tensor::empty({f.dims.channels}, x.dtype());
  visit_float("standardize_input", x.dtype(), [&]<class T>() {
    kernels::standardize_second_gamma<T>(
        f.dims, v.data<T>(), g.data<T>(), x.data<T>(), f.mean->data<T>(), f.scale->data<T>(),
        dgamma.mutable_data<T>());
  });
  return dgamma;
}

Tensor standardize_input(const Tensor& g, const Tensor& x, const Tensor& gamma, const Family& f) {
  Tensor dx = Tensor::empty(x.shape(), x.dtype());
  visit_float("standardize_input", x.dtype(), [&]<class T>() {
    kernels::standardize_input<T>(
        f.dims, g.data<T>(), x.data<T>(), f.mean->data<T>(), f.scale->data<T>(),
        data_or_null<T>(gamma), dx.mutable_data<T>());
  });
  const auto by_x = [g = keep(g), x = keep(x), gamma = keep_if_defined(gamma), f](const Tensor& v) {
    return second_by_x(v, g, x, value_of(gamma), f);
  };
  return record(
      "standardize_input", dx,
      wrt(g,
          [x = keep(x), gamma = keep_if_defined(gamma), f](const Tensor& v) {
            return standardize_input(v, x, value_of(gamma), f);  // s P is self-adjoint
          }),
      wrt(x, by_x), wrt(gamma, [g = keep(g), x = keep(x), f](const Tensor& v) {
        return second_by_gamma(v, g, x, f);
      }));
}

// [1, C, 1, ...] for x [N, C, ...]
Shape along_channels(const Shape& x) {
  Shape shape = x;
  for (int d = 0; d < x.rank(); ++d) {
    if (d != 1) shape = shape.with(d, 1);
  }
  return shape;
}

void check_gradient(const char* op, const Tensor& g, const Tensor& x) {
  check_shape(
      g.shape() == x.shape(), op, "gradient ", g.shape(), " does not fit the input ", x.shape());
  check_dtype(
      g.dtype() == x.dtype(), op, "mixes ", name_of(g.dtype()), " with ", name_of(x.dtype()));
}

}  // namespace

Moments moments(const Tensor& x, const NormOptions& o) { return moments_of("moments", x, o); }

Tensor standardize(const Tensor& x, const Tensor& gamma, const Tensor& beta, const NormOptions& o) {
  check_channels("standardize", gamma, x);
  check_channels("standardize", beta, x);
  return standardize(x, gamma, beta, family("standardize", x, o));
}

Tensor standardize(
    const Tensor& x, const Tensor& gamma, const Tensor& beta, const NormOptions& o,
    const Moments& known) {
  check_channels("standardize", gamma, x);
  check_channels("standardize", beta, x);
  return standardize(x, gamma, beta, family("standardize", x, o, known));
}

Tensor standardize_input(
    const Tensor& g, const Tensor& x, const Tensor& gamma, const NormOptions& o) {
  check_gradient("standardize_input", g, x);
  check_channels("standardize_input", gamma, x);
  return standardize_input(g, x, gamma, family("standardize_input", x, o));
}

Tensor standardize_gamma(const Tensor& g, const Tensor& x, const NormOptions& o) {
  check_gradient("standardize_gamma", g, x);
  return standardize_gamma(g, x, family("standardize_gamma", x, o));
}

Tensor standardize_shared(
    const Tensor& x, const Tensor& gamma, const Tensor& beta, int64_t rows, double epsilon,
    Moments& batch) {
  check_shape(x.rank() >= 2, "standardize_shared", "needs [N, C, ...], got ", x.shape());
  check_channels("standardize_shared", gamma, x);
  check_channels("standardize_shared", beta, x);
  const int64_t values = rows * split_at(x.shape(), 1).inner;  // M
  check_shape(
      values >= 2, "standardize_shared", "a group needs at least two values, got ", x.shape(),
      " of ", rows, " rows");
  const double share = 1 / static_cast<double>(values);
  const Tensor mean = sum_over_ranks(channel_sum(x)) * share;  // [C]
  const Tensor centred = x - reshape(mean, along_channels(x.shape()));
  const Tensor variance = sum_over_ranks(channel_sum(centred * centred)) * share;
  const Tensor scale = inverse_root(variance + epsilon);
  batch = {detach(mean), detach(scale), detach(variance)};
  return scale_shift(centred, gamma.defined() ? gamma * scale : scale, beta);
}

Tensor scale_shift(const Tensor& x, const Tensor& scale, const Tensor& shift) {
  check_shape(x.rank() >= 2, "scale_shift", "needs [N, C, ...], got ", x.shape());
  check_channels("scale_shift", scale, x);
  check_channels("scale_shift", shift, x);
  const AxisSplit split = split_at(x.shape(), 1);
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_float("scale_shift", x.dtype(), [&]<class T>() {
    kernels::scale_shift<T>(
        split.outer, split.size, split.inner, x.data<T>(), scale.data<T>(), data_or_null<T>(shift),
        y.mutable_data<T>());
  });
  return record(
      "scale_shift", y,
      wrt(x, [scale = keep(scale)](const Tensor& g) { return scale_shift(g, scale, Tensor()); }),
      wrt(scale, [x = keep(x)](const Tensor& g) { return channel_sum(g * x); }),
      wrt(shift, [](const Tensor& g) { return channel_sum(g); }));
}

Tensor normalize(
    const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& gamma,
    const Tensor& beta, double epsilon) {
  check_shape(x.rank() >= 2, "normalize", "needs [N, C, ...], got ", x.shape());
  for (const Tensor& t : {mean, variance, gamma, beta}) check_channels("normalize", t, x);

  // One factor and one constant per channel: y = x scale + shift
  Tensor scale = inverse_root(variance + epsilon);  // [C]
  if (gamma.defined()) scale = gamma * scale;
  Tensor shift = -(mean * scale);
  if (beta.defined()) shift = beta + shift;
  return scale_shift(x, scale, shift);
}

Tensor group_norm(
    const Tensor& x, int64_t groups, const Tensor& gamma, const Tensor& beta, double epsilon) {
  check_shape(x.rank() >= 2, "group_norm", "needs [N, C, ...], got ", x.shape());
  check_shape(
      groups >= 1 && x.size(1) % groups == 0, "group_norm", groups, " groups do not divide the ",
      x.size(1), " channels of ", x.shape());
  check_channels("group_norm", gamma, x);
  check_channels("group_norm", beta, x);

  // A group is an image and "channel" of the view [N, groups, values]
  int64_t values = x.size(1) / groups;
  for (int d = 2; d < x.rank(); ++d) values *= x.shape()[d];
  check_shape(
      values >= 2, "group_norm", "a group needs at least two values (", x.shape(), ", groups ",
      groups, ")");
  const Tensor grouped = reshape(x, {x.size(0), groups, values});
  const NormOptions options{.groups = NormGroups::image_and_channel, .epsilon = epsilon};
  const Tensor y = reshape(standardize(grouped, Tensor(), Tensor(), options), x.shape());
  if (gamma.defined()) return scale_shift(y, gamma, beta);
  return beta.defined() ? y + reshape(beta, along_channels(x.shape())) : y;
}

Tensor layer_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double epsilon) {
  const int last = resolve_axis("layer_norm", -1, x.shape());
  const AxisSplit split = split_at(x.shape(), last);
  check_shape(
      split.size >= 2, "layer_norm", "the last dimension of ", x.shape(),
      " needs at least two features");
  for (const Tensor& t : {gamma, beta}) {
    check_shape(
        !t.defined() || t.shape() == Shape({split.size}), "layer_norm",
        "needs one value per feature, got ", t.defined() ? t.shape() : Shape(), " for ", x.shape());
  }
  const Tensor rows = reshape(x, {1, split.outer, split.size});  // each row a group
  const NormOptions options{.groups = NormGroups::image_and_channel, .epsilon = epsilon};
  Tensor y = reshape(standardize(rows, Tensor(), Tensor(), options), x.shape());
  if (gamma.defined()) y = y * gamma;
  if (beta.defined()) y = y + beta;
  return y;
}

}  // namespace limpid
