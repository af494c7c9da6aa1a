// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc explain: what a spec means, what it costs, and what becomes of it.

#include "attnc/runtime.h"
#include "dialect/Attn.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "passes/DescribePairs.h"
#include "passes/PlanCost.h"
#include "tools/attnc/Engine.h"
#include "tools/attnc/Inputs.h"
#include "tools/attnc/Report.h"
#include "tools/attnc/ShapeSolver.h"
#include "tools/support/MachinePeak.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

namespace {

/// Sizes that matter of one attention; -1 where unknown.
struct Extents {
  int64_t lead = 1; // batches times query heads
  int64_t n = -1, m = -1;
};

class Explainer {
public:
  Explainer(Spec &spec, const ExplainOptions &options, const Shapes &shapes,
            const Target &target)
      : spec(spec), options(options), target(target), report(llvm::outs()),
        sizes(spec.getFunction()) {
    for (auto [argument, shape] :
         llvm::zip(spec.getFunction().getArguments(), shapes.inputs))
      for (auto [dim, size] : llvm::enumerate(shape))
        if (size >= 0)
          llvm::consumeError(sizes.bind(argument, dim, size, ""));
    sizes.applyDefaults();
  }

  void run();

private:
  void explainMeaning(AttentionOp op);
  void explainPairs(AttentionOp op);
  void explainScore(AttentionOp op);
  void explainWork(AttentionOp op, unsigned number);
  void explainComponents(AttentionOp planned);
  void explainTiles(AttentionOp op, AttentionOp planned, const Extents &e);
  void explainLimit(AttentionOp op, double flops, bool estimated);
  void explainSchedule(AttentionOp planned);
  void explainLaunches();

  OwningOpRef<ModuleOp> lower(Stage stage);
  AttentionOp plannedOp(unsigned number);
  Extents extentsOf(AttentionOp op);
  std::optional<SmallVector<int64_t>> planSymbols(AttentionOp op, PlanAttr plan,
                                                  const Extents &e);
  std::string dimName(AttentionOp op, Value tensor, int64_t dim);
  std::string bytesFormula(AttentionOp op, std::optional<double> &bytes);
  std::string nameOf(Value value);

  Spec &spec;
  const ExplainOptions &options;
  const Target &target;
  Report report;
  ShapeSolver sizes;
  OwningOpRef<ModuleOp> stage3, stage4;
  std::string refusal; // why the spec does not compile
};

} // namespace

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

/// The argument's name, or what a value is.
std::string Explainer::nameOf(Value value) {
  // In a lowered copy of the function, too.
  if (auto argument = dyn_cast<BlockArgument>(value))
    if (isa<func::FuncOp>(argument.getOwner()->getParentOp()))
      return spec.getSignature().inputs[argument.getArgNumber()].name;
  Operation *op = value.getDefiningOp();
  if (auto linalgOp = dyn_cast_or_null<linalg::LinalgOp>(op))
    if (linalgOp.getNumDpsInputs() > 0)
      return "f(" + nameOf(linalgOp.getDpsInputOperand(0)->get()) + ")";
  return "a computed value";
}

/// n, m, B, H, G where a size is one of these, a number where it is static.
std::string Explainer::dimName(AttentionOp op, Value tensor, int64_t dim) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(dim))
    return std::to_string(type.getDimSize(dim));
  int64_t rank = op.getQueryType().getRank();
  auto is = [&](Value other, int64_t otherDim) {
    return sizes.broadcastsTo(tensor, dim, other, otherDim);
  };
  if (is(op.getQuery(), rank - 2))
    return "n";
  if (!op.getPages() && is(op.getKey(), rank - 2))
    return "m";
  for (int64_t d = 0; d < op.getBatchRank(); ++d)
    if (is(op.getQuery(), d))
      return op.getBatchRank() == 1 ? "B" : "B" + std::to_string(d);
  if (op.hasHeads() && is(op.getQuery(), rank - 3))
    return "H";
  if (op.hasHeads() && is(op.getKey(), rank - 3))
    return "G";
  return nameOf(tensor) + "." + std::to_string(dim);
}

static std::string typeName(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

//===----------------------------------------------------------------------===//
// Meaning
//===----------------------------------------------------------------------===//

void Explainer::explainPairs(AttentionOp op) {
  auto operand = [&](int64_t number) {
    return nameOf(op.getSetOperands()[number]);
  };
  PairsAttr mask = op.getMaskSet();
  report.line("pairs", describePairs(mask, operand));
  report.text(std::string(op.getPositionsStart() || op.getQStart()
                              ? "The first query is at position " +
                                    (op.getQStart() ? nameOf(op.getQStart())
                                                    : std::string("0"))
                              : "The last query is at the last key's "
                                "position") +
              (op.getLengths()
                   ? "; keys from " + nameOf(op.getLengths()) + " on are none."
                   : "."));
  if (op.getSparsityAttr())
    report.line("sparsity", describePairs(op.getSparsityAttr(), operand) +
                                " (an approximation: --check tells its cost)");
  bool predicate = false;
  for (PairsAttr set : {op.getMaskAttr(), op.getSparsityAttr()})
    if (set)
      set.visit([&](PairsAttr node) {
        predicate |= node.getKind() == PairKind::Predicate;
      });
  if (predicate)
    report.text("A predicate region is asked for every pair of a tile at run "
                "time: nothing can be known of it before.");
}

void Explainer::explainScore(AttentionOp op) {
  std::string score = "dot product of " + std::to_string(op.getHeadDim()) +
                      " numbers, times " + numberText(op.getScaleValue());
  if (auto softmax = dyn_cast<SoftmaxAttr>(op.getAccumulator()))
    if (softmax.getSoftcap())
      score += ", capped to +-" +
               numberText(softmax.getSoftcap().getValueAsDouble()) + " by tanh";
  if (op.getBias())
    score += ", plus " + nameOf(op.getBias());
  if (!op.getScoreMod().empty())
    score += ", then the score_mod region";
  report.line("score", score);
  std::string kernel = typeName(op.getQueryType().getElementType());
  std::string name;
  llvm::raw_string_ostream(name) << op.getAccumulator();
  StringRef shortName(name);
  shortName.consume_front("#attn.");
  report.line(
      "combine",
      shortName.str() + (op.getSink() ? " with sinks" : "") +
          (op.getProbMod().empty() ? "" : ", prob_mod on the probabilities") +
          "; operands " + kernel + ", sums in " +
          typeName(op.getComputeType()));
}

void Explainer::explainMeaning(AttentionOp op) {
  auto shape = [&](const char *role, Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<std::string> dims;
    for (int64_t d = 0; d < type.getRank(); ++d)
      dims.push_back(dimName(op, value, d));
    std::string name = nameOf(value);
    return (name == role ? name : role + (" = " + name)) + " [" +
           llvm::join(dims, ", ") + "]";
  };
  report.line("reads", shape("q", op.getQuery()) + ", " +
                           shape("k", op.getKey()) + ", " +
                           shape("v", op.getValue()));
  int64_t heads = op.getQueryHeads(), keyHeads = op.getKeyHeads();
  if (op.hasHeads() && heads > 0 && keyHeads > 0 && heads != keyHeads)
    report.text(std::to_string(heads / keyHeads) +
                " query heads share a key head");
  explainPairs(op);
  explainScore(op);
}

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
  if (op.getPages() && e.m >= 0) {
    std::optional<int64_t> pages = sizes.getSize(op.getPages(), 1);
    e.m = pages ? e.m * *pages : -1;
  }
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

/// Every operand read once and the result written once.
std::string Explainer::bytesFormula(AttentionOp op,
                                    std::optional<double> &bytes) {
  bytes = 0;
  SmallVector<Value> values;
  for (ValueRange range :
       {ValueRange(op->getOperands()), ValueRange(op->getResults())})
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

/// An affine map's results as people write them: d0 is the query's position i,
/// the symbols have the names of a plan's.
static std::string boundText(AffineMap map, StringRef combine,
                             function_ref<std::string(unsigned)> parameter) {
  static constexpr StringLiteral names[] = {"k_begin", "k_end", "q_begin",
                                            "q_end"};
  SmallVector<std::string> results;
  for (AffineExpr expr : map.getResults()) {
    std::string raw, text;
    llvm::raw_string_ostream(raw) << expr;
    for (size_t at = 0; at < raw.size();) {
      size_t end = at + 1;
      while (end < raw.size() && llvm::isDigit(raw[end]))
        ++end;
      unsigned number = 0;
      StringRef token = StringRef(raw).slice(at, end);
      bool isName = token.size() > 1 && !llvm::isDigit(token[0]) &&
                    !token.drop_front().getAsInteger(10, number);
      if (isName && token[0] == 'd')
        text += "i";
      else if (isName && token[0] == 's')
        text += number < FirstParameter ? names[number].str()
                                        : parameter(number - FirstParameter);
      else
        text += token;
      at = end;
    }
    results.push_back(std::move(text));
  }
  std::string joined = llvm::join(results, ", ");
  return results.size() == 1 ? joined : combine.str() + "(" + joined + ")";
}

void Explainer::explainComponents(AttentionOp planned) {
  PlanAttr plan = planned.getPlanAttr();
  auto operand = [&](int64_t number) {
    return nameOf(planned.getSetOperands()[number]);
  };
  auto parameter = [&](unsigned number) {
    return number < plan.getParameters().size()
               ? operand(plan.getParameters()[number])
               : std::string("?");
  };
  size_t count = plan.getComponents().size();
  if (count == 0)
    report.line("parts", "no pair is kept");
  for (auto [number, c] : llvm::enumerate(plan.getComponents())) {
    std::string text = count > 1 ? std::to_string(number + 1) + ": " : "";
    text += boundText(c.getLower(), "max", parameter) +
            " <= j <= " + boundText(c.getUpper(), "min", parameter);
    std::string first = boundText(c.getRowLower(), "max", parameter);
    std::string last = boundText(c.getRowUpper(), "min", parameter);
    if (first != "q_begin" || last != "q_end - 1")
      text += ", for " + first + " <= i <= " + last;
    if (c.getTests())
      for (int64_t test : c.getTests().asArrayRef())
        text += (test < 0 ? ", but not " : ", testing ") +
                describePairs(plan.getAtoms()[std::abs(test) - 1], operand);
    report.line(number ? "" : "parts", text);
  }
}

void Explainer::explainTiles(AttentionOp op, AttentionOp planned,
                             const Extents &e) {
  PlanAttr plan = planned.getPlanAttr();
  ScheduleAttr schedule = planned.getScheduleAttr();
  std::optional<SmallVector<int64_t>> symbols = planSymbols(planned, plan, e);
  if (!symbols) {
    report.text(e.n < 0 || e.m < 0
                    ? "For numbers give sizes: --shape " +
                          spec.getSignature().inputs.front().name + "=..."
                    : "Positions come from operands: the kernel finds its "
                      "tiles from them at run time.");
    return;
  }
  std::optional<PlanCost> cost =
      costOf(plan, *symbols, {schedule.getQueryTile(), schedule.getKeyBlock()});
  if (!cost)
    return;
  double lead = e.lead < 0 ? 1 : e.lead;
  double kept = static_cast<double>(cost->keptPairs) * lead;
  double all = static_cast<double>(e.n) * e.m * lead;
  std::string upTo = cost->keptIsExact ? "" : "at most ";
  report.text(e.lead < 0
                  ? "A head at n = " + countText(e.n) +
                        ", m = " + countText(e.m) + ":"
                  : "At n = " + countText(e.n) + ", m = " + countText(e.m) +
                        ", " + countText(e.lead) + " heads in all:");
  report.text(upTo + amountText(kept) + " pairs kept of " + amountText(all) +
              " (" + percentText(all > 0 ? kept / all : 0) + ")");
  report.text("tiles of " + std::to_string(schedule.getQueryTile()) +
              " queries x " + std::to_string(schedule.getKeyBlock()) +
              " keys, a head: " + countText(cost->fullTiles) +
              " full (no masking), " + countText(cost->partialTiles) +
              " partial, " + countText(cost->emptyTiles) +
              " empty (not visited)");
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
  report.text("bytes, each operand once: " + bytesFormula(op, bytes));
  if (planned && planned.getPlanAttr() && planned.getScheduleAttr())
    explainTiles(op, planned, extentsOf(op));
}

//===----------------------------------------------------------------------===//
// Schedule
//===----------------------------------------------------------------------===//

/// The spec at a later stage; null, with the reason kept, where it does not
/// compile.
OwningOpRef<ModuleOp> Explainer::lower(Stage stage) {
  // The reason is part of the explanation, not an error of it.
  ScopedDiagnosticHandler collect(spec.getModule().getContext(),
                                  [&](Diagnostic &diagnostic) {
                                    if (refusal.empty())
                                      refusal = diagnostic.str();
                                    return success();
                                  });
  Compiler compiler(compilerOptions(options.spec));
  OwningOpRef<ModuleOp> module = isolateFunction(spec);
  auto lowered = compiler.lowerTo(stage, *module, target);
  return failed(lowered) ? OwningOpRef<ModuleOp>() : std::move(*lowered);
}

AttentionOp Explainer::plannedOp(unsigned number) {
  AttentionOp found;
  if (stage3)
    stage3->walk([&](AttentionOp op) {
      if (number-- == 0)
        found = op;
    });
  return found;
}

void Explainer::explainSchedule(AttentionOp planned) {
  ScheduleAttr s = planned.getScheduleAttr();
  report.line("schedule", stringifyMicroKernel(s.getMicro()).str() +
                              " micro-kernel; tiles of " +
                              std::to_string(s.getQueryTile()) + " queries x " +
                              std::to_string(s.getHeads()) +
                              (s.getHeads() == 1 ? " head, " : " heads, ") +
                              std::to_string(s.getKeyBlock()) +
                              " keys a block; register tile " +
                              std::to_string(s.getRegisterKeys()) + " x " +
                              std::to_string(s.getRegisterVectors()) +
                              " vectors of " + std::to_string(s.getLanes()));
  report.line("loads", "q " + stringifyLoadMode(s.getQ()).str() + ", k " +
                           stringifyLoadMode(s.getK()).str() + ", v " +
                           stringifyLoadMode(s.getV()).str());
  if (s.getWhy())
    for (auto [number, reason] :
         llvm::enumerate(s.getWhy().getAsRange<StringAttr>()))
      report.line(number ? "" : "why", reason.str());
}

void Explainer::explainLaunches() {
  if (!stage4)
    return;
  unsigned folds = 0, rows = 0;
  stage4->walk([&](scf::ForallOp forall) {
    bool isFold = false, isRows = false;
    forall.walk([&](Operation *op) {
      isFold |= isa<FoldOp>(op);
      isRows |= isa<RowsOp>(op);
    });
    folds += isFold;
    rows += !isFold && isRows;
  });
  std::string text = std::to_string(folds + rows) +
                     (folds + rows == 1 ? " launch" : " launches") + ": ";
  if (rows)
    text += std::to_string(rows) + " computing rows once, then ";
  text += std::to_string(folds) + " over query tiles";
  report.line("launches", text);
}

void Explainer::run() {
  const Signature &signature = spec.getSignature();
  auto list = [&](const std::vector<Argument> &arguments) {
    return llvm::join(
        llvm::map_range(arguments, [](const Argument &a) { return a.name; }),
        ", ");
  };
  llvm::outs() << signature.name << '(' << list(signature.inputs) << ") -> "
               << list(signature.outputs) << '\n';
  stage3 = lower(Stage::Stage3);
  if (stage3)
    stage4 = lower(Stage::Stage4);
  SmallVector<AttentionOp> ops;
  spec.getFunction().walk([&](AttentionOp op) { ops.push_back(op); });
  if (ops.empty())
    report.line("note", "no attn.attention here: it is a later stage already");
  for (auto [number, op] : llvm::enumerate(ops)) {
    if (ops.size() > 1)
      llvm::outs() << "\nattention " << number + 1 << " of " << ops.size()
                   << '\n';
    explainMeaning(op);
    explainWork(op, number);
    if (AttentionOp planned = plannedOp(number);
        planned && planned.getScheduleAttr())
      explainSchedule(planned);
  }
  explainLaunches();
  if (!refusal.empty())
    report.line("compile", "not possible yet: " + refusal);
}

int attnc::explainCommand(const ExplainOptions &options) {
  if (int code = checkScheduleOptions(options.spec))
    return code;
  std::vector<Target> targets;
  if (int code = chooseTargets(options.spec, targets))
    return code;
  std::unique_ptr<MLIRContext> context = createContext();
  std::unique_ptr<Spec> spec =
      Spec::load(*context, options.spec.path, options.spec.function);
  if (!spec)
    return ExitError;
  if (!spec->getFunction()) {
    printError(options.spec.path +
               ": it is at stage 5, loops for a machine; explain an earlier "
               "stage");
    return ExitError;
  }
  Shapes shapes;
  if (int code = resolveShapes(spec->getSignature(), spec.get(), options.shapes,
                               shapes))
    return code;
  Explainer(*spec, options, shapes, targets.front()).run();
  return ExitOk;
}
