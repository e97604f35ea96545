// tools/dsv_audit.cpp: limpid dsv audit.
#include "framework/core/error.h"
#include "framework/io/image.h"
#include "framework/ops/linear_maps.h"
#include "framework/ops/pointwise.h"
#include "framework/ops/reduce.h"
#include "framework/tensor/integers.h"
#include "interpret/numerics/statistics.h"
#include "interpret/report/heatmap.h"
#include "interpret/support_vectors/audit.h"
#include "interpret/support_vectors/deep_kkt.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/extracting.h"
#include "tools/measuring.h"
#include "tools/model.h"
#include "tools/objective.h"
#include "tools/support_file.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <numeric>

namespace limpid::tools {
namespace {

using interpret::Flips;

struct AuditOptions {
  ModelOptions model;
  std::string data, support;
  int64_t per_class = 10;
  int64_t suspects = 20;
  int64_t attribute = 5;
  int64_t patch = 0;
  int64_t limit_train = 0, limit_test = -1;
};

constexpr double kMixed[] = {0.02, 0.05, 0.1};  // shares of the norm, as the paper's figure 10
constexpr int64_t kReference = 500;             // test images whose neighbours are looked up
constexpr size_t kVoters = 5;                   // listed for each prediction

// What the figures are, for those who read the JSON or a page.
Json definitions() {
  return Json::object(
      {{"coverage",
        "lambda and alpha = lambda |p - y| added up over the vectors of a class, beside its share "
        "of wrong test images"},
       {"cues",
        "z: mean of the patch over the vectors of the class minus that over the others, in "
        "standard deviations within both; flips: test images of other classes that become the "
        "class when its mean patch is pasted there, at the farthest corner (control), or when "
        "that of real images is pasted there (control)"},
       {"mixing",
        "test images of other classes that become the class of what is added, at so much of the "
        "norm of the image: a vector, or as a control a real image"},
       {"suspects",
        "cosine of the weights and -g: negative where the network contradicts the label"},
       {"nearest",
        "Euclidean distance of a vector to its nearest training image; quantile: share of test "
        "images that are as near or nearer to theirs"},
       {"attributions",
        "<d logit / d theta, theta> split into what each vector adds, lambda <d logit / d theta, "
        "-g>, and the unexplained rest; without biases it is the logit times the number of layers "
        "of weights"},
       {"bytes", "of the tensors: values as f32, labels as i64, multipliers as f64"}});
}

// ---- What is audited ----

struct Audited {
  RunFolder folder;
  datasets::Split parts;
  bool is_extracted = true;
  interpret::SupportVectors all;  // of the training part; undefined tensors if it was not needed
  SupportSet set;                 // the vectors shown: of a file, or the best of each class
  std::vector<int64_t> classes;   // of the set
  std::vector<int64_t> labels;    // of the test part
  std::vector<int64_t> predicted;
};

std::vector<int64_t> predictions(const RunFolder& folder, const Tensor& images) {
  check_interrupt();
  return to_integers(arg_max(logits_of(folder, images), 1));
}

Audited opened(const Invocation& in, const AuditOptions& o) {
  Audited a;
  a.folder = open_model(o.model, in.console);
  check_classifier(a.folder, "dsv audit");
  const Shape& input = a.folder.card.input;
  if (input.rank() == 3 && o.patch > std::min(input[1], input[2])) {
    throw UsageError(join_text("--patch: ", o.patch, " pixels do not fit into images ", input));
  }
  a.is_extracted = o.support.empty();
  if (!a.is_extracted) {
    a.set = read_support(o.support);
    check_support(a.set, o.support, a.folder.card);
  }
  a.parts = parts_of(o.data, in.common, a.folder, o.limit_test);
  if (o.limit_train > 0) a.parts.train = datasets::limit_balanced(a.parts.train, o.limit_train);
  if (a.is_extracted || o.suspects > 0) {
    a.all = extracted(a.folder, a.parts.train, {.rho = kUsualRho}, "train", in.console);
  }
  if (a.is_extracted) {
    const std::vector<int64_t> chosen = interpret::select_support(
        a.all, a.parts.train.labels, interpret::SupportScore::alpha, o.per_class);
    if (chosen.empty()) {
      throw NumericError("no sample is both classified correctly and alive", a.all.total_residual);
    }
    a.set = support_set(a.parts.train, a.all, chosen);
  }
  a.classes = classes_of(a.set);
  a.labels = to_integers(a.parts.test.labels);
  a.predicted = predictions(a.folder, model_images(a.parts.test.images.tensor(), a.folder));
  return a;
}

const std::string& class_name(const Audited& a, int64_t label) {
  return a.folder.card.class_names[static_cast<size_t>(label)];
}

Json flips_json(const Flips& f) {
  return Json::object({{"flipped", f.flipped}, {"count", f.count}, {"share", f.share()}});
}

std::string flips_text(const Flips& f) {
  return join_text(percent(f.share()), " (", f.flipped, " of ", f.count, ")");
}

// ---- Coverage ----

void add_coverage(const Audited& a, const Console& console, Json& result) {
  const int64_t K = a.folder.card.classes();
  const Tensor labels = a.is_extracted ? a.parts.train.labels : integer_tensor(a.classes);
  const Tensor& lambda = a.is_extracted ? a.all.lambda : a.set.lambda;
  const Tensor& alpha = a.is_extracted ? a.all.alpha : a.set.alpha;
  const Tensor alive = greater(lambda, Tensor::zeros(lambda.shape(), DType::f64));
  const std::vector<double> lambdas = interpret::class_sums(lambda, labels, K);
  const std::vector<double> alphas = interpret::class_sums(alpha, labels, K);
  const std::vector<double> counts = interpret::class_sums(alive, labels, K);
  std::vector<double> wrong(static_cast<size_t>(K)), all(static_cast<size_t>(K));
  for (size_t i = 0; i < a.labels.size(); ++i) {
    ++all[static_cast<size_t>(a.labels[i])];
    wrong[static_cast<size_t>(a.labels[i])] += a.predicted[i] != a.labels[i];
  }
  Json rows = Json::array();
  std::vector<double> with_test[3];  // of classes with test images
  for (size_t k = 0; k < counts.size(); ++k) {
    const double error = wrong[k] / all[k];
    rows.push(Json::object(
        {{"class", k},
         {"class_name", a.folder.card.class_names[k]},
         {"vectors", static_cast<int64_t>(counts[k])},
         {"lambda", lambdas[k]},
         {"alpha", alphas[k]},
         {"error", error}}));
    if (all[k] == 0) continue;
    with_test[0].push_back(lambdas[k]);
    with_test[1].push_back(alphas[k]);
    with_test[2].push_back(error);
  }
  // Two points always lie on a line
  const auto with_error = [&](const std::vector<double>& sums) {
    return with_test[2].size() < 3 ? std::numeric_limits<double>::quiet_NaN()
                                   : interpret::pearson(sums, with_test[2]);
  };
  const double by_lambda = with_error(with_test[0]), by_alpha = with_error(with_test[1]);
  console.result(join_text(
      "coverage     Pearson with the test error of a class: sum of lambda ", fixed(by_lambda, 3),
      ", of alpha ", fixed(by_alpha, 3)));
  if (a.is_extracted) {
    console.result(
        "             of training images, where either sign occurs; fitted on test images it would "
        "follow accuracy, since wrong ones lose their lambda");
  }
  result.set("coverage", rows)
      .set("coverage_of", a.is_extracted ? "training images" : "the vectors of the file")
      .set("coverage_pearson", Json::object({{"lambda", by_lambda}, {"alpha", by_alpha}}));
}

// ---- Cues ----

int64_t scale_for(int64_t height) { return height < 64 ? 4 : 1; }

// Some vectors of the class, their mean, z at every place, and an image before and after.
Image cue_picture(const Audited& a, const interpret::Cue& cue, const Tensor& z) {
  constexpr size_t kShown = 4;
  const Tensor test = a.parts.test.images.tensor();
  const int64_t factor = scale_for(test.size(2));
  std::vector<Image> row;
  const auto add = [&](const Tensor& picture) {
    row.push_back(interpret::enlarge(interpret::image_of(picture), factor));
  };
  std::vector<int64_t> mine;
  for (size_t i = 0; i < a.classes.size(); ++i) {
    if (a.classes[i] == cue.label) mine.push_back(static_cast<int64_t>(i));
  }
  for (size_t k = 0; k < std::min(kShown, mine.size()); ++k)
    add(interpret::one_of(a.set.images, mine[k]));
  add(interpret::one_of(mean(datasets::gather(a.set.images, mine), {0}), 0));
  const Tensor plane = reshape(slice(z, 0, cue.channel, cue.channel + 1), {z.size(1), z.size(2)});
  row.push_back(
      interpret::enlarge(interpret::colour(plane, interpret::MapScale::symmetric).image, factor));
  for (size_t i = 0; i < a.labels.size(); ++i) {
    if (a.labels[i] == cue.label) continue;
    const auto at = static_cast<int64_t>(i);
    add(interpret::one_of(test, at));
    add(interpret::one_of(interpret::pasted(slice(test, 0, at, at + 1), cue.patch, cue.place), 0));
    break;
  }
  return interpret::grid({row});
}

void add_cues(const Audited& a, const Invocation& in, const AuditOptions& o, Json& result) {
  Json rows = Json::array();
  const bool has_others =
      std::ranges::any_of(a.classes, [&](int64_t c) { return c != a.classes.front(); });
  if (a.set.images.rank() == 4 && has_others) {
    const interpret::CueOptions options{.patch = o.patch};
    const Tensor test = a.parts.test.images.tensor(), train = a.parts.train.images.tensor();
    const std::vector<int64_t> train_labels = to_integers(a.parts.train.labels);
    const auto classify = [&](const Tensor& images) {
      return predictions(a.folder, model_images(images, a.folder));
    };
    for (const interpret::Cue& cue : interpret::find_cues(a.set.images, a.classes, options)) {
      const int64_t P = cue.patch.size(1);
      const bool has_real = std::ranges::count(train_labels, cue.label) > 0;
      const Tensor real = has_real
                              ? interpret::mean_patch(train, train_labels, cue.label, cue.place, P)
                              : cue.patch;
      const interpret::CueTest t =
          interpret::test_cue(cue, real, test, a.labels, a.predicted, classify);
      Json elsewhere = flips_json(t.elsewhere);
      elsewhere.set("row", t.corner.row).set("column", t.corner.column);
      Json row = Json::object(
          {{"class", cue.label},
           {"class_name", class_name(a, cue.label)},
           {"row", cue.place.row},
           {"column", cue.place.column},
           {"patch", P},
           {"channel", cue.channel},
           {"z", cue.z},
           {"pasted", flips_json(t.cue)},
           {"elsewhere", elsewhere},
           {"real", has_real ? flips_json(t.real) : Json()}});
      if (!in.common.out.empty()) {
        const std::string png = join_text(in.common.out, "/cue-", cue.label, ".png");
        const Tensor z = interpret::patch_scores(a.set.images, a.classes, cue.label, options);
        save_png(png, cue_picture(a, cue, z));
        row.set("png", png);
      }
      rows.push(row);
      in.console.result(join_text(
          "cue          ", class_name(a, cue.label), ": ", P, " x ", P, " at row ", cue.place.row,
          ", column ", cue.place.column, ", z ", fixed(cue.z, 1), "; pasted: ", flips_text(t.cue),
          " become it, elsewhere ", percent(t.elsewhere.share()), ", patch of real images ",
          has_real ? percent(t.real.share()) : "-"));
    }
  }
  result.set("cues", rows);
}

// ---- Mixing ----

// Of each class as many training images as it has vectors, none of them a vector itself.
datasets::Dataset real_images(const Audited& a) {
  const std::vector<int64_t> own =
      a.set.indices.defined() ? to_integers(a.set.indices) : std::vector<int64_t>{};
  std::map<int64_t, int64_t> open;
  for (const int64_t c : a.classes) ++open[c];
  std::vector<int64_t> chosen;
  const auto labels = a.parts.train.labels.values<int64_t>();
  for (int64_t i = 0; i < std::ssize(labels); ++i) {
    const auto left = open.find(labels[static_cast<size_t>(i)]);
    if (left == open.end() || left->second == 0 || std::ranges::count(own, i) > 0) continue;
    --left->second;
    chosen.push_back(i);
  }
  if (chosen.empty()) return {};
  return datasets::take(a.parts.train, chosen);
}

void add_mixing(const Audited& a, const Console& console, Json& result) {
  Json rows = Json::array();
  const datasets::Dataset real = real_images(a);
  if (!real.is_empty()) {
    const auto mixing = interpret::mixing_test(
        model_images(a.set.images, a.folder), a.classes,
        model_images(real.images.tensor(), a.folder), to_integers(real.labels),
        model_images(a.parts.test.images.tensor(), a.folder), a.labels, kMixed,
        [&](const Tensor& x) { return predictions(a.folder, x); });
    for (const interpret::Mixing& m : mixing) {
      rows.push(Json::object(
          {{"share", m.share},
           {"vectors", flips_json(m.vectors)},
           {"real", flips_json(m.real)},
           {"ratio", m.real.flipped > 0 ? Json(m.vectors.share() / m.real.share()) : Json()}}));
      console.result(join_text(
          "mixing       ", percent(m.share), " of the norm: ", flips_text(m.vectors),
          " follow the vector, ", flips_text(m.real), " a real image"));
    }
  }
  result.set("mixing", rows);
}

// ---- Suspects ----

Json positions(const std::vector<int64_t>& all) {
  return Json::array(Json::Items(all.begin(), all.end()));
}

void add_suspects(const Audited& a, const Invocation& in, const AuditOptions& o, Json& result) {
  Json rows = Json::array();
  Json by =
      Json::object({{"loss", Json::array()}, {"alpha", Json::array()}, {"cosine", Json::array()}});
  if (o.suspects > 0) {
    const Tensor logits =
        logits_of(a.folder, model_images(a.parts.train.images.tensor(), a.folder));
    const std::vector<int64_t> predicted = to_integers(arg_max(logits, 1));
    const Tensor loss = interpret::cross_entropies(to(logits, DType::f64), a.parts.train.labels);
    const interpret::Suspects s = interpret::find_suspects(a.all, loss, o.suspects);
    by = Json::object(
        {{"loss", positions(s.loss)},
         {"alpha", positions(s.alpha)},
         {"cosine", positions(s.cosine)}});
    for (const int64_t i : s.cosine) {
      const int64_t label = a.parts.train.labels.data<int64_t>()[i];
      const int64_t seen = predicted[static_cast<size_t>(i)];
      Json row = Json::object(
          {{"index", i},
           {"label", label},
           {"label_name", class_name(a, label)},
           {"predicted", seen},
           {"predicted_name", class_name(a, seen)},
           {"cosine", a.all.cosine.data<double>()[i]},
           {"alpha", a.all.alpha.data<double>()[i]},
           {"lambda", a.all.lambda.data<double>()[i]},
           {"loss", loss.data<double>()[i]}});
      if (!in.common.out.empty() && a.folder.card.input.rank() == 3) {
        const std::string png = join_text(in.common.out, "/suspect-", i, ".png");
        const Tensor image = interpret::one_of(a.parts.train.images.rows(i, i + 1), 0);
        save_png(png, interpret::enlarge(interpret::image_of(image), scale_for(image.size(1))));
        row.set("png", png);
      }
      rows.push(row);
    }
    const auto negative = std::ranges::count_if(
        a.all.cosine.values<double>(), [](double cosine) { return cosine < 0; });
    in.console.result(join_text(
        "suspects     ", negative, " of ", a.parts.train.size(),
        " training images have a negative cosine; the first: image ", s.cosine.front(),
        ", labelled ", rows.items().front().text("label_name"), ", seen as ",
        rows.items().front().text("predicted_name")));
    result.set("suspects_negative", negative);
  }
  result.set("suspects", rows).set("suspects_by", by);
}

// ---- Nearest ----

Tensor as_rows(const Tensor& images) {
  return reshape(images, {images.size(0), images.numel() / images.size(0)});
}

void add_nearest(const Audited& a, const Console& console, Json& result) {
  Json rows = Json::array();
  if (!a.set.indices.defined()) {
    const Tensor train = as_rows(a.parts.train.images.tensor());
    const int64_t count = std::min(kReference, a.parts.test.size());
    std::vector<double> usual;
    for (const auto& near :
         interpret::nearest_in(train, as_rows(a.parts.test.images.rows(0, count)))) {
      usual.push_back(near.distance);
    }
    std::sort(usual.begin(), usual.end());
    const auto found = interpret::nearest_in(train, as_rows(a.set.images));
    double least = 1;
    for (size_t i = 0; i < found.size(); ++i) {
      const auto nearer = std::upper_bound(usual.begin(), usual.end(), found[i].distance);
      const double quantile =
          static_cast<double>(nearer - usual.begin()) / static_cast<double>(usual.size());
      least = std::min(least, quantile);
      rows.push(Json::object(
          {{"vector", i},
           {"class", a.classes[i]},
           {"index", found[i].index},
           {"distance", found[i].distance},
           {"quantile", quantile}}));
    }
    const double median = usual[usual.size() / 2];
    result.set(
        "nearest_of_test",
        Json::object({{"count", count}, {"least", usual.front()}, {"median", median}}));
    console.result(join_text(
        "nearest      the vector nearest to a training image is as near as ", percent(least),
        " of the test images are (their median distance ", fixed(median, 3), ")"));
  }
  result.set("nearest", rows);
}

// ---- Attribution ----

void add_attributions(
    const Audited& a, const Console& console, const AuditOptions& o, Json& result) {
  Json rows = Json::array();
  const int64_t count = std::min(o.attribute, a.parts.test.size());
  if (count > 0) {
    // All that have a multiplier: of the data, or of the file
    SupportSet voters = a.set;
    if (a.is_extracted) {
      std::vector<int64_t> alive;
      for (int64_t i = 0; i < a.all.lambda.numel(); ++i) {
        if (a.all.lambda.data<double>()[i] > 0) alive.push_back(i);
      }
      voters = support_set(a.parts.train, a.all, alive);
    }
    const std::vector<int64_t> voter_classes = classes_of(voters);
    const Tensor images = model_images(voters.images, a.folder);
    const Tensor queries = model_images(a.parts.test.images.rows(0, count), a.folder);
    const std::vector<int64_t> targets(a.predicted.begin(), a.predicted.begin() + count);
    const auto all = as_usage([&] {
      const std::vector<std::string> names =
          interpret::choose_parameters(*a.folder.model, images, voters.labels).chosen;
      return interpret::attribute(
          *a.folder.model, images, voters.labels, voters.lambda, names, queries, targets);
    });
    double unexplained = 0, size = 0;
    for (int64_t j = 0; j < count; ++j) {
      const interpret::Attribution& one = all[static_cast<size_t>(j)];
      const std::vector<double> parts = one.parts.to_vector();
      const std::vector<int64_t> order = to_integers(arg_sort(abs(one.parts), 0, true));
      Json top = Json::array();
      for (size_t v = 0; v < std::min(kVoters, order.size()); ++v) {
        const auto i = static_cast<size_t>(order[v]);
        Json voter = Json::object({{"vector", i}, {"class", voter_classes[i]}, {"part", parts[i]}});
        if (voters.indices.defined()) voter.set("index", voters.indices.data<int64_t>()[i]);
        top.push(voter);
      }
      unexplained += std::abs(one.unexplained);
      size += std::abs(one.total);
      rows.push(Json::object(
          {{"index", j},
           {"label", a.labels[static_cast<size_t>(j)]},
           {"target", one.target},
           {"logit", one.logit},
           {"total", one.total},
           {"explained", std::accumulate(parts.begin(), parts.end(), 0.0)},
           {"unexplained", one.unexplained},
           {"voters", top}}));
    }
    console.result(join_text(
        "attribution  ", count, " predictions split over ", voter_classes.size(),
        " vectors; unexplained ", percent(unexplained / size), " of their size"));
  }
  result.set("attributions", rows);
}

// ---- Bytes ----

int64_t bytes_of(const Tensor& t) {
  return t.defined() ? static_cast<int64_t>(t.bytes().size()) : 0;
}

void add_bytes(const Audited& a, const Console& console, Json& result) {
  const int64_t support = bytes_of(a.set.images) + bytes_of(a.set.labels) + bytes_of(a.set.lambda) +
                          bytes_of(a.set.alpha) + bytes_of(a.set.indices);
  constexpr auto kValue = static_cast<int64_t>(sizeof(float));
  const int64_t data =
      a.parts.train.images.shape().numel() * kValue + bytes_of(a.parts.train.labels);
  int64_t weights = 0;
  for (const auto& named : state(*a.folder.model)) weights += bytes_of(named.second);
  console.result(
      join_text("bytes        vectors ", support, ", training data ", data, ", weights ", weights));
  result.set("bytes", Json::object({{"support", support}, {"data", data}, {"weights", weights}}));
}

Json run(const Invocation& in, const AuditOptions& o) {
  const Audited a = opened(in, o);
  if (!in.common.out.empty()) make_folder(in.common.out);
  const double accuracy = 1 - static_cast<double>(std::inner_product(
                                  a.labels.begin(), a.labels.end(), a.predicted.begin(), int64_t{0},
                                  std::plus<>(), std::not_equal_to<>())) /
                                  static_cast<double>(a.labels.size());
  in.console.result(join_text(
      "vectors      ", a.set.size(), a.is_extracted ? " chosen from the training images" : " of ",
      a.is_extracted ? "" : o.support, "; test accuracy ", percent(accuracy)));
  Json result = Json::object(
      {{"model", name_of(a.folder)},
       {"data", o.data.empty() ? a.folder.card.data : o.data},
       {"support", a.is_extracted ? Json() : Json(o.support)},
       {"vectors", a.set.size()},
       {"train", a.parts.train.size()},
       {"test", a.parts.test.size()},
       {"accuracy", accuracy},
       {"definitions", definitions()}});
  add_coverage(a, in.console, result);
  add_cues(a, in, o, result);
  add_mixing(a, in.console, result);
  add_suspects(a, in, o, result);
  add_nearest(a, in.console, result);
  add_attributions(a, in.console, o, result);
  add_bytes(a, in.console, result);
  return result;
}

}  // namespace

Command dsv_audit_command() {
  auto options = std::make_shared<AuditOptions>();
  return {
      .name = "dsv audit",
      .summary = "what support vectors tell: cues, wrong labels, copies, votes",
      .example = "limpid dsv audit runs/digits --per-class 5 --limit-train 300 --out audit",
      .declare =
          [options](Arguments& a) {
            declare_model(a, options->model);
            a.text("data", options->data, "data set; the run's own unless given");
            a.text(
                "support", options->support,
                "file of vectors to look at; chosen from the training part unless given");
            a.integer(
                "per-class", options->per_class, "support vectors of each class", 1, INT64_MAX);
            a.integer(
                "suspects", options->suspects, "training images to list; 0: none", 0, 100'000);
            a.integer(
                "attribute", options->attribute, "test images whose prediction is split; 0: none",
                0, 100'000);
            a.integer(
                "patch", options->patch, "side of a cue in pixels; 0: a quarter of the image", 0,
                INT64_MAX);
            declare_limit_train(a, options->limit_train);
            declare_limit_test(a, options->limit_test);
          },
      .run = [options](const Invocation& in) { return run(in, *options); },
      .result_file = "audit.json"};
}

}  // namespace limpid::tools
