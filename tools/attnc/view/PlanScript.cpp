// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans as JavaScript.

#include "tools/attnc/view/PlanScript.h"
#include "tools/attnc/view/PlanRows.h"
#include "tools/attnc/view/SetScript.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

std::string attnc::scriptString(StringRef text) {
  std::string out;
  llvm::raw_string_ostream os(out);
  llvm::json::OStream(os).value(llvm::json::fixUTF8(text));
  // No "</script>" and no comment opens inside a script element.
  std::string safe;
  for (char c : out) {
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  }
  return safe;
}

std::string attnc::affineScript(AffineExpr expr, ArrayRef<std::string> dims,
                                function_ref<std::string(unsigned)> symbol) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return "(" + std::to_string(constant.getValue()) + ")";
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()];
  if (auto s = dyn_cast<AffineSymbolExpr>(expr))
    return symbol(s.getPosition());
  auto binary = cast<AffineBinaryOpExpr>(expr);
  std::string a = affineScript(binary.getLHS(), dims, symbol);
  std::string b = affineScript(binary.getRHS(), dims, symbol);
  switch (binary.getKind()) {
  case AffineExprKind::Add:
    return "(" + a + " + " + b + ")";
  case AffineExprKind::Mul:
    return "(" + a + " * " + b + ")";
  case AffineExprKind::Mod:
    return "sets.mod(" + a + ", " + b + ")";
  case AffineExprKind::FloorDiv:
    return "sets.fdiv(" + a + ", " + b + ")";
  default:
    return "sets.cdiv(" + a + ", " + b + ")";
  }
}

namespace {
class PlanScript {
public:
  PlanScript(ViewedAttention &attention, int64_t &budget)
      : attention(attention), plan(attention.plan),
        operands(attention, budget) {}

  FailureOr<std::string> write();

private:
  ViewedAttention &attention;
  PlanAttr plan;
  OperandScript operands;

  SmallVector<std::string> results(AffineMap map) {
    SmallVector<std::string> texts;
    for (AffineExpr expr : map.getResults())
      texts.push_back(affineScript(expr, {"i"}, [](unsigned s) {
        return "s[" + std::to_string(s) + "]";
      }));
    return texts;
  }
  /// The extreme result: "Math.max(a, b)".
  std::string extreme(AffineMap map, StringRef combine) {
    SmallVector<std::string> texts = results(map);
    return texts.size() == 1
               ? texts.front()
               : "Math." + combine.str() + "(" + llvm::join(texts, ", ") + ")";
  }
  FailureOr<std::string> values();
  std::string component(unsigned number);
  std::string atoms();
  std::string batches();
  bool dependsOnHead();
};
} // namespace

/// A function that appends a row's values to its symbols.
FailureOr<std::string> PlanScript::values() {
  std::string body;
  unsigned symbol = FirstParameter + plan.getParameters().size();
  for (ValueAttr value : plan.getValues()) {
    std::string text;
    StringRef kind = stringifyValueKind(value.getKind());
    if (value.getKind() == ValueKind::Head) {
      text = "c.head";
    } else if (value.getOperand() < 0) {
      text = extreme(value.getMap(), kind);
    } else {
      std::optional<unsigned> operand =
          operands.embedSetOperand(value.getOperand());
      if (!operand)
        return attention.op.emitError()
               << "the view needs all of '"
               << attention.operandName(value.getOperand())
               << "', which bounds of the plan are read from, but a page "
                  "carries at most "
               << (kPageDataLimit >> 20) << " MiB";
      text = "sets." + kind.str() + "(c, " + std::to_string(*operand) + ", " +
             results(value.getMap()).front() + ")";
    }
    body += " s[" + std::to_string(symbol++) + "] = " + text + ";";
  }
  return "(c, i, s) => {" + body + " }";
}

std::string PlanScript::component(unsigned number) {
  ComponentAttr c = plan.getComponents()[number];
  std::string text = "{name: " + std::to_string(number + 1) + ", words: " +
                     scriptString(attention.componentWords(number));
  auto function = [&](const char *name, const char *arguments,
                      const std::string &body) {
    text += std::string(",\n       ") + name + ": " + arguments + " => " + body;
  };
  function("lower", "(i, s)", extreme(c.getLower(), "max"));
  function("upper", "(i, s)", extreme(c.getUpper(), "min"));
  function("rowLower", "(s)", extreme(c.getRowLower(), "max"));
  function("rowUpper", "(s)", extreme(c.getRowUpper(), "min"));
  if (c.getGuard() && c.getGuard().getNumResults())
    function("guard", "(i, s)",
             llvm::join(results(c.getGuard()), " >= 0 && ") + " >= 0");
  text += ",\n       tests: [";
  for (int64_t test : c.getTestNumbers())
    text += "{atom: " + std::to_string(std::abs(test) - 1) +
            ", holds: " + (test > 0 ? "true}, " : "false}, ");
  bool tiles = attention.isPlanned && !c.getWalk();
  unsigned known = FirstParameter + plan.getParameters().size();
  text += "], walk: " + std::to_string(c.getWalk() - 1) +
          ", tiles: " + (tiles ? "true" : "false") +
          ", monotone: " + (isMonotone(c, known) ? "true" : "false");
  return text + "}";
}

std::string PlanScript::atoms() {
  SetScript script(attention, operands);
  SmallVector<std::string> texts;
  for (PairsAttr atom : plan.getAtoms()) {
    std::optional<std::string> set = script.write(atom);
    if (!set)
      attention.notes.push_back(
          "Striped parts are known at run time only: " + script.why() + ".");
    texts.push_back("{set: " + set.value_or("null") + "}");
  }
  return "[" + llvm::join(texts, ",\n      ") + "]";
}

std::string PlanScript::batches() {
  SmallVector<std::string> texts;
  for (int64_t batch = 0; batch < attention.sizes().batches; ++batch) {
    SmallVector<std::string> symbols;
    for (int64_t symbol : attention.symbolsOf(batch, 0))
      symbols.push_back(std::to_string(symbol));
    texts.push_back("[" + llvm::join(symbols, ",") + "]");
  }
  return "[" + llvm::join(texts, ", ") + "]";
}

bool PlanScript::dependsOnHead() {
  reference::PairContext &context = attention.binding->getContext();
  for (PairsAttr atom : plan.getAtoms())
    if (reference::dependsOnHead(atom, context))
      return true;
  return llvm::any_of(plan.getValues(), [&](ValueAttr value) {
    return value.getKind() == ValueKind::Head ||
           (value.getOperand() >= 0 &&
            context.operands[value.getOperand()].getRank() - 1 >
                context.batchRank);
  });
}

FailureOr<std::string> PlanScript::write() {
  // Bounds first: without an atom's data there is still much to see.
  FailureOr<std::string> valueFunction = values();
  if (failed(valueFunction))
    return failure();
  std::string atomList = atoms();
  SmallVector<std::string> components, notes;
  for (unsigned n = 0; n < plan.getComponents().size(); ++n)
    components.push_back(component(n));
  for (const std::string &note : attention.notes)
    notes.push_back(scriptString(note));
  const reference::AttentionSizes &sizes = attention.sizes();
  std::string shape =
      llvm::join(llvm::map_range(sizes.batchShape,
                                 [](int64_t d) { return std::to_string(d); }),
                 ", ");
  return "{title: " + scriptString(attention.title) + ",\n    words: " +
         scriptString("Each query keeps " + attention.words) +
         ",\n    notes: [" + llvm::join(notes, ", ") +
         "],\n    n: " + std::to_string(sizes.n) +
         ", m: " + std::to_string(sizes.m) +
         ", heads: " + std::to_string(sizes.heads) + ", batchShape: [" + shape +
         "], byHead: " + (dependsOnHead() ? "true" : "false") +
         ",\n    tile: {queries: " + std::to_string(attention.tile.queryTile) +
         ", keys: " + std::to_string(attention.tile.keyTile) +
         "},\n    batches: " + batches() + ",\n    values: " + *valueFunction +
         ",\n    components: [" + llvm::join(components, ",\n      ") +
         "],\n    atoms: " + atomList + ",\n    operands: " + operands.print() +
         "}";
}

FailureOr<std::string> attnc::planScript(ViewedAttention &attention,
                                         int64_t &budget) {
  return PlanScript(attention, budget).write();
}
