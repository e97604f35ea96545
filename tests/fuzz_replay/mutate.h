// tests/fuzz_replay/mutate.h: seeded damage to files, for machines without libFuzzer.
#pragma once

#include "framework/core/rng.h"

#include <cstdint>
#include <vector>

namespace limpid {

using Input = std::vector<uint8_t>;

/// A copy of one of the seeds with one to eight changes: flipped bits, other bytes, a cut end,
/// bytes put in, taken out, copied from elsewhere or from another seed, and numbers of 1 to 8
/// bytes set to what breaks arithmetic. The same state of `rng` gives the same copy.
Input mutated(const std::vector<Input>& seeds, Rng& rng);

}  // namespace limpid
