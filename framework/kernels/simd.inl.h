// framework/kernels/simd.inl.h: Pack<T>, a 32-byte vector, and its mathematics.
//
// Included inside the namespace of one instruction set (baseline, avx2), so that no inline
// function compiled for a newer processor can be picked by the linker for an older one. For the
// same reason nothing here uses a standard template. The vector extension of g++ and clang
// compiles to two SSE registers or to one AVX register.
//
// Every function treats each lane alike, and tails go through a padded pack (elementwise.inl.h),
// so a value never depends on where in an array it stands.

template <class T>
struct PackTypes;
template <>
struct PackTypes<float> {
  typedef float Value __attribute__((vector_size(32)));
  typedef int32_t Bits __attribute__((vector_size(32)));
};
template <>
struct PackTypes<double> {
  typedef double Value __attribute__((vector_size(32)));
  typedef int64_t Bits __attribute__((vector_size(32)));
};

template <class T>
using Pack = typename PackTypes<T>::Value;
template <class T>
using Bits = typename PackTypes<T>::Bits;
template <class T>
inline constexpr int kLanes = 32 / sizeof(T);

using F = Pack<float>;
using D = Pack<double>;

template <class T>
inline __attribute__((always_inline)) Pack<T> load(const T* p) {
  Pack<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
inline __attribute__((always_inline)) void store(T* p, Pack<T> v) {
  __builtin_memcpy(p, &v, sizeof v);
}

template <class T>
inline __attribute__((always_inline)) Pack<T> splat(T value) {
  if constexpr (kLanes<T> == 8) {  // Pack<T>{} + value would cost an addition: -0 + 0 is 0
    return Pack<T>{value, value, value, value, value, value, value, value};
  } else {
    return Pack<T>{value, value, value, value};
  }
}

/// a where the mask is set, else b.
template <class V, class M>
inline __attribute__((always_inline)) V choose(M mask, V a, V b) {
  return mask ? a : b;
}

/// A function of one lane applied to each; for f64, where accuracy counts and speed does not.
template <class V, class Function>
inline __attribute__((always_inline)) V each_lane(V x, Function f) {
  V y = x;
  for (int i = 0; i < static_cast<int>(sizeof(V) / sizeof(x[0])); ++i) y[i] = f(x[i]);
  return y;
}

inline __attribute__((always_inline)) D pack_exp(D x) {
  return each_lane(x, [](double v) { return __builtin_exp(v); });
}
inline __attribute__((always_inline)) D pack_log(D x) {
  return each_lane(x, [](double v) { return __builtin_log(v); });
}
inline __attribute__((always_inline)) D pack_tanh(D x) {
  return each_lane(x, [](double v) { return __builtin_tanh(v); });
}
inline __attribute__((always_inline)) D pack_sqrt(D x) {
  return each_lane(x, [](double v) { return __builtin_sqrt(v); });
}
inline __attribute__((always_inline)) F pack_sqrt(F x) {
  return each_lane(x, [](float v) { return __builtin_sqrtf(v); });
}

/// exp: x = n ln 2 + r with |r| <= ln 2 / 2, exp(r) by a polynomial of degree 7 (coefficients of
/// the Cephes library), 2^n by its bits in two factors. Relative error below 2e-7 (tested); below
/// exp(-87.3) the result is 0, not subnormal; NaN passes through.
inline __attribute__((always_inline)) F pack_exp(F x) {
  const F rounder = splat(12582912.0F);  // 1.5 * 2^23: adding it rounds to an integer
  const F clamped = choose(x < -104.0F, splat(-104.0F), choose(x > 89.0F, splat(89.0F), x));
  const F n = (clamped * 1.44269504088896341F + rounder) - rounder;
  const F r = (clamped - n * 0.693359375F) + n * 2.12194440e-4F;  // ln 2 in two parts
  F p = splat(1.9875691500e-4F);
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const Bits<float> whole = __builtin_convertvector(choose(x == x, n, splat(0.0F)), Bits<float>);
  const Bits<float> half = whole >> 1;
  const Bits<float> first = (half + 127) << 23;
  const Bits<float> second = (whole - half + 127) << 23;
  F y = p * reinterpret_cast<F>(first) * reinterpret_cast<F>(second);
  y = choose(x < -87.33654F, splat(0.0F), y);
  y = choose(x > 88.72283F, splat(__builtin_inff()), y);
  return choose(x == x, y, x);
}

/// log: x = m 2^e with m in [sqrt(1/2), sqrt(2)), log(m) by a polynomial of degree 9 (Cephes).
/// Error below 2e-7 relative or absolute near 1 (tested). log(0) = -inf, log(x < 0) = NaN.
inline __attribute__((always_inline)) F pack_log(F x) {
  const auto tiny = x < 1.17549435e-38F;
  const F scaled = choose(tiny, x * 33554432.0F, x);  // 2^25 lifts subnormal numbers
  const Bits<float> bits = reinterpret_cast<Bits<float>>(scaled);
  Bits<float> exponent = ((bits >> 23) & 0xff) - 126;
  const Bits<float> mantissa = (bits & 0x007fffff) | 0x3f000000;
  F m = reinterpret_cast<F>(mantissa);  // [0.5, 1)
  const auto low = m < 0.707106781186547524F;
  F e = __builtin_convertvector(exponent, F) - choose(low, splat(1.0F), splat(0.0F)) -
        choose(tiny, splat(25.0F), splat(0.0F));
  m = choose(low, m + m, m) - 1.0F;
  const F z = m * m;
  F p = splat(7.0376836292e-2F);
  p = p * m - 1.1514610310e-1F;
  p = p * m + 1.1676998740e-1F;
  p = p * m - 1.2420140846e-1F;
  p = p * m + 1.4249322787e-1F;
  p = p * m - 1.6668057665e-1F;
  p = p * m + 2.0000714765e-1F;
  p = p * m - 2.4999993993e-1F;
  p = p * m + 3.3333331174e-1F;
  F y = p * m * z - e * 2.12194440e-4F - z * 0.5F;
  y = (m + y) + e * 0.693359375F;
  y = choose(x == 0.0F, splat(-__builtin_inff()), y);
  y = choose(x < 0.0F, splat(__builtin_nanf("")), y);
  y = choose(x == __builtin_inff(), x, y);
  return choose(x == x, y, x);
}

/// tanh: a polynomial where |x| < 0.625 (Cephes), else 1 - 2 / (exp(2|x|) + 1) with the sign of x.
/// Relative error below 3e-7 (tested).
inline __attribute__((always_inline)) F pack_tanh(F x) {
  const F size = choose(x < 0.0F, -x, x);
  const F z = x * x;
  F p = splat(-5.70498872745e-3F);
  p = p * z + 2.06390887954e-2F;
  p = p * z - 5.37397155531e-2F;
  p = p * z + 1.33314422036e-1F;
  p = p * z - 3.33332819422e-1F;
  const F inner = p * z * x + x;
  const F outer = 1.0F - 2.0F / (pack_exp(size + size) + 1.0F);
  return choose(size < 0.625F, inner, choose(x < 0.0F, -outer, choose(x == x, outer, x)));
}

/// erf: x times a polynomial in x^2 where |x| < 1, else 1 - exp(-x^2) / |x| times a polynomial in
/// 1/x^2, with the sign of x (coefficients of the Cephes library; beyond 2 those for [1, 2] serve
/// too, because the exponential is small there). Relative error below 3e-7 (tested).
inline __attribute__((always_inline)) F pack_erf(F x) {
  const F size = choose(x < 0.0F, -x, x);
  const F z = x * x;
  F p = splat(7.853861353153693e-5F);
  p = p * z - 8.010193625184903e-4F;
  p = p * z + 5.188327685732524e-3F;
  p = p * z - 2.685381193529856e-2F;
  p = p * z + 1.128358514861418e-1F;
  p = p * z - 3.761262582423300e-1F;
  p = p * z + 1.128379165726710e+0F;
  const F inner = x * p;
  const F r = 1.0F / choose(size < 1.0F, splat(1.0F), size);
  const F q = r * r;
  F s = splat(2.326819970068386e-2F);
  s = s * q - 1.387039388740657e-1F;
  s = s * q + 3.687424674597105e-1F;
  s = s * q - 5.824733027278666e-1F;
  s = s * q + 6.210004621745983e-1F;
  s = s * q - 4.944515323274145e-1F;
  s = s * q + 3.404879937665872e-1F;
  s = s * q - 2.741127028184656e-1F;
  s = s * q + 5.638259427386472e-1F;
  const F outer = 1.0F - pack_exp(-z) * r * s;
  return choose(size < 1.0F, inner, choose(x < 0.0F, -outer, choose(x == x, outer, x)));
}

// ---- Functions that call the C library for each lane: accurate, not fast ----

inline __attribute__((always_inline)) F pack_sin(F x) {
  return each_lane(x, [](float v) { return __builtin_sinf(v); });
}
inline __attribute__((always_inline)) D pack_sin(D x) {
  return each_lane(x, [](double v) { return __builtin_sin(v); });
}
inline __attribute__((always_inline)) F pack_cos(F x) {
  return each_lane(x, [](float v) { return __builtin_cosf(v); });
}
inline __attribute__((always_inline)) D pack_cos(D x) {
  return each_lane(x, [](double v) { return __builtin_cos(v); });
}
inline __attribute__((always_inline)) D pack_erf(D x) {
  return each_lane(x, [](double v) { return __builtin_erf(v); });
}
inline __attribute__((always_inline)) F pack_pow(F a, F b) {
  F y = a;
  for (int i = 0; i < kLanes<float>; ++i) y[i] = __builtin_powf(a[i], b[i]);
  return y;
}
inline __attribute__((always_inline)) D pack_pow(D a, D b) {
  D y = a;
  for (int i = 0; i < kLanes<double>; ++i) y[i] = __builtin_pow(a[i], b[i]);
  return y;
}

/// log(1 + e^x) = max(x, 0) + log(1 + e^-|x|), which neither overflows nor loses small values.
template <class V>
inline __attribute__((always_inline)) V pack_softplus(V x) {
  const V size = choose(x < 0, -x, x);
  const V small = pack_exp(-size);
  V y = x;
  for (int i = 0; i < static_cast<int>(sizeof(V) / sizeof(x[0])); ++i) {
    if constexpr (sizeof(x[0]) == 4) {
      y[i] = __builtin_log1pf(small[i]);
    } else {
      y[i] = __builtin_log1p(small[i]);
    }
  }
  return choose(x < 0, V{}, x) + y;
}
