// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention: custom assembly. Clauses are parsed in any order and printed
// in one; set operands stand by name inside `#attn.pairs<...>`.

#include "dialect/Attn.h"
#include "dialect/PairsSyntax.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
using Unresolved = OpAsmParser::UnresolvedOperand;

/// Operands with a clause of their own, in the order of the operation. The one
/// without a name is the second of the clause before it.
constexpr llvm::StringLiteral kOperandClauses[] = {
    "pages",   "",     "lengths", "q_lengths", "q_start",
    "k_start", "bias", "sink",    "decay",     "state"};
constexpr llvm::StringLiteral kPairsPrefix = "#attn.pairs<";

struct Capture {
  Unresolved operand;
  Type type;
};

class AttentionParser {
public:
  AttentionParser(OpAsmParser &parser, OperationState &state)
      : parser(parser), state(state),
        props(state.getOrAddProperties<AttentionOp::Properties>()) {}

  ParseResult parse() {
    if (parser.parseOperand(qkv[0]) || parser.parseComma() ||
        parser.parseOperand(qkv[1]) || parser.parseComma() ||
        parser.parseOperand(qkv[2]))
      return failure();
    while (types.empty()) {
      SMLoc loc = parser.getCurrentLocation();
      StringRef keyword;
      if (failed(parser.parseOptionalKeyword(&keyword)))
        break;
      if (keyword == "attributes") {
        if (parser.parseOptionalAttrDict(state.attributes))
          return failure();
        break;
      }
      if (keyword != "predicate" && !seen.insert(keyword).second)
        return parser.emitError(loc)
               << "clause '" << keyword << "' is given twice";
      if (parseClause(keyword, loc))
        return failure();
    }
    return finish();
  }

private:
  OpAsmParser &parser;
  OperationState &state;
  AttentionOp::Properties &props;
  Unresolved qkv[3];
  std::optional<Unresolved> clauseOperands[std::size(kOperandClauses)];
  SmallVector<Unresolved> setOperands;
  SmallVector<Capture> captures[2];
  SmallVector<SmallVector<Capture>> predicateCaptures;
  std::unique_ptr<Region> scoreMod = std::make_unique<Region>();
  std::unique_ptr<Region> probMod = std::make_unique<Region>();
  SmallVector<std::unique_ptr<Region>> predicates;
  SmallVector<int32_t> returns;
  llvm::StringSet<> seen;
  SmallVector<Type> types;

  ParseResult parseClause(StringRef keyword, SMLoc loc) {
    for (auto [i, name] : llvm::enumerate(kOperandClauses))
      if (name == keyword)
        return parseOperandClause(i);
    if (keyword == "score_mod")
      return parseRegion(captures[0], *scoreMod);
    if (keyword == "prob_mod")
      return parseRegion(captures[1], *probMod);
    if (keyword == "predicate") {
      predicates.push_back(std::make_unique<Region>());
      return parseRegion(predicateCaptures.emplace_back(), *predicates.back());
    }
    if (!llvm::is_contained({"mask", "sparsity", "kernel", "scale", "positions",
                             "returns", "plan", "schedule"},
                            keyword))
      return parser.emitError(loc)
             << "unknown clause '" << keyword << "' of attn.attention";
    if (parser.parseEqual())
      return failure();
    if (keyword == "mask")
      return parsePairsClause(props.mask);
    if (keyword == "sparsity")
      return parsePairsClause(props.sparsity);
    if (keyword == "kernel")
      return parseAttnAttribute(props.kernel);
    if (keyword == "scale")
      return parser.parseAttribute(props.scale,
                                   parser.getBuilder().getF64Type());
    if (keyword == "plan")
      return parseAttnAttribute(props.plan);
    if (keyword == "schedule")
      return parseAttnAttribute(props.schedule);
    if (keyword == "returns")
      return parseReturns();
    if (parser.parseKeyword("start", " after `positions =`"))
      return failure();
    props.positions_start = parser.getBuilder().getUnitAttr();
    return success();
  }

  ParseResult parseOperandClause(size_t i) {
    if (parser.parseLParen() ||
        parser.parseOperand(clauseOperands[i].emplace()))
      return failure();
    bool hasSecond =
        i + 1 < std::size(kOperandClauses) && kOperandClauses[i + 1].empty();
    if (hasSecond && succeeded(parser.parseOptionalComma()) &&
        parser.parseOperand(clauseOperands[i + 1].emplace()))
      return failure();
    return parser.parseRParen();
  }

  /// Parses an attribute; a type that MLIR took for the attribute's begins the
  /// list of operand types (see carryType in AttnAttrs.cpp).
  template <typename AttrT>
  ParseResult parseAttnAttribute(AttrT &attr) {
    SMLoc loc = parser.getCurrentLocation();
    Attribute any;
    if (parser.parseAttribute(any))
      return failure();
    if (auto pair = dyn_cast<ArrayAttr>(any);
        pair && pair.size() == 2 && isa<TypeAttr>(pair[1])) {
      any = pair[0];
      types.push_back(cast<TypeAttr>(pair[1]).getValue());
    }
    attr = dyn_cast<AttrT>(any);
    if (!attr)
      return parser.emitError(loc, "wrong kind of attribute for this clause");
    return success();
  }

  /// The rest of the types: all of them, or those after a carried first.
  ParseResult parseTypes() {
    if (types.empty())
      return parser.parseColonTypeList(types);
    while (succeeded(parser.parseOptionalComma()))
      if (parser.parseType(types.emplace_back()))
        return failure();
    return success();
  }

  /// `#attn.pairs<...>` is parsed twice: by MLIR, which finds its end and
  /// reports errors, and here again for the operands' names.
  ParseResult parsePairsClause(PairsAttr &attr) {
    SMLoc loc = parser.getCurrentLocation();
    if (parseAttnAttribute(attr))
      return failure();
    StringRef text(loc.getPointer());
    SmallVector<NamedSetOperand> names;
    if (text.consume_front(kPairsPrefix)) {
      FailureOr<ParsedPairs> parsed =
          parsePairs(parser.getContext(), text,
                     [&](SMLoc at) { return parser.emitError(at); });
      if (failed(parsed))
        return failure();
      names = parsed->operands;
    }
    if (attr.getNumOperandRefs() != static_cast<int64_t>(names.size()))
      return parser.emitError(loc)
             << "operands of a pair set are written by name here (`%x`, not "
                "`$0`)";
    SmallVector<int64_t> numbers;
    for (const NamedSetOperand &name : names)
      numbers.push_back(addSetOperand(name));
    attr = renumberOperands(attr, numbers);
    return success();
  }

  int64_t addSetOperand(const NamedSetOperand &name) {
    for (auto [i, operand] : llvm::enumerate(setOperands))
      if (operand.name == name.name && operand.number == name.number)
        return i;
    setOperands.push_back({name.loc, name.name, name.number});
    return setOperands.size() - 1;
  }

  ParseResult parseReturns() {
    return parser.parseCommaSeparatedList(
        AsmParser::Delimiter::Square, [&]() -> ParseResult {
          SMLoc loc = parser.getCurrentLocation();
          StringRef name;
          if (parser.parseKeyword(&name))
            return failure();
          std::optional<ResultKind> kind = symbolizeResultKind(name);
          if (!kind)
            return parser.emitError(loc)
                   << "unknown result '" << name
                   << "'; known are state, lse, scores, probs, column_sums, "
                      "statistics";
          returns.push_back(static_cast<int32_t>(*kind));
          return success();
        });
  }

  ParseResult parseRegion(SmallVectorImpl<Capture> &list, Region &region) {
    if (succeeded(parser.parseOptionalKeyword("captures"))) {
      auto parseCapture = [&]() -> ParseResult {
        Capture &capture = list.emplace_back();
        return failure(parser.parseOperand(capture.operand) ||
                       parser.parseColonType(capture.type));
      };
      if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren,
                                         parseCapture))
        return failure();
    }
    return parser.parseRegion(region, /*arguments=*/{});
  }

  ParseResult finish() {
    SmallVector<Type> resultTypes;
    SMLoc typesLoc = parser.getCurrentLocation();
    if (parseTypes() || parser.parseArrowTypeList(resultTypes))
      return failure();
    SmallVector<Unresolved> operands(qkv, qkv + 3);
    auto &segments = props.operandSegmentSizes;
    std::fill(segments.begin(), segments.end(), 0);
    segments[0] = segments[1] = segments[2] = 1;
    for (auto [i, operand] : llvm::enumerate(clauseOperands)) {
      segments[3 + i] = operand.has_value();
      if (operand)
        operands.push_back(*operand);
    }
    unsigned next = 3 + std::size(kOperandClauses);
    segments[next] = setOperands.size();
    llvm::append_range(operands, setOperands);
    if (types.size() != operands.size())
      return parser.emitError(typesLoc)
             << "expected " << operands.size()
             << " operand types (q, k, v, clause operands, set operands), got "
             << types.size();
    if (parser.resolveOperands(operands, types, typesLoc, state.operands) ||
        resolveCaptures(segments[next + 1]))
      return failure();
    if (clauseOperands[std::size(kOperandClauses) - 1] && // state
        !llvm::is_contained(returns, int32_t(ResultKind::State)))
      returns.insert(returns.begin(), int32_t(ResultKind::State));
    Builder &b = parser.getBuilder();
    if (!returns.empty())
      props.returns = b.getDenseI32ArrayAttr(returns);
    state.addTypes(resultTypes);
    state.addRegion(std::move(scoreMod));
    state.addRegion(std::move(probMod));
    for (std::unique_ptr<Region> &region : predicates)
      state.addRegion(std::move(region));
    return success();
  }

  ParseResult resolveCaptures(int32_t &segment) {
    SmallVector<int32_t> counts;
    auto resolve = [&](ArrayRef<Capture> list) -> ParseResult {
      counts.push_back(list.size());
      for (const Capture &capture : list)
        if (parser.resolveOperand(capture.operand, capture.type,
                                  state.operands))
          return failure();
      return success();
    };
    if (resolve(captures[0]) || resolve(captures[1]))
      return failure();
    for (ArrayRef<Capture> list : predicateCaptures)
      if (resolve(list))
        return failure();
    segment = std::accumulate(counts.begin(), counts.end(), 0);
    if (segment != 0)
      props.capture_counts = parser.getBuilder().getDenseI32ArrayAttr(counts);
    return success();
  }
};
} // namespace

ParseResult AttentionOp::parse(OpAsmParser &parser, OperationState &state) {
  return AttentionParser(parser, state).parse();
}

//===----------------------------------------------------------------------===//
// Printer
//===----------------------------------------------------------------------===//

static void printPairs(OpAsmPrinter &p, AttentionOp op, StringRef keyword,
                       PairsAttr set) {
  p << ' ' << keyword << " = " << kPairsPrefix;
  set.printExpression(p.getStream(), [&](int64_t n) {
    p.printOperand(op.getSetOperands()[n], p.getStream());
  });
  p << '>';
}

static void printRegion(OpAsmPrinter &p, StringRef keyword,
                        OperandRange captures, Region &region) {
  if (region.empty())
    return;
  p << ' ' << keyword;
  if (!captures.empty()) {
    p << " captures(";
    llvm::interleaveComma(captures, p,
                          [&](Value v) { p << v << " : " << v.getType(); });
    p << ')';
  }
  p << ' ';
  p.printRegion(region);
}

void AttentionOp::print(OpAsmPrinter &p) {
  p << ' ' << getQuery() << ", " << getKey() << ", " << getValue();
  for (auto [i, name] : llvm::enumerate(kOperandClauses)) {
    OperandRange operands = getODSOperands(3 + i);
    if (operands.empty() || name.empty())
      continue;
    p << ' ' << name << '(' << operands.front();
    bool hasSecond =
        i + 1 < std::size(kOperandClauses) && kOperandClauses[i + 1].empty();
    if (hasSecond && !getODSOperands(4 + i).empty())
      p << ", " << getODSOperands(4 + i).front();
    p << ')';
  }
  if (!getMaskSet().isFull())
    printPairs(p, *this, "mask", getMaskSet());
  if (PairsAttr sparsity = getSparsityAttr())
    printPairs(p, *this, "sparsity", sparsity);
  if (Attribute kernel = getKernelAttr())
    p << " kernel = " << kernel;
  if (FloatAttr scale = getScaleAttr()) {
    p << " scale = ";
    p.printAttributeWithoutType(scale);
  }
  if (getPositionsStart())
    p << " positions = start";
  SmallVector<ResultKind> kinds = getReturnKinds();
  if (getState() && !kinds.empty() && kinds.front() == ResultKind::State)
    kinds.erase(kinds.begin()); // state(...) implies it
  if (!kinds.empty()) {
    p << " returns = [";
    llvm::interleaveComma(kinds, p,
                          [&](ResultKind k) { p << stringifyResultKind(k); });
    p << ']';
  }
  if (PlanAttr plan = getPlanAttr())
    p << " plan = " << plan;
  if (ScheduleAttr schedule = getScheduleAttr())
    p << " schedule = " << schedule;
  printRegion(p, "score_mod", getRegionCaptures(0), getScoreMod());
  printRegion(p, "prob_mod", getRegionCaptures(1), getProbMod());
  for (auto [i, region] : llvm::enumerate(getPredicates()))
    printRegion(p, "predicate", getRegionCaptures(2 + i), region);
  if (!(*this)->getDiscardableAttrs().empty()) {
    p << " attributes";
    p.printOptionalAttrDict(llvm::to_vector((*this)->getDiscardableAttrs()));
  }
  p << " : ";
  llvm::interleaveComma(
      (*this)->getOperands().drop_back(getCaptures().size()).getTypes(), p);
  p << " -> ";
  if (getNumResults() == 1)
    p << getResult(0).getType();
  else {
    p << '(';
    llvm::interleaveComma(getResultTypes(), p);
    p << ')';
  }
}
