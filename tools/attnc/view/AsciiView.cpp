// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Characters instead of pixels.

#include "tools/attnc/view/AsciiView.h"
#include "tools/attnc/Report.h"
#include "tools/attnc/view/PlanRows.h"
#include "tools/support/Terminal.h"

#include <map>

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;
using reference::Interval;

namespace {

/// What a character stands for.
struct Cell {
  int component = -1;
  enum Class { Empty, Visited, Partial, Full } kind = Empty;
};

class AsciiView {
public:
  AsciiView(ViewedAttention &attention, raw_ostream &os)
      : attention(attention), os(os), rows(attention, 0, 0),
        context(attention.binding->getContext()), n(attention.sizes().n),
        m(attention.sizes().m), components(attention.plan.getComponents()) {}

  LogicalResult print();

private:
  ViewedAttention &attention;
  raw_ostream &os;
  PlanRows rows;
  reference::PairContext &context;
  int64_t n, m;
  ArrayRef<ComponentAttr> components;
  int64_t height = 0, width = 0;
  std::map<std::pair<unsigned, int64_t>, reference::Intervals> lists;

  void chooseSize();
  Cell cellOf(int64_t y, int64_t x);
  /// The share of a box that component k keeps.
  const reference::Intervals *listOf(unsigned k, int64_t i, Interval row);
  double sampleOf(unsigned k, int64_t i, Interval keys);
  double shareOf(unsigned k, Interval queries, Interval keys);
  bool visits(unsigned k, Interval queries, Interval keys);
  void printPicture();
  void printCell(const Cell &cell);
  void printLegend();
  void printCounts(unsigned k);
};

} // namespace

/// Tests that a picture may cost before keys are sampled instead of listed.
static constexpr int64_t kMaxListed = int64_t(1) << 24;

static constexpr llvm::raw_ostream::Colors kColors[] = {
    raw_ostream::BLUE, raw_ostream::YELLOW, raw_ostream::GREEN,
    raw_ostream::RED,  raw_ostream::CYAN,   raw_ostream::MAGENTA};

/// After 26 components letters come again.
static char letterOf(unsigned component, bool isUpper) {
  return static_cast<char>((isUpper ? 'A' : 'a') + component % 26);
}

/// A character a pair where that fits, else boxes of about one shape; terminal
/// cells are twice as high as wide.
void AsciiView::chooseSize() {
  int64_t columns = std::clamp<int64_t>(terminalColumns(), 40, 160) - 12;
  width = std::min(m, columns);
  double rowsWanted = m > 0 ? double(n) * width / m / 2 : double(n);
  bool single = width == m && n <= 40;
  height = single ? n
                  : std::clamp<int64_t>(static_cast<int64_t>(rowsWanted + 0.5),
                                        std::min<int64_t>(n, 8),
                                        std::min<int64_t>(n, 40));
}

//===----------------------------------------------------------------------===//
// Boxes of pairs
//===----------------------------------------------------------------------===//

/// Up to `most` evenly spread numbers of an interval, its ends among them.
static SmallVector<int64_t> spread(Interval interval, int64_t most) {
  SmallVector<int64_t> numbers;
  int64_t count = interval.end - interval.begin;
  if (count <= most) {
    for (int64_t x = interval.begin; x < interval.end; ++x)
      numbers.push_back(x);
    return numbers;
  }
  for (int64_t s = 0; s < most; ++s)
    numbers.push_back(interval.begin + (count - 1) * s / (most - 1));
  return numbers;
}

/// What component k, which walks a list, keeps at position i: remembered, since
/// all boxes of a line ask for it. Null where lists have cost enough.
const reference::Intervals *AsciiView::listOf(unsigned k, int64_t i,
                                              Interval row) {
  auto known = lists.find({k, i});
  if (known != lists.end())
    return &known->second;
  if (context.tests > kMaxListed)
    return nullptr;
  return &(lists[{k, i}] = rows.keptOf(k, i, row));
}

/// About how many keys component k keeps of a row, from some of them. A walk
/// keeps some of any long run, seen or not.
double AsciiView::sampleOf(unsigned k, int64_t i, Interval keys) {
  SmallVector<int64_t> samples = spread(keys, 16);
  int64_t hits =
      llvm::count_if(samples, [&](int64_t j) { return rows.holds(k, i, j); });
  int64_t count = keys.end - keys.begin;
  bool isSure = static_cast<int64_t>(samples.size()) == count;
  if (components[k].getWalk() && !hits && !isSure)
    return 0.5;
  return double(hits) / samples.size() * count;
}

double AsciiView::shareOf(unsigned k, Interval queries, Interval keys) {
  Interval own = rows.rowsOf(k);
  Interval shared{std::max(queries.begin, own.begin),
                  std::min(queries.end, own.end)};
  if (shared.begin >= shared.end)
    return 0;
  ComponentAttr component = components[k];
  bool tested = !component.getTestNumbers().empty();
  double kept = 0, looked = 0;
  for (int64_t i : spread(shared, 16)) {
    looked += keys.end - keys.begin;
    std::optional<Interval> row = rows.keysOf(k, i);
    if (!row)
      continue;
    Interval part{std::max(row->begin, keys.begin),
                  std::min(row->end, keys.end)};
    if (part.begin >= part.end)
      continue;
    int64_t count = part.end - part.begin;
    if (!tested) {
      kept += count;
      continue;
    }
    const reference::Intervals *list =
        component.getWalk() ? listOf(k, i, *row) : nullptr;
    kept += list ? reference::countPositions(reference::intersect(*list, part))
                 : sampleOf(k, i, part);
  }
  bool isWhole = shared.begin == queries.begin && shared.end == queries.end;
  double share = looked > 0 ? kept / looked : 0;
  return isWhole ? share : std::min(share, 0.999);
}

/// Whether a key tile of component k meets the box.
bool AsciiView::visits(unsigned k, Interval queries, Interval keys) {
  if (!attention.isPlanned || components[k].getWalk())
    return false;
  int64_t tile = attention.tile.queryTile;
  int64_t first = (queries.begin - context.qBegin) / tile;
  int64_t last = (queries.end - 1 - context.qBegin) / tile;
  for (int64_t t : spread({first, last + 1}, 4)) {
    Interval visit = rows.visitOf(k, t);
    if (visit.begin < keys.end && visit.end > keys.begin)
      return true;
  }
  return false;
}

Cell AsciiView::cellOf(int64_t y, int64_t x) {
  Interval queries{
      context.qBegin + y * n / height,
      std::min(context.qBegin + (y + 1) * n / height, context.qEnd)};
  Interval keys{context.kBegin + x * m / width,
                std::min(context.kBegin + (x + 1) * m / width, context.kEnd)};
  Cell cell;
  if (queries.begin >= queries.end || keys.begin >= keys.end)
    return cell;
  double most = 0, sum = 0;
  bool visited = false;
  for (unsigned k = 0; k < components.size(); ++k) {
    double share = shareOf(k, queries, keys);
    sum += share;
    if (share > most) {
      most = share;
      cell.component = static_cast<int>(k);
    }
    if (share == 0 && cell.component < 0 && visits(k, queries, keys))
      visited = true;
  }
  // Components are disjoint: together they may keep all of a box.
  if (cell.component >= 0)
    cell.kind = sum >= 0.9999 ? Cell::Full : Cell::Partial;
  else if (visited)
    cell.kind = Cell::Visited;
  return cell;
}

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

void AsciiView::printCell(const Cell &cell) {
  switch (cell.kind) {
  case Cell::Empty:
    os << ' ';
    return;
  case Cell::Visited:
    os << '.';
    return;
  default:
    char letter = letterOf(cell.component, cell.kind == Cell::Full);
    paint(os, kColors[cell.component % std::size(kColors)],
          StringRef(&letter, 1));
  }
}

void AsciiView::printPicture() {
  std::string first = countText(context.kBegin);
  std::string last = countText(context.kBegin + m - 1);
  int64_t gap = width - static_cast<int64_t>(first.size() + last.size());
  os.indent(11) << first;
  if (m > 1 && gap > 0)
    os.indent(gap) << last;
  os << '\n';
  for (int64_t y = 0; y < height; ++y) {
    bool isLabelled =
        y + 1 == height || (y % 8 == 0 && (y + 4 < height || y == 0));
    std::string label =
        isLabelled ? countText(context.qBegin + y * n / height) : "";
    os.indent(10 - std::min<size_t>(label.size(), 10)) << label << '|';
    SmallVector<Cell> cells;
    lists.clear();
    for (int64_t x = 0; x < width; ++x)
      cells.push_back(cellOf(y, x));
    while (!cells.empty() && cells.back().kind == Cell::Empty)
      cells.pop_back();
    for (const Cell &cell : cells)
      printCell(cell);
    os << '\n';
  }
}

void AsciiView::printCounts(unsigned k) {
  ComponentCount count = rows.count(k);
  Report report(os);
  std::string about = count.isExact ? "" : "about ";
  auto amount = [](double x) {
    return countText(static_cast<int64_t>(std::min(x, 9e18)));
  };
  std::string text = about + amount(count.kept) + " pairs kept";
  if (count.visited)
    text += " of " + amount(*count.visited) + " visited (" +
            percentText(*count.visited > 0 ? count.kept / *count.visited : 0) +
            ")";
  if (count.visited)
    text += "; tiles of " + std::to_string(attention.tile.queryTile) + " x " +
            std::to_string(attention.tile.keyTile) + ": " +
            countText(count.fullTiles) + " full, " +
            countText(count.partialTiles) + " partial";
  report.text(text);
}

void AsciiView::printLegend() {
  Report report(os);
  for (unsigned k = 0; k < components.size(); ++k) {
    char letters[] = {letterOf(k, true), ' ', letterOf(k, false), 0};
    std::string words = attention.componentWords(k);
    os.indent(2);
    paint(os, kColors[k % std::size(kColors)], letters);
    os << "     ";
    // The label is there already: wrap the words under each other.
    std::string wrapped;
    llvm::raw_string_ostream stream(wrapped);
    Report(stream).text(words);
    os << StringRef(wrapped).ltrim();
    printCounts(k);
  }
  if (components.empty())
    report.text("No component: no pair is kept.");
  bool single = height == n && width == m;
  if (single)
    report.text("Upper case: kept. '.': visited by a tile, not kept.");
  else
    report.text("A character is " + countText(llvm::divideCeil(n, height)) +
                " queries x " + countText(llvm::divideCeil(m, width)) +
                " keys. Upper case: all kept; lower case: some; '.': visited "
                "by a tile, none kept where it was looked at.");
}

LogicalResult AsciiView::print() {
  Report report(os);
  report.line("pairs", attention.words);
  report.line("sizes", countText(n) + " queries (down) x " + countText(m) +
                           " keys (across)" +
                           (attention.sizes().batches > 1 ? ", batch 0" : "") +
                           (attention.sizes().heads > 1 ? ", head 0" : ""));
  for (const std::string &note : attention.notes)
    report.line("note", note);
  if (n > 0 && m > 0) {
    context.tests = 0;
    chooseSize();
    printPicture();
    printLegend();
  }
  return rows.check();
}

int attnc::printAsciiView(View &view, raw_ostream &os) {
  size_t number = 0, count = view.getAttentions().size();
  for (ViewedAttention &attention : view.getAttentions()) {
    if (count > 1)
      os << (number ? "\n" : "") << "attention " << number + 1 << " of "
         << count << '\n';
    ++number;
    if (failed(AsciiView(attention, os).print()))
      return ExitError;
  }
  return ExitOk;
}
