// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.fold, attn.rows and attn.checked: tiles of rows, their loaders run
// through the interpreter.

#include "dialect/reference/AttentionBinding.h"
#include "dialect/reference/RowFold.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

constexpr int64_t kMaxPosition = int64_t(1) << 61;

namespace {
class FoldEvaluator {
public:
  FoldEvaluator(Interpreter &interpreter, const Instruction &ins)
      : interpreter(interpreter), ins(ins), op(cast<FoldOp>(ins.op)),
        math(FoldMath::get(FoldOp::getRowType(op.getLoadQ()).getElementType(),
                           interpreter.getOptions().precision)),
        loadQ(interpreter, op.getLoadQ()), loadK(interpreter, op.getLoadK()),
        loadV(interpreter, op.getLoadV()), plan(op.getPlan(), op) {}

  LogicalResult run();

private:
  Interpreter &interpreter;
  const Instruction &ins;
  FoldOp op;
  FoldMath math;
  RegionRunner loadQ, loadK, loadV;
  std::optional<RegionRunner> score, tests, values, page, state, epilogue;
  PlanRunner plan;
  int64_t head = 0, firstRow = 0, rows = 0, keyCount = 0, firstKey = 0;
  int64_t kBegin = 0, qBegin = 0, qEnd = 0;
  HostTensor tile, lse, pairs;

  /// Rows of k and v, loaded when a query first keeps them.
  struct KeyValue {
    HostTensor k, v;
    SmallVector<double, 0> features; // of k, for a linear kernel
  };
  std::vector<KeyValue> loaded;
  /// The pair that the tests region has last been run on.
  std::optional<std::array<int64_t, 3>> tested;

  /// Pages of keys: [run of keys], -1 for one that does not exist.
  SmallVector<int64_t> pages;
  int64_t pageSize = 0, keyHead = 0;
  /// Positions of the keys that exist.
  Intervals universe;

  // The row at hand.
  int64_t queryHead = 0, row = 0;
  KeyRows keys;

  int64_t position() const { return qBegin + row; }

  LogicalResult bind();
  LogicalResult bindPages();
  LogicalResult runRow(int64_t h, int64_t r);
  LogicalResult load(int64_t c);
  FailureOr<double> scoreOf(const HostTensor &q, int64_t c);
  LogicalResult foldKeys(const HostTensor &q, MutableArrayRef<double> out,
                         double &rowLse);
  LogicalResult mergeStates(MutableArrayRef<double> out, double &rowLse);
  LogicalResult mergeState(MutableArrayRef<double> out, double &rowLse);
  void storeLse(double rowLse, int64_t at);
  std::optional<bool> test(int64_t atom, int64_t i, int64_t j);
  LogicalResult store(ArrayRef<double> out, int64_t h, int64_t r);
};
} // namespace

LogicalResult FoldEvaluator::bind() {
  head = interpreter.getInt(op.getHead());
  firstRow = interpreter.getInt(op.getRow());
  rows = interpreter.getInt(op.getRows());
  keyCount = interpreter.getInt(op.getKeys());
  SmallVector<int64_t> symbols;
  for (Value symbol : op.getSymbols())
    symbols.push_back(interpreter.getInt(symbol));
  for (int64_t x : symbols)
    if (x < -kMaxPosition || x > kMaxPosition)
      return op.emitOpError("symbol ") << x << " is out of range";
  if (op.getFirstKey())
    firstKey = interpreter.getInt(op.getFirstKey());
  for (int64_t x : {head, firstRow, rows, keyCount, firstKey})
    if (x < 0 || x > interpreter.getOptions().maxElements)
      return op.emitOpError("head, row, rows or keys of ")
             << x << " is out of range";
  kBegin = symbols[KBegin];
  qBegin = symbols[QBegin];
  qEnd = symbols[QEnd];
  plan.setSymbols(symbols);
  loaded.resize(keyCount);
  if (!op.getScore().empty())
    score.emplace(interpreter, op.getScore());
  if (!op.getTests().empty())
    tests.emplace(interpreter, op.getTests());
  if (!op.getValues().empty())
    values.emplace(interpreter, op.getValues());
  if (!op.getState().empty())
    state.emplace(interpreter, op.getState());
  if (!op.getEpilogue().empty())
    epilogue.emplace(interpreter, op.getEpilogue());
  if (failed(bindPages()))
    return failure();
  auto type = cast<RankedTensorType>(op.getTile().getType());
  FailureOr<HostTensor> made =
      interpreter.allocate(op.getLoc(), type.getElementType(),
                           {type.getDimSize(0), rows, type.getDimSize(2)});
  if (failed(made))
    return failure();
  tile = std::move(*made);
  SmallVector<int64_t> perRow{type.getDimSize(0), rows};
  if (op.getPairs())
    pairs = HostTensor(IntegerType::get(op.getContext(), 64), perRow);
  if (op.getPartial())
    perRow.push_back(2);
  if (op.getLse())
    lse = HostTensor(
        cast<RankedTensorType>(op.getLse().getType()).getElementType(), perRow);
  return success();
}

LogicalResult FoldEvaluator::bindPages() {
  if (keyCount > firstKey && op.getPage().empty())
    universe.push_back({kBegin + firstKey, kBegin + keyCount});
  if (op.getPage().empty())
    return success();
  page.emplace(interpreter, op.getPage());
  pageSize = interpreter.getInt(op.getPageSize());
  int64_t count = interpreter.getInt(op.getPageCount());
  if (pageSize < 1 || count < 0)
    return op.emitOpError("page size ")
           << pageSize << " or count " << count << " is out of range";
  for (int64_t c = 0; c < keyCount; c += pageSize) {
    page->setInt(0, c / pageSize);
    if (failed(page->run()))
      return failure();
    int64_t number = page->getScalar(0).i;
    bool exists = number >= 0 && number < count;
    pages.push_back(exists ? number : -1);
    int64_t begin = std::max(c, firstKey),
            end = std::min(c + pageSize, keyCount);
    if (exists && begin < end)
      universe.push_back({kBegin + begin, kBegin + end});
  }
  return success();
}

LogicalResult FoldEvaluator::run() {
  if (failed(bind()))
    return failure();
  for (int64_t h = 0, e = op.getSchedule().getHeads(); h < e; ++h) {
    queryHead = head + h;
    // Query heads of the next key head read other rows.
    int64_t shared = e / op.getKeyHeads();
    if (h % shared == 0)
      loaded.assign(keyCount, KeyValue());
    if (op.getKeyHead())
      keyHead = interpreter.getInt(op.getKeyHead()) + h / shared;
    tested.reset();
    SmallVector<int64_t> symbols;
    for (Value symbol : op.getSymbols())
      symbols.push_back(interpreter.getInt(symbol));
    plan.setSymbols(symbols);
    for (int64_t r = 0; r < rows; ++r)
      if (failed(runRow(h, r)))
        return failure();
  }
  if (failed(interpreter.setResult(ins, 0, std::move(tile))))
    return failure();
  unsigned next = 1;
  if (lse && failed(interpreter.setResult(ins, next++, std::move(lse))))
    return failure();
  return pairs ? interpreter.setResult(ins, next, std::move(pairs)) : success();
}

std::optional<bool> FoldEvaluator::test(int64_t atom, int64_t i, int64_t j) {
  std::array<int64_t, 3> pair = {queryHead, i, j};
  if (tested != pair) {
    tests->setInt(0, queryHead);
    tests->setInt(1, i);
    tests->setInt(2, j);
    tests->setInt(3, i - qBegin);
    tests->setInt(4, j - kBegin);
    if (failed(tests->run()))
      return std::nullopt;
    tested = pair;
  }
  return tests->getScalar(atom).i != 0;
}

LogicalResult FoldEvaluator::load(int64_t c) {
  KeyValue &entry = loaded[c];
  if (entry.k)
    return success();
  for (RegionRunner *loader : {&loadK, &loadV}) {
    loader->setInt(0, page ? pages[c / pageSize] : c);
    if (page)
      loader->setInt(1, c % pageSize);
    if (op.getKeyHead())
      loader->setInt(2, keyHead);
    if (failed(loader->run()))
      return failure();
  }
  entry.k = loadK.getTensor(0);
  entry.v = loadV.getTensor(0);
  if (auto linear = dyn_cast<LinearAttr>(op.getKernel()))
    for (Scalar x : entry.k.values())
      entry.features.push_back(math.feature(linear.getFeature(), x.f));
  return success();
}

FailureOr<double> FoldEvaluator::scoreOf(const HostTensor &q, int64_t c) {
  double scale = math.toSum(op.getScale().convertToDouble());
  double s = math.dot(q.values().data(), loaded[c].k.values().data(),
                      q.getNumElements());
  s = math.toOperand(s * scale);
  if (!score)
    return s;
  score->setScalar(0, floatScalar(s));
  score->setInt(1, queryHead);
  score->setInt(2, position());
  score->setInt(3, kBegin + c);
  score->setInt(4, row);
  score->setInt(5, c);
  if (failed(score->run()))
    return failure();
  return math.toOperand(score->getScalar(0).f);
}

LogicalResult FoldEvaluator::foldKeys(const HostTensor &q,
                                      MutableArrayRef<double> out,
                                      double &rowLse) {
  auto value = [&](size_t n) { return loaded[keys[n]].v.values().data(); };
  if (auto linear = dyn_cast<LinearAttr>(op.getKernel())) {
    SmallVector<double> query;
    double scale = math.toSum(op.getScale().convertToDouble());
    for (Scalar x : q.values())
      query.push_back(
          math.feature(linear.getFeature(), math.toOperand(x.f * scale)));
    auto key = [&](size_t n) { return loaded[keys[n]].features.data(); };
    LinearRow{linear, math, query, key, value, {}, nullptr}.run(keys.size(),
                                                                out);
    return success();
  }
  SmallVector<double> scores;
  for (int64_t c : keys) {
    FailureOr<double> s = scoreOf(q, c);
    if (failed(s))
      return failure();
    scores.push_back(*s);
  }
  RowWeights weights =
      computeWeights(op.getKernel(), math, scores, std::nullopt);
  rowLse = weights.lse;
  if (!isa<SoftmaxAttr>(op.getKernel()) ||
      rowLse != -std::numeric_limits<double>::infinity())
    combineValues(math, weights.weights, value, out);
  return success();
}

LogicalResult FoldEvaluator::runRow(int64_t h, int64_t r) {
  row = firstRow + r / op.getRun() * op.getStep() + r % op.getRun();
  keys.clear();
  auto testOf = [&](int64_t atom, int64_t i, int64_t j) {
    return test(atom, i, j);
  };
  auto valuesOf = [&](SmallVectorImpl<int64_t> &symbols) -> LogicalResult {
    if (!values)
      return success();
    values->setInt(0, queryHead);
    values->setInt(1, position());
    values->setInt(2, row);
    if (failed(values->run()))
      return failure();
    for (size_t v = 0; v < op.getPlan().getValues().size(); ++v)
      symbols.push_back(values->getScalar(v).i);
    return success();
  };
  if (position() < qEnd && !universe.empty() &&
      failed(plan.keysOf(position(), universe, keys, valuesOf, testOf)))
    return failure();
  SmallVector<double> out(op.getValueDim(), 0.0);
  double rowLse = -std::numeric_limits<double>::infinity();
  if (!keys.empty()) {
    for (int64_t &c : keys) {
      c -= kBegin;
      if (failed(load(c)))
        return failure();
    }
    loadQ.setInt(0, queryHead);
    loadQ.setInt(1, row);
    if (failed(loadQ.run()))
      return failure();
    const HostTensor q = loadQ.getTensor(0);
    if (failed(foldKeys(q, out, rowLse)))
      return failure();
  }
  if (failed(mergeStates(out, rowLse)))
    return failure();
  if (pairs)
    pairs.mutableValues()[h * rows + r].i = keys.size();
  storeLse(rowLse, h * rows + r);
  return store(out, h, r);
}

LogicalResult FoldEvaluator::mergeStates(MutableArrayRef<double> out,
                                         double &rowLse) {
  if (!state)
    return success();
  if (!op.getStates())
    return mergeState(out, rowLse);
  int64_t count = interpreter.getInt(op.getStates());
  for (int64_t s = 0; s < count; ++s) {
    state->setInt(2, s);
    if (failed(mergeState(out, rowLse)))
      return failure();
  }
  return success();
}

/// Any (sum, m, l) with the same sum / l and m + log2(l) is the same state.
LogicalResult FoldEvaluator::mergeState(MutableArrayRef<double> out,
                                        double &rowLse) {
  state->setInt(0, queryHead);
  state->setInt(1, row);
  if (failed(state->run()))
    return failure();
  double m = state->getScalar(1).f, l = state->getScalar(2).f;
  if (l == 0)
    return success();
  double other = m * std::log(2.0) + std::log(l);
  double largest = std::max(rowLse, other);
  double both = largest + std::log(std::exp(rowLse - largest) +
                                   std::exp(other - largest));
  double mine = std::exp(rowLse - both), theirs = std::exp(other - both) / l;
  for (auto [x, y] : llvm::zip(out, state->getTensor(0).values()))
    x = x * mine + y.f * theirs;
  rowLse = both;
  return success();
}

void FoldEvaluator::storeLse(double rowLse, int64_t at) {
  if (!lse)
    return;
  auto put = [&](int64_t element, double x) {
    lse.mutableValues()[element].f = interpreter.roundsOperations()
                                         ? roundToType(x, lse.getElementType())
                                         : x;
  };
  if (!op.getPartial())
    return put(at, rowLse);
  bool none = rowLse == -std::numeric_limits<double>::infinity();
  put(2 * at, rowLse / std::log(2.0));
  put(2 * at + 1, none ? 0 : 1);
}

LogicalResult FoldEvaluator::store(ArrayRef<double> out, int64_t h, int64_t r) {
  SmallVector<double> finished(out);
  if (epilogue) {
    auto type = cast<RankedTensorType>(
        op.getEpilogue().front().getArgument(0).getType());
    HostTensor argument(type.getElementType(), type.getShape());
    for (auto [to, from] : llvm::zip_equal(argument.mutableValues(), out))
      to.f = from;
    epilogue->setTensor(0, std::move(argument));
    epilogue->setInt(1, queryHead);
    epilogue->setInt(2, row);
    if (failed(epilogue->run()))
      return failure();
    finished.clear();
    for (Scalar x : epilogue->getTensor(0).values())
      finished.push_back(x.f);
  }
  int64_t size = tile.getDimSize(2);
  if (static_cast<int64_t>(finished.size()) != size)
    return op.emitOpError("rows of ")
           << finished.size() << " elements do not fit the tile";
  MutableArrayRef<Scalar> values =
      tile.mutableValues().slice((h * rows + r) * size, size);
  for (auto [to, from] : llvm::zip(values, finished))
    to.f = interpreter.roundsOperations()
               ? roundToType(from, tile.getElementType())
               : from;
  return success();
}

static LogicalResult runFold(Interpreter &interpreter, const Instruction &ins) {
  return FoldEvaluator(interpreter, ins).run();
}

//===----------------------------------------------------------------------===//
// attn.rows
//===----------------------------------------------------------------------===//

static LogicalResult runRows(Interpreter &interpreter, const Instruction &ins) {
  auto op = cast<RowsOp>(ins.op);
  auto type = cast<RankedTensorType>(op.getTile().getType());
  int64_t first = interpreter.getInt(op.getRow());
  int64_t rows = interpreter.getInt(op.getRows()), size = type.getDimSize(1);
  if (first < -kMaxPosition || first > kMaxPosition || rows < 0)
    return op.emitOpError("row ")
           << first << " or number of rows " << rows << " is out of range";
  FailureOr<HostTensor> tile =
      interpreter.allocate(op.getLoc(), type.getElementType(), {rows, size});
  if (failed(tile))
    return failure();
  RegionRunner body(interpreter, op.getBody());
  MutableArrayRef<Scalar> values = tile->mutableValues();
  for (int64_t r = 0; r < rows; ++r) {
    body.setInt(0, first + r);
    if (failed(body.run()))
      return failure();
    llvm::copy(body.getTensor(0).values(), values.begin() + r * size);
  }
  return interpreter.setResult(ins, 0, std::move(*tile));
}

/// A kernel would go on with the clamped value and report; evaluation stops.
static LogicalResult runChecked(Interpreter &interpreter,
                                const Instruction &ins) {
  auto op = cast<CheckedOp>(ins.op);
  int64_t value = interpreter.getInt(op.getValue());
  int64_t lower = interpreter.getInt(op.getLower());
  int64_t upper = interpreter.getInt(op.getUpper());
  if (value < lower || value > upper)
    return op.emitOpError("value ")
           << value << " is out of range: it must lie between " << lower
           << " and " << upper;
  interpreter.scalar(ins.out[0]).i = value;
  return success();
}

void reference::registerAttnHandlers(HandlerTable &table) {
  table["attn.append"] = runAppend;
  table["attn.attention"] = runAttention;
  table["attn.checked"] = runChecked;
  table["attn.fold"] = runFold;
  table["attn.rows"] = runRows;
}
