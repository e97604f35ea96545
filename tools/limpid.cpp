// tools/limpid.cpp: main. The commands stand in files of their own names.
#include "tools/commands.h"
#include "tools/console.h"

#include <vector>

int main(int argc, char** argv) {
  using namespace limpid::tools;
  catch_interrupts();
  const std::vector<std::vector<Command>> parts = {
      {demo_command(), data_list_command(), data_info_command(), data_get_command(),
       train_command(), eval_command(), predict_command(), layers_command(), explain_command(),
       metrics_command(), sanity_command()},
      dsv_commands(),
      {coreset_select_command(), coreset_interpret_command(), coreset_grow_command()},
      {shallow_convert_command(), shallow_plot_command(), shallow_certify_command(),
       shallow_visited_command(), shallow_explain_command()},
      transport_commands(),
      {report_command(), bench_command(), completion_command(), man_command()}};
  std::vector<Command> commands;
  for (const std::vector<Command>& part : parts) {
    commands.insert(commands.end(), part.begin(), part.end());
  }
  return run_commands(
      commands,
      {{"data", "data sets: what is known, what is there"},
       {"dsv", "deep support vectors: choose or make them, learn from them, edit, audit"},
       {"coreset", "choose samples, and interpret a network on few of them"},
       {"shallow", "ReLU networks as three layers: regions, certificates, Shapley values"},
       {"transport", "layers as maps that carry distributions"}},
      argc, argv);
}
