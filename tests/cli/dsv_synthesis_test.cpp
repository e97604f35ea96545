// tests/cli/dsv_synthesis_test.cpp: dsv synthesize, generate, edit and retrain.
#include "datasets/datasets.h"
#include "framework/io/image.h"
#include "framework/io/npy.h"
#include "framework/io/safetensors.h"
#include "framework/ops/linear_maps.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <cmath>
#include <csignal>

using namespace limpid;
using namespace limpid::cli;

namespace {

const std::string kNetwork = "--data digits --model convnet:8x2:none:max --epochs 8 --lr 5e-3";
const std::string kSynthesize =
    "dsv synthesize r --per-class 2 --steps 100 --view-crop 0.1 --out v.safetensors ";

struct Trained : TempDir {
  Trained() { train(*this, "r", kNetwork); }
};

}  // namespace

TEST_CASE("dsv synthesize: vectors, their figures and their picture; the model stays as it is") {
  const Trained folder;
  train(folder, "judge", "--data digits --model mlp:64 --epochs 8 --seed 5");
  const std::string before = content(folder.file("r/last.safetensors"));
  const Json result = run_json(folder, kSynthesize + "--judge judge");
  CHECK(content(folder.file("r/last.safetensors")) == before);
  CHECK(result.number("primal_accuracy") >= 0.95);
  CHECK(result.number("entropy") > 0);
  CHECK(result.number("stationarity") < 0.8 * result.number("stationarity_start"));
  CHECK(result.integer("candidates") == 20);
  const int64_t alive = result.integer("alive");
  CHECK(alive >= 10);
  CHECK(alive <= 20);
  CHECK(result.at("stationarity_residual").items().size() == 6);
  CHECK(result.at("weights").number("stationarity") > 0);
  CHECK(result.at("trace").items().size() == 3);  // steps 1, 50 and 100
  CHECK(result.at("trace").items().back().at("class_entropy").items().size() == 10);
  CHECK(result.at("judges").items().front().number("accuracy") > 0.3);  // chance: 0.1

  const auto file = load_safetensors(folder.file("v.safetensors"));
  CHECK(file.tensors.at("images").shape() == Shape{alive, 1, 8, 8});
  for (const double v : file.tensors.at("images").to_vector()) {
    CHECK(v >= -1e-6);
    CHECK(v <= 1 + 1e-6);
  }
  for (const double v : file.tensors.at("lambda").to_vector()) CHECK(v >= 0);
  const Image picture = load_image(folder.file("v.png"));
  CHECK(picture.height == 10 * 16 + 9 * 4);  // a row per class, twice enlarged
  CHECK_FALSE(exists(folder.file("v.safetensors.state")));
}

TEST_CASE("dsv synthesize: the same bytes at every thread count and after a stop") {
  const Trained folder;
  succeed(folder, kSynthesize + "--threads 1 --quiet");
  const std::string first = checksum(folder.file("v.safetensors"));
  succeed(folder, kSynthesize + "--threads 2 --quiet");
  CHECK(checksum(folder.file("v.safetensors")) == first);

  // Killed after the state was saved at least once; the vectors are those of a straight run
  const std::string state = folder.file("v.safetensors.state");
  const std::string line = replaced(kSynthesize, "--steps 100", "--steps 1500") + "--quiet";
  succeed(folder, line);
  const std::string straight = checksum(folder.file("v.safetensors"));
  Process process(
      LIMPID_BINARY, words(line + " --save-every 20"), {.folder = folder.path().string()});
  while (!exists(state) && !process.has_ended()) {
  }
  process.send(SIGINT);
  CHECK(process.wait().status == 130);
  REQUIRE(exists(state));
  check_refused(folder, line + " --resume --lr 0.2", 2, {"--resume", "other options"});
  succeed(folder, line + " --resume");
  CHECK(checksum(folder.file("v.safetensors")) == straight);
  CHECK_FALSE(exists(state));
  check_refused(folder, line + " --resume", 2, {"--resume", "does not exist"});
}

TEST_CASE("dsv synthesize: starts from images, and refuses what makes no sense") {
  const Trained folder;
  CHECK(run_json(folder, kSynthesize + "--init data:digits").number("primal_accuracy") > 0.9);
  const std::string out = " --out x.safetensors";
  check_refused(folder, "dsv synthesize r", 2, {"--out"});
  check_refused(folder, "dsv synthesize r --init nope" + out, 2, {"--init", "nope"});
  check_refused(folder, "dsv synthesize r --init data:fashion-2k" + out, 2, {"[1, 28, 28]"});
  check_refused(folder, "dsv synthesize r --weights 1,2" + out, 2, {"--weights", "four"});
  check_refused(folder, "dsv synthesize r --weights 1,2,3,x" + out, 2, {"--weights", "\"x\""});
  check_refused(folder, "dsv synthesize r --weights 0,0,1,1" + out, 2, {"primal"});
  check_refused(folder, "dsv synthesize r --distance l3" + out, 2, {"l1, squared, huber, cosine"});
  check_refused(folder, "dsv synthesize r --basis 3" + out, 2, {"powers of 2"});
  check_refused(folder, "dsv synthesize r --freeze nope*" + out, 2, {"nope*"});
  check_refused(folder, "dsv synthesize r --steps 0" + out, 2, {"--steps"});
  check_refused(folder, "dsv synthesize nowhere" + out, 2, {"nowhere"});
  train(folder, "a", "--data digits --model autoencoder:4 --epochs 1 --limit-train 50");
  check_refused(folder, "dsv synthesize a" + out, 2, {"dsv synthesize"});
  CHECK_FALSE(exists(folder.file("x.safetensors")));
}

TEST_CASE("dsv generate: a class, and a path between two") {
  const Trained folder;
  const std::string steps = " --steps 150 --view-crop 0.1 --out g";
  const Json one = run_json(folder, "dsv generate r --label 3 --count 2" + steps);
  CHECK(one.number("target_probability") > 0.5);
  CHECK(one.number("distance") > 0);
  CHECK(one.at("images").items().size() == 2);
  CHECK(load_npy(folder.file("g/images.npy")).shape() == Shape{2, 1, 8, 8});
  const Json path = run_json(folder, "dsv generate r --label 3,8 --mix 0,0.5,1" + steps);
  const Json::Items& rows = path.at("images").items();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].number("probability_mixed") < rows[1].number("probability_mixed"));
  CHECK(rows[1].number("probability_mixed") < rows[2].number("probability_mixed"));
  CHECK(path.number("target_probability") > 0.8);
  CHECK(exists(folder.file("g/grid.png")));
  check_refused(folder, "dsv generate r --label 10", 2, {"--label", "0 to 9"});
  check_refused(folder, "dsv generate r --label 1,2,3", 2, {"--label"});
  check_refused(folder, "dsv generate r --label 1,2 --mix 1.5", 2, {"--mix", "0 to 1"});
  check_refused(folder, "dsv generate r", 2, {"--label"});
}

TEST_CASE("dsv edit: a digit becomes another one") {
  const Trained folder;
  save_npy(folder.file("d.npy"), slice(datasets::digits().images.tensor(), 0, 0, 2));
  const Json result = run_json(
      folder,
      "dsv edit r --input d.npy --label 7 --probability 0.9 --lr 0.1 --view-crop 0.1 "
      "--out e");
  CHECK(result.boolean("reached"));
  CHECK(result.number("target_probability") >= 0.9);
  CHECK(result.number("distance") > 0);
  CHECK(result.number("ssim") < 1);
  CHECK(result.at("fgsm").number("distance") > 0);
  CHECK(result.at("pgd").number("ssim") < 1);
  const auto& images = result.at("images").items();
  CHECK(images.size() == 2);
  const double sum = images[0].number("distance") + images[1].number("distance");
  CHECK(result.number("distance") == doctest::Approx(sum / 2));
  CHECK(exists(folder.file("e/1.png")));
  check_refused(folder, "dsv edit r --input d.npy --label 10", 2, {"--label", "0 to 9"});
  check_refused(folder, "dsv edit r --input d.npy --label -1", 2, {"--label", "0 to 9"});
  check_refused(folder, "dsv edit r --label 1", 2, {"--input"});
  check_refused(folder, "dsv edit r --input nope.npy --label 1", 3, {"nope.npy"});
}

TEST_CASE("dsv retrain: networks from vectors beside networks from as many random images") {
  const Trained folder;
  succeed(folder, kSynthesize + "--quiet");
  const std::string line =
      "dsv retrain --support v.safetensors --model mlp:32 --data digits --seeds 2 --steps 100 "
      "--limit-test 100 ";
  const Json plain = run_json(folder, line);
  CHECK(plain.at("accuracy").items().size() == 2);
  CHECK(plain.at("baseline_random").items().size() == 2);
  const double a = plain.at("accuracy").items()[0].number();
  const double b = plain.at("accuracy").items()[1].number();
  CHECK(plain.number("accuracy_mean") == doctest::Approx((a + b) / 2));
  CHECK(plain.number("accuracy_std") == doctest::Approx(std::abs(a - b) / std::sqrt(2.0)));
  CHECK(plain.number("accuracy_mean") > 0.15);  // chance: 0.1
  CHECK(plain.number("baseline_random_mean") > 0.3);
  CHECK_FALSE(plain.contains("last_layer"));
  const Json soft = run_json(folder, line + "--labels soft --weights alpha --source r");
  CHECK(soft.at("last_layer").number("cosine") > 0);
  CHECK(soft.number("baseline_random_mean") == plain.number("baseline_random_mean"));
  check_refused(folder, line + "--labels soft", 2, {"--source"});
  check_refused(folder, replaced(line, "mlp:32", "nope"), 2, {"nope"});
  check_refused(folder, replaced(line, "--data digits", "--data fashion-2k"), 2, {"[1, 28, 28]"});
  write(folder.file("bad.safetensors"), "no such file");
  check_refused(folder, replaced(line, "v.safetensors", "bad.safetensors"), 3, {"bad.safetensors"});
}

TEST_CASE("dsv retrain: on training images chosen by their positions") {
  const TempDir folder;
  train(folder, "r", "--data digits --model mlp:16 --epochs 2");
  succeed(folder, "coreset select r --method herding --fraction 0.05 --out h.npy");
  const std::string retrain = "dsv retrain --model mlp:32 --data digits --seeds 2 --steps 100 ";
  const Json result = run_json(folder, retrain + "--indices h.npy --no-baseline");
  CHECK(result.integer("vectors") == load_npy(folder.file("h.npy")).numel());
  CHECK(result.number("accuracy_mean") > 0.3);  // chance: 0.1
  CHECK(result.find("baseline_random_mean") == nullptr);

  check_refused(folder, retrain, 2, {"--support FILE", "--indices FILE.npy"});
  save_npy(folder.file("far.npy"), Tensor::of_integers({2}, {0, 1438}));
  check_refused(folder, retrain + "--indices far.npy", 3, {"far.npy", "1438", "0 to 1437"});
  save_npy(folder.file("real.npy"), Tensor::ones({3}, DType::f32));
  check_refused(folder, retrain + "--indices real.npy", 3, {"real.npy", "no list of positions"});
}
