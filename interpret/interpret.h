// interpret/interpret.h: the interpretability library, in reading order.
#pragma once

// Not formatted: the order is for reading
// clang-format off
#include "interpret/metrics/localisation.h"  // the pointing game
#include "interpret/report/heatmap.h"        // colour maps and overlays
#include "interpret/report/plot.h"           // line, bar and matrix plots as SVG
#include "interpret/report/report.h"         // one self-contained HTML page
#include "interpret/saliency/methods.h"      // every saliency method, by name
#include "interpret/saliency/cam.h"          // class activation maps of one backward pass
#include "interpret/saliency/gradient.h"     // gradient, guided back-propagation, deconv
#include "interpret/saliency/target.h"       // what is explained
#include "interpret/interpretable_gradients.h"  // paper 1: gradients that agree with the guided
#include "interpret/interpretable_step.h"       // a training step with that penalty
#include "interpret/interpretable_shift.h"      // what it shares with adversarial training
// clang-format on
