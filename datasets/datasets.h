// datasets/datasets.h: everything that turns files, embedded bytes and formulas into tensors.
#pragma once

#include "datasets/batches.h"       // a data set as a shuffled, repeatable stream of batches
#include "datasets/catalogue.h"     // from a name to a split: the DATA of the command line
#include "datasets/cifar.h"         // the binary version of CIFAR-10 and CIFAR-100
#include "datasets/csv.h"           // tables with a column to predict
#include "datasets/dataset.h"       // Dataset, Split, selecting, splitting, statistics
#include "datasets/embedded.h"      // the two real sets inside the library
#include "datasets/examples.h"      // rows kept as bytes or values
#include "datasets/idx.h"           // files of the MNIST family
#include "datasets/image_folder.h"  // pictures in one folder per class
#include "datasets/mixup.h"         // examples made of two; the whole augmentation of a batch
#include "datasets/npy_pair.h"      // two arrays of numpy
#include "datasets/photographs.h"   // pictures resized and cut as published weights expect
#include "datasets/synthetic.h"     // moons, gaussians, swiss roll, shapes
#include "datasets/transforms.h"    // augmentation: crop, flip, rotation, colour, noise, cutout
