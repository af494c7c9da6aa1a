// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From a spec and sizes to attentions with plans and operands.

#include "tools/attnc/view/View.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "passes/DescribePairs.h"
#include "tools/attnc/Explainer.h"
#include "tools/attnc/Reference.h"
#include "tools/attnc/view/AsciiView.h"
#include "tools/attnc/view/Page.h"
#include "tools/attnc/view/PlanWords.h"
#include "tools/support/BoundValues.h"
#include "tools/support/Files.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;
using reference::AttentionBinding;

/// Positions beyond this are no numbers of JavaScript's, and no use to look at.
static constexpr int64_t kFarthestPosition = int64_t(1) << 52;
/// Query rows of all heads that counting may cost.
static constexpr double kMaxCountedRows = 1 << 25;

//===----------------------------------------------------------------------===//
// One attention
//===----------------------------------------------------------------------===//

SmallVector<int64_t> ViewedAttention::symbolsOf(int64_t batch, int64_t head) {
  binding->setBatchAndHead(batch, head);
  reference::PairContext &context = binding->getContext();
  SmallVector<int64_t> symbols{context.kBegin, context.kEnd, context.qBegin,
                               context.qEnd};
  for (int64_t operand : plan.getParameters())
    symbols.push_back(
        reference::paramValue(PairParam::operand(operand), context,
                              reference::PairScope::top(context)));
  return symbols;
}

std::optional<PlanCost> ViewedAttention::costOfComponent(unsigned number,
                                                         int64_t batch) {
  ComponentAttr component = plan.getComponents()[number];
  if (!isPlanned || component.getWalk() || component.getGuard() ||
      !plan.getValues().empty())
    return std::nullopt;
  PlanAttr alone = PlanAttr::get(plan.getContext(), component, plan.getAtoms(),
                                 plan.getParameters(), plan.getValues());
  // The page counts whole tiles.
  return costOf(alone, symbolsOf(batch, 0), {tile.queryTile, tile.keyTile});
}

std::optional<PlanCost> ViewedAttention::costOfAll() {
  const reference::AttentionSizes &size = sizes();
  double rows = double(size.batches) * size.heads * size.n;
  if (!isPlanned || rows > kMaxCountedRows)
    return std::nullopt;
  PlanCost sum;
  TileShape shape = tile;
  shape.rows = size.n;
  for (int64_t batch = 0; batch < size.batches; ++batch)
    for (int64_t head = 0; head < size.heads; ++head) {
      SmallVector<int64_t> symbols = symbolsOf(batch, head);
      std::optional<PlanCost> cost =
          costOf(plan, symbols, shape, boundValues(*binding, head));
      if (!cost || binding->getContext().problem)
        return std::nullopt;
      sum += *cost;
    }
  return sum;
}

std::string ViewedAttention::operandName(int64_t number) {
  return valueName(*signature, op.getSetOperands()[number]);
}

std::string ViewedAttention::componentWords(unsigned number) {
  auto name = [&](int64_t operand) { return operandName(operand); };
  return isPlanned ? attnc::componentWords(plan, number, name) : words;
}

//===----------------------------------------------------------------------===//
// Planning
//===----------------------------------------------------------------------===//

/// The function at stage 3 or, where it does not compile, as it is written.
func::FuncOp View::plan(const Target &target) {
  ScopedDiagnosticHandler collect(spec.getModule().getContext(),
                                  [&](Diagnostic &diagnostic) {
                                    if (refusal.empty())
                                      refusal = diagnostic.str();
                                    return success();
                                  });
  OwningOpRef<ModuleOp> isolated = isolateFunction(spec);
  Compiler compiler(compilerOptions(options.spec));
  auto lowered = compiler.lowerTo(Stage::Stage3, *isolated, target);
  module = succeeded(lowered) ? std::move(*lowered) : std::move(isolated);
  return module->lookupSymbol<func::FuncOp>(spec.getFunction().getName());
}

/// All pairs of existing queries and keys, each asked whether the set has it.
static PlanAttr testingPlan(AttentionOp op) {
  MLIRContext *context = op.getContext();
  auto symbol = [&](unsigned s) { return getAffineSymbolExpr(s, context); };
  auto map = [&](unsigned dims, AffineExpr result) {
    return AffineMap::get(dims, FirstParameter, result);
  };
  bool isFull = op.getPairs().isFull();
  int64_t first[] = {1};
  auto component = ComponentAttr::get(
      context, map(1, symbol(KBegin)), map(1, symbol(KEnd) - 1),
      map(0, symbol(QBegin)), map(0, symbol(QEnd) - 1), AffineMap(),
      isFull ? DenseI64ArrayAttr() : DenseI64ArrayAttr::get(context, first), 0);
  SmallVector<PairsAttr> atoms;
  if (!isFull)
    atoms.push_back(op.getPairs());
  return PlanAttr::get(context, component, atoms, {}, {});
}

void View::describe(ViewedAttention &a, size_t number) {
  a.signature = &spec.getSignature();
  a.plan = a.op.getPlanAttr();
  a.isPlanned = a.plan != nullptr;
  if (!a.plan) {
    a.plan = testingPlan(a.op);
    a.notes.push_back("There is no plan to draw (" + refusal +
                      "): every pair is tested, and no tiles are known.");
  } else if (!a.op.getScheduleAttr()) {
    a.notes.push_back("There is no schedule (" + refusal +
                      "): tiles are drawn as 96 queries x 128 keys.");
  }
  if (ScheduleAttr schedule = a.op.getScheduleAttr())
    a.tile = TileShape::of(schedule);
  if (a.op.getPages())
    a.notes.push_back("Keys come in pages; those without a page are drawn as "
                      "if they existed.");
  auto name = [&](int64_t operand) { return a.operandName(operand); };
  a.words = describePairs(a.op.getMaskSet(), name);
  if (a.op.getSparsityAttr())
    a.words += "; of these " + describePairs(a.op.getSparsityAttr(), name);
  a.title = "attention " + std::to_string(number + 1);
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

/// Which arguments' values the pairs depend on. Sizes of tensors are known
/// without their values.
std::vector<bool> View::neededArguments() {
  std::vector<bool> needed(function.getNumArguments(), false);
  SmallVector<Value> work;
  llvm::SmallPtrSet<Value, 16> seen;
  for (ViewedAttention &attention : attentions)
    for (Value value : AttentionBinding::getPairOperands(attention.op))
      if (value != attention.op.getQuery() && value != attention.op.getKey() &&
          value != attention.op.getValue())
        work.push_back(value);
  while (!work.empty()) {
    Value value = work.pop_back_val();
    if (!seen.insert(value).second)
      continue;
    auto argument = dyn_cast<BlockArgument>(value);
    if (argument && argument.getOwner() == &function.front())
      needed[argument.getArgNumber()] = true;
    Operation *op = value.getDefiningOp();
    if (op && !isa<tensor::DimOp>(op))
      op->walk([&](Operation *inner) {
        llvm::append_range(work, inner->getOperands());
      });
  }
  return needed;
}

/// Makes sizes constants, so that q, k and v need not be there.
LogicalResult View::fixSizes(ShapeSolver &sizes) {
  SmallVector<tensor::DimOp> dims;
  function.walk([&](tensor::DimOp dim) { dims.push_back(dim); });
  for (tensor::DimOp dim : dims) {
    std::optional<int64_t> index = dim.getConstantIndex();
    std::optional<int64_t> size =
        index ? sizes.getSize(dim.getSource(), *index) : std::nullopt;
    if (!size)
      continue;
    OpBuilder builder(dim);
    dim.replaceAllUsesWith(
        arith::ConstantIndexOp::create(builder, dim.getLoc(), *size)
            .getResult());
  }
  for (ViewedAttention &attention : attentions)
    for (Value value : {attention.op.getQuery(), attention.op.getKey(),
                        attention.op.getValue()}) {
      auto type = cast<RankedTensorType>(value.getType());
      SmallVector<int64_t> shape;
      for (int64_t d = 0; d < type.getRank(); ++d) {
        std::optional<int64_t> size = sizes.getSize(value, d);
        if (!size)
          return attention.op.emitError("its sizes are computed; the view does "
                                        "not follow them");
        shape.push_back(*size);
      }
      value.setType(RankedTensorType::get(shape, type.getElementType(),
                                          type.getEncoding()));
    }
  return success();
}

/// Whether a size that nothing fixed is left in what `values` depend on.
static tensor::DimOp findUnknownDim(ArrayRef<Value> values) {
  SmallVector<Value> work(values);
  llvm::SmallPtrSet<Operation *, 16> seen;
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op || !seen.insert(op).second)
      continue;
    if (auto dim = dyn_cast<tensor::DimOp>(op))
      return dim;
    op->walk([&](Operation *inner) {
      llvm::append_range(work, inner->getOperands());
    });
  }
  return {};
}

LogicalResult View::bind(ViewedAttention &a) {
  SmallVector<Value> operands = AttentionBinding::getPairOperands(a.op);
  if (tensor::DimOp dim = findUnknownDim(operands))
    return dim.emitError("a size that the pair set depends on is computed; the "
                         "view does not follow it");
  a.interpreter =
      std::make_unique<reference::Interpreter>(function, evaluateOptions);
  for (auto [argument, tensor] :
       llvm::zip(function.getArguments(), inputs.inputs))
    if (tensor.dtype != ATTNC_DTYPE_INVALID)
      a.interpreter->assign(argument, toHostTensor(argument.getType(), tensor));
  if (failed(a.interpreter->evaluateSlice(operands)))
    return failure();
  FailureOr<std::unique_ptr<AttentionBinding>> binding =
      AttentionBinding::create(a.op, *a.interpreter, /*needsValues=*/false);
  if (failed(binding))
    return failure();
  a.binding = std::move(*binding);
  for (int64_t batch = 0; batch < a.sizes().batches; ++batch) {
    auto symbols = a.symbolsOf(batch, 0);
    for (int64_t symbol : ArrayRef(symbols).take_front(FirstParameter))
      if (symbol < -kFarthestPosition || symbol > kFarthestPosition)
        return a.op.emitError("positions beyond 2^52 cannot be drawn");
  }
  return success();
}

int View::bind() {
  std::vector<bool> needed = neededArguments();
  InputOptions given;
  given.files = options.inputs;
  given.shapes = options.shapes;
  given.seed = options.seed;
  if (int code =
          resolveInputs(spec.getSignature(), &spec, given, inputs, &needed))
    return code;
  ShapeSolver sizes(function);
  for (auto [argument, shape] :
       llvm::zip(function.getArguments(), inputs.inputShapes))
    sizes.bindChecked(argument, shape);
  sizes.applyDefaults();
  if (failed(fixSizes(sizes)))
    return ExitError;
  for (ViewedAttention &attention : attentions)
    if (failed(bind(attention)))
      return ExitError;
  return ExitOk;
}

std::unique_ptr<View> View::create(Spec &spec, const ExplainOptions &options,
                                   const Target &target, int &code) {
  std::unique_ptr<View> view(new View(spec, options));
  code = ExitError;
  view->function = view->plan(target);
  view->function.walk(
      [&](AttentionOp op) { view->attentions.emplace_back().op = op; });
  if (view->attentions.empty()) {
    printError(options.spec.path +
               ": there is no attn.attention to view: it is a later stage");
    return nullptr;
  }
  for (auto [number, attention] : llvm::enumerate(view->attentions))
    view->describe(attention, number);
  code = view->bind();
  return code ? nullptr : std::move(view);
}

//===----------------------------------------------------------------------===//
// The command
//===----------------------------------------------------------------------===//

int attnc::viewCommand(Spec &spec, const ExplainOptions &options,
                       const Target &target) {
  bool isPage = !options.view->empty() && *options.view != "ascii";
  std::optional<OutputFile> file;
  if (isPage) {
    llvm::Expected<OutputFile> opened = OutputFile::open(*options.view);
    if (!opened) {
      printError(opened.takeError());
      return ExitError;
    }
    file.emplace(std::move(*opened));
  }
  int code = ExitOk;
  std::unique_ptr<View> view = View::create(spec, options, target, code);
  if (!view)
    return code;
  if (!isPage)
    return printAsciiView(*view, llvm::outs());
  FailureOr<std::string> page = makePage(*view);
  if (failed(page))
    return ExitError;
  file->os() << *page;
  if (llvm::Error error = file->commit()) {
    printError(std::move(error));
    return ExitError;
  }
  llvm::outs() << "wrote " << *options.view << ", " << bytesText(page->size())
               << ": open it in a browser\n";
  return ExitOk;
}
