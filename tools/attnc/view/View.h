// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What `attnc explain --view` draws: the attentions of a spec with their plans,
// and the operands that these read, at given sizes.

#ifndef ATTNC_TOOLS_ATTNC_VIEW_VIEW_H
#define ATTNC_TOOLS_ATTNC_VIEW_VIEW_H

#include "dialect/reference/AttentionBinding.h"
#include "passes/PlanCost.h"
#include "tools/attnc/Engine.h"
#include "tools/attnc/Inputs.h"
#include "tools/attnc/ShapeSolver.h"

namespace attnc {

/// One attention of a spec, ready to be asked for pairs.
struct ViewedAttention {
  mlir::attn::AttentionOp op;
  mlir::attn::PlanAttr plan;
  TileShape tile;
  /// False where the compiler has no plan: `plan` then tests every pair.
  bool isPlanned = true;
  std::string title, words;
  std::vector<std::string> notes;
  std::unique_ptr<reference::Interpreter> interpreter;
  std::unique_ptr<reference::AttentionBinding> binding;

  const reference::AttentionSizes &sizes() const { return binding->getSizes(); }
  /// The plan's symbols before its values, for a batch and head, to which the
  /// binding goes.
  llvm::SmallVector<int64_t> symbolsOf(int64_t batch, int64_t head);
  /// The cost of one component for a batch (head 0), where PlanCost knows it.
  std::optional<PlanCost> costOfComponent(unsigned number, int64_t batch);
  /// The cost of all batches and heads, from the operands' values. Nothing
  /// where a list in an operand decides or where that is much to count.
  std::optional<PlanCost> costOfAll();
  std::string componentWords(unsigned number);
  std::string operandName(int64_t number);

  const Signature *signature = nullptr;
};

class View {
public:
  /// Plans the spec, makes the inputs that its pair sets read and binds them.
  /// Null, with an exit code, after an error, which has been printed.
  static std::unique_ptr<View> create(Spec &spec, const ExplainOptions &options,
                                      const Target &target, int &code);

  llvm::StringRef getName() const { return spec.getSignature().name; }
  std::vector<ViewedAttention> &getAttentions() { return attentions; }

private:
  View(Spec &spec, const ExplainOptions &options)
      : spec(spec), options(options) {}

  mlir::func::FuncOp plan(const Target &target);
  std::vector<bool> neededArguments();
  int bind();
  mlir::LogicalResult fixSizes(ShapeSolver &sizes);
  mlir::LogicalResult bind(ViewedAttention &attention);
  void describe(ViewedAttention &attention, size_t number);

  Spec &spec;
  const ExplainOptions &options;
  EvaluateOptions evaluateOptions;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  std::string refusal; // why the pipeline has no plan
  Inputs inputs;
  std::vector<ViewedAttention> attentions;
};

/// Draws a spec's pair sets as the options' `view` says. Returns an exit code.
int viewCommand(Spec &spec, const ExplainOptions &options,
                const Target &target);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_VIEW_VIEW_H
