// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Greedy pairwise covering: few rows in which any two values of any two
// parameters meet, as far as the rows may hold them.

#ifndef ATTNC_TEST_UNIT_EXECUTION_PAIRWISE_H
#define ATTNC_TEST_UNIT_EXECUTION_PAIRWISE_H

#include "Problem.h"

#include <functional>
#include <numeric>

namespace attnc::test {

class Pairwise {
public:
  using Row = std::vector<int>;
  /// Whether a row may be; -1 is a parameter that is not chosen yet. A row that
  /// is refused must be refused whatever else is chosen.
  using Accept = std::function<bool(const Row &)>;

  Pairwise(std::vector<int> counts, uint64_t seed, Accept accept)
      : counts(std::move(counts)), random(seed), accept(std::move(accept)) {
    offsets.assign(this->counts.size() + 1, 0);
    std::partial_sum(this->counts.begin(), this->counts.end(),
                     offsets.begin() + 1);
  }

  std::vector<Row> generate() {
    collectPairs();
    std::vector<Row> rows;
    while (!open.empty()) {
      Row best;
      int bestGain = 0;
      for (int attempt = 0; attempt < kAttempts; ++attempt) {
        Row row = candidate();
        int gain = row.empty() ? 0 : gainOf(row);
        if (gain > bestGain) {
          bestGain = gain;
          best = std::move(row);
        }
      }
      if (best.empty()) { // `accept` led into a corner each time
        ++failures;
        open.pop_back();
        continue;
      }
      cover(best);
      rows.push_back(std::move(best));
    }
    return rows;
  }

  int numPairs() const { return pairs; }
  /// Pairs that no row was found for, though `accept` takes them alone.
  int numFailures() const { return failures; }

private:
  static constexpr int kAttempts = 12;
  std::vector<int> counts, offsets;
  Random random;
  Accept accept;
  std::vector<bool> isOpen; // by value and value
  std::vector<std::pair<int, int>> open;
  int pairs = 0, failures = 0;

  int value(size_t parameter, int choice) const {
    return offsets[parameter] + choice;
  }
  size_t key(int a, int b) const {
    return static_cast<size_t>(std::min(a, b)) * offsets.back() +
           std::max(a, b);
  }
  size_t parameterOf(int value) const {
    size_t p = 0;
    while (value >= offsets[p + 1])
      ++p;
    return p;
  }

  /// Pairs that no row may hold are left out.
  void collectPairs() {
    isOpen.assign(static_cast<size_t>(offsets.back()) * offsets.back(), false);
    for (int a = 0; a < offsets.back(); ++a)
      for (int b = a + 1; b < offsets.back(); ++b) {
        size_t p = parameterOf(a), q = parameterOf(b);
        if (p == q)
          continue;
        Row row(counts.size(), -1);
        row[p] = a - offsets[p];
        row[q] = b - offsets[q];
        if (!accept(row))
          continue;
        open.push_back({a, b});
        isOpen[key(a, b)] = true;
      }
    pairs = static_cast<int>(open.size());
  }

  /// Begins with an open pair, then takes for each parameter, in random order,
  /// the value that closes most open pairs.
  Row candidate() {
    Row row(counts.size(), -1);
    auto [a, b] = open[random.below(static_cast<int64_t>(open.size()))];
    row[parameterOf(a)] = a - offsets[parameterOf(a)];
    row[parameterOf(b)] = b - offsets[parameterOf(b)];
    std::vector<size_t> order(counts.size());
    std::iota(order.begin(), order.end(), size_t(0));
    for (size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[random.below(static_cast<int64_t>(i))]);
    for (size_t p : order)
      if (row[p] < 0 && !choose(row, p))
        return {};
    return row;
  }

  bool choose(Row &row, size_t p) {
    int best = -1, bestGain = -1, ties = 0;
    for (int choice = 0; choice < counts[p]; ++choice) {
      row[p] = choice;
      if (!accept(row))
        continue;
      int gain = 0;
      for (size_t q = 0; q < row.size(); ++q)
        if (q != p && row[q] >= 0)
          gain += isOpen[key(value(p, choice), value(q, row[q]))];
      ties = gain == bestGain ? ties + 1 : 1;
      if (gain > bestGain || (gain == bestGain && random.below(ties) == 0)) {
        best = choice;
        bestGain = gain;
      }
    }
    row[p] = best;
    return best >= 0;
  }

  int gainOf(const Row &row) {
    int gain = 0;
    for (size_t p = 0; p < row.size(); ++p)
      for (size_t q = p + 1; q < row.size(); ++q)
        gain += isOpen[key(value(p, row[p]), value(q, row[q]))];
    return gain;
  }

  void cover(const Row &row) {
    for (size_t p = 0; p < row.size(); ++p)
      for (size_t q = p + 1; q < row.size(); ++q)
        isOpen[key(value(p, row[p]), value(q, row[q]))] = false;
    std::vector<std::pair<int, int>> left;
    for (auto [a, b] : open)
      if (isOpen[key(a, b)])
        left.push_back({a, b});
    open = std::move(left);
  }
};

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_EXECUTION_PAIRWISE_H
