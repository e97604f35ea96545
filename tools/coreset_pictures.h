// tools/coreset_pictures.h: chosen images, relevant units and concepts in the --out folder.
#pragma once

#include "framework/io/json.h"
#include "tools/interpreting.h"

#include <string>

namespace limpid::tools {

/// What pictures need: [C, H, W] with one or three channels.
bool has_pictures(const Interpreted& all);

/// FOLDER/chosen-NAME.png: a row per class with the first of the samples, in their order. Returns
/// the path.
std::string save_chosen(
    const std::string& folder, const std::string& name, const Interpreted& all,
    interpret::SampleList chosen);

/// FOLDER/part-CLASS-RANK.png for the heaviest units of each class (vebi) or its most important
/// concepts (ice): what they respond to among these training samples. Returns
/// [{class, layer, unit, weight, png}] or [{class, layer, concept, importance, png}], and nothing
/// for a probe, whose weights of all signs have no few that matter.
Json save_parts(
    const std::string& folder, const Interpreted& all, const interpret::Interpretation& found,
    interpret::SampleList samples);

}  // namespace limpid::tools
