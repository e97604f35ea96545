// tools/version.h: what `limpid --version` says.
#pragma once

#include <string>

namespace limpid::tools {

/// Version, git id, compiler, BLAS and its core name, oneTBB version, instruction set in use.
std::string version_text();

}  // namespace limpid::tools
