// datasets/image_folder.h: pictures sorted into one folder per class.
//
//   FOLDER/cat/1.png, FOLDER/cat/2.jpg, FOLDER/dog/1.png      one part, or
//   FOLDER/train/cat/1.png ..., FOLDER/test/cat/9.png ...     two parts
// Classes are the names of the folders in alphabetical order (of bytes), pictures keep that order
// too. Names that begin with a point are passed over. So are files that are no pictures, neither by
// their first bytes nor by their name (notes.txt, Thumbs.db); their paths are reported.
#pragma once

#include "datasets/dataset.h"
#include "framework/io/image.h"

#include <cstdint>
#include <functional>
#include <string>

namespace limpid::datasets {

struct ImageFolderOptions {
  int64_t side = 0;  // pixels; 0: the size that all pictures have
  /// Brings a picture to side x side pixels. Empty: pictures of another size are refused.
  std::function<Image(const Image&, int64_t side)> resize = {};
};

/// Whether a file is a picture by its name or its first bytes, damaged or of a kind that is not
/// read.
bool is_picture_file(const std::string& path);

/// PNG, JPEG, BMP and PNM as read_image takes them: images [N, C, H, W], kept as bytes that stand
/// for value / 255. If all pictures of both parts are grey, C is 1, else 3; alpha is dropped.
/// Throws FormatError for pictures that cannot be read, naming all of them, for a picture that lies
/// beside the folders, for pictures of different size, for a class without pictures and for a test
/// class that training does not have.
Split load_image_folder(const std::string& folder, const ImageFolderOptions& options = {});

}  // namespace limpid::datasets
