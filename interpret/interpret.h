// interpret/interpret.h: the interpretability library, in reading order.
#pragma once

// Not formatted: the order is for reading
// clang-format off
#include "interpret/metrics/score.h"               // what a metric asks the network
#include "interpret/metrics/confidence.h"          // average drop, gain and increase
#include "interpret/metrics/insertion_deletion.h"  // how fast a score falls or rises along a map
#include "interpret/metrics/controls.h"            // maps that know nothing of the network
#include "interpret/metrics/localisation.h"        // the pointing game
#include "interpret/metrics/sensitivity.h"         // sums of a map against effects
#include "interpret/metrics/gradient_quality.h"    // how clean the input gradient is
#include "interpret/metrics/similarity.h"          // cosine, rank correlation, structural similarity
#include "interpret/metrics/randomisation.h"       // maps of a network that forgets
#include "interpret/metrics/roar.h"                // remove and retrain
#include "interpret/coreset/select.h"              // which samples to keep, by the name of a method
#include "interpret/coreset/scores.h"              // how hard a sample is
#include "interpret/coreset/moderate.h"            // near the median distance from the class centre
#include "interpret/coreset/diversity_graph.h"     // hard, and not each other's neighbours
#include "interpret/coreset/cover.h"               // herding and k-center
#include "interpret/coreset/greedy.h"              // submodular functions, greedily
#include "interpret/coreset/set_functions.h"       // facility location, graph cut, log-determinant
#include "interpret/coreset/gradient_matching.h"   // few samples with the gradient of all
#include "interpret/coreset/distances.h"           // distances and similarities in blocks
#include "interpret/coreset/last_layer.h"          // features and gradients before the logits
#include "interpret/coreset/deepfool.h"            // how far another prediction is
#include "interpret/coreset/interpreter.h"         // one method of interpretation on any part
#include "interpret/coreset/vebi.h"                // the few units that tell classes apart
#include "interpret/coreset/ice.h"                 // concepts that add up to a layer's output
#include "interpret/coreset/probe.h"               // a linear classifier of features
#include "interpret/coreset/similarity.h"          // how alike two interpretations are
#include "interpret/coreset/grow.h"                // enough data, found in stages
#include "interpret/numerics/statistics.h"         // correlations, intervals and paired tests
#include "interpret/numerics/nnls.h"               // non-negative least squares
#include "interpret/numerics/nonnegative_lasso.h"  // the same at scale, with a duality gap
#include "interpret/numerics/linear_program.h"     // small linear programs, with a certificate
#include "interpret/numerics/lasso.h"              // few non-negative weights, along a path
#include "interpret/numerics/factorise.h"          // a non-negative matrix as a sum of parts
#include "interpret/numerics/assignment.h"         // pairs of least total cost
#include "interpret/numerics/masses.h"             // what optimal transport asks of its input
#include "interpret/numerics/alignment.h"          // two layers brought into one frame
#include "interpret/numerics/entropy.h"            // how spread out a cloud is
#include "interpret/numerics/gromov.h"             // transport between spaces without common axes
#include "interpret/numerics/network_simplex.h"    // the transportation problem
#include "interpret/numerics/sinkhorn.h"           // optimal transport with an entropic term
#include "interpret/numerics/wasserstein.h"        // optimal transport on a line and of Gaussians
#include "interpret/numerics/point_clouds.h"       // distances within and between clouds
#include "interpret/numerics/squared_distances.h"  // all pairs of two point clouds
#include "interpret/numerics/transport.h"          // exact optimal transport, with a certificate
#include "interpret/numerics/ode.h"                // Euler, Runge-Kutta, adaptive steps
#include "interpret/report/attribution_plot.h"  // waterfalls and swarms as SVG
#include "interpret/report/heatmap.h"        // colour maps and overlays
#include "interpret/report/plot.h"           // line, bar and matrix plots as SVG
#include "interpret/report/flow_plot.h"      // points that move over a density
#include "interpret/report/region_plot.h"    // regions of a network in the plane
#include "interpret/report/spectrum_plot.h"  // a map over two axes, with circles
#include "interpret/report/report.h"         // one self-contained HTML page
#include "interpret/saliency/methods.h"      // every saliency method, by name
#include "interpret/saliency/gradient.h"     // gradients: plain, by rule, integrated, smoothed
#include "interpret/saliency/cam.h"          // class activation maps of one backward pass
#include "interpret/saliency/cam_scores.h"   // those of many forward passes
#include "interpret/saliency/perturbation.h" // occlusion and RISE
#include "interpret/saliency/relevance.h"    // LRP and DeepLIFT
#include "interpret/saliency/pixels.h"       // masks where 0 is black
#include "interpret/saliency/target.h"       // what is explained
#include "interpret/gradient_penalty/penalty.h"  // paper 1: gradients that agree with the guided
#include "interpret/gradient_penalty/step.h"     // a training step with that penalty
#include "interpret/gradient_penalty/shift.h"    // what it shares with adversarial training
#include "interpret/support_vectors/deep_kkt.h"  // paper 2: the conditions of a deep support vector
#include "interpret/support_vectors/sample_gradients.h"  // parameter gradients of many samples
#include "interpret/support_vectors/extraction.h"  // which samples of a data set support a model
#include "interpret/support_vectors/manifold.h"    // views and priors that keep images images
#include "interpret/support_vectors/synthesis.h"   // support vectors from weights alone
#include "interpret/support_vectors/editing.h"     // labels as latent variables
#include "interpret/support_vectors/retraining.h"  // networks made from support vectors
#include "interpret/support_vectors/audit.h"       // what support vectors tell about a classifier
#include "interpret/shallow/piecewise_linear.h"  // paper 4: a network as stages with rectifiers
#include "interpret/shallow/regions.h"           // all its activation regions
#include "interpret/shallow/polygons.h"          // the same in the plane
#include "interpret/shallow/shallow_network.h"   // three hidden layers equal to the deep network
#include "interpret/shallow/visited.h"           // the regions that data visit
#include "interpret/shallow/facets.h"            // which regions touch, and their sizes
#include "interpret/shallow/fine_tune.h"         // local models trained, regions fixed
#include "interpret/shallow/certificate.h"       // exact distance to the decision boundary
#include "interpret/shallow/attack.h"            // the same tried by attack
#include "interpret/shallow/local_model.h"       // the map and the half-spaces around a point
#include "interpret/shallow/shapley.h"           // Shapley values, exact
#include "interpret/shallow/importance.h"        // the same over data or a box
#include "interpret/transport/ridgelet.h"          // paper 5: a network as an integral over its units
#include "interpret/transport/ridgelet_units.h"    // units drawn from it, and trained ones beside it
#include "interpret/transport/law.h"             // paper 5: laws with exact denoising maps
#include "interpret/transport/flow.h"            // layers of those as transport, and their limit
#include "interpret/transport/porous_medium.h"   // the flow of another entropy
#include "interpret/transport/denoiser.h"        // denoising autoencoders that learn
#include "interpret/transport/layer_features.h"  // where a network has moved its data, by layer
#include "interpret/transport/layer_transport.h" // how far, how straight, how well apart
#include "interpret/transport/layer_health.h"    // each layer beside its own weights shuffled
#include "interpret/transport/layer_flags.h"     // which layer to look at, in words
#include "interpret/transport/layer_shift.h"     // new data through the layers of a network
#include "interpret/transport/layer_change.h"    // one layer done differently
#include "interpret/transport/class_scatter.h"   // how far apart the classes lie
#include "interpret/transport/euler_steps.h"     // residual blocks as steps of an Euler method
// clang-format on
