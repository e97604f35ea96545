// framework/core/ranks.cpp: shares, and sums in rank order.
#include "framework/core/ranks.h"

#include "framework/core/error.h"
#include "framework/core/ranks_messages.h"

#include <algorithm>

namespace limpid::ranks {
namespace {

// Up to here every rank gets all values at once: one message, but count() times the bytes.
constexpr int64_t kSmall = int64_t{1} << 20;  // bytes from all ranks together
// What gather() moves at a time, so that no message is too large for MPI
constexpr int64_t kMessage = int64_t{1} << 24;

// out[i] = sum over r of parts[r n + i]
template <class T>
void add_in_order(std::span<const T> parts, std::span<T> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    double total = 0;
    for (size_t at = i; at < parts.size(); at += out.size())
      total += static_cast<double>(parts[at]);
    out[i] = static_cast<T>(total);
  }
}

template <class T>
void sum_at_once(std::span<T> values) {
  const std::vector<int64_t> sizes(static_cast<size_t>(count()), std::ssize(values) * sizeof(T));
  std::vector<T> all(values.size() * sizes.size());
  messages::gather(std::as_bytes(values), sizes, reinterpret_cast<std::byte*>(all.data()));
  add_in_order<T>(all, values);
}

// Each rank adds up the piece that is its share, then all get all pieces: about twice the bytes of
// the values through every rank, whatever their number.
template <class T>
void sum_by_pieces(std::span<T> values) {
  std::vector<int64_t> sizes;  // bytes of each piece
  for (int r = 0; r < count(); ++r) {
    sizes.push_back(share(std::ssize(values), r, count()).size() * static_cast<int64_t>(sizeof(T)));
  }
  const Share own = share(std::ssize(values), mine(), count());
  const std::span<T> piece =
      values.subspan(static_cast<size_t>(own.begin), static_cast<size_t>(own.size()));
  std::vector<T> parts(piece.size() * sizes.size());
  auto* bytes = reinterpret_cast<std::byte*>(values.data());
  messages::exchange(
      bytes, sizes, reinterpret_cast<std::byte*>(parts.data()),
      std::vector<int64_t>(sizes.size(), std::ssize(piece) * static_cast<int64_t>(sizeof(T))));
  std::vector<T> total(piece.size());
  add_in_order<T>(parts, total);
  messages::gather(std::as_bytes(std::span<const T>(total)), sizes, bytes);
}

template <class T>
void sum_over_all(std::span<T> values) {
  if (count() == 1 || values.empty()) return;
  const int64_t bytes = std::ssize(values) * static_cast<int64_t>(sizeof(T)) * count();
  bytes <= kSmall ? sum_at_once(values) : sum_by_pieces(values);
}

}  // namespace

int count() { return messages::place().count; }
int mine() { return messages::place().mine; }
int on_this_machine() { return messages::place().on_this_machine; }

Share share(int64_t n, int part, int parts) {
  check_value(
      n >= 0 && part >= 0 && part < parts, "share", "there is no part ", part, " of ", parts,
      " of ", n, " entries");
  const int64_t size = n / parts, longer = n % parts;  // the first ones have one entry more
  const int64_t begin = part * size + std::min<int64_t>(part, longer);
  return {.begin = begin, .end = begin + size + (part < longer ? 1 : 0), .of = n};
}

void sum(std::span<float> values) { sum_over_all(values); }
void sum(std::span<double> values) { sum_over_all(values); }

std::vector<std::vector<std::byte>> gather(std::span<const std::byte> own) {
  std::vector<double> lengths(static_cast<size_t>(count()));
  lengths[static_cast<size_t>(mine())] = static_cast<double>(own.size());
  sum(lengths);
  const std::vector<int64_t> sizes(lengths.begin(), lengths.end());
  const int64_t longest = *std::ranges::max_element(sizes);

  std::vector<std::vector<std::byte>> out(sizes.size());
  const int64_t most = kMessage / count();  // of each rank at a time
  for (int64_t begin = 0; begin < longest; begin += most) {
    std::vector<int64_t> pieces;
    int64_t total = 0;
    for (const int64_t size : sizes) {
      pieces.push_back(std::clamp<int64_t>(size - begin, 0, most));
      total += pieces.back();
    }
    const auto piece = static_cast<size_t>(pieces[static_cast<size_t>(mine())]);
    std::vector<std::byte> all(static_cast<size_t>(total));
    messages::gather(
        own.subspan(std::min(own.size(), static_cast<size_t>(begin)), piece), pieces, all.data());
    auto at = all.begin();
    for (size_t r = 0; r < pieces.size(); ++r) {
      out[r].insert(out[r].end(), at, at + pieces[r]);
      at += pieces[r];
    }
  }
  return out;
}

bool any(bool own) {
  double says = own ? 1 : 0;
  sum(std::span(&says, 1));
  return says > 0;
}

bool from_first(bool own) { return any(is_first() && own); }

}  // namespace limpid::ranks
