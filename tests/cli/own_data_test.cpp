// tests/cli/own_data_test.cpp: pictures of one's own, from a folder to an explained network.
#include "framework/core/rng.h"
#include "framework/io/image.h"
#include "framework/io/safetensors.h"
#include "framework/nn/models.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>

using namespace limpid;
using namespace limpid::cli;

namespace {

// A picture of one brightness on the left and another on the right.
void save_halves(const std::string& path, int left, int right, int64_t channels, int64_t width) {
  Image image{.width = width, .height = 10, .channels = channels, .pixels = {}};
  for (int64_t i = 0; i < 10 * width * channels; ++i) {
    const bool is_alpha = channels % 2 == 0 && i % channels == channels - 1;
    const bool is_left = i / channels % width < width / 2;
    image.pixels.push_back(static_cast<uint8_t>(is_alpha ? 255 : is_left ? left : right));
  }
  save_png(path, image);
}

// What a person may have: sizes, colours and transparency mixed, and files that are no pictures.
struct Pictures {
  TempDir folder;
  std::string train = "train --data images:my --resize 8 --model convnet:4x1 --epochs 4 --batch 4 ";

  Pictures() {
    for (const char* name : {"my/bright", "my/dark", "new"}) {
      std::filesystem::create_directories(folder.file(name));
    }
    for (int n = 0; n < 12; ++n) {
      const int64_t channels = n % 4 + 1;
      const std::string name = std::to_string(n) + ".png";
      save_halves(folder.file("my/bright/" + name), 250 - n, 200, channels, 12 + n);
      save_halves(folder.file("my/dark/" + name), 5 + n, 60, channels, 12 + n);
    }
    save_halves(folder.file("new/b.png"), 240, 210, 2, 30);
    save_halves(folder.file("new/a.png"), 3, 40, 4, 9);
    write(folder.file("my/notes.txt"), "taken in May");
    write(folder.file("my/dark/Thumbs.db"), "x");
    write(folder.file("new/list.txt"), "x");
  }
};

}  // namespace

TEST_CASE("own pictures: mixed sizes, colours and transparency, with other files among them") {
  const Pictures p;
  check_refused(p.folder, "train --data images:my --model mlp:4 --out r", 3, {"--resize"});
  const ProcessResult trained = succeed(p.folder, p.train + "--out r");
  CHECK(
      trained.err.find("2 files that are no pictures were passed over: my/notes.txt, my/dark/") !=
      std::string::npos);
  const Json info = run_json(p.folder, "data info images:my --resize 8");
  CHECK(info.at("shape") == Json::array({3, 8, 8}));
  CHECK(info.integer("train") + info.integer("test") == 24);

  // Damaged pictures are all named at once
  write(p.folder.file("my/dark/x.png"), "no");
  write(p.folder.file("my/dark/y.jpg"), "no");
  check_refused(p.folder, p.train + "--out s", 3, {"x.png: unknown image type", "my/dark/y.jpg"});
}

TEST_CASE("own pictures: files and classes keep their names") {
  const Pictures p;
  succeed(p.folder, p.train + "--out r --quiet");
  const Json eval = run_json(p.folder, "eval r --each --out e");
  CHECK(eval.at("files").items().size() == eval.at("predicted").items().size());
  const auto label = static_cast<size_t>(eval.at("labels").items()[0].integer());
  const std::string file = eval.at("files").items()[0].text();
  CHECK(file.find(eval.at("class_names").items()[label].text()) != std::string::npos);

  // Files of a folder in order, and a class by its name
  const Json top = run_json(p.folder, "predict r --input new");
  REQUIRE(top.at("top").items().size() == 2);
  CHECK(top.at("top").items()[0].text("input") == "new/a.png");
  const Json maps = run_json(
      p.folder, "explain r --input new,my/dark/3.png --target dark --method gradient --out m");
  REQUIRE(maps.at("maps").items().size() == 3);
  for (const Json& map : maps.at("maps").items()) {
    CHECK(map.text("class_name") == "dark");
    CHECK(map.integer("target") == 1);
    CHECK(map.integer("predicted") >= 0);
    CHECK(load_image(p.folder.file(map.text("picture"))).channels == 3);
  }
  CHECK(maps.at("maps").items()[2].text("input") == "my/dark/3.png");
  CHECK(
      run_json(p.folder, "explain r --count 1 --method gradient --out n")
          .at("maps")
          .items()[0]
          .text("input") == file);
  check_refused(
      p.folder, "explain r --input new --target grey --method gradient", 2,
      {"--target", "\"grey\"", "0 to 1", "bright, dark"});
  std::filesystem::create_directories(p.folder.file("none"));
  check_refused(p.folder, "predict r --input none", 3, {"none: holds no pictures"});

  succeed(p.folder, "report r e m --out page.html");
  const std::string page = content(p.folder.file("page.html"));
  CHECK(page.find("Evaluation of r") != std::string::npos);
  CHECK(page.find(">image</th>") != std::string::npos);
  CHECK(page.find("a.png: dark, p ") != std::string::npos);
}

TEST_CASE("own pictures: a foreign network counts classes by their names") {
  const Pictures p;
  succeed(p.folder, p.train + "--out r --quiet");
  auto tensors = load_safetensors(p.folder.file("r/last.safetensors")).tensors;
  save_safetensors(p.folder.file("w.safetensors"), tensors);
  const std::string foreign =
      "eval convnet:4x1:w.safetensors --input-shape 3,8,8 --resize 8 "
      "--normalize 0.5,0.25 --data images:my --labels ";
  write(p.folder.file("same"), "bright\ndark\n");
  write(p.folder.file("swapped"), "dark\nbright\n");
  write(p.folder.file("other"), "white\nblack\n");
  const ProcessResult tuned =
      succeed(p.folder, p.train + "--init w.safetensors --lr 1e-12 --out t");
  CHECK(tuned.err.find("left out") == std::string::npos);
  CHECK(
      run_json(p.folder, "eval t").number("loss") ==
      doctest::Approx(run_json(p.folder, "eval r").number("loss")));
  check_refused(
      p.folder, p.train + "--init none.safetensors --out u", 2, {"--init", "no such file"});
  const double same = run_json(p.folder, foreign + "same").number("accuracy");
  CHECK(run_json(p.folder, foreign + "other").number("accuracy") == same);
  CHECK(run_json(p.folder, foreign + "swapped").number("accuracy") == doctest::Approx(1 - same));

  // What the file holds is said where a name is missing, and PyTorch's own files are recognised
  tensors["head.weight"] = tensors.at("fc.weight");
  tensors.erase("fc.weight");
  save_safetensors(p.folder.file("w.safetensors"), tensors);
  check_refused(
      p.folder, foreign + "same", 3,
      {"fc.weight: missing", "the file has ", "head.weight [2, ", "--map"});
  write(p.folder.file("w.pt"), "PK\x03\x04 and so on");
  check_refused(p.folder, "layers resnet18:w.pt", 3, {"w.pt", "torch.save", "save_file"});
}

TEST_CASE("own pictures: --resize cuts to what the model takes") {
  const Pictures p;
  succeed(p.folder, p.train + "--out r --quiet");
  std::filesystem::copy(p.folder.file("r/last.safetensors"), p.folder.file("w.safetensors"));
  const std::string line =
      "predict convnet:4x1:w.safetensors --partial --input-shape 3,8,8 --input new ";
  check_refused(p.folder, line + "--quiet", 2, {"[3, 8, 8]", "--resize"});
  CHECK(run_json(p.folder, line + "--resize 8").at("top").items().size() == 2);
}

TEST_CASE("own pictures: a command in the page can be pasted into a shell") {
  const Pictures p;
  std::filesystem::rename(p.folder.file("my"), p.folder.file("my pictures"));
  const ProcessResult trained = run_words(
      p.folder, {"train", "--data", "images:my pictures", "--resize", "8", "--model", "mlp:4",
                 "--epochs", "1", "--out", "r"});
  REQUIRE(trained.status == 0);
  succeed(p.folder, "report r --out page.html");
  CHECK(
      content(p.folder.file("page.html")).find("--data &#39;images:my pictures&#39;") !=
      std::string::npos);
}

TEST_CASE("own pictures: the commands of README run as they stand") {
  const std::string readme = content(LIMPID_SOURCE_DIR "/README.md");
  const size_t begin = readme.find("limpid train --data \"images:My pictures\"");
  REQUIRE(begin != std::string::npos);
  const std::string script = readme.substr(begin, readme.find("```", begin) - begin);

  // What they name: two classes of pictures, new ones, and weights of a network from elsewhere
  const TempDir folder;
  for (const char* name : {"My pictures/cat", "My pictures/dog", "more", "bin"}) {
    std::filesystem::create_directories(folder.file(name));
  }
  for (int n = 0; n < 10; ++n) {
    const std::string name = std::to_string(n) + ".png";
    save_halves(folder.file("My pictures/cat/" + name), 250 - n, 200, 3, 12 + n);
    save_halves(folder.file("My pictures/dog/" + name), 5 + n, 60, 3, 12 + n);
  }
  save_halves(folder.file("new.png"), 240, 210, 3, 20);
  save_halves(folder.file("more/a.png"), 3, 40, 3, 20);
  Rng rng(1);
  const auto net = make_model("resnet18-imagenet", {{3, 64, 64}, 2}, rng);
  std::map<std::string, Tensor> weights;
  for (const auto& [name, tensor] : state(*net)) weights.emplace(name, tensor);
  save_safetensors(folder.file("w.safetensors"), weights);
  write(folder.file("names.txt"), "cat\ndog\n");
  std::filesystem::create_symlink(LIMPID_BINARY, folder.file("bin/limpid"));

  const ProcessResult result = run_process(
      "/bin/sh", {"-e", "-c", "PATH=$PWD/bin:$PATH\n" + script},
      {.folder = folder.path().string(), .time_limit = 200});
  INFO(script, result.err);
  CHECK(result.status == 0);
  const std::string page = content(folder.file("mine.html"));
  for (const char* part : {"cat", "dog", "guided", "grad-cam"}) {
    CHECK(page.find(part) != std::string::npos);
  }
}
