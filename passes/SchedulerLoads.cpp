// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How q, k and v are read.

#include "passes/PlanWalk.h"
#include "passes/RowProducers.h"
#include "passes/Scheduler.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;

std::string attnc::countText(int64_t count, StringRef noun) {
  return llvm::formatv("{0} {1}{2}", count, noun, count == 1 ? "" : "s").str();
}

LogicalResult Scheduler::chooseLoads() {
  for (auto [name, value, mode] :
       {std::tuple("q", op.getQuery(), &q), std::tuple("k", op.getKey(), &k),
        std::tuple("v", op.getValue(), &v)}) {
    FailureOr<LoadMode> chosen = chooseLoad(value, name);
    if (failed(chosen))
      return failure();
    *mode = *chosen;
  }
  if (PlanAttr plan = op.getPlanAttr(); plan && attnc::hasLists(plan)) {
    lists = scheduleLists();
    return success(lists != nullptr);
  }
  return success();
}

FailureOr<LoadMode> Scheduler::chooseLoad(Value value, StringRef name) {
  attnc::RowProducers producers = attnc::analyzeRowProducers(value);
  if (producers.offender) {
    producers.offender->emitError("is not row-local work in front of "
                                  "attention and is not compiled yet");
    return failure();
  }
  if (std::optional<LoadMode> mode = asked.load(name))
    return *mode;
  if (producers.chain.empty())
    return LoadMode::Direct;
  if (options.producers == "fuse" || options.producers == "materialize") {
    because("{0}: producers {1}d: asked for", name, options.producers);
    return options.producers == "fuse" ? LoadMode::Fuse : LoadMode::Materialize;
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
  if (isOnTensorCores()) {
    because("{0}: {1} materialized once in O(m d): copies into shared memory "
            "compute nothing on their way",
            name, chain);
    return LoadMode::Materialize;
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

int64_t Scheduler::loadsOfKeyRow() {
  int64_t n = op.getQueryRows();
  if (ShapedType::isDynamic(n) || ShapedType::isDynamic(op.getQueryHeads()) ||
      ShapedType::isDynamic(op.getKeyHeads()))
    return -1;
  return llvm::divideCeil(n, queryTile) *
         std::max<int64_t>(headGroup() / heads, 1);
}
