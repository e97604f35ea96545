// tools/dsv_edit.cpp: limpid dsv edit.
#include "framework/core/error.h"
#include "framework/io/image.h"
#include "framework/io/npy.h"
#include "framework/ops/pointwise.h"
#include "interpret/numerics/statistics.h"
#include "interpret/report/heatmap.h"
#include "interpret/support_vectors/editing.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/inputs.h"
#include "tools/model.h"
#include "tools/objective.h"
#include "tools/synthesising.h"

#include <algorithm>
#include <functional>
#include <memory>

namespace limpid::tools {
namespace {

struct EditArguments {
  ModelOptions model;
  SynthesisArguments synthesis;
  std::vector<std::string> input;
  std::string label;
  double probability = 0.99;
};

// Sign steps of one grey level in standard deviations of the pixels, up to the whole range.
constexpr double kLevels = 255;

Json figures(const interpret::Closeness& c, const interpret::Moved& m, size_t i) {
  return Json::object(
      {{"target_probability", m.probability[i]},
       {"reached", static_cast<bool>(m.reached[i])},
       {"distance", c.distance[i]},
       {"ssim", c.ssim[i]}});
}

// Over all images: means, and whether every one got there.
Json means(const interpret::Closeness& c, const interpret::Moved& m) {
  return Json::object(
      {{"target_probability", interpret::mean_of(m.probability)},
       {"reached", std::ranges::all_of(m.reached, std::identity())},
       {"distance", interpret::mean_of(c.distance)},
       {"ssim", interpret::mean_of(c.ssim)}});
}

std::string line(
    const std::string& name, const interpret::Closeness& c, const interpret::Moved& m, size_t i) {
  return join_text(
      padded(name, 12), percent(m.probability[i]), m.reached[i] ? "" : " (not reached)",
      ", distance ", fixed(c.distance[i], 3), ", ssim ", fixed(c.ssim[i], 3));
}

Json run(const Invocation& in, const EditArguments& o) {
  in.arguments.require("input");
  in.arguments.require("label");
  RunFolder folder = open_model(o.model, in.console);
  check_classifier(folder, "dsv edit");
  if (folder.card.input.rank() != 3) throw UsageError("dsv edit: needs a model of images");
  const int64_t target = class_from(o.label, folder.card, "--label");
  const Tensor sources = read_inputs(o.input, folder.card).values;
  const Tensor images = standardised(sources, folder.card);
  const interpret::EditOptions options{
      .synthesis = synthesis_options(o.synthesis, folder, static_cast<uint64_t>(in.common.seed)),
      .probability = o.probability};
  const std::vector<int64_t> targets(static_cast<size_t>(images.size(0)), target);

  const interpret::Moved edit =
      as_usage([&] { return interpret::edited(*folder.model, images, targets, options); });
  const interpret::PixelRange range{options.synthesis.low, options.synthesis.high};
  const double step = 1 / (kLevels * folder.card.std[0]);
  const auto most = static_cast<int64_t>(kLevels);
  const interpret::Moved fgsm =
      interpret::fgsm_to(*folder.model, images, targets, edit.probability, step, most, range);
  const interpret::Moved pgd =
      interpret::pgd_to(*folder.model, images, targets, edit.probability, step, most, range);
  const auto close_to_source = [&](const interpret::Moved& m) {
    return interpret::closeness(as_data(m.images, folder.card), sources);
  };
  const interpret::Closeness c_edit = close_to_source(edit), c_fgsm = close_to_source(fgsm),
                             c_pgd = close_to_source(pgd);

  const std::string out = in.common.out.empty() ? "edited" : in.common.out;
  make_folder(out);
  const Tensor edited = as_data(edit.images, folder.card);
  save_npy(out + "/images.npy", edited);
  Json rows = Json::array();
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const auto picture = [&](const Tensor& all) {
      return interpret::enlarge(
          interpret::image_of(interpret::one_of(all, at)), folder.card.input[1] < 64 ? 4 : 1);
    };
    const std::string png = join_text(out, "/", i, ".png");
    save_png(
        png, interpret::grid(
                 {{picture(sources), picture(edited), picture(as_data(fgsm.images, folder.card)),
                   picture(as_data(pgd.images, folder.card))}}));
    Json row = figures(c_edit, edit, i);
    row.set("steps", edit.steps[i])
        .set("fgsm", figures(c_fgsm, fgsm, i))
        .set("pgd", figures(c_pgd, pgd, i))
        .set("png", png);
    rows.push(row);
    in.console.result(png + "  source, edit, fgsm, pgd");
    in.console.result("  " + line("edit", c_edit, edit, i));
    in.console.result("  " + line("fgsm", c_fgsm, fgsm, i));
    in.console.result("  " + line("pgd", c_pgd, pgd, i));
  }
  Json result = means(c_edit, edit);
  result.set("model", name_of(folder))
      .set("target", target)
      .set("fgsm", means(c_fgsm, fgsm))
      .set("pgd", means(c_pgd, pgd));
  return result.set("images", rows);
}

}  // namespace

Command dsv_edit_command() {
  auto options = std::make_shared<EditArguments>();
  options->synthesis.steps = 300;
  options->synthesis.lr = 0.05;
  return {
      .name = "dsv edit",
      .summary = "an image moved to another class, beside FGSM and PGD",
      .example = "limpid dsv edit runs/digits --input digits.npy --label 3 --steps 100 --out edits",
      .declare =
          [options](Arguments& a) {
            declare_model(a, options->model);
            a.list("input", options->input, "files: .npy arrays or pictures, comma-separated");
            a.text("label", options->label, "the class to reach");
            a.number(
                "probability", options->probability, "of that class, then it ends", 1e-6, 1 - 1e-6);
            declare_synthesis(a, options->synthesis);
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "edit.json"};
}

}  // namespace limpid::tools
