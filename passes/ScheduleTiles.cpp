// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Strips of grids, panels of lists of blocks.

#include "passes/ScheduleTiles.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace attnc;

StripChoice attnc::chooseStrip(const GridColumns &columns, int64_t panel) {
  int64_t extent = columns.getExtent();
  int64_t reach = columns.width(extent / 2, 1) - 1;
  auto keysOf = [&](int64_t width) { // of a panel, by a typical strip
    int64_t gridRows = llvm::divideCeil(panel, width);
    double sum = 0;
    for (int64_t x = 0; x < extent; x += width)
      sum += static_cast<double>(columns.width(x, width));
    return static_cast<int64_t>(double(gridRows + reach) * sum /
                                double(extent / width));
  };
  StripChoice choice;
  choice.keys = choice.keysOfRows = keysOf(extent);
  constexpr int64_t kMaxStrip = 32; // results are stored by so many slices
  StripChoice best = choice;
  for (int64_t width = 2; width <= std::min(kMaxStrip, extent / 2); ++width)
    if (extent % width == 0 && keysOf(width) < best.keys) {
      best.keys = keysOf(width);
      best.columns = width;
    }
  return best.keys * 5 > choice.keysOfRows * 4 ? choice : best;
}

/// Rows that panels compute for each row of a block, which has keys of its own.
static double rowsComputed(int64_t panel, int64_t block) {
  int64_t rows = std::lcm(panel, block), computed = 0;
  for (int64_t first = 0; first < rows; first += block)
    computed += ((first + block - 1) / panel - first / panel + 1) * panel;
  return static_cast<double>(computed) / static_cast<double>(rows);
}

int64_t attnc::vectorsForLists(int64_t block, int64_t lanes, int64_t chosen,
                               int64_t rows) {
  constexpr int64_t kLargestBlock = 1 << 12;
  if (block > kLargestBlock)
    return chosen;
  auto costOf = [&](int64_t vectors) {
    // With few vectors broadcasts of keys decide, not multiply-adds.
    double rate = vectors == 1 ? 0.6 : vectors == 2 ? 0.9 : 1.0;
    return rowsComputed(lanes * vectors, block) / rate;
  };
  int64_t best = chosen;
  for (int64_t vectors : {4, 3, 2, 1})
    if ((vectors <= chosen || rows > lanes * (vectors - 1)) &&
        costOf(vectors) < costOf(best) * 0.95)
      best = vectors;
  return best;
}

int64_t attnc::tileForLists(int64_t block, int64_t panel, int64_t most) {
  int64_t tile = std::max(panel, most / panel * panel), fitting = 0;
  for (int64_t rows = panel; rows <= tile; rows += panel)
    if (rows % block == 0 || block % rows == 0)
      fitting = rows;
  return fitting ? fitting : tile;
}
