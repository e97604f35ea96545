// framework/kernels/elementwise.inl.h: bodies of the run kernels, one set per instruction set.
//
// Included inside the namespace of that set, after simd.inl.h.

// ---- Formulas: one line per op ----

template <Unary op, class V>
inline __attribute__((always_inline)) V apply(V x) {
  if constexpr (op == Unary::neg) return -x;
  if constexpr (op == Unary::exp) return pack_exp(x);
  if constexpr (op == Unary::log) return pack_log(x);
  if constexpr (op == Unary::sqrt) return pack_sqrt(x);
  if constexpr (op == Unary::tanh) return pack_tanh(x);
  if constexpr (op == Unary::sigmoid) return 1 / (1 + pack_exp(-x));
  if constexpr (op == Unary::relu) return choose(x < 0, V{}, x);  // NaN stays
  if constexpr (op == Unary::sin) return pack_sin(x);
  if constexpr (op == Unary::cos) return pack_cos(x);
  if constexpr (op == Unary::erf) return pack_erf(x);
  if constexpr (op == Unary::softplus) return pack_softplus(x);
  if constexpr (op == Unary::sign) return choose(x > 0, V{} + 1, choose(x < 0, V{} - 1, x));
  if constexpr (op == Unary::relu6) return choose(x < 0, V{}, choose(x > 6, V{} + 6, x));
}

template <Binary op, class V>
inline __attribute__((always_inline)) V apply(V a, V b) {
  if constexpr (op == Binary::add) return a + b;
  if constexpr (op == Binary::sub) return a - b;
  if constexpr (op == Binary::mul) return a * b;
  if constexpr (op == Binary::div) return a / b;
  if constexpr (op == Binary::mask) return choose(b > 0, a, V{});
  if constexpr (op == Binary::pow) return pack_pow(a, b);
  if constexpr (op == Binary::less) return choose(a < b, V{} + 1, V{});
  if constexpr (op == Binary::less_equal) return choose(a <= b, V{} + 1, V{});
  if constexpr (op == Binary::equal) return choose(a == b, V{} + 1, V{});
  if constexpr (op == Binary::mask6) return choose((b > 0) & (b < 6), a, V{});
}

// ---- Loops: whole packs, then the tail in a padded pack ----

// A half pack is loaded and stored in one piece: planes of 2x2 pixels consist of nothing else.
template <class T>
inline constexpr size_t kHalfBytes = sizeof(Pack<T>) / 2;

template <class T>
inline Pack<T> load_tail(const T* p, int64_t count) {
  Pack<T> v{};
  if (count == kLanes<T> / 2) {
    __builtin_memcpy(&v, p, kHalfBytes<T>);
  } else {
    __builtin_memcpy(&v, p, static_cast<size_t>(count) * sizeof(T));
  }
  return v;
}

template <class T>
inline void store_tail(T* p, Pack<T> v, int64_t count) {
  if (count == kLanes<T> / 2) {
    __builtin_memcpy(p, &v, kHalfBytes<T>);
  } else {
    __builtin_memcpy(p, &v, static_cast<size_t>(count) * sizeof(T));
  }
}

/// y[i] = f(x[i]) for one running operand.
template <class T, class Function>
inline __attribute__((always_inline)) void map(int64_t n, const T* x, T* y, Function f) {
  constexpr int64_t L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) store<T>(y + i, f(load<T>(x + i)));
  if (i < n) store_tail<T>(y + i, f(load_tail<T>(x + i, n - i)), n - i);
}

/// y[i] = f(a[i], b[i]) for two running operands.
template <class T, class Function>
inline __attribute__((always_inline)) void map2(
    int64_t n, const T* a, const T* b, T* y, Function f) {
  constexpr int64_t L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) store<T>(y + i, f(load<T>(a + i), load<T>(b + i)));
  if (i < n) {
    store_tail<T>(y + i, f(load_tail<T>(a + i, n - i), load_tail<T>(b + i, n - i)), n - i);
  }
}

template <class T, Unary op>
void run_unary(int64_t n, const T* x, T* y) {
  map<T>(n, x, y, [](Pack<T> v) { return apply<op>(v); });
}

template <class T, Binary op>
void run_binary(int64_t n, const T* a, const T* b, T* y) {
  map2<T>(n, a, b, y, [](Pack<T> u, Pack<T> v) { return apply<op>(u, v); });
}

template <class T, Binary op>
void run_binary_fixed_b(int64_t n, const T* a, const T* b, T* y) {
  const Pack<T> fixed = splat<T>(*b);
  map<T>(n, a, y, [fixed](Pack<T> v) { return apply<op>(v, fixed); });
}

template <class T, Binary op>
void run_binary_fixed_a(int64_t n, const T* a, const T* b, T* y) {
  const Pack<T> fixed = splat<T>(*a);
  map<T>(n, b, y, [fixed](Pack<T> v) { return apply<op>(fixed, v); });
}

template <class T>
void run_affine(int64_t n, T scale, T shift, const T* x, T* y) {
  map<T>(n, x, y, [scale, shift](Pack<T> v) { return v * scale + shift; });
}

template <class T>
void run_add_to(int64_t n, const T* x, T* y) {
  map2<T>(n, x, y, y, [](Pack<T> u, Pack<T> v) { return u + v; });
}

template <class T>
void run_scale_shift(int64_t planes, int64_t n, const T* scale, const T* shift, const T* x, T* y) {
  for (int64_t i = 0; i < planes; ++i, x += n, y += n) {
    const Pack<T> factor = splat(scale[i]);
    const Pack<T> term = splat(shift == nullptr ? T(0) : shift[i]);
    map<T>(n, x, y, [factor, term](Pack<T> v) { return v * factor + term; });
  }
}

template <class T>
void run_log_softmax_gradient(int64_t n, T total, const T* g, const T* out, T* y) {
  map2<T>(n, g, out, y, [total](Pack<T> u, Pack<T> v) { return u - pack_exp(v) * total; });
}

template <class T>
void run_project(const Runs& r, T a, T b, T c, T mean, const T* g, const T* x, T* y) {
  for (int64_t i = 0; i < r.count; ++i, g += r.step, x += r.step, y += r.step) {
    map2<T>(r.n, g, x, y, [=](Pack<T> u, Pack<T> v) { return u * a + ((v - mean) * b + c); });
  }
}

// ---- Sums: four packs per piece of 1,024 elements, pieces added in double, lanes in order ----

template <class T>
inline double lane_sum(Pack<T> v) {
  double total = 0;
  for (int i = 0; i < kLanes<T>; ++i) total += static_cast<double>(v[i]);
  return total;
}

/// Sum of f(offset, load) over a run, where f reads its operands through load(pointer + offset).
template <class T, class Function>
inline __attribute__((always_inline)) double accumulate(int64_t n, Function f) {
  constexpr int64_t L = kLanes<T>;
  constexpr int64_t kPiece = 1024;
  const auto whole = [](const T* p) { return load<T>(p); };
  double total = 0;
  int64_t i = 0;
  while (i + L <= n) {
    const int64_t end = i + kPiece < n ? i + kPiece : n;
    Pack<T> s0{}, s1{}, s2{}, s3{};
    for (; i + 4 * L <= end; i += 4 * L) {
      s0 += f(i, whole);
      s1 += f(i + L, whole);
      s2 += f(i + 2 * L, whole);
      s3 += f(i + 3 * L, whole);
    }
    for (; i + L <= end; i += L) s0 += f(i, whole);
    total += lane_sum<T>((s0 + s1) + (s2 + s3));
    if (i < end) break;
  }
  if (i < n) {
    const int64_t rest = n - i;
    Pack<T> tail = f(i, [rest](const T* p) { return load_tail<T>(p, rest); });
    for (int64_t k = rest; k < L; ++k) tail[k] = 0;  // f of the padding may not be 0
    total += lane_sum<T>(tail);
  }
  return total;
}

template <class T>
double run_sum(int64_t n, const T* x) {
  return accumulate<T>(n, [x](int64_t i, auto get) { return get(x + i); });
}

template <class T>
double run_dot(int64_t n, const T* x, const T* y) {
  return accumulate<T>(n, [x, y](int64_t i, auto get) { return get(x + i) * get(y + i); });
}

template <class T>
double run_sum_exp(int64_t n, T top, const T* x) {
  return accumulate<T>(n, [x, top](int64_t i, auto get) { return pack_exp(get(x + i) - top); });
}

// ---- Sums over several runs: short runs share accumulators, up to 256 elements ----

/// totals[k] = sum over all runs of the k-th result of f(offset, load, results).
template <class T, int sums, class Function>
inline __attribute__((always_inline)) void accumulate_runs(
    const Runs& r, double (&totals)[sums], Function f) {
  constexpr int64_t L = kLanes<T>;
  constexpr int64_t kPiece = 1024;
  constexpr int64_t kShared = 256;  // more would cost digits of f32: variances divide by these sums
  const auto whole = [](const T* p) { return load<T>(p); };
  Pack<T> s[4][sums] = {};
  int64_t held = 0;
  const auto add = [&](int64_t at, auto get, Pack<T>(&to)[sums]) {
    Pack<T> terms[sums];
    f(at, get, terms);
    for (int k = 0; k < sums; ++k) to[k] += terms[k];
  };
  const auto flush = [&] {
    for (int k = 0; k < sums; ++k) {
      totals[k] += lane_sum<T>((s[0][k] + s[1][k]) + (s[2][k] + s[3][k]));
      for (int j = 0; j < 4; ++j) s[j][k] = Pack<T>{};
    }
    held = 0;
  };
  for (int64_t run = 0; run < r.count; ++run) {
    const int64_t first = run * r.step;
    for (int64_t i = 0; i < r.n;) {
      const int64_t begin = i;
      const int64_t end = r.n - i < kPiece ? r.n : i + kPiece;
      for (; i + 4 * L <= end; i += 4 * L) {
        for (int j = 0; j < 4; ++j) add(first + i + j * L, whole, s[j]);
      }
      for (; i + L <= end; i += L) add(first + i, whole, s[0]);
      if (i < end) {
        const int64_t rest = end - i;
        Pack<T> terms[sums];
        f(
            first + i, [rest](const T* p) { return load_tail<T>(p, rest); }, terms);
        for (int k = 0; k < sums; ++k) {
          for (int64_t l = rest; l < L; ++l) terms[k][l] = 0;  // f of the padding may not be 0
          s[0][k] += terms[k];
        }
        i = end;
      }
      held += end - begin;
      if (held >= kShared) flush();
    }
  }
  flush();
}

template <class T>
double run_sum_runs(const Runs& r, const T* x) {
  double total[1] = {};
  accumulate_runs<T>(
      r, total, [x](int64_t i, auto get, Pack<T>(&terms)[1]) { terms[0] = get(x + i); });
  return total[0];
}

template <class T>
double run_squares(const Runs& r, T mean, const T* x) {
  double total[1] = {};
  accumulate_runs<T>(r, total, [x, mean](int64_t i, auto get, Pack<T>(&terms)[1]) {
    const Pack<T> centred = get(x + i) - mean;
    terms[0] = centred * centred;
  });
  return total[0];
}

template <class T>
void run_centred_sums(const Runs& r, T mean, const T* g, const T* x, double* sum, double* product) {
  double totals[2] = {};
  accumulate_runs<T>(r, totals, [=](int64_t i, auto get, Pack<T>(&terms)[2]) {
    terms[0] = get(g + i);
    terms[1] = terms[0] * (get(x + i) - mean);
  });
  *sum = totals[0];
  *product = totals[1];
}

template <class T>
T run_largest(int64_t n, const T* x) {
  T best = x[0];
  for (int64_t i = 1; i < n; ++i) {
    if (best != best) return best;
    if (!(x[i] <= best)) best = x[i];
  }
  return best;
}

// ---- The table ----

template <class T, class Indices, class OtherIndices>
struct Tables;

template <int... I>
struct Sequence {};

template <class T, int... U, int... B>
struct Tables<T, Sequence<U...>, Sequence<B...>> {
  static constexpr KernelTable<T> value = {
      .unary = {run_unary<T, static_cast<Unary>(U)>...},
      .binary = {run_binary<T, static_cast<Binary>(B)>...},
      .binary_fixed_b = {run_binary_fixed_b<T, static_cast<Binary>(B)>...},
      .binary_fixed_a = {run_binary_fixed_a<T, static_cast<Binary>(B)>...},
      .affine = run_affine<T>,
      .add_to = run_add_to<T>,
      .scale_shift = run_scale_shift<T>,
      .sum = run_sum<T>,
      .dot = run_dot<T>,
      .largest = run_largest<T>,
      .sum_exp = run_sum_exp<T>,
      .log_softmax_gradient = run_log_softmax_gradient<T>,
      .sum_runs = run_sum_runs<T>,
      .squares = run_squares<T>,
      .centred_sums = run_centred_sums<T>,
      .project = run_project<T>,
  };
};

/// Sequence<0, 1, ..., N - 1>.
template <int N, int... I>
struct UpTo : UpTo<N - 1, N - 1, I...> {};
template <int... I>
struct UpTo<0, I...> {
  using Type = Sequence<I...>;
};

template <class T>
const KernelTable<T>& make_table() {
  return Tables<T, typename UpTo<kUnaries>::Type, typename UpTo<kBinaries>::Type>::value;
}
