// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc explain: one explanation in the making. ExplainMeaning.cpp has what a
// spec says, ExplainWork.cpp what it costs, Explain.cpp what becomes of it.

#ifndef ATTNC_TOOLS_ATTNC_EXPLAINER_H
#define ATTNC_TOOLS_ATTNC_EXPLAINER_H

#include "dialect/Attn.h"
#include "passes/PlanCost.h"
#include "tools/attnc/Engine.h"
#include "tools/attnc/Inputs.h"
#include "tools/attnc/Report.h"
#include "tools/attnc/ShapeSolver.h"

namespace attnc {

/// Sizes that matter of one attention; -1 where unknown.
struct Extents {
  int64_t lead = 1; // batches times query heads
  int64_t n = -1, m = -1;
};

class View;

class Explainer {
public:
  Explainer(Spec &spec, const ExplainOptions &options, const Shapes &shapes,
            const Target &target)
      : spec(spec), options(options), target(target), report(llvm::outs()),
        sizes(spec.getFunction()) {
    for (auto [argument, shape] :
         llvm::zip(spec.getFunction().getArguments(), shapes.inputs))
      sizes.bindChecked(argument, shape);
    sizes.applyDefaults();
  }

  /// `view`: the attentions with the operands that `--input` gives; or null.
  int run(View *view);

private:
  void explainMeaning(mlir::attn::AttentionOp op);
  void explainPairs(mlir::attn::AttentionOp op);
  void explainScore(mlir::attn::AttentionOp op);
  void explainWork(mlir::attn::AttentionOp op, unsigned number);
  void explainComponents(mlir::attn::AttentionOp planned);
  void explainKeys(mlir::attn::AttentionOp op, mlir::attn::AttentionOp planned);
  void explainTiles(mlir::attn::AttentionOp op, mlir::attn::AttentionOp planned,
                    unsigned number);
  std::optional<PlanCost> countTiles(mlir::attn::AttentionOp op,
                                     mlir::attn::AttentionOp planned,
                                     const Extents &e, int64_t &heads);
  std::optional<double> listedPairs(mlir::attn::AttentionOp op,
                                    mlir::attn::ComponentAttr component,
                                    const Extents &e);
  void explainOperands(mlir::attn::AttentionOp op, const Extents &e,
                       llvm::ArrayRef<int64_t> symbols);
  std::optional<PlanCost> countGiven(unsigned number, const Extents &e,
                                     int64_t &heads);
  void explainLimit(mlir::attn::AttentionOp op, double flops, bool estimated);
  void explainSchedule(mlir::attn::AttentionOp planned);
  void explainLaunches();

  mlir::OwningOpRef<mlir::ModuleOp> lower(Stage stage);
  mlir::attn::AttentionOp plannedOp(unsigned number);
  Extents extentsOf(mlir::attn::AttentionOp op);
  std::optional<llvm::SmallVector<int64_t>>
  planSymbols(mlir::attn::AttentionOp op, mlir::attn::PlanAttr plan,
              const Extents &e);
  std::string dimName(mlir::attn::AttentionOp op, mlir::Value tensor,
                      int64_t dim);
  std::string bytesFormula(mlir::attn::AttentionOp op,
                           std::optional<double> &bytes);
  std::string nameOf(mlir::Value value);

  Spec &spec;
  const ExplainOptions &options;
  const Target &target;
  Report report;
  ShapeSolver sizes;
  View *view = nullptr;
  mlir::OwningOpRef<mlir::ModuleOp> stage3, stage4;
  bool isAlone = true; // one attention in the function
  std::string refusal; // why the spec does not compile
  std::string warning;
  std::optional<Compiler::UsedSchedule> tuned;
};

/// The name of the argument that a value is or, in few words, what it is
/// computed from. The value may be one of a lowered copy of the function.
std::string valueName(const Signature &signature, mlir::Value value);

/// A type as MLIR writes it.
std::string typeName(mlir::Type type);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_EXPLAINER_H
