// tools/version.h: what `limpid --version` and the manual page say.
#pragma once

#include <string>

namespace limpid::tools {

/// Version, git id, compiler, BLAS and its core name, oneTBB version, instruction set in use.
std::string version_text();
/// Such as 0.1.0.
std::string version_number();
/// Of the last commit, or of the build where there is no git: 2026-01-31.
std::string version_date();

}  // namespace limpid::tools
