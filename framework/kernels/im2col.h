// framework/kernels/im2col.h: convolution as a matrix product over unfolded images.
//
// Each output position becomes a column that lists the C/G R S pixels its filters see; a 1x1 filter
// reads the image as it is. Serves every shape and both types; the other ways are faster where
// they apply.
#pragma once

#include "framework/kernels/conv.h"

#include <cstdint>

namespace limpid::kernels::im2col {

/// Elements of scratch for the current number of threads.
int64_t output_scratch(const ConvDims& d);
int64_t input_scratch(const ConvDims& d);
int64_t weight_scratch(const ConvDims& d);

/// The three kernels of conv.h.
template <class T>
void output(const ConvDims& d, const T* x, const T* w, T* y, T* scratch);
template <class T>
void input(const ConvDims& d, const T* g, const T* w, T* dx, T* scratch);
template <class T>
void weight(const ConvDims& d, const T* g, const T* x, T* dw, T* scratch);

}  // namespace limpid::kernels::im2col
