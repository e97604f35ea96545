// framework/nn/models.h: the networks that can be named on the command line.
#pragma once

#include "framework/nn/module.h"

#include <memory>
#include <string>

namespace limpid {

class Rng;

/// What a network is built for.
struct ModelShape {
  Shape input;          // one example: [C, H, W], or [D] for a table
  int64_t classes = 0;  // outputs
};

// Not formatted: a table
// clang-format off
/// Builds a network by name, with fresh weights from `rng`. Throws ValueError for an unknown name
/// or option, listing the valid ones, ShapeError if the input is too small for it.
///   mlp:H1-H2-...        Linear and ReLU; plain `mlp` is mlp:64
///   lenet5               LeCun et al. 1998, with ReLU and max-pool; first convolution padded by 2
///   convnet[:WxD[:NORM[:POOL]]]
///                        D blocks of conv 3x3 with W filters, norm, ReLU, pool 2;
///                        NORM none|instance|batch, POOL avg|max; plain: 128x3:instance:avg
///   resnet8, resnet14, resnet20, resnet26
///                        CIFAR ResNet (He et al. 2016, section 4.2): widths 16-32-64, one to four
///                        blocks per stage, shortcut option A
///   resnet18[:W]         He et al. 2016, table 1, conv 3x3 as stem; W: width factor
///   mobilenet_v2[:W]     Sandler et al. 2018, first stride 1
///   vgg11                Simonyan and Zisserman 2015, configuration A; one hidden layer of 512
///   squeezenet1_0        Iandola et al. 2016
///   resnet18-imagenet, mobilenet_v2-imagenet, vgg11-imagenet
///                        the same as torchvision has them, for photographs
///   tiny_vit             Dosovitskiy et al. 2021: width 64, two blocks, four heads
///   autoencoder[:CODE]   D-128-CODE-128-D with ReLU around a linear code of 16 numbers: its output
///                        is shaped like the flattened input, whatever `classes` says
// clang-format on
std::unique_ptr<Module> make_model(const std::string& name, const ModelShape& shape, Rng& rng);

/// The names above with one line each, for help texts.
std::string model_names();

}  // namespace limpid
