// tests/fuzz_replay/allocations.h: how much memory a piece of code asks for.
#pragma once

#include <cstdint>

namespace limpid {

/// Largest number of bytes that `new` had handed out at one time since the last reset, above what
/// was out then. This program alone counts: allocations.cpp replaces operator new.
void reset_peak_allocation();
int64_t peak_allocation();

}  // namespace limpid
