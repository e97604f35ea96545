// tests/cli/model_test.cpp: weights from elsewhere: names, shapes, renaming, published networks.
#include "framework/io/npy.h"
#include "framework/io/safetensors.h"
#include "framework/ops/ops.h"
#include "tests/cli/limpid.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>

using namespace limpid;
using namespace limpid::cli;

namespace {

using Tensors = std::map<std::string, Tensor>;

// A trained network as a weights file without anything of ours, and its figures on digits.
struct Published {
  TempDir folder;
  Tensors tensors;
  std::string line = "eval lenet5:w.safetensors --input-shape 1,8,8 --data digits --normalize ";
  double accuracy = 0;

  Published() {
    train(folder, "r", "--data digits --model mlp:16 --epochs 20 --limit-train 500 --lr 0.01");
    tensors = load_safetensors(folder.file("r/best.safetensors")).tensors;
    const Json model = parse_json(content(folder.file("r/config.json")), "config.json").at("model");
    line = "eval mlp:16:w.safetensors --input-shape 1,8,8 --data digits --normalize " +
           std::to_string(model.at("mean").items()[0].number()) + "," +
           std::to_string(model.at("std").items()[0].number());
    accuracy = run_json(folder, "eval r").number("accuracy");
  }
  void save() const { save_safetensors(folder.file("w.safetensors"), tensors); }
};

}  // namespace

TEST_CASE("model: a weights file is worth as much as the run it came from") {
  Published p;
  CHECK(p.accuracy > 0.5);
  p.save();
  CHECK(run_json(p.folder, p.line).number("accuracy") == doctest::Approx(p.accuracy).epsilon(0.01));
  // The other commands take it too; the class count comes from the last weight
  CHECK(
      run_json(p.folder, "layers mlp:16:w.safetensors").integer("parameters") ==
      64 * 16 + 16 + 16 * 10 + 10);
  save_npy(p.folder.file("x.npy"), Tensor::zeros({3, 64}));
  const Json top = run_json(p.folder, "predict mlp:16:w.safetensors --input x.npy --out y.npy");
  CHECK(top.integer("classes") == 10);
  CHECK(load_npy(p.folder.file("y.npy")).shape() == Shape{3, 10});
}

TEST_CASE("model: every missing, unexpected and misshapen tensor is named (bad input 22)") {
  Published p;
  p.tensors["fc9.weight"] = Tensor::zeros({2});
  p.tensors.erase("fc1.bias");
  p.tensors["bn.num_batches_tracked"] = Tensor::zeros({}, DType::i64);  // PyTorch's; no matter
  p.save();
  check_refused(
      p.folder, p.line, 3,
      {"w.safetensors", "missing fc1.bias [16]", "unexpected fc9.weight [2]", "--partial"});
  const ProcessResult partial = succeed(p.folder, p.line + " --partial");
  CHECK(partial.err.find("missing fc1.bias [16]; unexpected fc9.weight [2]") != std::string::npos);
  p.tensors["fc1.weight"] = Tensor::zeros({16, 63});
  p.save();
  check_refused(p.folder, p.line + " --partial", 3, {"fc1.weight", "[16, 63]", "[16, 64]"});
  p.tensors.erase("fc2.weight");
  p.save();
  check_refused(p.folder, p.line, 3, {"fc2.weight", "how many classes"});
  check_refused(p.folder, "eval mlp:16:nothing.safetensors --data digits", 3, {"nothing.safetens"});
  check_refused(p.folder, "eval mlp:x:w.safetensors --data digits", 2, {"mlp:x"});
}

TEST_CASE("model: tensors are renamed one by one or by prefix") {
  Published p;
  Tensors renamed;
  for (const auto& [name, tensor] : p.tensors) {
    renamed[name == "fc2.bias" ? "head/b" : "module." + name] = tensor;
  }
  save_safetensors(p.folder.file("w.safetensors"), renamed);
  write(p.folder.file("names.txt"), "head/b fc2.bias\nmodule.* *\n");
  CHECK(
      run_json(p.folder, p.line + " --map names.txt").number("accuracy") ==
      doctest::Approx(p.accuracy).epsilon(0.01));
  for (const auto& [text, why] : std::map<std::string, std::string>{
           {"one\n", "two words"},
           {"a b c\n", "two words"},
           {"module.* x\n", "star"},
           {"module.fc1.weight same\nmodule.fc2.weight same\n", "two tensors"}}) {
    write(p.folder.file("names.txt"), text);
    check_refused(p.folder, p.line + " --map names.txt", 3, {"names.txt", why});
  }
}

TEST_CASE("model: options that do not fit") {
  Published p;
  p.save();
  const std::string model = "layers mlp:16:w.safetensors ";
  check_refused(p.folder, model + "--input-shape 8,8", 2, {"--input-shape", "C,H,W"});
  check_refused(p.folder, model + "--input-shape 1,x,8", 2, {"--input-shape", "x"});
  check_refused(p.folder, model + "--normalize 1", 2, {"--normalize"});
  check_refused(p.folder, model + "--normalize 0,0", 2, {"--normalize", "positive"});
  check_refused(p.folder, "layers r --partial", 2, {"ARCH:FILE"});
  check_refused(p.folder, "eval mlp:16:w.safetensors --normalize 0,1", 2, {"--data"});
  write(p.folder.file("names"), "a\nb\n");
  check_refused(p.folder, model + "--labels names", 2, {"names", "2 classes", "10"});
}

TEST_CASE("model: a graph in an ONNX file runs, is listed and can be explained") {
  const TempDir folder;
  const std::string model = "onnx:" LIMPID_TEST_DATA "/corpus/onnx/conv.onnx";
  save_npy(folder.file("x.npy"), Tensor::ones({3, 1, 4, 4}));
  const Json top = run_json(folder, "predict " + model + " --input x.npy --out y.npy");
  CHECK(top.integer("classes") == 3);
  const Tensor y = load_npy(folder.file("y.npy"));  // it ends in a softmax
  CHECK(y.shape() == Shape{3, 3});
  for (const double total : sum(y, {1}).to_vector()) CHECK(total == doctest::Approx(1));
  CHECK(run_json(folder, "layers " + model).at("layers").items().size() == 6);
  const Json maps =
      run_json(folder, "explain " + model + " --input x.npy --method gradient,grad-cam --out maps");
  CHECK(maps.at("maps").items().size() == 6);
  write(folder.file("bad.onnx"), "nonsense");
  check_refused(folder, "layers onnx:bad.onnx", 3, {"bad.onnx"});
  check_refused(folder, "layers onnx:none.onnx", 3, {"none.onnx"});
  check_refused(folder, "layers " + model + " --partial", 2, {"ARCH:FILE"});
}

TEST_CASE("model: published networks answer as torchvision's do") {
  const TempDir folder;
  const std::string script = std::string(LIMPID_SOURCE_DIR) + "/tests/cli/published_weights.py";
  const ProcessResult python =
      Process("/usr/bin/python3", {script, folder.path().string()}, {.time_limit = 240}).wait();
  if (python.status != 0) {
    MESSAGE("skipped: /usr/bin/python3 with torch and torchvision is not here");
    return;
  }
  for (const std::string& name : lines(python.out)) {
    const std::string x = name == "resnet20" ? "small.npy" : "x.npy";
    const std::string normalize = " --normalize 0,1";
    succeed(
        folder, "predict " + name + ":" + name + ".safetensors --input " + x + normalize +
                    " --out y.npy --quiet");
    const Tensor ours = load_npy(folder.file("y.npy")),
                 theirs = load_npy(folder.file(name + ".npy"));
    REQUIRE(ours.shape() == theirs.shape());
    const Tensor all = reshape(abs(theirs), {theirs.numel()});
    const Tensor difference = reshape(abs(ours - theirs), {theirs.numel()});
    const double error = max(difference, 0).item() / max(all, 0).item();
    std::printf("model: %-22s logits differ from torchvision's by %.1e\n", name.c_str(), error);
    CHECK(error < 1e-4);
  }
}
