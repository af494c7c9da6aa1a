// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn-schedule: the only home of heuristics. Every choice becomes a field of
// #attn.schedule and a sentence in its `why`.

#include "dialect/Attn.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/Pass/Pass.h"
#include "passes/Passes.h"
#include "passes/PlanWalk.h"
#include "passes/RowProducers.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

namespace attnc {
#define GEN_PASS_DEF_SCHEDULEPASS
#include "passes/Passes.h.inc"
} // namespace attnc

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Query rows times heads up to which lanes along the head size win: fewer
/// queries than that leave most lanes of the block micro-kernel idle.
constexpr int64_t kRowKernelQueries = 8;
constexpr int64_t kQueryTile = 96;
constexpr int64_t kKeyBlock = 128;

/// "1 producer", "2 producers".
std::string countText(int64_t count, StringRef noun) {
  return llvm::formatv("{0} {1}{2}", count, noun, count == 1 ? "" : "s").str();
}

class Scheduler {
public:
  Scheduler(AttentionOp op, const attnc::SchedulePassOptions &options)
      : op(op), options(options), b(op.getContext()) {}

  LogicalResult run() {
    lanes = std::max<int64_t>(
        options.vectorBytes / (op.getComputeType().getWidth() / 8), 1);
    if (failed(chooseMicroKernel()))
      return failure();
    chooseProducts();
    chooseTiles();
    FailureOr<LoadMode> q = chooseLoad(op.getQuery(), "q");
    FailureOr<LoadMode> k = chooseLoad(op.getKey(), "k");
    FailureOr<LoadMode> v = chooseLoad(op.getValue(), "v");
    if (failed(q) || failed(k) || failed(v))
      return failure();
    ScheduleAttr lists;
    if (PlanAttr plan = op.getPlanAttr(); plan && attnc::hasLists(plan))
      lists = scheduleLists(*q, *k, *v);
    op.setScheduleAttr(ScheduleAttr::get(op.getContext(), micro, queryTile,
                                         heads, keyBlock, lanes, registerKeys,
                                         registerVectors, *q, *k, *v, products,
                                         lists, b.getStrArrayAttr(whyRefs())));
    return success();
  }

private:
  AttentionOp op;
  const attnc::SchedulePassOptions &options;
  Builder b;
  SmallVector<std::string> why;
  MicroKernel micro = MicroKernel::Block;
  Products products = Products::Fma;
  int64_t lanes = 0, heads = 1, queryTile = 0, keyBlock = 0;
  int64_t registerKeys = 0, registerVectors = 0;

  SmallVector<StringRef> whyRefs() {
    return SmallVector<StringRef>(why.begin(), why.end());
  }
  template <typename... Args>
  void because(const char *format, Args &&...args) {
    why.push_back(llvm::formatv(format, std::forward<Args>(args)...).str());
  }

  /// Query heads of one key head, or 1 where that is unknown.
  int64_t headGroup() {
    int64_t q = op.getQueryHeads(), k = op.getKeyHeads();
    if (ShapedType::isDynamic(q) || ShapedType::isDynamic(k) || k == 0)
      return 1;
    return q / k;
  }

  /// Whether bounds of the plan, or a list it walks, depend on the query head:
  /// then each head is a tile of its own.
  bool dependsOnHead() {
    PlanAttr plan = op.getPlanAttr();
    if (!plan)
      return false;
    auto hasHeads = [&](int64_t operand, int64_t tailRank) {
      auto type =
          dyn_cast<RankedTensorType>(op.getSetOperands()[operand].getType());
      int64_t headDim = op.getBatchRank();
      return type && type.getRank() - tailRank > headDim &&
             type.getDimSize(headDim) != 1;
    };
    for (ValueAttr value : plan.getValues())
      if (value.getKind() == ValueKind::Head ||
          (value.getOperand() >= 0 && hasHeads(value.getOperand(), 1)))
        return true;
    for (ComponentAttr component : plan.getComponents()) {
      PairsAttr atom = attnc::walkedAtom(plan, component);
      if (!atom)
        continue;
      if (atom.getKind() == PairKind::Random)
        return true;
      int64_t tailRank = atom.getKind() == PairKind::TopK ? 2 : 1;
      for (int64_t operand : atom.getOperands())
        if (hasHeads(operand, tailRank))
          return true;
    }
    return false;
  }

  /// Lists are of one row: query heads that share keys share its list.
  ScheduleAttr scheduleLists(LoadMode q, LoadMode k, LoadMode v) {
    int64_t group = dependsOnHead() ? 1 : headGroup();
    while (group > 2 * kRowKernelQueries || headGroup() % group != 0)
      --group;
    // A key is read by every row that lists it.
    auto once = [](LoadMode mode) {
      return mode == LoadMode::Fuse ? LoadMode::Materialize : mode;
    };
    because("lists of keys: row micro-kernel, a query row of {0} at a time",
            countText(group, "head"));
    return ScheduleAttr::get(op.getContext(), MicroKernel::Row, 1, group,
                             kKeyBlock, lanes, 2, 2, q, once(k), once(v),
                             Products::Fma, Attribute(), ArrayAttr());
  }

  LogicalResult chooseMicroKernel() {
    int64_t n = op.getQueryRows(), group = headGroup();
    if (options.micro == "block" || options.micro == "row") {
      micro = options.micro == "row" ? MicroKernel::Row : MicroKernel::Block;
      because("micro-kernel {0}: asked for", options.micro);
    } else if (options.micro != "auto") {
      return op.emitError("attn-schedule: micro must be auto, block or row, "
                          "got '")
             << options.micro << "'";
    } else if (!ShapedType::isDynamic(n) && n <= kRowKernelQueries) {
      micro = MicroKernel::Row;
      because("row micro-kernel: {0} query rows leave lanes idle when queries "
              "lie in lanes",
              n);
    } else {
      because("block micro-kernel: queries in lanes, keys and values read as "
              "broadcasts in place");
    }
    if (micro == MicroKernel::Row) {
      int64_t rows = ShapedType::isDynamic(n)
                         ? 1
                         : std::clamp<int64_t>(n, 1, kRowKernelQueries);
      if (dependsOnHead())
        group = 1;
      while (group > 1 &&
             (group * rows > 2 * kRowKernelQueries || headGroup() % group != 0))
        --group;
      heads = std::max<int64_t>(group, 1);
      queryTile = rows;
      if (heads > 1)
        because("{0} query heads of a key head share each key and value row",
                heads);
    }
    return success();
  }

  /// Half types are multiplied as they are, or converted into the first-level
  /// cache once a key block.
  void chooseProducts() {
    auto elementOf = [](Value x) {
      return cast<RankedTensorType>(x.getType()).getElementType();
    };
    Type type = elementOf(op.getKey());
    if (micro != MicroKernel::Block || !(type.isBF16() || type.isF16()))
      return;
    bool same =
        elementOf(op.getQuery()) == type && elementOf(op.getValue()) == type;
    if (!type.isBF16() || !options.bf16Dot)
      because("{0} keys and values converted to f32 once a key block: this "
              "machine multiplies f32 only",
              type.isBF16() ? "bf16" : "f16");
    else if (!same || op.getHeadDim() % 2)
      because("bf16 keys and values converted to f32 once a key block: {0}",
              same ? "pairs of elements do not fill the head size"
                   : "q, k and v have different types");
    else {
      products = Products::DotBf16;
      because("dot products of bf16 pairs: twice the rate of f32");
    }
  }

  void chooseTiles() {
    bool wide = options.vectorRegisters >= 32;
    int64_t n = op.getQueryRows(), m = op.getKeyRows();
    if (micro == MicroKernel::Row) {
      registerKeys = 2;
      registerVectors = 2;
    } else {
      // Accumulators fill the register file but for the operands in flight.
      registerKeys = wide ? 8 : 4;
      registerVectors = 3;
      int64_t panel = lanes * registerVectors;
      while (registerVectors > 1 && !ShapedType::isDynamic(n) &&
             n <= panel - lanes) {
        --registerVectors;
        panel = lanes * registerVectors;
      }
      queryTile = std::max(panel, kQueryTile / panel * panel);
      if (!ShapedType::isDynamic(n))
        queryTile = std::min<int64_t>(queryTile, llvm::alignTo(n, panel));
      because("register tile {0} keys x {1} queries: {2} of {3} vector "
              "registers accumulate",
              registerKeys, panel, registerKeys * registerVectors,
              options.vectorRegisters);
    }
    keyBlock = kKeyBlock;
    if (!ShapedType::isDynamic(m))
      keyBlock = std::clamp<int64_t>(llvm::alignTo(m, lanes * registerKeys),
                                     lanes * registerKeys, kKeyBlock);
    because("tiles of {0} query rows, keys in blocks of {1}: scores and sums "
            "stay in the first-level cache",
            queryTile, keyBlock);
  }

  /// direct, fuse or materialize for one of q, k, v.
  FailureOr<LoadMode> chooseLoad(Value value, StringRef name) {
    attnc::RowProducers producers = attnc::analyzeRowProducers(value);
    if (producers.offender) {
      producers.offender->emitError("is not row-local work in front of "
                                    "attention and is not compiled yet");
      return failure();
    }
    if (producers.chain.empty())
      return LoadMode::Direct;
    if (options.producers == "fuse" || options.producers == "materialize") {
      because("{0}: producers {1}d: asked for", name, options.producers);
      return options.producers == "fuse" ? LoadMode::Fuse
                                         : LoadMode::Materialize;
    }
    std::string chain = countText(producers.chain.size(), "producer");
    std::string operations = countText(producers.scalarOps, "operation");
    if (op.getPages() && value != op.getQuery()) {
      because("{0}: {1} fused into the loader: of the pool of pages only those "
              "of the table are read",
              name, chain);
      return LoadMode::Fuse;
    }
    if (value == op.getQuery()) {
      because("{0}: {1} fused into the loader: each query row is loaded once",
              name, chain);
      return LoadMode::Fuse;
    }
    int64_t loads = loadsOfKeyRow();
    if (loads == 1) {
      because("{0}: {1} fused into the loader: one query tile reads each row "
              "once",
              name, chain);
      return LoadMode::Fuse;
    }
    if (!producers.mixesRow && producers.scalarOps <= 4) {
      because("{0}: {1} fused into the loader: {2} an element {3} less than a "
              "second buffer",
              name, chain, operations,
              producers.scalarOps == 1 ? "costs" : "cost");
      return LoadMode::Fuse;
    }
    because("{0}: {1} materialized once in O(m d): {2} would recompute {3} an "
            "element",
            name, chain,
            loads < 0 ? std::string("every query tile")
                      : "each of " + countText(loads, "query tile"),
            operations);
    return LoadMode::Materialize;
  }

  /// How often a fused loader computes each key row; -1 when unknown.
  int64_t loadsOfKeyRow() {
    int64_t n = op.getQueryRows();
    if (ShapedType::isDynamic(n) || ShapedType::isDynamic(op.getQueryHeads()) ||
        ShapedType::isDynamic(op.getKeyHeads()))
      return -1;
    return llvm::divideCeil(n, queryTile) * (headGroup() / heads);
  }
};

struct SchedulePass : public attnc::impl::SchedulePassBase<SchedulePass> {
  using SchedulePassBase::SchedulePassBase;

  void runOnOperation() override {
    attnc::SchedulePassOptions options;
    options.vectorBytes = vectorBytes;
    options.vectorRegisters = vectorRegisters;
    options.bf16Dot = bf16Dot;
    options.micro = micro;
    options.producers = producers;
    WalkResult walk = getOperation()->walk([&](AttentionOp op) {
      if (op.getScheduleAttr())
        return WalkResult::advance(); // the user's, or an earlier run's
      if (failed(Scheduler(op, options).run()))
        return WalkResult::interrupt();
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
