// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc explain: schedule, launches, and the order of everything.

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "tools/attnc/Explainer.h"
#include "tools/attnc/view/View.h"
#include "llvm/ADT/StringExtras.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Schedule
//===----------------------------------------------------------------------===//

/// The spec at a later stage; null, with the reason kept, where it does not
/// compile.
OwningOpRef<ModuleOp> Explainer::lower(Stage stage) {
  // The reason is part of the explanation, not an error of it.
  ScopedDiagnosticHandler collect(
      spec.getModule().getContext(), [&](Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() == DiagnosticSeverity::Warning)
          warning = diagnostic.str();
        else if (refusal.empty())
          refusal = diagnostic.str();
        return success();
      });
  Compiler compiler(compilerOptions(options.spec));
  OwningOpRef<ModuleOp> module = isolateFunction(spec);
  auto lowered = compiler.lowerTo(stage, *module, target);
  tuned = compiler.getTuned();
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

int Explainer::run(View *given) {
  view = given;
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
  isAlone = ops.size() <= 1;
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
  if (tuned)
    report.line("tuned",
                "'" + tuned->schedule.fields + "' was " +
                    numberText(tuned->schedule.defaultSeconds /
                               tuned->schedule.seconds) +
                    " times as fast as what is chosen otherwise when attnc "
                    "tune measured it. It is kept in " +
                    tuned->path +
                    "; --no-tuned leaves it out, 'attnc tune --reset " +
                    options.spec.path + "' removes it.");
  if (!warning.empty())
    report.line("note", warning);
  if (!refusal.empty())
    report.line("compile", (options.spec.schedule.empty() ? "not possible yet: "
                                                          : "not possible: ") +
                               refusal);
  // What nobody has built yet is no error of the input; what is asked for is.
  return refusal.empty() || options.spec.schedule.empty() ? ExitOk : ExitError;
}

int attnc::explainCommand(const ExplainOptions &given) {
  ExplainOptions options = given;
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
  if (options.view)
    return viewCommand(*spec, options, targets.front());
  Shapes shapes;
  if (int code = resolveShapes(spec->getSignature(), spec.get(), options.shapes,
                               shapes))
    return code;
  options.spec.tunedShapes = shapeClass(spec->getSignature(), shapes.inputs);
  // Operands that are given can be looked at.
  std::unique_ptr<View> view;
  if (!options.inputs.empty()) {
    int code = ExitOk;
    view = View::create(*spec, options, targets.front(), code);
    if (!view)
      return code;
  }
  return Explainer(*spec, options, shapes, targets.front()).run(view.get());
}
