// tools/examples/03_own_layer.cpp: a layer of your own: its state, and what it computes.
#include "framework/framework.h"

#include <cstdio>

using namespace limpid;

namespace {

// y = x + gate * relu(x W'): a residual layer whose gate starts at 0, so that it starts as nothing
class GatedResidual : public Module {
 public:
  GatedResidual(int64_t features, Rng& rng)
      : inner_(features, features, rng), gate_(Tensor::zeros({features})) {
    gate_.require_gradient();
  }
  const char* type() const override { return "GatedResidual"; }
  // The one list from which optimisers, checkpoints, freezing and printing work
  void visit(Visitor& v) override {
    v.child("inner", inner_);
    v.parameter("gate", gate_);
  }

 private:
  Tensor forward(const Tensor& x, Pass& pass) override { return x + gate_ * relu(inner_(x, pass)); }

  Linear inner_;
  Tensor gate_;
};

}  // namespace

int main() {
  Rng rng(3);
  Sequential net;
  net.add<GatedResidual>("block", int64_t{8}, rng);
  net.add<Linear>("head", int64_t{8}, int64_t{2}, rng);
  for (const auto& [name, tensor] : parameters(net)) {
    std::printf("%-20s %s\n", name.c_str(), to_string(tensor.shape()).c_str());
  }

  const Tensor x = Tensor::normal({4, 8}, rng, 0, 1);
  Pass pass;
  const Tensor before = find_layer(net, "block")(x, pass);
  const bool starts_as_nothing = before.to_vector() == x.to_vector();

  // The gate opens as training asks for it
  const Tensor labels = Tensor::of_integers({4}, {0, 1, 1, 0});
  Adam optimizer(parameters(net));
  for (int step = 0; step < 50; ++step) {
    Pass training(Mode::train);
    optimizer.clear_gradients();
    backward(cross_entropy(net(x, training), labels));
    optimizer.step(0.05);
  }
  const double opened = norm(parameters(net)[2].second, {0}).item();
  std::printf(
      "starts as nothing: %s, |gate| after training %.2f\n", starts_as_nothing ? "yes" : "no",
      opened);
  return starts_as_nothing && opened > 0 ? 0 : 1;
}
