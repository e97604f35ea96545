# tests/cli/published_weights.py: networks of torchvision with random weights, and their logits.
#
#   published_weights.py FOLDER
#
# For each architecture: NAME.safetensors with the names of its state dictionary, and NAME.npy with
# the logits of x.npy (224 x 224) or small.npy (32 x 32), in evaluation. Batch norms get statistics,
# scales and shifts that are not their defaults. Prints the names. Needs torch and torchvision.
import json
import struct
import sys

import numpy
import torch
import torchvision
from torch import nn
from torch.nn import functional


class OptionA(nn.Module):
    """Every second pixel, new channels zero (He et al. 2016, section 3.3, option A)."""

    def __init__(self, extra):
        super().__init__()
        self.extra = extra

    def forward(self, x):
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra // 2, self.extra // 2))


class Block(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.shortcut = OptionA(out - channels) if channels != out else nn.Sequential()

    def forward(self, x):
        inner = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(inner)) + self.shortcut(x))


class ResNet20(nn.Module):
    """The CIFAR network of He et al. 2016, section 4.2, under the names of common CIFAR code."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*[Block(16, 16, 1) for _ in range(3)])
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        maps = self.layer3(self.layer2(self.layer1(functional.relu(self.bn1(self.conv1(x))))))
        return self.linear(maps.mean((2, 3)))


TYPES = {torch.float32: "F32", torch.float16: "F16", torch.int64: "I64"}


def save_safetensors(path, state):
    header, data = {}, b""
    for name, tensor in state.items():
        raw = tensor.contiguous().numpy().tobytes()
        header[name] = {
            "dtype": TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main(folder):
    torch.manual_seed(0)
    torch.set_num_threads(2)
    large, small = torch.rand(2, 3, 224, 224), torch.rand(4, 3, 32, 32)
    numpy.save(f"{folder}/x.npy", large.numpy())
    numpy.save(f"{folder}/small.npy", small.numpy())
    models = torchvision.models
    for name, model, x in [
        ("resnet18-imagenet", models.resnet18(num_classes=7), large),
        ("mobilenet_v2-imagenet", models.mobilenet_v2(num_classes=7), large),
        ("squeezenet1_0", models.squeezenet1_0(num_classes=7), large),
        ("vgg11-imagenet", models.vgg11(num_classes=7), large),
        ("resnet20", ResNet20(), small),
    ]:
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.uniform_(-0.5, 0.5)
                layer.running_var.uniform_(0.5, 1.5)
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.uniform_(layer.bias, -0.5, 0.5)
        model.eval()
        with torch.no_grad():
            numpy.save(f"{folder}/{name}.npy", model(x).numpy())
        save_safetensors(f"{folder}/{name}.safetensors", model.state_dict())
        print(name, flush=True)


main(sys.argv[1])
