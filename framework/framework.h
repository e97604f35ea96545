// framework/framework.h: the whole public interface of the framework, in reading order.
#pragma once

// Not formatted: the order is for reading
// clang-format off
#include "framework/autograd/anomaly.h"      // the op that made the first NaN
#include "framework/autograd/grad.h"         // derivatives of any order
#include "framework/autograd/profile.h"      // where the time of a step goes
#include "framework/autograd/recompute.h"    // memory for time
#include "framework/core/error.h"            // typed errors
#include "framework/core/parallel.h"         // blocks, threads
#include "framework/core/rng.h"              // counter-based random numbers
#include "framework/core/shape.h"            // shapes and broadcasting
#include "framework/import/onnx.h"           // networks from ONNX files
#include "framework/linalg/linalg.h"         // factorisations over LAPACK
#include "framework/nn/attention.h"          // attention and the transformer block
#include "framework/nn/layers.h"             // layers
#include "framework/nn/models.h"             // networks by name
#include "framework/nn/module.h"             // modules and their state
#include "framework/ops/ops.h"               // differentiable operations
#include "framework/optim/adam.h"            //
#include "framework/optim/lbfgs.h"           // a full-batch minimiser
#include "framework/optim/rmsprop.h"         //
#include "framework/optim/schedule.h"        // learning-rate schedules
#include "framework/optim/sgd.h"             // optimisers
#include "framework/optim/weight_average.h"  // moving averages of weights
#include "framework/tensor/gates.h"          // piecewise linear ops as linear ones
#include "framework/tensor/integers.h"       // labels and positions as lists and tensors
#include "framework/tensor/record.h"         // the tape
#include "framework/tensor/tensor.h"         // the value handle
#include "framework/train/checkpoint.h"      // exact resume
#include "framework/train/metrics.h"         // accuracy, confusion, calibration
#include "framework/train/trainer.h"         // the training loop
// clang-format on
