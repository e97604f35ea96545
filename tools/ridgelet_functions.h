// tools/ridgelet_functions.h: functions with a name, to look at their ridgelet spectra.
#pragma once

#include "interpret/transport/law.h"
#include "interpret/transport/ridgelet.h"

#include <string>
#include <vector>

namespace limpid::tools {

struct NamedFunction {
  std::string name, formula;
  int64_t inputs = 1;
  double half_width = 3;  // f is 0, or cut by a window, outside of [-half_width, half_width]^inputs
  double frequency = 20;  // that A which shows it well
  interpret::RidgeletFunction f = {};
};

/// sine, bump, step, denoiser; gaussian-2d, waves-2d, ring-2d.
const std::vector<NamedFunction>& named_functions();
/// Throws UsageError listing the names.
const NamedFunction& function_named(const std::string& name);

/// The law .3 N(-2, 1) + .7 N(1, 1.44), and the time for which a denoiser is trained on it.
inline constexpr double kDenoiserVariance = 0.5;
const interpret::MixtureLaw& denoiser_law();

}  // namespace limpid::tools
