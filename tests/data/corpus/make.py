# tests/data/corpus/make.py: writes the seeds of the fuzz targets, a few bytes each, beside itself.
#
# Not from here: checkpoint/run comes from save_checkpoint on the network of
# tests/fuzz/checkpoint.cpp; onnx/* from torch.onnx.export of Conv2d, BatchNorm2d, ReLU, MaxPool2d,
# Flatten, Linear, Softmax (opset 13) and of concat and tanh (opset 11).
import gzip
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

HERE = Path(__file__).parent


def seed(target, name, content):
    path = HERE / target / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def idx(sizes, values):
    return bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + bytes(values)


def npy(descr, order, shape, data, version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tar_member(name, content, kind=b"0"):
    head = bytearray(512)
    head[0 : len(name)] = name
    head[124:135] = b"%011o" % len(content)
    head[148:156] = b" " * 8
    head[156:157] = kind
    head[257:265] = b"ustar\x0000"
    head[148:155] = b"%06o\0" % sum(head)
    return bytes(head) + content + bytes(-len(content) % 512)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, bits, colour, rows, extra=b"", interlace=0):
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def archive(method, members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in members:
            with file.open(zipfile.ZipInfo(name), "w", force_zip64=name == "zip64.npy") as member:
                member.write(content)
    return out.getvalue()


def jpegs():
    """A grey block by hand (tests/io/image_test.cpp) and two small pictures if there is Pillow."""
    tables = b"\xff\xdb\0\x43\0" + b"\x10" * 64
    frame = b"\xff\xc0\0\x0b\x08\0\x08\0\x08\x01\x01\x11\0"
    codes = b"\xff\xc4\0\x14\0\x01" + bytes(15) + b"\x03" + b"\xff\xc4\0\x14\x10\x01" + bytes(16)
    scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x57"
    seed("image", "grey.jpg", b"\xff\xd8" + tables + frame + codes + scan + b"\xff\xd9")
    try:
        from PIL import Image
    except ImportError:
        return
    picture = Image.frombytes("RGB", (20, 12), bytes(i * 7 % 256 for i in range(720)))
    for name, options in (("baseline.jpg", {}), ("progressive.jpg", {"progressive": True})):
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=30, **options)
        seed("image", name, out.getvalue())


def images():
    grey = b"\0\x10\x20\x30\x40" * 3
    seed("image", "grey.png", png(4, 3, 8, 0, grey))
    seed("image", "grey16.png", png(2, 3, 16, 0, b"\1\x10\x20\x30\x40" * 3))
    seed("image", "rgb.png", png(2, 2, 8, 2, b"\2abcdef\4ghijkl"))
    seed("image", "rgba.png", png(1, 2, 8, 6, b"\3abcd\0efgh"))
    palette = chunk(b"PLTE", bytes(range(12))) + chunk(b"tRNS", b"\x80")
    seed("image", "palette.png", png(5, 2, 2, 3, b"\0\x1b\x40" * 2, palette))
    seed("image", "interlaced.png", png(3, 3, 8, 0, b"\0a\0b\0c\0de\0fgh\0ij", interlace=1))
    header = struct.pack("<2sIIIIiiHHIIIIII", b"BM", 70, 0, 54, 40, 2, 2, 1, 24, 0, 16, 0, 0, 0, 0)
    seed("image", "rgb.bmp", header + bytes(range(16)))
    header = struct.pack("<2sIIIIiiHHIIIIII", b"BM", 66, 0, 62, 40, 9, -1, 1, 1, 0, 4, 0, 0, 2, 0)
    seed("image", "one_bit.bmp", header + b"\0\0\0\0\xff\xff\xff\0" + b"\xaa\x80\0\0")
    seed("image", "grey.pgm", b"P5 # comment\n3 2\n255\nabcdef")
    seed("image", "deep.ppm", b"P6\n1 2\n65535\n" + bytes(range(12)))
    jpegs()


def main():
    seed("idx", "images", idx((3, 2, 2), range(12)))
    seed("idx", "labels", idx((3,), (2, 0, 1)))
    seed("idx", "pair", b"\x03" + idx((2, 2, 2), range(8)) + idx((2,), (1, 0)))
    record = bytes(i % 256 for i in range(3072))
    seed("cifar", "ten", b"\3" + record + b"\0" + record)
    seed("cifar", "hundred", b"\x13\x63" + record)
    members = tar_member(b"folder/", b"", b"5") + tar_member(b"folder/a", b"hello")
    seed("tar", "plain", members + bytes(1024))
    members = tar_member(b"././@LongLink", b"n" * 120 + b"\0", b"L") + tar_member(b"n", b"1")
    members += tar_member(b"pax", b"10 path=p\n", b"x") + tar_member(b"last", b"x" * 513)
    seed("tar", "long_name", members + bytes(1024))
    seed("csv", "header", b"a,b,label\n1,2.5,cat\n3,4e-1,dog\n")
    seed("csv", "quoted", b'"x;1";y\r\n"1";"2"\r\n-3;"4"\r\n\r\n0.5;7\r\n')
    seed("csv", "tabs", b"1\t2\t0\n3\t4\t1\n5\t6\t0\n")
    packed = gzip.compress(b"hello " * 30, mtime=0)
    seed("gzip", "one", packed)
    seed("gzip", "two_and_padding", packed + gzip.compress(b"x", 0, mtime=0) + bytes(5))
    seed("gzip", "raw", zlib.compress(bytes(range(200)) * 2)[2:-4])
    floats = npy("<f4", False, "(2, 3)", struct.pack("<6f", 1, -2, 3, 0.5, 1e9, -0.0))
    small = npy("|u1", True, "(2, 2)", b"abcd")
    seed("npy", "floats", floats)
    seed("npy", "fortran", small)
    seed("npy", "labels", npy(">i8", False, "(3,)", struct.pack(">3q", 1, 0, 2), 2))
    seed("npy", "scalar", npy("<f8", False, "()", struct.pack("<d", 2.5), 3))
    seed("npy", "empty", npy("<f2", False, "(0, 3)", b""))
    stored, deflated = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
    seed("npz", "stored", archive(stored, [("a.npy", floats), ("b/c.npy", small)]))
    seed("npz", "deflated", archive(deflated, [("a.npy", floats), ("zip64.npy", small)]))
    text = '{"a": [1, -2.5e3, true, null, {"b": "\\u00e9\\ud83d\\ude00"}], "c": ""}'
    seed("json", "object", text.encode())
    seed("json", "array", b"[[[]], {}, 9223372036854775807, 1e-300, \"\xc3\xa9\"]")
    seed("json", "config", json.dumps({"lr": 0.1, "shape": [1, 8, 8], "model": "mlp"}).encode())
    header = {
        "__metadata__": {"k": "v"},
        "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "h": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [8, 12]},
        "e": {"dtype": "I64", "shape": [0], "data_offsets": [12, 12]},
    }
    seed("safetensors", "three", safetensors(header, bytes(range(12))))
    seed("safetensors", "none", safetensors({}, b""))
    images()


main()
