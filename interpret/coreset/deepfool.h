// interpret/coreset/deepfool.h: how far an input is from another prediction, about.
//
// DeepFool (Moosavi-Dezfooli, Fawzi and Frossard, CVPR 2016): with c the predicted class, f_k =
// x_k - x_c of the logits x and w_k its slope by the input, repeat
//     l = argmin_k |f_k| / |w_k|,    r <- r + |f_l| / |w_l|^2 w_l
// at the input plus (1 + overshoot) r, until another class is predicted. Exact for a linear
// network. The result is |r|, without the overshoot.
#pragma once

#include "framework/nn/module.h"
#include "framework/tensor/tensor.h"

#include <cstdint>
#include <vector>

namespace limpid::interpret {

struct DeepFoolOptions {
  int64_t max_steps = 50;
  double overshoot = 0.02;
};

/// |r| of each input [n, ...], in evaluation mode; infinite where no slope leads away, and where
/// max_steps were not enough.
std::vector<double> deepfool_distances(
    Module& model, const Tensor& inputs, const DeepFoolOptions& options = {});

}  // namespace limpid::interpret
