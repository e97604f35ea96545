// tools/examples/07_support_vectors.cpp: the training images that hold a network up.
//
// Deep Support Vectors (arXiv 2403.17329): at the end of training with weight decay the parameters
// are a sum of gradients of the samples, theta = - sum_i lambda_i g_i with lambda_i >= 0. Those
// with lambda_i > 0 are to the network what support vectors are to a support vector machine.
#include "interpret/interpret.h"
#include "tools/examples/digits.h"

#include <algorithm>
#include <cstdio>

using namespace limpid;

int main() {
  const examples::Digits digits;
  const Tensor images = slice(digits.images, 0, 0, 400);
  const Tensor labels = slice(digits.labels, 0, 0, 400);
  const auto net = examples::trained("mlp:32", digits, 400);

  interpret::SupportOptions options;
  options.rho = 0.01;
  const interpret::SupportVectors found =
      interpret::extract_support_vectors(*net, images, labels, options);
  const std::vector<double> lambda = found.lambda.to_vector(), entropy = found.entropy.to_vector();
  const auto alive = std::ranges::count_if(lambda, [](double l) { return l > 0; });

  // Support vectors are those of which the network is least sure
  double support = 0, all = 0;
  for (size_t i = 0; i < lambda.size(); ++i) {
    all += entropy[i] / static_cast<double>(lambda.size());
    if (lambda[i] > 0) support += entropy[i] / static_cast<double>(alive);
  }
  std::printf(
      "%d of 400 images carry the network; status %s\n", static_cast<int>(alive),
      found.status.c_str());
  std::printf("entropy of its answers: support vectors %.4f, all %.4f nats\n", support, all);
  const std::vector<int64_t> chosen =
      interpret::select_support(found, labels, interpret::SupportScore::lambda, 1);
  std::printf("the strongest of each class:");
  for (const int64_t i : chosen) std::printf(" %d", static_cast<int>(i));
  std::printf("\n");
  return alive > 10 && alive < 400 && support > all ? 0 : 1;
}
