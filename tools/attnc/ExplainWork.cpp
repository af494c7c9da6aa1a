// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc explain: pairs, tiles, operations and bytes.

#include "attnc/runtime.h"
#include "passes/PlanRestriction.h"
#include "passes/PlanRowCost.h"
#include "passes/PlanTranspose.h"
#include "passes/PlanWalk.h"
#include "tools/attnc/Explainer.h"
#include "tools/attnc/view/PlanWords.h"
#include "tools/attnc/view/View.h"
#include "tools/support/MachinePeak.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

#include <cmath>

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

Extents Explainer::extentsOf(AttentionOp op) {
  Extents e;
  int64_t rank = op.getQueryType().getRank();
  for (int64_t d = 0; d < rank - 2; ++d) {
    std::optional<int64_t> size = sizes.getSize(op.getQuery(), d);
    e.lead = size && e.lead >= 0 ? e.lead * *size : -1;
  }
  e.n = sizes.getSize(op.getQuery(), rank - 2).value_or(-1);
  e.m = sizes.getSize(op.getKey(), rank - 2).value_or(-1);
  if (op.getPages())
    e.m = sizes.getKeyRows(op).value_or(-1);
  return e;
}

/// The plan's symbols for full lengths; nothing where an operand decides them.
std::optional<SmallVector<int64_t>>
Explainer::planSymbols(AttentionOp op, PlanAttr plan, const Extents &e) {
  if (op.getQStart() || op.getKStart() || !plan.getParameters().empty() ||
      e.n < 0 || e.m < 0)
    return std::nullopt;
  int64_t begin = op.getPositionsStart() ? 0 : e.m - e.n;
  return SmallVector<int64_t>{0, e.m, begin, begin + e.n};
}

/// What is read and written at least: each argument and result of the function
/// once, or where it holds several attentions, each operand and result of one.
std::string Explainer::bytesFormula(AttentionOp op,
                                    std::optional<double> &bytes) {
  bytes = 0;
  SmallVector<Value> values;
  func::FuncOp function = spec.getFunction();
  Operation *end = function.getBody().back().getTerminator();
  for (ValueRange range : {isAlone ? ValueRange(function.getArguments())
                                   : ValueRange(op->getOperands()),
                           isAlone ? ValueRange(end->getOperands())
                                   : ValueRange(op->getResults())})
    for (Value value : range)
      if (isa<RankedTensorType>(value.getType()) &&
          !llvm::is_contained(values, value))
        values.push_back(value);
  // Terms with the same symbols add up.
  llvm::MapVector<StringRef, int64_t> terms;
  llvm::StringSet<> texts;
  for (Value value : values) {
    auto type = cast<RankedTensorType>(value.getType());
    int64_t factor = attnc_dtype_size(elementDtype(type.getElementType()));
    double size = static_cast<double>(factor);
    std::string symbols;
    for (int64_t d = 0; d < type.getRank(); ++d) {
      if (type.isDynamicDim(d))
        symbols += "*" + dimName(op, value, d);
      else
        factor *= type.getDimSize(d);
      std::optional<int64_t> known = sizes.getSize(value, d);
      if (!known)
        bytes = std::nullopt;
      size *= known.value_or(0);
    }
    terms[texts.insert(symbols).first->getKey()] += factor;
    if (bytes)
      *bytes += size;
  }
  SmallVector<std::string> sum;
  for (auto [symbols, factor] : terms)
    sum.push_back(std::to_string(factor) + symbols.str());
  return llvm::join(sum, " + ");
}

/// Whether every pair is looked at while the kernel runs: no bound of its own
/// and no list.
static bool isTestedByPairs(ComponentAttr component) {
  return !component.getTestNumbers().empty() && !component.getWalk() &&
         !component.getGuard() && component.getLower().getNumResults() <= 1 &&
         component.getUpper().getNumResults() <= 1;
}

void Explainer::explainComponents(AttentionOp planned) {
  PlanAttr plan = planned.getPlanAttr();
  auto operand = [&](int64_t number) {
    return nameOf(planned.getSetOperands()[number]);
  };
  size_t count = plan.getComponents().size();
  if (count == 0)
    report.line("parts", "no pair is kept");
  for (auto [number, c] : llvm::enumerate(plan.getComponents())) {
    std::string text = count > 1 ? std::to_string(number + 1) + ": " : "";
    text += componentWords(plan, number, operand);
    if (isTestedByPairs(c))
      text += "; tested pair by pair at run time";
    report.line(number ? "" : "parts", text);
  }
}

/// The queries of a key: what a walk with keys outside visits. With sizes,
/// those of the key tile in the middle.
void Explainer::explainKeys(AttentionOp op, AttentionOp planned) {
  TransposedPlan transposed = transposePlan(planned.getPlanAttr());
  auto operand = [&](int64_t number) {
    return nameOf(planned.getSetOperands()[number]);
  };
  Extents e = extentsOf(op);
  std::optional<SmallVector<int64_t>> symbols =
      planSymbols(planned, transposed.plan, e);
  ArrayRef<ComponentAttr> components = transposed.plan.getComponents();
  for (auto [number, c] : llvm::enumerate(components)) {
    std::string text =
        components.size() > 1 ? std::to_string(number + 1) + ": " : "";
    report.line(number ? "" : "by keys",
                text + queryWords(transposed, number, operand));
    if (!symbols || e.m < 1)
      continue;
    // Of the transposed plan's symbols the first are those of queries.
    SmallVector<int64_t> swapped{(*symbols)[QBegin], (*symbols)[QEnd],
                                 (*symbols)[KBegin], (*symbols)[KEnd]};
    int64_t block = planned.getScheduleAttr().getKeyBlock();
    int64_t first = swapped[QBegin] + e.m / 2 / block * block;
    int64_t last = std::min(first + block, swapped[QEnd]) - 1;
    RowValues none;
    std::optional<RowComponent> rows =
        RowComponent::bind(transposed.plan, c, swapped, none);
    if (!rows)
      continue;
    int64_t count = last - first + 1;
    if (auto queries = rows->visitedBy({first, count, count}))
      report.text("keys " + countText(first) + " to " + countText(last) + ": " +
                  (queries->isEmpty() ? "no query"
                                      : "queries " + countText(queries->first) +
                                            " to " + countText(queries->last)));
  }
}

/// Whether values of the plan differ by query head.
static bool dependsOnHead(PlanAttr plan) {
  return llvm::any_of(plan.getValues(), [](ValueAttr value) {
    return value.getKind() == ValueKind::Head;
  });
}

/// The cost of each of `heads` heads (that of one: they are all alike).
static std::optional<PlanCost> costOfHeads(PlanAttr plan,
                                           ArrayRef<int64_t> symbols,
                                           TileShape tile, int64_t heads) {
  PlanCost sum;
  for (int64_t head = 0; head < heads; ++head) {
    RowValues values;
    values.head = head;
    std::optional<PlanCost> cost = costOf(plan, symbols, tile, values);
    if (!cost)
      return std::nullopt;
    sum += *cost;
  }
  return sum;
}

/// Counts for full lengths: of `heads` heads, where they differ, else of one.
std::optional<PlanCost> Explainer::countTiles(AttentionOp op,
                                              AttentionOp planned,
                                              const Extents &e,
                                              int64_t &heads) {
  PlanAttr plan = planned.getPlanAttr();
  ScheduleAttr schedule = planned.getScheduleAttr();
  std::optional<SmallVector<int64_t>> symbols = planSymbols(planned, plan, e);
  if (!symbols) {
    report.text(e.n < 0 || e.m < 0
                    ? "For numbers give sizes: --shape " +
                          spec.getSignature().inputs.front().name + "=..."
                    : "Positions come from operands: the kernel finds its "
                      "tiles from them at run time.");
    return std::nullopt;
  }
  int64_t rank = op.getQueryType().getRank();
  heads = 1;
  if (dependsOnHead(plan)) {
    heads = rank > 2 && e.lead >= 0
                ? sizes.getSize(op.getQuery(), rank - 3).value_or(0)
                : 1;
    if (heads < 1)
      return std::nullopt;
  }
  std::optional<PlanCost> cost =
      costOfHeads(plan, *symbols, TileShape::of(schedule), heads);
  if (!cost)
    explainOperands(planned, e, *symbols);
  return cost;
}

/// The elements that a component's list holds for all heads, at most so many
/// pairs; nothing where no sizes say.
std::optional<double> Explainer::listedPairs(AttentionOp op,
                                             ComponentAttr component,
                                             const Extents &e) {
  PairsAttr atom = walkedAtom(op.getPlanAttr(), component);
  if (!atom || atom.getOperands().empty())
    return std::nullopt;
  bool isTopK = atom.getKind() == PairKind::TopK;
  Value list = op.getSetOperands()[atom.getOperands()[isTopK ? 0 : 1]];
  int64_t rank = cast<RankedTensorType>(list.getType()).getRank();
  double elements = rank == (isTopK ? 2 : 1) ? static_cast<double>(e.lead) : 1;
  for (int64_t d = 0; d < rank; ++d) {
    std::optional<int64_t> size = sizes.getSize(list, d);
    if (!size)
      return std::nullopt;
    elements *= static_cast<double>(*size);
  }
  if (atom.getKind() != PairKind::Bsr)
    return elements;
  auto block = static_cast<double>(atom.getParams()[0].value);
  if (block == 0) {
    Value ptr = op.getSetOperands()[atom.getOperands()[0]];
    auto type = cast<RankedTensorType>(ptr.getType());
    std::optional<int64_t> rows = sizes.getSize(ptr, type.getRank() - 1);
    if (!rows || *rows < 2)
      return std::nullopt;
    block = std::ceil(static_cast<double>(e.n) / double(*rows - 1));
  }
  return elements * block * block;
}

/// Of a plan that operands decide: what the sizes of its lists say.
void Explainer::explainOperands(AttentionOp op, const Extents &e,
                                ArrayRef<int64_t> symbols) {
  PlanAttr plan = op.getPlanAttr();
  SmallVector<ComponentAttr> others;
  double most = 0;
  for (ComponentAttr component : plan.getComponents()) {
    std::optional<double> listed =
        e.lead < 0 ? std::nullopt : listedPairs(op, component, e);
    most += listed.value_or(0);
    if (!listed)
      others.push_back(component);
  }
  std::optional<PlanCost> rest;
  if (others.size() < plan.getComponents().size())
    rest = costOf(restrictPlan(plan, others), symbols,
                  TileShape::of(op.getScheduleAttr()));
  if (!rest) {
    report.text("What is kept depends on operands: the kernel finds its tiles "
                "from them at run time.");
    return;
  }
  most += static_cast<double>(rest->keptPairs) * double(e.lead);
  double all = static_cast<double>(e.n) * e.m * double(e.lead);
  report.text("At n = " + countText(e.n) + ", m = " + countText(e.m) + ", " +
              countText(e.lead) + " heads in all:");
  report.text("at most " + amountText(std::min(most, all)) + " pairs kept of " +
              amountText(all) +
              ", by the sizes of its lists; --input counts them");
  explainLimit(op,
               2.0 * std::min(most, all) *
                   double(op.getHeadDim() + op.getValueDim()),
               true);
}

/// Counts of all batches and heads with the operands that are given.
std::optional<PlanCost> Explainer::countGiven(unsigned number, const Extents &e,
                                              int64_t &heads) {
  if (!view || e.lead < 1 || e.n < 0 || e.m < 0 ||
      number >= view->getAttentions().size())
    return std::nullopt;
  heads = e.lead;
  return view->getAttentions()[number].costOfAll();
}

void Explainer::explainTiles(AttentionOp op, AttentionOp planned,
                             unsigned number) {
  ScheduleAttr schedule = planned.getScheduleAttr();
  Extents e = extentsOf(op);
  int64_t counted = 1;
  std::optional<PlanCost> cost = countGiven(number, e, counted);
  if (cost)
    report.text("Counted from --input; what is not given is drawn at random.");
  else
    cost = countTiles(op, planned, e, counted);
  if (!cost)
    return;
  double lead = e.lead < 0 ? 1 : double(e.lead) / counted;
  double kept = static_cast<double>(cost->keptPairs) * lead;
  double visited = static_cast<double>(cost->visitedPairs) * lead;
  double all =
      static_cast<double>(e.n) * e.m * (e.lead < 0 ? 1 : double(e.lead));
  std::string upTo = cost->keptIsExact ? "" : "at most ";
  report.text(e.lead < 0
                  ? "A head at n = " + countText(e.n) +
                        ", m = " + countText(e.m) + ":"
                  : "At n = " + countText(e.n) + ", m = " + countText(e.m) +
                        ", " + countText(e.lead) + " heads in all:");
  report.text(upTo + amountText(kept) + " pairs kept of " + amountText(all) +
              " (" + percentText(all > 0 ? kept / all : 0) + "), " +
              amountText(visited) + " visited");
  report.text("tiles of " + std::to_string(schedule.getQueryTile()) +
              " queries x " + std::to_string(schedule.getKeyBlock()) +
              " keys, " + (counted > 1 ? "all heads" : "a head") + ": " +
              countText(cost->fullTiles) + " full (no masking), " +
              countText(cost->partialTiles) + " partial, " +
              countText(cost->emptyTiles) + " empty (not visited)" +
              (cost->listRows
                   ? "; " + countText(cost->listRows) + " rows walk a list"
                   : ""));
  double flops = 2.0 * kept * (op.getHeadDim() + op.getValueDim());
  explainLimit(op, flops, !cost->keptIsExact);
}

void Explainer::explainLimit(AttentionOp op, double flops, bool estimated) {
  std::optional<double> bytes;
  bytesFormula(op, bytes);
  report.text(
      std::string(estimated ? "at most " : "") + amountText(flops) + "FLOP" +
      (bytes ? ", " + bytesText(*bytes) : std::string()) +
      (bytes && *bytes > 0
           ? ", " + numberText(std::round(flops / *bytes)) + " FLOP a byte"
           : std::string()));
  if (!bytes || !options.measure)
    return;
  unsigned threads =
      options.threads ? options.threads : attnc_default_threads();
  MachinePeak peak = measureFmaPeak(op.getComputeType().isF64(), threads);
  double bandwidth = measureReadBandwidth(threads);
  if (bandwidth <= 0)
    return;
  double compute = flops / peak.flops, memory = *bytes / bandwidth;
  report.line(
      "limit",
      std::string(compute >= memory ? "compute" : "memory") +
          " bound: no less than " + durationText(std::max(compute, memory)) +
          " here (" + durationText(compute) + " of multiply-adds at " +
          amountText(peak.flops) + "FLOP/s, " + durationText(memory) +
          " of reads at " + amountText(bandwidth) + "B/s; measured on " +
          std::to_string(threads) + (threads == 1 ? " thread)" : " threads)"));
}

void Explainer::explainWork(AttentionOp op, unsigned number) {
  AttentionOp planned = plannedOp(number);
  if (planned && planned.getPlanAttr())
    explainComponents(planned);
  if (planned && planned.getPlanAttr() && planned.getScheduleAttr())
    explainKeys(op, planned);
  if (planned && planned.getPlanAttr())
    report.line("work", "kept pairs of a head: " +
                            keptPairsFormula(planned, [&](int64_t operand) {
                              return nameOf(planned.getSetOperands()[operand]);
                            }));
  else
    report.line("work", "");
  report.text(std::to_string(2 * (op.getHeadDim() + op.getValueDim())) +
              " FLOP a kept pair and head (2 d + 2 dv)");
  std::optional<double> bytes;
  report.text("bytes, each array once: " + bytesFormula(op, bytes));
  if (planned && planned.getPlanAttr() && planned.getScheduleAttr())
    explainTiles(op, planned, number);
}
