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
#include "llvm/ADT/StringExtras.h"

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
  if (auto argument = dyn_cast<BlockArgument>(value);
      argument && argument.getOwner() == &spec.getFunction().getBody().front())
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
  if (sizes.isSame(tensor, dim, op.getQuery(), rank - 2))
    return "n";
  if (!op.getPages() && sizes.isSame(tensor, dim, op.getKey(), rank - 2))
    return "m";
  for (int64_t d = 0; d < op.getBatchRank(); ++d)
    if (sizes.isSame(tensor, dim, op.getQuery(), d))
      return op.getBatchRank() == 1 ? "B" : "B" + std::to_string(d);
  if (op.hasHeads() && sizes.isSame(tensor, dim, op.getQuery(), rank - 3))
    return "H";
  if (op.hasHeads() && sizes.isSame(tensor, dim, op.getKey(), rank - 3))
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
  report.text("i: position of a query, j: of a key. " +
              std::string(op.getPositionsStart() || op.getQStart()
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
  auto shape = [&](Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<std::string> dims;
    for (int64_t d = 0; d < type.getRank(); ++d)
      dims.push_back(dimName(op, value, d));
    return nameOf(value) + " [" + llvm::join(dims, ", ") + "]";
  };
  report.line("reads", "q = " + shape(op.getQuery()) +
                           ", k = " + shape(op.getKey()) +
                           ", v = " + shape(op.getValue()));
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
  SmallVector<std::string> terms;
  bytes = 0;
  SmallVector<Value> values(op->getOperands());
  llvm::append_range(values, op->getResults());
  SmallVector<Value> seen;
  for (Value value : values) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || llvm::is_contained(seen, value))
      continue;
    seen.push_back(value);
    int64_t width = attnc_dtype_size(elementDtype(type.getElementType()));
    SmallVector<std::string> factors{std::to_string(width)};
    double size = width;
    for (int64_t d = 0; d < type.getRank(); ++d) {
      factors.push_back(dimName(op, value, d));
      std::optional<int64_t> known = sizes.getSize(value, d);
      if (!known)
        bytes = std::nullopt;
      size *= known.value_or(0);
    }
    terms.push_back(llvm::join(factors, " "));
    if (bytes)
      *bytes += size;
  }
  // Equal terms are counted, not repeated.
  SmallVector<std::string> sum;
  for (size_t i = 0; i < terms.size(); ++i) {
    if (llvm::is_contained(ArrayRef(terms).take_front(i), terms[i]))
      continue;
    int64_t times = llvm::count(terms, terms[i]);
    sum.push_back((times > 1 ? std::to_string(times) + " x " : "") + terms[i]);
  }
  return llvm::join(sum, " + ");
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
