// tools/transport.cpp: the commands of limpid transport, one file each: transport_dae.cpp ...
#include "tools/commands.h"

namespace limpid::tools {

std::vector<Command> transport_commands() { return {transport_dae_command()}; }

}  // namespace limpid::tools
