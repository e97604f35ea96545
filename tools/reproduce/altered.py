# tools/reproduce/altered.py: small data sets with some images or labels changed, by the standard library.
import gzip
import os
import random
import struct

FLIPPED = 0.2  # share of labels that flip_labels() makes wrong


def read_idx(folder, name):
    """Shape and bytes of an IDX file, plain or .gz."""
    path = os.path.join(folder, name)
    opened = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz", "rb")
    with opened as file:
        data = file.read()
    rank = data[3]
    shape = struct.unpack(f">{rank}I", data[4:4 + 4 * rank])
    return shape, data[4 + 4 * rank:]


def write_idx(folder, name, shape, data):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + data)


def write_npy(path, shape, kind, data):
    header = repr({"descr": kind, "fortran_order": False, "shape": tuple(shape)})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)


def altered(b, name, train, test, alter):
    """A data set whose training part is altered: its --data, and what alter() says."""
    (n, h, w), pixels = train[0]
    pixels, labels = bytearray(pixels), bytearray(train[1])
    notes = alter(pixels, labels, h, w)
    folder = b.file(name + "-data")
    os.makedirs(folder, exist_ok=True)
    for part, shape, images, classes in (("train", (n, h, w), pixels, labels),
                                         ("t10k", *test[0], test[1])):
        write_idx(folder, part + "-images-idx3-ubyte", shape, images)
        write_idx(folder, part + "-labels-idx1-ubyte", shape[:1], classes)
    return ["--data", "idx:" + folder], notes


def first(count, images, labels, begin=0):
    """So many images and labels of an IDX pair."""
    (_, h, w), pixels = images
    end = begin + count
    return ((count, h, w), pixels[begin * h * w:end * h * w]), labels[1][begin:end]


def altered_part(b, name, source, limit, alter):
    """The first training images of an IDX folder altered, its test part as it is."""
    train, test = ([read_idx(source, f"{part}-{kind}-ubyte")
                    for kind in ("images-idx3", "labels-idx1")] for part in ("train", "t10k"))
    limit = min(limit, train[0][0][0])
    return altered(b, name, first(limit, *train), (test[0], test[1][1]), alter)


def flip_labels(pixels, labels, h, w):
    generator = random.Random(0)
    flipped = generator.sample(range(len(labels)), int(FLIPPED * len(labels)))
    for i in flipped:
        labels[i] = (labels[i] + generator.randrange(1, 10)) % 10
    return set(flipped)
