// framework/kernels/dispatch.h: the kernels that exist once per instruction set.
//
// The processor is asked once; LIMPID_KERNELS=baseline|avx2 in the environment overrides it, and
// tests run every table that the processor supports. All functions work on contiguous runs; the
// cutting into parallel blocks happens in their callers, compiled for the baseline.
#pragma once

#include "framework/kernels/direct_table.h"
#include "framework/kernels/elementwise.h"
#include "framework/kernels/row_scan_table.h"
#include "framework/kernels/winograd_table.h"

#include <cstdint>
#include <vector>

namespace limpid::kernels {

inline constexpr int kUnaries = static_cast<int>(Unary::count);
inline constexpr int kBinaries = static_cast<int>(Binary::count);

/// `count` runs of n elements, `step` apart: one group of a normalisation in [outer, group, n].
struct Runs {
  int64_t count, step, n;
};

/// T is float or double; sums are carried in double across pieces of 1,024 elements.
template <class T>
struct KernelTable {
  // y = op(x), and y = op(a, b) with both operands running, b fixed, a fixed
  void (*unary[kUnaries])(int64_t n, const T* x, T* y);
  void (*binary[kBinaries])(int64_t n, const T* a, const T* b, T* y);
  void (*binary_fixed_b[kBinaries])(int64_t n, const T* a, const T* b, T* y);
  void (*binary_fixed_a[kBinaries])(int64_t n, const T* a, const T* b, T* y);
  // y = scale x + shift;  y += x
  void (*affine)(int64_t n, T scale, T shift, const T* x, T* y);
  void (*add_to)(int64_t n, const T* x, T* y);
  // y = scale[i] x + shift[i] in plane i of n elements; shift may be null (0)
  void (*scale_shift)(int64_t planes, int64_t n, const T* scale, const T* shift, const T* x, T* y);
  // sum x;  sum x y;  the largest element, NaN if there is one
  double (*sum)(int64_t n, const T* x);
  double (*dot)(int64_t n, const T* x, const T* y);
  T (*largest)(int64_t n, const T* x);
  // sum of exp(x - top);  the log-softmax gradient y = g - exp(out) total
  double (*sum_exp)(int64_t n, T top, const T* x);
  void (*log_softmax_gradient)(int64_t n, T total, const T* g, const T* out, T* y);
  // over several runs: sum x;  sum (x - mean)^2;  sum g and sum g (x - mean);
  // y = a g + b (x - mean) + c, the shape of a standardize gradient
  double (*sum_runs)(const Runs& r, const T* x);
  double (*squares)(const Runs& r, T mean, const T* x);
  void (*centred_sums)(const Runs& r, T mean, const T* g, const T* x, double* sum, double* product);
  void (*project)(const Runs& r, T a, T b, T c, T mean, const T* g, const T* x, T* y);
};

enum class InstructionSet : uint8_t { baseline, avx2 };

/// The table in use.
template <class T>
const KernelTable<T>& table();
/// Winograd's transforms for tiles of m x m outputs, m = 2 or 4.
const WinogradTable& winograd_table(int64_t m);
/// Sums over the taps of a filter.
const DirectTable& direct_table();
/// Scans of one row of a cost matrix.
const RowScanTable& row_scan_table();

/// The set in use, and the name of one: "baseline", "avx2".
InstructionSet instruction_set();
const char* name_of(InstructionSet set);
/// All sets this processor can run, the slowest first.
std::vector<InstructionSet> supported_sets();
/// Switches the table; for tests. Throws ValueError if the processor lacks the set.
void use(InstructionSet set);

}  // namespace limpid::kernels
