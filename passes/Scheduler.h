// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How attn-schedule comes to the schedule of one attention: each choice is a
// field and a sentence in `why`.

#ifndef ATTNC_PASSES_SCHEDULER_H
#define ATTNC_PASSES_SCHEDULER_H

#include "dialect/Attn.h"
#include "mlir/IR/Builders.h"
#include "passes/Passes.h"
#include "passes/ScheduleFields.h"
#include "passes/ScheduleMma.h"
#include "llvm/Support/FormatVariadic.h"

namespace attnc {

class Scheduler {
public:
  Scheduler(mlir::attn::AttentionOp op, const SchedulePassOptions &options,
            const ScheduleFields &asked)
      : op(op), options(options), asked(asked), b(op.getContext()) {}

  /// Attaches the schedule, or says why there is none.
  mlir::LogicalResult run();

private:
  mlir::attn::AttentionOp op;
  const SchedulePassOptions &options;
  const ScheduleFields &asked;
  mlir::Builder b;
  llvm::SmallVector<std::string> why;
  mlir::attn::MicroKernel micro = mlir::attn::MicroKernel::Block;
  mlir::attn::Products products = mlir::attn::Products::Fma;
  int64_t lanes = 0, heads = 1, queryTile = 0, keyBlock = 0;
  int64_t registerKeys = 0, registerVectors = 0;
  mlir::attn::LoadMode q = mlir::attn::LoadMode::Direct,
                       k = mlir::attn::LoadMode::Direct,
                       v = mlir::attn::LoadMode::Direct;
  mlir::attn::GridOrder order = mlir::attn::GridOrder::Up;
  int64_t strip = 1, split = 0;
  mlir::attn::ScheduleAttr lists, few;
  mlir::attn::MmaAttr mma;

  llvm::SmallVector<llvm::StringRef> whyRefs() {
    return llvm::SmallVector<llvm::StringRef>(why.begin(), why.end());
  }
  template <typename... Args>
  void because(const char *format, Args &&...args) {
    why.push_back(llvm::formatv(format, std::forward<Args>(args)...).str());
  }
  /// What is asked for, or else what is chosen.
  int64_t pick(llvm::StringRef field, int64_t chosen) const {
    return asked.number(field).value_or(chosen);
  }

  void explainAsked();
  /// A written schedule stays, but for the fields that are asked for.
  mlir::LogicalResult keep(mlir::attn::ScheduleAttr written);
  mlir::InFlightDiagnostic refuse();
  mlir::LogicalResult attach();
  /// What of a schedule depends on the plan and on what computes q, k and v;
  /// the verifiers know the rest.
  mlir::LogicalResult check(mlir::attn::ScheduleAttr schedule);

  bool fitsBf16Dot();
  /// Query heads of one key head, or 1 where that is unknown.
  int64_t headGroup();
  /// Whether bounds of the plan, or a list it walks, depend on the query head:
  /// then each head is a tile of its own.
  bool dependsOnHead();

  mlir::LogicalResult chooseMicroKernel();
  /// Half types are multiplied as they are, or converted into the first-level
  /// cache once a key block.
  void chooseProducts();
  /// Vectors that a row of values is summed into, or that hold queries.
  int64_t rowAccumulators() const;
  /// Keys and values are read row by row, and a block of both stays in half of
  /// the first-level cache for the other groups of queries.
  void chooseRowTile();
  void chooseTiles();
  void chooseMmaTile();
  bool isOnTensorCores() const {
    return micro == mlir::attn::MicroKernel::Mma ||
           micro == mlir::attn::MicroKernel::Wgmma;
  }
  /// How warps work, but for what is asked for.
  void chooseMma(MmaTiles tiles);
  /// Accumulators fill the register file but for the operands in flight.
  void chooseBlockTile();
  /// Windows and chunks on a grid keep few columns of each grid row: queries
  /// that share most of them lie in few columns, too.
  void chooseStrip();
  /// Positions of a block of the list of key blocks that the plan walks; 0:
  /// there is none, or only a launch knows.
  int64_t listedBlock();
  /// A panel that several lists share computes the keys of each for all its
  /// rows: panels, and tiles, end where lists do.
  void alignWithLists(int64_t &panel);
  /// Threads take tiles one by one: the longest go first, so that none of them
  /// is left when the others have ended.
  void chooseOrder();
  /// Whether some tiles may turn out to have few rows that exist: the number of
  /// rows is a run-time one.
  bool mayBeFew();
  /// Query heads that share each key and value row in such tiles.
  int64_t fewHeads();
  /// A batch may have sequences of one new query beside long ones.
  mlir::LogicalResult chooseFew();
  /// Few queries make few tiles, and their keys keep several threads busy. A
  /// constant, so that splits depend on the key rows alone.
  void chooseSplit();

  mlir::LogicalResult chooseLoads();
  /// direct, fuse or materialize for one of q, k, v.
  mlir::FailureOr<mlir::attn::LoadMode> chooseLoad(mlir::Value value,
                                                   llvm::StringRef name);
  /// How often a fused loader computes each key row; -1 when unknown.
  int64_t loadsOfKeyRow();
  /// The schedule of lists with the fields that are asked for.
  mlir::attn::ScheduleAttr listSchedule(mlir::attn::ScheduleAttr chosen);
  /// Lists are of one row: query heads that share keys share its list.
  mlir::attn::ScheduleAttr scheduleLists();
};

/// "1 producer", "2 producers".
std::string countText(int64_t count, llvm::StringRef noun);

} // namespace attnc

#endif // ATTNC_PASSES_SCHEDULER_H
