// tools/retraining.cpp: fresh weights and the training of `train`'s defaults.
#include "tools/retraining.h"

#include "framework/core/rng.h"
#include "framework/optim/adam.h"
#include "tools/arguments.h"
#include "tools/console.h"
#include "tools/measuring.h"

namespace limpid::tools {

std::unique_ptr<Module> fresh_network(const RunFolder& folder, uint64_t seed) {
  Rng rng(seed);
  return as_usage([&] {
    return make_model(folder.card.architecture, {folder.card.input, folder.card.outputs()}, rng);
  });
}

void train_plainly(Module& net, const BatchSource& source, const RetrainingOptions& o) {
  Adam optimizer(parameters(net));
  const Schedule schedule{.learning_rate = o.lr, .steps = o.epochs * source.batches};
  const TrainOptions options{
      .epochs = o.epochs,
      .seed = o.seed,
      .after_epoch =
          [&](const EpochReport&, const Progress&) {
            if (o.after_epoch) o.after_epoch();
            return true;
          },
      .after_step = [](const Progress&) { return !interrupted(); }};
  Progress progress;
  fit(net, optimizer, schedule, source, options, progress);
  check_interrupt();
}

}  // namespace limpid::tools
