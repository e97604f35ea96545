# tools/reproduce/planted.py: trained networks with one layer broken, by the standard library.
import array
import json
import math
import os
import random
import shutil
import struct

KINDS = ("scrambled", "collapsed", "scaled x20", "60 % zeroed", "noise x10")


def weighted_layers(folder):
    """Names of the layers with a weight matrix, in the order of the file."""
    header, _ = read_safetensors(os.path.join(folder, "last.safetensors"))
    return [name[:-len(".weight")] for name, entry in header.items()
            if name.endswith(".weight") and "." in name and len(entry.get("shape", ())) >= 2
            and not name.startswith(("optimizer.", "state."))]


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + size]), bytearray(data[8 + size:])


def write_safetensors(path, header, values):
    # The checksum was that of the values before
    header.get("__metadata__", {}).pop("crc32", None)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + values)


def broken(values, units, kind, generator, is_weight, dead):
    """What a fault makes of one tensor, rows by rows of `units`."""
    row = len(values) // units
    if kind == "scrambled" and is_weight:
        generator.shuffle(values)
    elif kind == "collapsed":  # every unit says what the first one says
        values = values[:row] * units
    elif kind == "scaled x20" and is_weight:
        values = [20 * v for v in values]
    elif kind == "60 % zeroed":
        values = [0.0 if k // row in dead else v for k, v in enumerate(values)]
    elif kind == "noise x10" and is_weight:
        mean = sum(values) / len(values)
        deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
        values = [v + generator.gauss(0, 10 * deviation) for v in values]
    return values


def plant(source, target, layer, kind, seed):
    """A copy of a run folder with one layer broken."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    path = os.path.join(target, "last.safetensors")
    header, data = read_safetensors(path)
    generator = random.Random(seed)
    units = header[layer + ".weight"]["shape"][0]
    dead = set(generator.sample(range(units), math.ceil(0.6 * units)))
    for name in (layer + ".weight", layer + ".bias"):
        if name not in header:
            continue
        begin, end = header[name]["data_offsets"]
        values = list(array.array("f", bytes(data[begin:end])))
        values = broken(values, units, kind, generator, name.endswith(".weight"), dead)
        data[begin:end] = array.array("f", values).tobytes()
    write_safetensors(path, header, data)
