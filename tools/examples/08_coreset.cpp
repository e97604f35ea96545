// tools/examples/08_coreset.cpp: whether a tenth of the data tells which units matter.
//
// Deep Model Interpretation with Limited Data (arXiv 2410.00524): the interpretation is made once
// with all data and once with a small chosen part, and the two are compared.
#include "interpret/interpret.h"
#include "tools/examples/digits.h"

#include <cstdio>

using namespace limpid;

int main() {
  const examples::Digits digits;
  const auto net = examples::trained("convnet:8x2:none:max", digits);
  const int64_t n = digits.labels.numel();

  // VEBI: non-negative weights that tell each class by few units
  interpret::WeightInterpreter::Data data{
      .images = [&](interpret::SampleList rows) { return take_rows(digits.images, rows); },
      .labels = to_integers(digits.labels),
      .classes = 10};
  interpret::Vebi vebi(*net, data);
  const std::vector<int64_t> all = index_range(0, n);
  vebi.see(all);
  const interpret::Interpretation full = vebi.fit(all);

  double best = 0;
  for (const char* method : {"random", "herding", "moderate"}) {
    const interpret::Samples samples{.features = flatten(digits.images), .labels = digits.labels};
    const interpret::Selection part =
        interpret::select_coreset(method, samples, {.fraction = 0.1, .seed = 1});
    const interpret::Similarity similarity = vebi.compare(full, vebi.fit(part.indices));
    double mean = 0;
    const std::vector<double>& cosine = similarity.at("cosine");
    for (const double c : cosine) mean += c / static_cast<double>(cosine.size());
    std::printf(
        "%-9s %3d images of %d: cosine %.3f to the interpretation of all\n", method,
        static_cast<int>(part.indices.size()), static_cast<int>(n), mean);
    best = std::max(best, mean);
  }
  return best > 0.7 ? 0 : 1;
}
