// tools/commands.h: the commands, one file each.
#pragma once

#include "tools/arguments.h"

#include <vector>

namespace limpid::tools {

Command demo_command();
Command data_list_command();
Command data_info_command();
Command data_get_command();
Command train_command();
Command eval_command();
Command predict_command();
Command layers_command();
Command explain_command();
Command metrics_command();
Command sanity_command();
Command coreset_select_command();
Command coreset_interpret_command();
Command coreset_grow_command();
Command shallow_convert_command();
Command shallow_plot_command();
Command shallow_certify_command();
Command shallow_visited_command();
Command shallow_explain_command();
Command report_command();
Command bench_command();
Command completion_command();
Command man_command();

Command dsv_extract_command();
Command dsv_synthesize_command();
Command dsv_retrain_command();
Command dsv_generate_command();
Command dsv_edit_command();
Command dsv_audit_command();
/// All commands of dsv.
std::vector<Command> dsv_commands();

Command transport_report_command();
Command transport_fix_command();
Command transport_shift_command();
Command transport_dae_command();
Command transport_ridgelet_command();
/// All commands of transport.
std::vector<Command> transport_commands();

}  // namespace limpid::tools
