// interpret/metrics/randomisation.cpp: layers are overwritten in a twin of the network.
#include "interpret/metrics/randomisation.h"

#include "framework/core/rng.h"
#include "framework/nn/init.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/norm.h"
#include "framework/ops/pointwise.h"
#include "framework/tensor/record.h"
#include "interpret/metrics/similarity.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace limpid::interpret {
namespace {

constexpr int64_t kStatisticsBatch = 64;

using Values = std::map<std::string, Tensor>;

// "layer1.0.conv1.weight" -> "layer1.0.conv1" and "weight".
std::string owner_of(const std::string& name) {
  const size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}
bool is_named(const std::string& name, const std::string& last) {
  return name == last || name.ends_with("." + last);
}

Values copy_of(const NamedTensors& tensors) {
  Values values;
  for (const auto& [name, tensor] : tensors) values.emplace(name, tensor.clone());
  return values;
}

// Mean and variance that fresh norms see, averaged over batches in which every norm uses the
// statistics of the batch; the running statistics of all other norms stay.
void measure_statistics(Module& twin, const std::set<std::string>& fresh, const Tensor& images) {
  const Recording off(false);
  Values values;
  for (const auto& [name, tensor] : buffers(twin)) values.emplace(name, tensor);
  const Values before = copy_of(buffers(twin));
  std::map<const Module*, std::string> norms;
  for (const auto& [name, layer] : layers(twin)) {
    if (fresh.contains(name + ".running_mean")) norms.emplace(layer, name);
  }
  if (norms.empty()) return;

  Values means, variances;
  Pass pass(Mode::train);
  pass.keep_all();
  pass.observer = [&](const Module& layer, const Tensor& input, const Tensor&) {
    const auto found = norms.find(&layer);
    if (found == norms.end()) return;
    const Moments m = moments(input);
    const double count = static_cast<double>(input.numel()) / static_cast<double>(input.size(1));
    const Tensor variance = m.variance * (count / (count - 1));
    Tensor& mean_sum = means[found->second];
    Tensor& variance_sum = variances[found->second];
    mean_sum = mean_sum.defined() ? mean_sum + m.mean : m.mean;
    variance_sum = variance_sum.defined() ? variance_sum + variance : variance;
  };
  const std::vector<Tensor> batches = split(images, 0, kStatisticsBatch);
  for (const Tensor& batch : batches) twin(batch, pass);

  for (auto& [name, tensor] : values) tensor.assign(before.at(name));
  const double share = 1 / static_cast<double>(batches.size());
  for (const auto& [name, total] : means) {
    values.at(name + ".running_mean").assign(total * share);
    values.at(name + ".running_var").assign(variances.at(name) * share);
  }
}

RandomisedLayer compared(
    const std::string& layer, const ComparedMaps& before, const ComparedMaps& now) {
  const Recording off(false);
  RandomisedLayer result{
      layer, rank_correlations(before.raw, now.raw),
      rank_correlations(abs(before.raw), abs(now.raw)),
      structural_similarity(before.shown, now.shown)};
  for (size_t n = 0; n < result.ssim.size(); ++n) {
    if (std::isnan(result.spearman_abs[n])) result.ssim[n] = result.spearman_abs[n];
  }
  return result;
}

}  // namespace

void start_afresh(const LayerGroup& group, Values& tensors, Rng& rng) {
  const Recording off(false);
  int64_t fan_in = 1;
  for (const std::string& name : group.tensors) {
    Tensor& tensor = tensors.at(name);
    if (tensor.rank() >= 2) {
      fan_in = tensor.numel() / std::max<int64_t>(1, tensor.size(0));
      tensor.assign(to(uniform_by_fan_in(tensor.shape(), fan_in, rng), tensor.dtype()));
    } else if (owner_of(name) == group.name) {  // bias of that matrix
      tensor.assign(to(uniform_by_fan_in(tensor.shape(), fan_in, rng), tensor.dtype()));
    } else {  // scale, shift and statistics of a norm
      const bool is_one = is_named(name, "weight") || is_named(name, "running_var");
      tensor.assign(Tensor::full(tensor.shape(), is_one ? 1 : 0, tensor.dtype()));
    }
  }
}

std::vector<LayerGroup> layer_groups(Module& model) {
  // Parameters and statistics by owner, in the order of the list
  std::vector<LayerGroup> owners;
  std::map<std::string, bool> has_matrix;
  for (const auto& [name, tensor] : state(model)) {
    const std::string owner = owner_of(name);
    const auto same = std::ranges::find(owners, owner, &LayerGroup::name);
    auto& group = same == owners.end() ? owners.emplace_back(LayerGroup{owner, {}}) : *same;
    group.tensors.push_back(name);
    has_matrix[owner] = has_matrix[owner] || tensor.rank() >= 2;
  }

  // Norms go with the layer before them, those before the first matrix with the first
  std::vector<LayerGroup> groups;
  std::vector<std::string> waiting;
  for (const LayerGroup& owner : owners) {
    if (has_matrix[owner.name]) {
      groups.push_back(owner);
      auto& tensors = groups.back().tensors;
      tensors.insert(tensors.end(), waiting.begin(), waiting.end());
      waiting.clear();
    } else {
      auto& tensors = groups.empty() ? waiting : groups.back().tensors;
      tensors.insert(tensors.end(), owner.tensors.begin(), owner.tensors.end());
    }
  }
  return groups;
}

std::vector<std::vector<RandomisedLayer>> randomisation_test(
    Module& model, Module& twin, const Tensor& images, const MapFunction& maps,
    const RandomisationOptions& options) {
  const Values trained = copy_of(state(model));
  load_state(twin, trained);
  const std::vector<ComparedMaps> before = maps(twin);
  std::vector<std::vector<RandomisedLayer>> results(before.size());

  std::vector<LayerGroup> groups = layer_groups(twin);
  std::ranges::reverse(groups);
  const Rng rng(options.seed);
  std::set<std::string> fresh;
  for (size_t k = 0; k < groups.size(); ++k) {
    if (options.mode == RandomisationMode::independent) {
      load_state(twin, trained);
      fresh.clear();
    }
    Values tensors;
    for (const auto& [name, tensor] : state(twin)) tensors.emplace(name, tensor);
    Rng stream = rng.child(k);
    start_afresh(groups[k], tensors, stream);
    fresh.insert(groups[k].tensors.begin(), groups[k].tensors.end());
    measure_statistics(twin, fresh, images);

    const std::vector<ComparedMaps> now = maps(twin);
    for (size_t m = 0; m < now.size(); ++m) {
      results[m].push_back(compared(groups[k].name, before[m], now[m]));
    }
    const auto done = static_cast<int64_t>(k + 1);
    if (options.progress && !options.progress(done, std::ssize(groups))) break;
  }
  return results;
}

}  // namespace limpid::interpret
