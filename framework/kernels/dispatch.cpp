// framework/kernels/dispatch.cpp: asks the processor once and picks the kernel table.
#include "framework/kernels/dispatch.h"

#include "framework/core/error.h"

#include <atomic>
#include <cstdlib>
#include <string>

namespace limpid::kernels {

namespace baseline {
const KernelTable<float>& float_table();
const KernelTable<double>& double_table();
const WinogradTable* winograd_tables();
const DirectTable& direct_table();
const RowScanTable& row_scan_table();
}  // namespace baseline

#ifndef LIMPID_NO_X86
namespace avx2 {
const KernelTable<float>& float_table();
const KernelTable<double>& double_table();
const WinogradTable* winograd_tables();
const DirectTable& direct_table();
const RowScanTable& row_scan_table();
}  // namespace avx2
#endif

namespace {

struct Tables {
  InstructionSet set;
  const KernelTable<float>* f32;
  const KernelTable<double>* f64;
  const WinogradTable* winograd;  // for m = 2 and m = 4
  const DirectTable* direct;
  const RowScanTable* row_scan;
};

// The sets this processor can run, the slowest first.
const std::vector<Tables>& tables() {
  static const std::vector<Tables> list = [] {
    std::vector<Tables> found = {
        {InstructionSet::baseline, &baseline::float_table(), &baseline::double_table(),
         baseline::winograd_tables(), &baseline::direct_table(), &baseline::row_scan_table()}};
#ifndef LIMPID_NO_X86
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      found.push_back(
          {InstructionSet::avx2, &avx2::float_table(), &avx2::double_table(),
           avx2::winograd_tables(), &avx2::direct_table(), &avx2::row_scan_table()});
    }
#endif
    return found;
  }();
  return list;
}

const Tables* first_choice() {
  if (const char* wanted = std::getenv("LIMPID_KERNELS")) {
    for (const Tables& candidate : tables()) {
      if (std::string(wanted) == name_of(candidate.set)) return &candidate;
    }
    raise<ValueError>(
        "LIMPID_KERNELS", "'", wanted, "' is not available here; the fastest set is ",
        name_of(tables().back().set));
  }
  return &tables().back();
}

std::atomic<const Tables*>& in_use() {
  static std::atomic<const Tables*> current{first_choice()};
  return current;
}

}  // namespace

template <>
const KernelTable<float>& table() {
  return *in_use().load(std::memory_order_relaxed)->f32;
}
template <>
const KernelTable<double>& table() {
  return *in_use().load(std::memory_order_relaxed)->f64;
}

const WinogradTable& winograd_table(int64_t m) {
  return in_use().load(std::memory_order_relaxed)->winograd[m == 4];
}

const DirectTable& direct_table() { return *in_use().load(std::memory_order_relaxed)->direct; }

const RowScanTable& row_scan_table() { return *in_use().load(std::memory_order_relaxed)->row_scan; }

InstructionSet instruction_set() { return in_use().load()->set; }

const char* name_of(InstructionSet set) {
  return set == InstructionSet::avx2 ? "avx2" : "baseline";
}

std::vector<InstructionSet> supported_sets() {
  std::vector<InstructionSet> sets;
  for (const Tables& candidate : tables()) sets.push_back(candidate.set);
  return sets;
}

void use(InstructionSet set) {
  for (const Tables& candidate : tables()) {
    if (candidate.set == set) {
      in_use().store(&candidate);
      return;
    }
  }
  raise<ValueError>("kernels", "this processor does not run ", name_of(set));
}

}  // namespace limpid::kernels
