// tools/coreset_pictures.cpp: what was chosen, and what it shows of the network.
#include "tools/coreset_pictures.h"

#include "framework/io/image.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/resample.h"
#include "framework/tensor/record.h"
#include "interpret/coreset/ice.h"
#include "interpret/coreset/vebi.h"
#include "interpret/report/heatmap.h"
#include "tools/console.h"
#include "tools/synthesising.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace limpid::tools {
namespace {

constexpr size_t kChosen = 12;  // images per class
constexpr size_t kParts = 3;    // units or concepts per class
constexpr int64_t kShown = 5;   // images per unit or concept

// Many pictures go on a page: small images are enlarged to about this width, no further.
constexpr int64_t kWidth = 84;

Image enlarged(const Image& image, const Tensor& picture) {
  return interpret::enlarge(image, std::max<int64_t>(1, kWidth / picture.size(2)));
}

Image plain(const Tensor& picture) { return enlarged(interpret::image_of(picture), picture); }

Image with_map(const Tensor& picture, const Tensor& map) {
  const interpret::ColouredMap coloured = interpret::colour(map);
  return enlarged(interpret::overlay(interpret::image_of(picture), coloured.image, 0.65), picture);
}

std::string text_of_class(const Interpreted& all, int64_t c) {
  return all.folder.card.class_names[static_cast<size_t>(c)];
}

Tensor image_of(const Interpreted& all, int64_t sample) {
  return interpret::one_of(all.data.images.rows(std::vector<int64_t>{sample}), 0);
}

std::string save_row(
    const std::string& folder, int64_t c, size_t rank, const std::vector<Image>& row) {
  const std::string png = join_text(folder, "/part-", c, "-", rank, ".png");
  save_png(png, interpret::grid({row}));
  return png;
}

// The mean of the crops, then where the unit responds most, each with its guided gradient.
std::vector<Image> unit_row(
    const Interpreted& all, const interpret::RelevantUnit& unit, interpret::SampleList samples) {
  const Tensor images = all.data.images.rows(std::vector<int64_t>(samples.begin(), samples.end()));
  const interpret::UnitPicture picture = interpret::picture_of_unit(
      *all.folder.model, unit.layer, unit.unit, standardised(images, all.folder.card), kShown);
  const Tensor crops = reshape(
      picture.average,
      {1, picture.average.size(0), picture.average.size(1), picture.average.size(2)});
  const Tensor average =
      resize_bilinear(as_data(crops, all.folder.card), images.size(2), images.size(3));
  std::vector<Image> row = {plain(interpret::one_of(average, 0))};
  for (size_t k = 0; k < picture.images.size(); ++k) {
    const int64_t n = picture.images[k], at = static_cast<int64_t>(k);
    const Tensor image = interpret::one_of(images, n);
    row.push_back(plain(image));
    row.push_back(with_map(image, interpret::one_of(picture.heat, at)));
  }
  return row;
}

Json save_units(
    const std::string& folder, const Interpreted& all, const interpret::Vebi& vebi,
    const interpret::Interpretation& found, interpret::SampleList samples) {
  Json rows = Json::array();
  for (int64_t c = 0; c < all.folder.card.classes(); ++c) {
    std::vector<interpret::RelevantUnit> units = vebi.relevant_units(found, c);
    units.resize(std::min(units.size(), kParts));
    for (size_t rank = 0; rank < units.size(); ++rank) {
      check_interrupt();
      rows.push(Json::object(
          {{"class", text_of_class(all, c)},
           {"layer", units[rank].layer},
           {"unit", units[rank].unit},
           {"weight", units[rank].weight},
           {"png", save_row(folder, c, rank, unit_row(all, units[rank], samples))}}));
    }
  }
  return rows;
}

// Images where the concept shows most, each with where it stands.
std::vector<Image> concept_row(const Interpreted& all, const interpret::ConceptPicture& picture) {
  std::vector<Image> row;
  for (size_t k = 0; k < picture.samples.size(); ++k) {
    const auto at = static_cast<int64_t>(k);
    const Tensor image = image_of(all, picture.samples[k]);
    const Tensor map = slice(picture.maps, 0, at, at + 1);
    const Tensor large = resize_bilinear(
        reshape(map, {1, 1, map.size(1), map.size(2)}), image.size(1), image.size(2));
    row.push_back(plain(image));
    row.push_back(with_map(image, interpret::one_of(large, 0)));
  }
  return row;
}

Json save_concepts(
    const std::string& folder, const Interpreted& all, const interpret::Ice& ice,
    const interpret::Interpretation& found, interpret::SampleList samples) {
  Json rows = Json::array();
  for (size_t g = 0; g < found.concepts.size(); ++g) {
    const std::vector<double>& importance = found.importance[g];
    std::vector<size_t> order(importance.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(
        order, std::ranges::greater{}, [&](size_t t) { return std::abs(importance[t]); });
    order.resize(std::min(order.size(), kParts));
    for (size_t rank = 0; rank < order.size(); ++rank) {
      check_interrupt();
      const auto group = static_cast<int64_t>(g), t = static_cast<int64_t>(order[rank]);
      const std::vector<Image> row =
          concept_row(all, ice.picture(found, samples, group, t, kShown));
      if (row.empty()) continue;
      rows.push(Json::object(
          {{"class", found.concepts.size() > 1 ? text_of_class(all, group) : "all"},
           {"layer", ice.layer()},
           {"concept", t},
           {"importance", importance[order[rank]]},
           {"png", save_row(folder, group, rank, row)}}));
    }
  }
  return rows;
}

}  // namespace

bool has_pictures(const Interpreted& all) {
  const Shape& input = all.folder.card.input;
  return input.rank() == 3 && (input[0] == 1 || input[0] == 3);
}

std::string save_chosen(
    const std::string& folder, const std::string& name, const Interpreted& all,
    interpret::SampleList chosen) {
  std::vector<std::vector<Image>> rows(static_cast<size_t>(all.folder.card.classes()));
  for (const int64_t i : chosen) {
    std::vector<Image>& row = rows.at(static_cast<size_t>(all.labels[static_cast<size_t>(i)]));
    if (row.size() == kChosen) continue;
    row.push_back(plain(image_of(all, i)));
  }
  std::string file = name;
  std::ranges::replace(file, ':', '_');
  const std::string png = folder + "/chosen-" + file + ".png";
  save_png(png, interpret::grid(rows));
  return png;
}

Json save_parts(
    const std::string& folder, const Interpreted& all, const interpret::Interpretation& found,
    interpret::SampleList samples) {
  const Recording off(false);
  if (const auto* vebi = dynamic_cast<const interpret::Vebi*>(all.interpreter.get())) {
    return save_units(folder, all, *vebi, found, samples);
  }
  if (const auto* ice = dynamic_cast<const interpret::Ice*>(all.interpreter.get())) {
    return save_concepts(folder, all, *ice, found, samples);
  }
  return Json::array();
}

}  // namespace limpid::tools
