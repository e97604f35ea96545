#!/usr/bin/python3
# tests/datasets/record_photographs.py: prints the golden rows of photographs_test.cpp, from PIL.
#
#     apt-get install -y --no-install-recommends python3-pil
#     /usr/bin/python3 tests/datasets/record_photographs.py
#
# Recorded with PIL 9.4.0 of Debian 12. Byte i of a picture comes from a linear congruential
# generator that starts at the case's number: its upper 8 bits, or 0 and 255 by the uppermost bit.
# photograph() writes out what torchvision's Resize(side) and CenterCrop(crop) do to a PIL image.
import zlib

from PIL import Image

# channels, (height, width) before and after
SIZES = [
    (3, (37, 53), (37, 53)), (3, (37, 53), (16, 53)), (3, (37, 53), (37, 20)),
    (3, (37, 53), (17, 23)), (3, (23, 17), (91, 64)), (3, (101, 7), (5, 31)),
    (1, (64, 64), (1, 1)), (1, (1, 1), (3, 5)), (1, (2, 3), (7, 2)), (1, (333, 251), (19, 300)),
]  # fmt: skip
PHOTOGRAPHS = [
    (3, (375, 500)), (3, (501, 333)), (3, (61, 90)), (1, (256, 256)), (3, (257, 1031))
]  # fmt: skip


def picture(number, channels, size, extremes):
    state = number
    data = bytearray()
    for _ in range(size[0] * size[1] * channels):
        state = (1664525 * state + 1013904223) % 2**32
        data.append(255 * (state >> 31) if extremes else state >> 24)
    mode = {1: "L", 3: "RGB"}[channels]
    return Image.frombytes(mode, (size[1], size[0]), bytes(data))


def crc(image):
    return "0x%08x" % zlib.crc32(image.tobytes())


def photograph(image, side, crop):
    width, height = image.size
    if width <= height:
        size = (side, int(side * height / width))
    else:
        size = (int(side * width / height), side)
    image = image.resize(size, Image.BILINEAR)
    left = int(round((size[0] - crop) / 2.0))
    top = int(round((size[1] - crop) / 2.0))
    return image.crop((left, top, left + crop, top + crop))


number = 0
for channels, before, after in SIZES:
    for extremes in (False, True):
        number += 1
        image = picture(number, channels, before, extremes)
        result = image.resize((after[1], after[0]), Image.BILINEAR)
        print("    {%d, %d, %d, %d, %d, %d, %s}," % (number, channels, *before, *after, crc(result)))
print()
for channels, size in PHOTOGRAPHS:
    number += 1
    result = photograph(picture(number, channels, size, False), 256, 224)
    print("    {%d, %d, %d, %d, %s}," % (number, channels, *size, crc(result)))
