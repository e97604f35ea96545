// tests/io/image_test.cpp: decoding of small and damaged pictures, PNG round trips.
#include "framework/io/image.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/io/files.h"
#include "framework/io/gzip.h"
#include "tests/support/failure.h"
#include "tests/support/temp_dir.h"

#include <doctest/doctest.h>

using namespace limpid;

namespace {

using Pixels = std::vector<uint8_t>;

Image read(const std::string& text, int64_t channels = 0) {
  return read_image(as_bytes(text), "a.png", channels);
}

/// The text of the error that reading gives; empty if there is none.
std::string error_of(const std::string& text) {
  return failure([&] { read(text); });
}

std::string big(uint32_t value) {
  return {
      static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
      static_cast<char>(value)};
}

std::string little(uint32_t value) {
  const std::string reversed = big(value);
  return {reversed.rbegin(), reversed.rend()};
}

/// Length, type, data, checksum.
std::string chunk(const std::string& type, const std::string& data) {
  return big(static_cast<uint32_t>(data.size())) + type + data + big(crc32(as_bytes(type + data)));
}

struct PngHeader {
  uint32_t width = 1;
  uint32_t height = 1;
  char bits = 8;
  char colour = 0;  // 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGB + alpha
};

/// A PNG whose rows, each with its filter byte, stand in one uncompressed deflate block.
std::string png_of(const PngHeader& h, const std::string& rows, const std::string& extra = "") {
  const auto n = static_cast<uint16_t>(rows.size());
  const std::string stored = little(uint32_t{n} | static_cast<uint32_t>(~n) << 16);
  const std::string deflate = std::string("\x78\x01\x01") + stored + rows + std::string(4, '\0');
  return "\x89PNG\r\n\x1A\n" +
         chunk("IHDR", big(h.width) + big(h.height) + std::string{h.bits, h.colour, 0, 0, 0}) +
         extra + chunk("IDAT", deflate) + chunk("IEND", "");
}

// Python: head + chunk("IDAT", zlib.compress(b"\0" + bytes(range(1, 7)) + b"\0" + bytes(range(7,
// 13)))) with IHDR 2 x 2, 8 bits, RGB; checksums by zlib.crc32.
const std::string kSmallPng(
    "\x89\x50\x4E\x47\x0D\x0A\x1A\x0A\x00\x00\x00\x0D\x49\x48\x44\x52\x00\x00\x00\x02\x00\x00"
    "\x00\x02\x08\x02\x00\x00\x00\xFD\xD4\x9A\x73\x00\x00\x00\x16\x49\x44\x41\x54\x78\x9C\x63"
    "\x60\x64\x62\x66\x61\x65\x63\x60\xE7\xE0\xE4\xE2\xE6\x01\x00\x01\x8F\x00\x4F\x04\x74\xAD"
    "\xBD\x00\x00\x00\x00\x49\x45\x4E\x44\xAE\x42\x60\x82",
    79);

/// A grey JPEG of 8 x 8 pixels, all equal: one block with only its mean. Quantiser 16, difference
/// 5: coefficient 80, pixel 128 + 80 / 8 = 138. The only DC code, 0, means "3 bits follow" (101),
/// the only AC code, 0, "end of block"; ones fill the byte: 0 101 0 111.
std::string small_jpeg() {
  std::string text = "\xFF\xD8";
  text += std::string("\xFF\xDB\0\x43\0", 5) + std::string(64, '\x10');
  text += std::string("\xFF\xC0\0\x0B\x08\0\x08\0\x08\x01\x01\x11\0", 13);
  text += std::string("\xFF\xC4\0\x14\0\x01", 6) + std::string(15, '\0') + "\x03";
  text += std::string("\xFF\xC4\0\x14\x10\x01", 6) + std::string(16, '\0');
  text += std::string("\xFF\xDA\0\x08\x01\x01\0\0\x3F\0\x57\xFF\xD9", 13);
  return text;
}

/// A BMP of 24 bits per pixel; rows stand bottom up, blue first.
std::string bmp_of(uint32_t width, uint32_t height, const std::string& rows) {
  return "BM" + little(static_cast<uint32_t>(54 + rows.size())) + little(0) + little(54) +
         little(40) + little(width) + little(height) + std::string("\x01\0\x18\0", 4) +
         std::string(24, '\0') + rows;
}

}  // namespace

TEST_CASE("image: a PNG made by another program") {
  const Image image = read(kSmallPng);
  CHECK(image.width == 2);
  CHECK(image.height == 2);
  CHECK(image.channels == 3);
  CHECK(image.pixels == Pixels{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
}

TEST_CASE("image: random pictures survive PNG, with the same bytes each time") {
  const TempDir folder;
  Rng rng(7);
  for (int64_t channels = 1; channels <= 4; ++channels) {
    for (const auto& [width, height] : {std::pair{1, 1}, {17, 3}, {2, 40}}) {
      Image image{width, height, channels, {}};
      for (int64_t i = 0; i < width * height * channels; ++i) {
        image.pixels.push_back(static_cast<uint8_t>(rng.integer(256)));
      }
      save_png(folder.file("a.png"), image);
      const Image back = load_image(folder.file("a.png"));
      CHECK(back.width == width);
      CHECK(back.height == height);
      CHECK(back.channels == channels);
      CHECK(back.pixels == image.pixels);
      CHECK(png_bytes(image) == read_file(folder.file("a.png"), 1 << 20));
    }
  }
}

TEST_CASE("image: the writer refuses what is no image") {
  CHECK_THROWS_WITH_AS(
      png_bytes({2, 2, 3, Pixels(11)}), doctest::Contains("11 bytes are no image of 2 x 2 pixels"),
      ValueError);
  CHECK_THROWS_AS(png_bytes({0, 2, 3, {}}), ValueError);
  CHECK_THROWS_AS(png_bytes({1, 1, 5, Pixels(5)}), ValueError);
  CHECK_THROWS_AS(png_bytes({-1, -1, 1, Pixels(1)}), ValueError);
  CHECK_THROWS_AS(png_bytes({20000, 1, 1, Pixels(20000)}), ValueError);
}

TEST_CASE("image: kinds of PNG (bad input 20)") {
  CHECK(read(png_of({.width = 2}, std::string("\0\x10\xF0", 3))).pixels == Pixels{0x10, 0xF0});
  // 16 bits keep the upper byte
  CHECK(read(png_of({.bits = 16}, std::string("\0\xAB\xCD", 3))).pixels == Pixels{0xAB});
  // 1 bit per pixel: 1, 0, 1
  CHECK(
      read(png_of({.width = 3, .bits = 1}, std::string("\0\xA0", 2))).pixels ==
      Pixels{255, 0, 255});
  // A palette of red and blue, indices 1 and 0
  const Image image = read(png_of(
      {.width = 2, .colour = 3}, std::string("\0\x01\0", 3),
      chunk("PLTE", std::string("\xFF\0\0\0\0\xFF", 6))));
  CHECK(image.channels == 3);
  CHECK(image.pixels == Pixels{0, 0, 255, 255, 0, 0});
}

TEST_CASE("image: conversion to the channels asked for") {
  const std::string grey = png_of({}, std::string("\0\x42", 2));
  CHECK(read(grey, 3).pixels == Pixels{0x42, 0x42, 0x42});
  CHECK(read(grey, 3).channels == 3);
  CHECK(read(grey, 4).pixels == Pixels{0x42, 0x42, 0x42, 255});
  // Grey = (77 red + 150 green + 29 blue) / 256, for PNG and PPM alike
  const std::string colour = png_of({.colour = 2}, std::string("\0\x40\x80\xC0", 4));
  const uint8_t expected = (77 * 0x40 + 150 * 0x80 + 29 * 0xC0) >> 8;
  CHECK(read(colour, 1).pixels == Pixels{expected});
  CHECK(read("P6 1 1 255 \x40\x80\xC0", 1).pixels == Pixels{expected});
  CHECK(read("P6 1 1 255 \x40\x80\xC0", 2).pixels == Pixels{expected, 255});
  CHECK(read("P5 1 1 255 \x40", 4).pixels == Pixels{0x40, 0x40, 0x40, 255});
  CHECK_THROWS_AS(read(grey, 5), ValueError);
  CHECK_THROWS_AS(read(grey, -1), ValueError);
}

TEST_CASE("image: JPEG, BMP and PNM") {
  const Image jpeg = read(small_jpeg());
  CHECK(jpeg.width == 8);
  CHECK(jpeg.channels == 1);
  CHECK(jpeg.pixels == Pixels(64, 138));

  const std::string rows("\x01\x02\x03\0\x04\x05\x06\0", 8);  // two rows of one pixel, padded
  CHECK(read(bmp_of(1, 2, rows)).pixels == Pixels{6, 5, 4, 3, 2, 1});
  CHECK(read(bmp_of(1, static_cast<uint32_t>(-2), rows)).pixels == Pixels{3, 2, 1, 6, 5, 4});

  CHECK(read("P5\n# a comment\n2 1\n255\n\x10\xFF").pixels == Pixels{0x10, 0xFF});
  CHECK(read("P5 2 1 100 \x64\x32").pixels == Pixels{255, 128});
  CHECK(read(std::string("P5 1 1 65535 \x80\x00", 15)).pixels == Pixels{128});
  CHECK(read("P6 1 1 255\n\x01\x02\x03").pixels == Pixels{1, 2, 3});
  CHECK(read("P6 1 1 255\n\x01\x02\x03").channels == 3);
}

TEST_CASE("image: other kinds of file are refused, whatever their name (bad input 20)") {
  for (const char* text :
       {"", "x", "GIF89a\x01", "8BPS", "#?RADIANCE\n", "RIFF0000WEBP", "P3 1 1 255 1 2 3", "P7\n",
        "<svg/>"}) {
    CAPTURE(text);
    CHECK(contains(error_of(text), "a.png: unknown image type"));
  }
  CHECK_THROWS_WITH_AS(load_image("/"), doctest::Contains("cannot read"), FormatError);
}

TEST_CASE("image: every truncation is an error (bad input 20)") {
  const std::string pnm = "P5 2 2 255\n1234";
  const std::string bmp = bmp_of(1, 2, std::string(8, 'x'));
  for (const std::string& whole : {kSmallPng, small_jpeg(), bmp, pnm}) {
    REQUIRE(error_of(whole) == "");
    for (size_t n = 0; n < whole.size(); ++n) {
      CAPTURE(whole.substr(0, 2));
      CAPTURE(n);
      CHECK_THROWS_AS(read(whole.substr(0, n)), FormatError);
    }
  }
}

TEST_CASE("image: every changed byte of a PNG is an error (bad input 20)") {
  for (size_t n = 0; n < kSmallPng.size(); ++n) {
    std::string damaged = kSmallPng;
    damaged[n] = static_cast<char>(damaged[n] ^ 0x04);
    CAPTURE(n);
    CHECK_THROWS_AS(read(damaged), FormatError);
  }
  std::string wrong_sum = kSmallPng;
  wrong_sum[kSmallPng.size() - 1] = 'x';
  CHECK(contains(error_of(wrong_sum), "PNG: wrong checksum"));
}

TEST_CASE("image: Huffman tables that would overrun the decoder are refused") {
  // 257 codes: 255 of 8 bits and 2 of 9, before the scan and behind it
  const std::string table = std::string("\xFF\xC4\x01\x14\0\0\0\0\0\0\0\0\xFF\x02", 14) +
                            std::string(7, '\0') + std::string(257, 'x');
  REQUIRE(table.size() == 2 + 2 + 17 + 257);
  const std::string jpeg = small_jpeg();
  for (const size_t at : {size_t{2}, jpeg.find("\xFF\xDA"), jpeg.size() - 2}) {
    std::string damaged = jpeg;
    damaged.insert(at, table);
    CHECK(contains(error_of(damaged), "JPEG: damaged Huffman table"));
  }
  // The same bytes inside a comment harm nobody
  std::string commented = jpeg;
  commented.insert(2, std::string("\xFF\xFE\x01\x18", 4) + table);
  CHECK(error_of(commented) == "");
}

TEST_CASE("image: a JPEG must define what its scans use, and scan what it defines") {
  const std::string jpeg = small_jpeg();
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = jpeg;
    REQUIRE(text.find(from) != std::string::npos);
    return error_of(text.replace(text.find(from), from.size(), to));
  };
  const char* missing = "JPEG: a scan uses a table that is not there";
  // Tables of another number: quantiser, means, other coefficients; then another table wanted
  CHECK(contains(changed(std::string("\x43\0", 2), "\x43\x01"), missing));
  CHECK(contains(changed(std::string("\x14\0\x01", 3), "\x14\x01\x01"), missing));
  CHECK(contains(changed("\x14\x10\x01", "\x14\x11\x01"), missing));
  CHECK(contains(
      changed(std::string("\x08\x01\x01\0\0", 5), std::string("\x08\x01\x01\x10\0", 5)), missing));
  CHECK(contains(
      changed(std::string("\x08\x01\x01\0\0", 5), std::string("\x08\x01\x02\0\0", 5)),
      "unknown component"));
  const std::string scan = jpeg.substr(jpeg.find("\xFF\xDA"), 11);
  CHECK(contains(changed(scan, ""), "JPEG: a component is missing"));
  const std::string frame = jpeg.substr(jpeg.find("\xFF\xC0"), 13);
  CHECK(contains(changed(frame, frame + frame), "JPEG: a second frame"));
  // 4096 x 4096 pixels in some 150 bytes
  CHECK(contains(
      changed(std::string("\x08\0\x08\0\x08", 5), std::string("\x08\x10\0\x10\0", 5)),
      "too few data"));
}

TEST_CASE("image: sizes are judged before decoding (bad input 20)") {
  // A private chunk makes the file long enough for the size it claims
  const auto of_size = [](uint32_t width, uint32_t height, size_t more = 70'000) {
    return error_of(png_of(
        {.width = width, .height = height}, std::string(2, '\0'),
        chunk("prVt", std::string(more, '\0'))));
  };
  CHECK(contains(of_size(0, 1), "PNG: damaged header"));
  CHECK(contains(of_size(16385, 1), "over 16384 pixels per side"));
  CHECK(contains(of_size(16384, 4097), "image too large: 16384 x 4097 pixels"));
  CHECK(contains(of_size(16384, 4096), "a.png: PNG: "));  // the size is good, pixels are missing
  CHECK(contains(of_size(16384, 4096, 0), "too few data for its size"));
  CHECK(contains(of_size(65536, 65536, 0), "too few data for its size"));
  CHECK(contains(of_size(2, 1), "a.png: PNG: "));  // one pixel too few
  CHECK(contains(error_of(bmp_of(65536, 1, "")), "BMP: truncated"));
  CHECK(contains(error_of(bmp_of(1, 0x80000000, "")), "BMP: truncated"));
  CHECK(contains(error_of(bmp_of(0xFFFFFFFF, 0x7FFFFFFF, "")), "BMP: truncated"));
  CHECK(contains(error_of(bmp_of(16385, 1, std::string(50'000, 'x'))), "too large"));
  CHECK(contains(error_of(bmp_of(0, 1, "")), "empty image"));
  CHECK(contains(error_of("P5 99999 1 255\n"), "too large"));
  CHECK(contains(error_of("P5 0 1 255\n"), "empty image"));
  CHECK(contains(error_of("P5 99999999999999999999 1 255\n"), "too large"));
  for (const char* text :
       {"P5 1 1 0\n1", "P5 1 1 65536\n11", "P5 1 1 3\n\x04", "P5 1 1 255", "P5 1 1 255x1",
        "P5 1 1 -1\n1", "P51 1 255\n1", "P5 1 # 1 255 1"}) {
    CAPTURE(text);
    CHECK(contains(error_of(text), "PNM: "));
  }
}
