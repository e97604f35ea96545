// datasets/md5.h: the sums that published data sets come with.
//
// MD5 (Rivest, RFC 1321) tells a damaged or cut file from a whole one. It does not protect against
// somebody who makes another file with the same sum.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace limpid::datasets {

/// The sum as 32 hexadecimal digits.
std::string md5_text(std::span<const std::byte> bytes);

}  // namespace limpid::datasets
