// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attributes: storage, custom syntax of plans, dialect-level parse and print.

#include "dialect/Attn.h"
#include "dialect/PairsSyntax.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::attn;

#include "dialect/AttnEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/AttnAttrs.cpp.inc"

void AttnDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/AttnAttrs.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// #attn.pairs
//===----------------------------------------------------------------------===//

static constexpr llvm::StringLiteral kPairsPrefix = "pairs<";

/// MLIR takes a `: type` behind a dialect attribute for the attribute's own
/// type. In `attn.attention ... kernel = #attn.none : tensor<...>, ...` it is
/// the first operand's: a pair [attribute, type] carries it to the operation's
/// parser (AttentionSyntax.cpp).
static Attribute carryType(Attribute attr, Type type) {
  if (!attr || !type)
    return attr;
  return ArrayAttr::get(attr.getContext(), {attr, TypeAttr::get(type)});
}

Attribute AttnDialect::parseAttribute(DialectAsmParser &parser,
                                      Type type) const {
  StringRef spec = parser.getFullSymbolSpec();
  if (spec.starts_with(kPairsPrefix)) {
    FailureOr<ParsedPairs> parsed =
        parsePairs(getContext(), spec.drop_front(kPairsPrefix.size()),
                   [&](SMLoc loc) { return parser.emitError(loc); });
    return succeeded(parsed) ? carryType(parsed->set, type) : Attribute();
  }
  StringRef mnemonic;
  Attribute attr;
  OptionalParseResult result =
      generatedAttributeParser(parser, &mnemonic, type, attr);
  if (result.has_value())
    return carryType(attr, type);
  parser.emitError(parser.getNameLoc())
      << "unknown attribute '" << mnemonic << "' in dialect 'attn'";
  return {};
}

void AttnDialect::printAttribute(Attribute attr, DialectAsmPrinter &os) const {
  (void)generatedAttributePrinter(attr, os);
}

ArrayAttr attn::getGridMapping(MLIRContext *context, int64_t rank,
                               GridOrder order) {
  bool across = order == GridOrder::UpAcross || order == GridOrder::DownAcross;
  bool down = order == GridOrder::Down || order == GridOrder::DownAcross;
  SmallVector<Attribute> dims;
  for (int64_t loop = 0; loop < rank; ++loop) {
    bool isTiles = loop + 1 == rank;
    int64_t dim = !across ? loop : isTiles ? 0 : loop + 1;
    dims.push_back(GridAttr::get(context, dim,
                                 isTiles && down ? GridDirection::Down
                                                 : GridDirection::Up));
  }
  return ArrayAttr::get(context, dims);
}

int64_t GridAttr::getMappingId() const { return getDim(); }
bool GridAttr::isLinearMapping() const { return false; }
int64_t GridAttr::getRelativeIndex() const { return getDim(); }

PairsAttr PairsAttr::get(MLIRContext *context, PairKind kind,
                         ArrayRef<PairParam> params, ArrayRef<int64_t> operands,
                         ArrayRef<PairsAttr> children, IntegerSetAttr set) {
  return Base::get(context, kind, params, operands, children, set);
}

Attribute PairsAttr::parse(AsmParser &parser, Type) {
  parser.emitError(parser.getCurrentLocation(),
                   "a pair set is written #attn.pairs<...>");
  return {};
}

void PairsAttr::print(AsmPrinter &printer) const {
  raw_ostream &os = printer.getStream();
  os << '<';
  printExpression(os, [&](int64_t n) { os << '$' << n; });
  os << '>';
}

void PairsAttr::visit(function_ref<void(PairsAttr)> fn) const {
  fn(*this);
  for (PairsAttr child : getChildren())
    child.visit(fn);
}

int64_t PairsAttr::getNumOperandRefs() const {
  int64_t count = 0;
  visit([&](PairsAttr set) {
    for (int64_t n : set.getOperands())
      count = std::max(count, n + 1);
    for (PairParam p : set.getParams())
      if (p.isOperand)
        count = std::max(count, p.value + 1);
  });
  return count;
}

PairsAttr mlir::attn::renumberOperands(PairsAttr set,
                                       ArrayRef<int64_t> numbers) {
  SmallVector<PairParam> params(set.getParams());
  for (PairParam &p : params)
    if (p.isOperand)
      p.value = numbers[p.value];
  SmallVector<int64_t> operands;
  for (int64_t n : set.getOperands())
    operands.push_back(numbers[n]);
  SmallVector<PairsAttr> children;
  for (PairsAttr child : set.getChildren())
    children.push_back(renumberOperands(child, numbers));
  return PairsAttr::get(set.getContext(), set.getKind(), params, operands,
                        children, set.getAffineSet());
}

//===----------------------------------------------------------------------===//
// #attn.plan, #attn.component, #attn.schedule
//===----------------------------------------------------------------------===//

// <components = [...], atoms = [...], parameters = [...], values = [...]>,
// empty lists left out.
Attribute PlanAttr::parse(AsmParser &parser, Type) {
  SmallVector<ComponentAttr> components;
  SmallVector<PairsAttr> atoms;
  SmallVector<int64_t> parameters;
  SmallVector<ValueAttr> values;
  auto parseList = [&](StringRef keyword) -> ParseResult {
    return parser.parseCommaSeparatedList(
        AsmParser::Delimiter::Square, [&]() -> ParseResult {
          if (keyword == "components")
            return parser.parseAttribute(components.emplace_back());
          if (keyword == "atoms")
            return parser.parseAttribute(atoms.emplace_back());
          if (keyword == "values")
            return parser.parseAttribute(values.emplace_back());
          return parser.parseInteger(parameters.emplace_back());
        });
  };
  auto parseEntry = [&]() -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    StringRef keyword;
    if (parser.parseKeyword(&keyword) || parser.parseEqual())
      return failure();
    if (!llvm::is_contained({"components", "atoms", "parameters", "values"},
                            keyword))
      return parser.emitError(
          loc, "expected components, atoms, parameters or values");
    return parseList(keyword);
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::OptionalLessGreater,
                                     parseEntry))
    return {};
  return PlanAttr::get(parser.getContext(), components, atoms, parameters,
                       values);
}

void PlanAttr::print(AsmPrinter &printer) const {
  const char *separator = "<";
  auto list = [&](StringRef keyword, auto elements) {
    if (elements.empty())
      return;
    printer << separator << keyword << " = [";
    separator = ", ";
    llvm::interleaveComma(elements, printer,
                          [&](auto element) { printer << element; });
    printer << ']';
  };
  list("components", getComponents());
  list("atoms", getAtoms());
  list("parameters", getParameters());
  list("values", getValues());
  if (StringRef(separator) == ", ")
    printer << '>';
}

unsigned PlanAttr::getNumSymbols() const {
  return FirstParameter + getParameters().size() + getValues().size();
}

LogicalResult ValueAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                ValueKind kind, AffineMap map,
                                int64_t operand) {
  bool hasMap = kind != ValueKind::Head;
  bool hasOperand = llvm::is_contained(
      {ValueKind::Begin, ValueKind::End, ValueKind::Number, ValueKind::Load},
      kind);
  if (hasMap != (map && map.getNumResults() > 0))
    return emitError() << "a value has a map, unless it is the head";
  if (map && map.getNumDims() != 1)
    return emitError() << "a value's map takes one dim, the query position";
  if (hasOperand && (operand < 0 || map.getNumResults() != 1))
    return emitError() << "a value of kind " << stringifyValueKind(kind)
                       << " has an operand and a map of one result";
  if (!hasOperand && operand != -1)
    return emitError() << "a value of kind " << stringifyValueKind(kind)
                       << " has no operand";
  return success();
}

LogicalResult
ComponentAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                      AffineMap lower, AffineMap upper, AffineMap rowLower,
                      AffineMap rowUpper, AffineMap guard,
                      DenseI64ArrayAttr tests, int64_t walk) {
  unsigned symbols = lower.getNumSymbols();
  if (symbols < FirstParameter)
    return emitError() << "maps of a component take at least "
                       << unsigned(FirstParameter) << " symbols";
  for (AffineMap map : {upper, rowLower, rowUpper})
    if (map.getNumSymbols() != symbols)
      return emitError() << "maps of a component take the same symbols";
  if (lower.getNumDims() != 1 || upper.getNumDims() != 1)
    return emitError() << "lower and upper take one dim, the query position";
  if (rowLower.getNumDims() != 0 || rowUpper.getNumDims() != 0)
    return emitError() << "row_lower and row_upper take symbols only";
  if (lower.getNumResults() == 0 || upper.getNumResults() == 0)
    return emitError() << "lower and upper have at least one bound each";
  if (guard && (guard.getNumDims() != 1 || guard.getNumSymbols() != symbols))
    return emitError() << "guard takes the query position and the symbols";
  if (tests && llvm::is_contained(tests.asArrayRef(), 0))
    return emitError() << "tests count atoms from 1";
  if (walk != 0 &&
      (!tests || walk < 0 || !llvm::is_contained(tests.asArrayRef(), walk)))
    return emitError() << "walk is one of the positive tests";
  return success();
}

LogicalResult MmaAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                              int64_t warps, int64_t stages, int64_t querySteps,
                              int64_t lookahead, int64_t fence, int64_t lazy) {
  struct Size {
    StringRef name;
    int64_t value, least, largest;
  };
  for (auto [name, value, least, largest] :
       {Size{"warps", warps, 1, 16}, Size{"stages", stages, 2, 8},
        Size{"query_steps", querySteps, 0, 64},
        Size{"lookahead", lookahead, 0, 16}, Size{"fence", fence, 0, 1024},
        Size{"lazy", lazy, 0, 10}})
    if (value < least || value > largest)
      return emitError() << name << " must be " << least << " to " << largest
                         << ", got " << value;
  if ((warps & (warps - 1)) && warps % 4)
    return emitError() << "warps must be a power of two or a multiple of four, "
                          "got "
                       << warps;
  return success();
}

/// `tileRows` is query_tile * heads.
static LogicalResult
verifyTensorCores(function_ref<InFlightDiagnostic()> emitError,
                  MicroKernel micro, int64_t tileRows, int64_t keyBlock,
                  MmaAttr mma) {
  bool isTensorCore = micro == MicroKernel::Mma || micro == MicroKernel::Wgmma;
  if (isTensorCore != static_cast<bool>(mma))
    return emitError() << "mma goes with micro = mma or wgmma, which need it";
  if (mma &&
      (tileRows % (16 * mma.getWarps()) || keyBlock % 16 || keyBlock > 64))
    return emitError()
           << "micro = mma and wgmma take a key_block of 16, 32, 48 or 64 "
              "and a multiple of 16 * warps as query_tile * heads, "
              "got "
           << keyBlock << " and " << tileRows;
  if (micro == MicroKernel::Wgmma &&
      (mma.getWarps() % 4 || tileRows != 16 * mma.getWarps()))
    return emitError() << "micro = wgmma takes a multiple of four warps and 16 "
                          "rows a warp as query_tile * heads, got "
                       << mma.getWarps() << " and " << tileRows;
  if (micro == MicroKernel::Wgmma && mma.getStages() < 3)
    return emitError() << "micro = wgmma takes 3 or more stages: values of a "
                          "block are read beside the keys of the next, got "
                       << mma.getStages();
  return success();
}

LogicalResult ScheduleAttr::verify(
    function_ref<InFlightDiagnostic()> emitError, MicroKernel micro,
    int64_t queryTile, int64_t heads, int64_t keyBlock, int64_t lanes,
    int64_t registerKeys, int64_t registerVectors, LoadMode q, LoadMode k,
    LoadMode v, Products products, GridOrder, int64_t strip, int64_t split,
    Attribute lists, Attribute few, MmaAttr mma, ArrayAttr why) {
  struct Size {
    StringRef name;
    int64_t value, largest;
  };
  for (auto [name, value, largest] :
       {Size{"query_tile", queryTile, 4096}, Size{"heads", heads, 1024},
        Size{"key_block", keyBlock, 4096},
        Size{"register_keys", registerKeys, 32},
        Size{"register_vectors", registerVectors, 32},
        Size{"strip", strip, queryTile}})
    if (value < 1 || value > largest)
      return emitError() << name << " must be 1 to " << largest << ", got "
                         << value;
  if (lanes < 2 || lanes > 64 || (lanes & (lanes - 1)))
    return emitError() << "lanes must be a power of two from 2 to 64, got "
                       << lanes;
  constexpr int64_t mostAccumulators = 64, mostQueries = 4096;
  if (registerKeys * registerVectors > mostAccumulators)
    return emitError() << "register_keys * register_vectors must be at most "
                       << mostAccumulators << ", got "
                       << registerKeys * registerVectors;
  if (queryTile * heads > mostQueries)
    return emitError() << "query_tile * heads must be at most " << mostQueries
                       << ", got " << queryTile * heads;
  if (micro == MicroKernel::Block && queryTile % (lanes * registerVectors))
    return emitError() << "query_tile must be a multiple of lanes * "
                          "register_vectors, which is "
                       << lanes * registerVectors << ", got " << queryTile;
  if (products == Products::DotBf16 &&
      (keyBlock % 2 || lanes < 4 || lanes > 16 ||
       (micro == MicroKernel::Block && registerKeys % 2)))
    return emitError() << "products = dot_bf16 takes 4 to 16 lanes, an even "
                          "key_block and, with the block micro-kernel, even "
                          "register_keys";
  if (failed(verifyTensorCores(emitError, micro, queryTile * heads, keyBlock,
                               mma)))
    return failure();
  if (split != 0 && (micro == MicroKernel::Block || split < keyBlock))
    return emitError() << "split takes the row or mma micro-kernel and "
                          "key_block or more keys, got "
                       << split;
  if (split != 0 && strip != 1)
    return emitError() << "strips keep the keys of a row together: split goes "
                          "with a strip of 1, got "
                       << strip;
  auto listSchedule = dyn_cast_or_null<ScheduleAttr>(lists);
  if (lists && (!listSchedule || listSchedule.getLists() ||
                listSchedule.getMicro() != MicroKernel::Row ||
                listSchedule.getQueryTile() != 1))
    return emitError() << "lists is a schedule of the row micro-kernel with a "
                          "query_tile of 1";
  auto fewSchedule = dyn_cast_or_null<ScheduleAttr>(few);
  if (few &&
      (!fewSchedule || micro != MicroKernel::Block ||
       fewSchedule.getMicro() != MicroKernel::Row || fewSchedule.getLists() ||
       fewSchedule.getFew() || fewSchedule.getSplit() ||
       fewSchedule.getHeads() != heads || fewSchedule.getQ() != q ||
       fewSchedule.getK() != k || fewSchedule.getV() != v ||
       fewSchedule.getQueryTile() >= queryTile))
    return emitError() << "few is a schedule of the row micro-kernel in one of "
                          "the block micro-kernel, with its heads and loads "
                          "and fewer rows";
  if (why && !llvm::all_of(why, llvm::IsaPred<StringAttr>))
    return emitError() << "why is a list of strings";
  return success();
}

ScheduleAttr ScheduleAttr::getListSchedule() const {
  return getLists() ? cast<ScheduleAttr>(getLists()) : *this;
}

ScheduleAttr ScheduleAttr::getFewSchedule() const {
  return dyn_cast_or_null<ScheduleAttr>(getFew());
}

LogicalResult FormulaAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  AffineMap map, DenseI64ArrayAttr dims) {
  if (map.getNumDims() != 0 || map.getNumResults() != 1)
    return emitError() << "a formula has symbols only and one result";
  size_t count = dims ? dims.size() : 0;
  if (count != 2 * static_cast<size_t>(map.getNumSymbols()))
    return emitError() << "a formula binds each symbol to (tensor, dim)";
  if (dims && llvm::any_of(dims.asArrayRef(), [](int64_t d) { return d < 0; }))
    return emitError() << "tensors and dims are counted from 0";
  return success();
}
