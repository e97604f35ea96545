// datasets/embedded.h: the data inside the library, so that everything can be tried at once.
//
// The files of datasets/data are part of the object code (.incbin): a binary needs no path and no
// network. Origin, licence and citation of each file: datasets/data/README.md.
#pragma once

#include "datasets/dataset.h"

#include <string>
#include <vector>

namespace limpid::datasets {

/// Optical digits (Alpaydin and Kaynak 1998, UCI, CC BY 4.0), the test part: 1,797 of
/// [1, 8, 8], values k/16, 10 classes. It has no division of its own; see stratified_split.
Dataset digits();

/// A class-balanced cut of Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, MIT): 2,000 + 500 of
/// [1, 28, 28], values k/255, 10 classes.
Split fashion_2k();

/// The ten classes of Fashion-MNIST.
std::vector<std::string> fashion_class_names();

}  // namespace limpid::datasets
