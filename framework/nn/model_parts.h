// framework/nn/model_parts.h: builders of the larger networks; called by make_model() alone.
#pragma once

#include "framework/nn/models.h"

#include <memory>

namespace limpid::models {

/// Throws ShapeError unless the input is an image with sides of at least `smallest`.
void check_image(const std::string& model, const Shape& input, int64_t smallest);

/// CIFAR ResNet of 6 blocks + 2 layers (He et al. 2016, section 4.2): widths 16, 32, 64,
/// shortcut option A.
std::unique_ptr<Module> cifar_resnet(int64_t blocks, const ModelShape& shape, Rng& rng);
/// ResNet-18 (He et al. 2016, table 1) with torchvision's names, all widths times `width`.
/// Stem: conv 7x7 stride 2 and max-pool for photographs, else conv 3x3 stride 1.
std::unique_ptr<Module> resnet18(
    double width, bool for_photographs, const ModelShape& shape, Rng& rng);

/// MobileNet-V2 (Sandler et al. 2018, table 2) with torchvision's names; the first convolution has
/// stride 2 for photographs, else 1.
std::unique_ptr<Module> mobilenet_v2(
    double width, bool for_photographs, const ModelShape& shape, Rng& rng);
/// SqueezeNet 1.0 (Iandola et al. 2016, table 1) with torchvision's names.
std::unique_ptr<Module> squeezenet1_0(const ModelShape& shape, Rng& rng);
/// VGG-11 (Simonyan and Zisserman 2015, configuration A) with torchvision's names; for small images
/// the classifier has one hidden layer of 512.
std::unique_ptr<Module> vgg11(bool for_photographs, const ModelShape& shape, Rng& rng);

/// A small vision transformer (Dosovitskiy et al. 2021): patches of 4 pixels (2 below 16), width
/// 64, two blocks of four heads, mean over the tokens.
std::unique_ptr<Module> tiny_vit(const ModelShape& shape, Rng& rng);

}  // namespace limpid::models
