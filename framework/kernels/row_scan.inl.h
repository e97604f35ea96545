// framework/kernels/row_scan.inl.h: the scans of row_scan_table.h, four columns in a pack.
//
// Included inside the namespace of one instruction set, after simd.inl.h.

typedef Bits<double> Indices;

inline bool is_before(const Least& a, const Least& b) {
  return a.value < b.value || (a.value == b.value && a.index >= 0 && a.index < b.index);
}

/// Of the least of each lane.
inline Least least_of_lanes(D value, Indices index) {
  Least best = {value[0], index[0]};
  for (int l = 1; l < kLanes<double>; ++l) {
    const Least lane = {value[l], index[l]};
    if (is_before(lane, best)) best = lane;
  }
  return best;
}

inline Least row_least(int64_t n, const double* c, const double* v) {
  constexpr int64_t L = kLanes<double>;
  D best[2] = {splat(__builtin_inf()), splat(__builtin_inf())};
  Indices index[2] = {Indices{} - 1, Indices{} - 1};
  Indices now = {0, 1, 2, 3};
  int64_t j = 0;
  for (; j + 2 * L <= n; j += 2 * L) {  // two chains of comparisons
    for (int k = 0; k < 2; ++k) {
      const D r = load<double>(c + j + k * L) - load<double>(v + j + k * L);
      const auto less = r < best[k];
      best[k] = choose(less, r, best[k]);
      index[k] = choose(less, now + k * L, index[k]);
    }
    now += 2 * L;
  }
  Least result = least_of_lanes(best[0], index[0]);
  const Least other = least_of_lanes(best[1], index[1]);
  if (is_before(other, result)) result = other;
  for (; j < n; ++j) {
    const double r = c[j] - v[j];
    if (r < result.value) result = {r, j};
  }
  return result;
}

/// Takes `next` into the two; it comes after both, or before by its value.
inline void insert(LeastTwo& two, const Least& next) {
  if (next.index < 0) return;
  if (is_before(next, two.first)) {
    two = {next, two.first};
  } else if (is_before(next, two.second)) {
    two.second = next;
  }
}

inline LeastTwo row_least_two(int64_t n, const double* c, const double* v) {
  constexpr int64_t L = kLanes<double>;
  D first = splat(__builtin_inf()), second = first;
  Indices first_index = Indices{} - 1, second_index = first_index;
  Indices now = {0, 1, 2, 3};
  int64_t j = 0;
  for (; j + L <= n; j += L) {
    const D r = load<double>(c + j) - load<double>(v + j);
    const auto less = r < first;
    const auto between = r < second;
    second = choose(less, first, choose(between, r, second));
    second_index = choose(less, first_index, choose(between, now, second_index));
    first = choose(less, r, first);
    first_index = choose(less, now, first_index);
    now += L;
  }
  const Least nothing = {__builtin_inf(), -1};
  LeastTwo two = {nothing, nothing};
  for (int l = 0; l < static_cast<int>(L); ++l) {
    insert(two, {first[l], first_index[l]});
    insert(two, {second[l], second_index[l]});
  }
  for (; j < n; ++j) insert(two, {c[j] - v[j], j});
  return two;
}

inline Least row_relax(
    int64_t n, const double* c, const double* v, double shift, int64_t row, double* d,
    int64_t* from) {
  constexpr int64_t L = kLanes<double>;
  const D by = splat(shift);
  const Indices rows = Indices{} + row;
  D best = splat(__builtin_inf());
  Indices index = Indices{} - 1;
  Indices now = {0, 1, 2, 3};
  int64_t j = 0;
  for (; j + L <= n; j += L) {
    const D r = (load<double>(c + j) - load<double>(v + j)) - by;
    const D old = load<double>(d + j);
    const auto shorter = r < old;
    const D is = choose(shorter, r, old);
    store<double>(d + j, is);
    Indices before;
    __builtin_memcpy(&before, from + j, sizeof before);
    before = choose(shorter, rows, before);
    __builtin_memcpy(from + j, &before, sizeof before);
    const auto less = is < best;
    best = choose(less, is, best);
    index = choose(less, now, index);
    now += L;
  }
  Least result = least_of_lanes(best, index);
  for (; j < n; ++j) {
    const double r = (c[j] - v[j]) - shift;
    if (r < d[j]) {
      d[j] = r;
      from[j] = row;
    }
    if (d[j] < result.value) result = {d[j], j};
  }
  return result;
}
