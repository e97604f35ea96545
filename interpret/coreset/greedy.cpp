// interpret/coreset/greedy.cpp: a queue of upper bounds, and random candidates.
#include "interpret/coreset/greedy.h"

#include "framework/core/error.h"
#include "framework/core/rng.h"
#include "framework/tensor/integers.h"

#include <algorithm>
#include <cmath>
#include <queue>

namespace limpid::interpret {
namespace {

constexpr int64_t kTogether = 32;  // gains asked for at once: one matrix product serves them

struct Bound {
  double gain = 0;
  int64_t element = 0;
  int64_t step = 0;  // when it was exact
};

// True if b comes first.
struct Later {
  bool operator()(const Bound& a, const Bound& b) const {
    return a.gain != b.gain ? a.gain < b.gain : a.element > b.element;
  }
};

void check_count(int64_t k, int64_t n) {
  check_value(k >= 0 && k <= n, "greedy", "cannot choose ", k, " of ", n);
}

}  // namespace

GreedyResult lazy_greedy(SetFunction& f, int64_t k) {
  const int64_t n = f.size();
  check_count(k, n);
  std::priority_queue<Bound, std::vector<Bound>, Later> queue;
  const auto renew = [&](const std::vector<int64_t>& elements, int64_t step) {
    std::vector<double> gains(elements.size());
    f.gains(elements, gains);
    for (size_t c = 0; c < elements.size(); ++c) queue.push({gains[c], elements[c], step});
  };

  const std::vector<int64_t> all = index_range(0, n);
  renew(all, 0);
  GreedyResult result;
  for (int64_t step = 0; step < k; ++step) {
    // Look again at the elements on top until one of them has an exact gain
    while (queue.top().step != step) {
      std::vector<int64_t> stale;
      while (!queue.empty() && queue.top().step != step && std::ssize(stale) < kTogether) {
        stale.push_back(queue.top().element);
        queue.pop();
      }
      renew(stale, step);
    }
    result.order.push_back(queue.top().element);
    result.gains.push_back(queue.top().gain);
    queue.pop();
    f.add(result.order.back());
  }
  return result;
}

GreedyResult stochastic_greedy(SetFunction& f, int64_t k, double epsilon, Rng rng) {
  const int64_t n = f.size();
  check_count(k, n);
  check_value(epsilon > 0 && epsilon < 1, "greedy", "epsilon must be in (0, 1), got ", epsilon);
  const double drawn = std::ceil(
      static_cast<double>(n) / static_cast<double>(std::max<int64_t>(1, k)) *
      std::log(1 / epsilon));
  std::vector<int64_t> left = index_range(0, n);
  GreedyResult result;
  for (int64_t step = 0; step < k; ++step) {
    // The first places of a Fisher-Yates shuffle of what is left
    const auto count = std::min(static_cast<size_t>(drawn), left.size());
    for (size_t c = 0; c < count; ++c) {
      const auto other = rng.integer(static_cast<int64_t>(left.size() - c));
      std::swap(left[c], left[c + static_cast<size_t>(other)]);
    }
    std::vector<double> gains(count);
    f.gains(std::span(left).first(count), gains);
    size_t best = 0;
    for (size_t c = 1; c < count; ++c) {
      if (gains[c] > gains[best] || (gains[c] == gains[best] && left[c] < left[best])) best = c;
    }
    result.order.push_back(left[best]);
    result.gains.push_back(gains[best]);
    f.add(left[best]);
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
  }
  return result;
}

}  // namespace limpid::interpret
