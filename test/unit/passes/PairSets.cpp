// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Random pair sets, operands and operations.

#include "PairSets.h"
#include "mlir/AsmParser/AsmParser.h"
#include "llvm/Support/raw_ostream.h"

using namespace attnc::test::pairs;
using namespace mlir::attn;
using llvm::SmallVector;

int64_t attnc::test::pairs::draw(Random &random, int64_t lo, int64_t hi) {
  return lo + static_cast<int64_t>(random() % (hi - lo + 1));
}

bool attnc::test::pairs::chance(Random &random, int percent) {
  return draw(random, 1, 100) <= percent;
}

//===----------------------------------------------------------------------===//
// Random sets
//===----------------------------------------------------------------------===//

namespace {
class SetDrawer {
public:
  SetDrawer(mlir::MLIRContext *context, Random &random, bool plain)
      : context(context), random(random), plain(plain) {}

  PairsAttr draw(int depth, Place place) {
    if (depth == 0 || chance(25))
      return leaf(place);
    if (chance(20))
      return make(PairKind::Not, {}, {}, {draw(depth - 1, place)});
    if (!plain && chance(45))
      return scope(depth, place);
    SmallVector<PairsAttr> children;
    for (int64_t n = number(2, 3); n > 0; --n)
      children.push_back(draw(depth - 1, place));
    return make(chance(50) ? PairKind::And : PairKind::Or, {}, {}, children);
  }

private:
  mlir::MLIRContext *context;
  Random &random;
  bool plain;

  int64_t number(int64_t lo, int64_t hi) {
    return attnc::test::pairs::draw(random, lo, hi);
  }
  bool chance(int percent) {
    return attnc::test::pairs::chance(random, percent);
  }
  PairsAttr make(PairKind kind, llvm::ArrayRef<PairParam> params = {},
                 llvm::ArrayRef<int64_t> operands = {},
                 llvm::ArrayRef<PairsAttr> children = {},
                 mlir::IntegerSetAttr affine = {}) {
    return PairsAttr::get(context, kind, params, operands, children, affine);
  }
  PairParam constant(int64_t lo, int64_t hi) {
    return PairParam::constant(number(lo, hi));
  }
  PairParam param(int64_t hi, Place place) {
    if (!chance(25))
      return constant(0, hi);
    if (place.inDocument)
      return PairParam::operand(chance(50) ? DocumentParameter : 0);
    return PairParam::operand(number(0, NumParameters - 1));
  }

  PairsAttr leaf(Place place) {
    if (plain || chance(40))
      return plainLeaf(place);
    if (place.relative || chance(45))
      return positionLeaf(place);
    return rowLeaf();
  }

  /// Sets that plans know as bounds without values, and masks.
  PairsAttr plainLeaf(Place place) {
    switch (number(0, 24)) {
    case 0:
      return make(chance(50) ? PairKind::Full : PairKind::Empty);
    case 1:
    case 2:
      if (!place.relative)
        return make(PairKind::Keys, {}, {KeysMask});
      [[fallthrough]];
    case 3:
    case 4:
      if (!place.relative)
        return make(PairKind::Dense, {}, {DenseMask});
      [[fallthrough]];
    case 5:
    case 6:
      return make(PairKind::Prefix, param(20, place));
    case 7:
    case 8:
      return make(PairKind::First, param(8, place));
    case 9:
    case 10:
      return make(PairKind::Last, param(8, place));
    case 11:
    case 12:
      return make(PairKind::Local, param(10, place));
    case 13:
    case 14:
    case 15:
      return make(PairKind::Global, param(8, place));
    case 16:
    case 17:
    case 18:
    case 19:
      return make(PairKind::Causal);
    default:
      return make(PairKind::Window,
                  {param(12, place), param(12, place), PairParam::constant(0)});
    }
  }

  /// Other sets of positions alone.
  PairsAttr positionLeaf(Place place) {
    switch (number(0, 7)) {
    case 0:
      return make(PairKind::Window,
                  {param(12, place), param(12, place), PairParam::constant(1)});
    case 1:
      return make(PairKind::Chunk, {constant(1, 9), constant(0, 11)});
    case 2:
      return make(PairKind::Strided, constant(1, 6));
    case 3: {
      int64_t period = number(1, 8);
      return make(PairKind::Columns,
                  {PairParam::constant(period), constant(0, period)});
    }
    case 4:
      return make(PairKind::Dilated, {constant(0, 6), constant(1, 5)});
    case 5:
      return make(PairKind::Log);
    case 6:
      if (!place.relative)
        return make(PairKind::Random, {constant(0, 5), constant(0, 99)});
      [[fallthrough]];
    default:
      return affine();
    }
  }

  PairsAttr affine() {
    static const char *const kSets[] = {
        "(i, j)[n, m] : (i - 2 * j + 7 >= 0)",
        "(i, j)[n, m] : (3 * j - i - 4 >= 0, m - j - 2 >= 0)",
        "(i, j)[n, m] : (i floordiv 3 - j floordiv 3 == 0)",
        "(i, j)[n, m] : ((i + j) mod 4 - 1 >= 0, 30 - j >= 0)",
        "(i, j)[n, m] : (n - i - j + 3 >= 0)",
        "(i, j) : (i - j == 0)",
        "(i, j)[n] : (j + (i ceildiv 5) * 2 - n floordiv 4 >= 0)",
        "(i, j) : (i mod 3 - 1 >= 0, 2 * i - 3 * j + 5 >= 0)",
        "(i, j) : (i mod 2 == 0, j mod 3 - 1 == 0)"};
    std::string text = kSets[number(0, std::size(kSets) - 1)];
    auto set = llvm::cast<mlir::IntegerSetAttr>(
        mlir::parseAttribute("affine_set<" + text + ">", context));
    return make(PairKind::Affine, {}, {}, {}, set);
  }

  /// Sets of rows and operands.
  PairsAttr rowLeaf() {
    switch (number(0, 7)) {
    case 0:
      return make(PairKind::Documents, {}, {Boundaries});
    case 1:
      return make(PairKind::Ranges, PairParam::constant(0),
                  {KeyStarts, KeyEnds});
    case 2:
      return make(PairKind::Ranges, PairParam::constant(1),
                  {RowStarts, RowEnds});
    case 3:
      return make(PairKind::Csr, {}, {CsrRows, CsrKeys});
    case 4: // the default, or blocks for which there are enough rows
      return make(PairKind::Bsr,
                  chance(50) ? PairParam::constant(0) : constant(4, 9),
                  {BlockRows, BlockKeys});
    case 5:
      return make(PairKind::TopK, {}, {TopKeys});
    case 6:
      return make(PairKind::Predicate, PairParam::constant(0));
    default:
      return make(PairKind::Documents, {}, {Boundaries});
    }
  }

  PairsAttr scope(int depth, Place place) {
    Place inner = place;
    inner.relative = true;
    switch (number(0, 3)) {
    case 0:
      if (place.relative)
        break;
      inner.inDocument = true;
      return make(PairKind::PerDocument, {}, {Boundaries},
                  {draw(depth - 1, inner)});
    case 1:
      break;
    case 2: {
      // All cells hold more positions than there are rows.
      SmallVector<PairParam> extents;
      SmallVector<PairsAttr> children;
      int64_t cells = 1;
      for (int64_t axes = number(2, 3); axes > 1; --axes) {
        extents.push_back(constant(2, 9));
        cells *= extents.back().value;
      }
      extents.push_back(PairParam::constant(96 / cells + number(1, 3)));
      if (chance(50))
        std::swap(extents.front(), extents.back());
      for (size_t axis = 0; axis < extents.size(); ++axis)
        children.push_back(draw(depth - 1, inner));
      return make(PairKind::Axes, extents, {}, children);
    }
    default: {
      SmallVector<PairParam> heads;
      SmallVector<PairsAttr> children;
      int64_t first = 0;
      for (int64_t n = number(1, 3); n > 0; --n) {
        heads.push_back(PairParam::constant(first));
        children.push_back(draw(depth - 1, place));
        first += number(1, 2);
      }
      return make(PairKind::ByHead, heads, {}, children);
    }
    }
    return make(PairKind::Blocks, constant(1, 7), {}, {draw(depth - 1, inner)});
  }
};
} // namespace

PairsAttr attnc::test::pairs::drawSet(mlir::MLIRContext *context,
                                      Random &random, int depth, Place place) {
  return SetDrawer(context, random, /*plain=*/false).draw(depth, place);
}

PairsAttr attnc::test::pairs::drawPlainSet(mlir::MLIRContext *context,
                                           Random &random, int depth) {
  return SetDrawer(context, random, /*plain=*/true).draw(depth, {});
}

//===----------------------------------------------------------------------===//
// Random shapes and values
//===----------------------------------------------------------------------===//

Shape attnc::test::pairs::drawShape(Random &random, int64_t largest) {
  Shape shape;
  shape.n = chance(random, 15) ? 1 : draw(random, 1, largest);
  shape.m = chance(random, 30) ? shape.n : draw(random, 1, largest);
  shape.staticRows = chance(random, 40);
  shape.staticKeys = chance(random, 40);
  shape.lengths = chance(random, 40);
  shape.qLengths = chance(random, 25);
  shape.qStart = chance(random, 30);
  shape.kStart = chance(random, 25);
  shape.positionsStart = !shape.qStart && chance(random, 25);
  shape.documents = draw(random, 0, 5);
  shape.csrKeys = chance(random, 10) ? 0 : draw(random, 1, 6 * shape.n);
  shape.blockKeys = draw(random, 0, 4 * shape.blockRows());
  shape.topKeys = draw(random, 0, 8);
  return shape;
}

Positions attnc::test::pairs::drawPositions(const Shape &shape,
                                            Random &random) {
  Positions at;
  int64_t keys = shape.lengths ? draw(random, 0, shape.m) : shape.m;
  int64_t queries = shape.qLengths ? draw(random, 0, shape.n) : shape.n;
  at.kBegin = shape.kStart ? draw(random, -8, 30) : 0;
  at.kEnd = at.kBegin + keys;
  if (shape.qStart)
    at.qBegin = draw(random, -20, 40);
  else
    at.qBegin = shape.positionsStart ? 0 : at.kEnd - queries;
  at.qEnd = at.qBegin + queries;
  return at;
}

/// `count` numbers from lo to hi, in order.
static std::vector<int64_t> drawSorted(Random &random, int64_t count,
                                       int64_t lo, int64_t hi) {
  std::vector<int64_t> values;
  for (int64_t x = 0; x < count; ++x)
    values.push_back(draw(random, lo, hi));
  llvm::sort(values);
  return values;
}

SetOperand attnc::test::pairs::drawOperand(int64_t number, const Shape &shape,
                                           const Positions &at,
                                           Random &random) {
  SetOperand operand;
  auto fill = [&](std::vector<int64_t> sizes, int64_t lo, int64_t hi) {
    int64_t count = 1;
    for (int64_t size : sizes)
      count *= size;
    operand.shape = std::move(sizes);
    for (int64_t x = 0; x < count; ++x)
      operand.values.push_back(draw(random, lo, hi));
  };
  int64_t first = std::min(at.kBegin, at.qBegin);
  int64_t last = std::max(at.kEnd, at.qEnd);
  switch (number) {
  case KeysMask:
    fill({shape.m}, 0, 1);
    break;
  case DenseMask:
    fill({shape.n, shape.m}, 0, 1);
    break;
  case Boundaries: {
    bool packed = chance(random, 50); // every position in some document
    int64_t margin = packed ? 0 : 2;
    operand.shape = {shape.documents + 1};
    operand.values =
        drawSorted(random, shape.documents + 1, first - margin, last + margin);
    if (packed && shape.documents) {
      operand.values.front() = first;
      operand.values.back() = last;
    }
    break;
  }
  case KeyStarts:
    fill({shape.m}, at.qBegin - 2, at.qEnd);
    break;
  case KeyEnds:
    fill({shape.m}, at.qBegin, at.qEnd + 2);
    break;
  case RowStarts:
    fill({shape.n}, at.kBegin - 2, at.kEnd);
    break;
  case RowEnds:
    fill({shape.n}, at.kBegin, at.kEnd + 2);
    break;
  case CsrRows:
    operand.shape = {shape.n + 1};
    operand.values = drawSorted(random, shape.n + 1, 0, shape.csrKeys);
    break;
  case CsrKeys: // some twice, some that do not exist
    fill({shape.csrKeys}, at.kBegin - 1, at.kEnd + 1);
    break;
  case BlockRows:
    operand.shape = {shape.blockRows() + 1};
    operand.values =
        drawSorted(random, shape.blockRows() + 1, 0, shape.blockKeys);
    break;
  case BlockKeys:
    fill({shape.blockKeys}, at.kBegin / 4 - 1, at.kEnd / 4 + 1);
    break;
  case TopKeys:
    fill({shape.n, shape.topKeys}, at.kBegin - 1, at.kEnd + 1);
    for (int64_t &x : operand.values)
      if (chance(random, 20))
        x = -1;
    break;
  case DocumentParameter:
    fill({std::max<int64_t>(shape.documents, 1)}, 0, 9);
    break;
  default:
    fill({}, 0, 16);
    break;
  }
  return operand;
}

Values attnc::test::pairs::drawValues(const Shape &shape, Random &random) {
  Values values;
  static_cast<Positions &>(values) = drawPositions(shape, random);
  values.n = shape.n;
  values.head = draw(random, 0, 4);
  for (int64_t number = 0; number < NumOperands; ++number)
    values.operands.push_back(drawOperand(number, shape, values, random));
  for (int64_t x = 0; x < kTableSize; ++x)
    values.table.push_back(draw(random, 0, 1));
  return values;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

void attnc::test::pairs::addMentions(PairsAttr set,
                                     std::vector<int64_t> &order) {
  std::string ignored;
  llvm::raw_string_ostream os(ignored);
  set.printExpression(os, [&](int64_t n) {
    if (!llvm::is_contained(order, n))
      order.push_back(n);
  });
}

bool attnc::test::pairs::usesPredicate(PairsAttr set) {
  bool uses = false;
  if (set)
    set.visit(
        [&](PairsAttr part) { uses |= part.getKind() == PairKind::Predicate; });
  return uses;
}

std::string attnc::test::pairs::predicateText() {
  std::string size = std::to_string(kTableSize);
  std::string type = "tensor<" + size + "xi1>";
  return " predicate captures(%table : " + type +
         ") {\n  ^bb0(%b: index, %h: index, %i: index, %j: index):\n"
         "    %x = affine.apply affine_map<(h, i, j) -> ((h + i + 2 * j) mod " +
         size +
         ")>(%h, %i, %j)\n"
         "    %t = tensor.extract %table[%x] : " +
         type + "\n    attn.yield %t : i1\n  }";
}

static std::string typeOfOperand(int64_t operand, const std::string &n,
                                 const std::string &m) {
  switch (operand) {
  case KeysMask:
    return "tensor<" + m + "xi1>";
  case DenseMask:
    return "tensor<" + n + "x" + m + "xi1>";
  case KeyStarts:
  case KeyEnds:
    return "tensor<" + m + "xi32>";
  case RowStarts:
  case RowEnds:
    return "tensor<" + n + "xi32>";
  case TopKeys:
    return "tensor<" + n + "x?xi64>";
  case Boundaries:
  case CsrRows:
  case CsrKeys:
  case BlockRows:
  case BlockKeys:
  case DocumentParameter:
    return "tensor<?xi64>";
  default:
    return "i64";
  }
}

std::string attnc::test::pairs::moduleText(const Shape &shape, PairsAttr mask,
                                           PairsAttr sparsity) {
  auto size = [](int64_t rows, bool isStatic) {
    return isStatic ? std::to_string(rows) : std::string("?");
  };
  std::string n = size(shape.n, shape.staticRows);
  std::string m = size(shape.m, shape.staticKeys);
  std::string q = "tensor<" + n + "x8xf32>", k = "tensor<" + m + "x8xf32>";
  std::vector<std::pair<std::string, std::string>> arguments = {
      {"q", q}, {"k", k}, {"v", k}};
  std::string clauses;
  auto clause = [&](bool present, const char *name) {
    if (!present)
      return;
    arguments.push_back({name, "i64"});
    clauses += std::string(" ") + name + "(%" + name + ")";
  };
  clause(shape.lengths, "lengths");
  clause(shape.qLengths, "q_lengths");
  clause(shape.qStart, "q_start");
  clause(shape.kStart, "k_start");
  if (shape.positionsStart)
    clauses += " positions = start";
  std::vector<int64_t> order;
  llvm::raw_string_ostream os(clauses);
  for (auto [name, set] :
       {std::make_pair(" mask", mask), std::make_pair(" sparsity", sparsity)}) {
    if (!set)
      continue;
    addMentions(set, order);
    os << name << " = #attn.pairs<";
    set.printExpression(os, [&](int64_t operand) { os << "%x" << operand; });
    os << '>';
  }
  for (int64_t operand : order)
    arguments.push_back(
        {"x" + std::to_string(operand), typeOfOperand(operand, n, m)});
  std::string text = "func.func @f(", types;
  for (auto [index, argument] : llvm::enumerate(arguments)) {
    text += (index ? ", %" : "%") + argument.first + ": " + argument.second;
    types += (index ? ", " : "") + argument.second;
  }
  if (usesPredicate(mask) || usesPredicate(sparsity)) {
    text += ", %table: tensor<" + std::to_string(kTableSize) + "xi1>";
    clauses += predicateText();
  }
  return text + ") -> " + q + " {\n  %o = attn.attention %q, %k, %v" + clauses +
         " : " + types + " -> " + q + "\n  return %o : " + q + "\n}\n";
}
