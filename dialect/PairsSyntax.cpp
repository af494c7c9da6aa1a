// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Pair-set text: recursive-descent parser and printer.

#include "dialect/PairsSyntax.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
/// How deep sets may nest; keeps hostile text from exhausting the stack.
constexpr int kMaxDepth = 64;

class PairsParser {
public:
  PairsParser(MLIRContext *context, StringRef text,
              function_ref<InFlightDiagnostic(SMLoc)> emitError)
      : context(context), cur(text.begin()), end(text.end()),
        emitError(emitError) {}

  FailureOr<ParsedPairs> parse() {
    FailureOr<PairsAttr> set = parseOr();
    if (failed(set))
      return failure();
    skipSpace();
    if (cur != end && *cur != '>')
      return error("expected `&`, `|` or the end of the pair set");
    result.set = *set;
    result.end = cur;
    return result;
  }

private:
  MLIRContext *context;
  const char *cur, *end;
  function_ref<InFlightDiagnostic(SMLoc)> emitError;
  ParsedPairs result;
  int depth = 0;

  LogicalResult error(const Twine &message) { return errorAt(cur, message); }
  LogicalResult errorAt(const char *where, const Twine &message) {
    return emitError(SMLoc::getFromPointer(where)) << message;
  }

  void skipSpace() {
    while (cur != end) {
      if (llvm::isSpace(*cur)) {
        ++cur;
      } else if (end - cur > 1 && cur[0] == '/' && cur[1] == '/') {
        while (cur != end && *cur != '\n')
          ++cur;
      } else {
        return;
      }
    }
  }
  bool accept(char c) {
    skipSpace();
    if (cur == end || *cur != c)
      return false;
    ++cur;
    return true;
  }
  LogicalResult expect(char c, const Twine &where) {
    if (accept(c))
      return success();
    return error("expected `" + Twine(c) + "` " + where);
  }
  StringRef word() {
    skipSpace();
    const char *begin = cur;
    while (cur != end && (llvm::isAlnum(*cur) || *cur == '_'))
      ++cur;
    return StringRef(begin, cur - begin);
  }

  FailureOr<int64_t> integer(const Twine &what) {
    skipSpace();
    const char *begin = cur;
    if (cur != end && *cur == '-')
      ++cur;
    while (cur != end && llvm::isDigit(*cur))
      ++cur;
    StringRef digits(begin, cur - begin);
    int64_t value;
    if (digits.empty() || digits == "-") {
      cur = begin;
      return error("expected " + what);
    }
    if (digits.getAsInteger(10, value))
      return errorAt(begin, "'" + digits + "' does not fit 64 bits");
    return value;
  }

  bool atOperand() {
    skipSpace();
    return cur != end && (*cur == '%' || *cur == '$');
  }

  /// `%name`, `%name#1` (numbered by first mention) or `$number`.
  FailureOr<int64_t> operand() {
    const char *begin = cur;
    if (*cur++ == '$') {
      FailureOr<int64_t> n = integer("an operand number after `$`");
      if (succeeded(n) && (*n < 0 || *n > 4096))
        return errorAt(begin, "operand number out of range");
      return n;
    }
    while (cur != end &&
           (llvm::isAlnum(*cur) || StringRef("_$.-").contains(*cur)))
      ++cur;
    StringRef name(begin, cur - begin);
    if (name.size() == 1)
      return errorAt(begin, "expected a name after `%`");
    unsigned number = 0;
    if (cur != end && *cur == '#') {
      ++cur;
      FailureOr<int64_t> n = integer("a result number after `#`");
      if (failed(n))
        return failure();
      number = *n;
    }
    for (auto [i, op] : llvm::enumerate(result.operands))
      if (op.name == name && op.number == number)
        return i;
    result.operands.push_back({name, number, SMLoc::getFromPointer(begin)});
    return result.operands.size() - 1;
  }

  FailureOr<PairsAttr> parseOr() { return parseChain('|', PairKind::Or); }
  FailureOr<PairsAttr> parseAnd() { return parseChain('&', PairKind::And); }

  FailureOr<PairsAttr> parseChain(char symbol, PairKind kind) {
    SmallVector<PairsAttr> parts;
    do {
      FailureOr<PairsAttr> part =
          kind == PairKind::Or ? parseAnd() : parseUnary();
      if (failed(part))
        return failure();
      parts.push_back(*part);
    } while (accept(symbol));
    if (parts.size() == 1)
      return parts.front();
    return PairsAttr::get(context, kind, {}, {}, parts);
  }

  FailureOr<PairsAttr> parseUnary() {
    if (++depth > kMaxDepth)
      return error("pair set nests too deeply");
    FailureOr<PairsAttr> set = parseUnaryImpl();
    --depth;
    return set;
  }

  FailureOr<PairsAttr> parseUnaryImpl() {
    if (accept('!')) {
      FailureOr<PairsAttr> inner = parseUnary();
      if (failed(inner))
        return failure();
      return PairsAttr::get(context, PairKind::Not, {}, {}, *inner);
    }
    if (accept('(')) {
      FailureOr<PairsAttr> inner = parseOr();
      if (failed(inner) || failed(expect(')', "after a nested pair set")))
        return failure();
      return inner;
    }
    return parseSet();
  }

  FailureOr<PairsAttr> parseSet() {
    skipSpace();
    const char *begin = cur;
    StringRef name = word();
    if (name.empty())
      return error("expected a pair set");
    const PairSetSpec *spec = findPairSet(name);
    if (!spec) {
      SmallVector<StringRef> known;
      for (const PairSetSpec &s : getPairSetSpecs())
        known.push_back(s.name);
      return errorAt(begin, "unknown pair set '" + name + "'; known are " +
                                llvm::join(known, ", "));
    }
    SmallVector<PairParam> params;
    SmallVector<int64_t> operands;
    SmallVector<PairsAttr> children;
    IntegerSetAttr affineSet;
    if (failed(parseParams(*spec, params, affineSet)) ||
        failed(parseOperands(*spec, params, operands)) ||
        failed(parseChildren(*spec, children)))
      return failure();
    if (spec->kind == PairKind::ByHead && params.size() != children.size())
      return errorAt(begin, "by_head needs one first head for each set");
    if (spec->kind == PairKind::Axes && params.size() != children.size())
      return errorAt(begin, "axes needs one set for each extent");
    return PairsAttr::get(context, spec->kind, params, operands, children,
                          affineSet);
  }

  LogicalResult parseParams(const PairSetSpec &spec,
                            SmallVectorImpl<PairParam> &params,
                            IntegerSetAttr &affineSet) {
    for (const PairParamSpec &p : spec.params)
      params.push_back(PairParam::constant(p.defaultValue.value_or(-1)));
    const char *begin = cur;
    if (!accept('<')) {
      for (const PairParamSpec &p : spec.params)
        if (!p.defaultValue && spec.kind != PairKind::Prefix)
          return errorAt(begin, "'" + spec.name + "' needs its parameter '" +
                                    p.name + "' in `<...>`");
      if (spec.kind == PairKind::Axes || spec.kind == PairKind::Affine)
        return errorAt(begin, "'" + spec.name + "' needs `<...>`");
      return success();
    }
    if (spec.kind == PairKind::Axes)
      return parseExtents(params);
    if (spec.kind == PairKind::Affine)
      return parseAffine(affineSet);
    if (spec.params.empty())
      return errorAt(begin, "'" + spec.name + "' takes no parameters");
    SmallVector<bool> given(params.size());
    size_t positional = 0;
    do {
      if (failed(parseParam(spec, params, given, positional)))
        return failure();
    } while (accept(','));
    for (auto [p, isGiven] : llvm::zip(spec.params, given))
      if (!isGiven && !p.defaultValue)
        return error("'" + spec.name + "' needs its parameter '" + p.name +
                     "'");
    return expect('>', "after the parameters of '" + spec.name + "'");
  }

  LogicalResult parseParam(const PairSetSpec &spec,
                           MutableArrayRef<PairParam> params,
                           MutableArrayRef<bool> given, size_t &positional) {
    skipSpace();
    const char *begin = cur;
    StringRef name = word();
    size_t index = spec.params.size();
    if (!name.empty() && !llvm::isDigit(name[0])) {
      for (auto [i, p] : llvm::enumerate(spec.params))
        if (p.form != PairParamSpec::Positional && p.name == name)
          index = i;
      if (index == spec.params.size())
        return errorAt(begin,
                       "'" + spec.name + "' has no parameter '" + name + "'");
      if (spec.params[index].form == PairParamSpec::Named &&
          failed(expect('=', "after the parameter's name")))
        return failure();
    } else {
      cur = begin;
      index = positional++;
      if (index >= spec.params.size() ||
          spec.params[index].form != PairParamSpec::Positional)
        return error("too many parameters for '" + spec.name + "'");
    }
    if (given[index])
      return errorAt(begin, "parameter '" + spec.params[index].name +
                                "' is given twice");
    given[index] = true;
    return parseParamValue(spec, index, params[index]);
  }

  LogicalResult parseParamValue(const PairSetSpec &spec, size_t index,
                                PairParam &param) {
    const PairParamSpec &p = spec.params[index];
    if (p.form == PairParamSpec::Flag) {
      param = PairParam::constant(1);
      return success();
    }
    skipSpace();
    const char *begin = cur;
    if (atOperand()) {
      if (!p.allowOperand)
        return error("parameter '" + p.name + "' of '" + spec.name +
                     "' must be a constant");
      FailureOr<int64_t> n = operand();
      if (failed(n))
        return failure();
      param = PairParam::operand(*n);
      return success();
    }
    FailureOr<int64_t> value = integer("an integer");
    if (failed(value))
      return failure();
    if (*value < p.min)
      return errorAt(begin, "(C14) parameter '" + p.name + "' of '" +
                                spec.name + "' must be at least " +
                                Twine(p.min) + ", got " + Twine(*value));
    param = PairParam::constant(*value);
    return success();
  }

  LogicalResult parseExtents(SmallVectorImpl<PairParam> &params) {
    do {
      skipSpace();
      const char *begin = cur;
      FailureOr<int64_t> extent = integer("an extent");
      if (failed(extent))
        return failure();
      if (*extent < 1)
        return errorAt(begin, "(C14) an extent of axes must be at least 1");
      params.push_back(PairParam::constant(*extent));
    } while (accept('x'));
    return expect('>', "after the extents of 'axes'");
  }

  LogicalResult parseAffine(IntegerSetAttr &affineSet) {
    skipSpace();
    const char *begin = cur;
    if (failed(expect('"', "before an affine set")))
      return failure();
    const char *textBegin = cur;
    while (cur != end && *cur != '"')
      ++cur;
    StringRef text(textBegin, cur - textBegin);
    if (failed(expect('"', "after an affine set")))
      return failure();
    // The nested parser reports to the context; its message alone would have
    // no place in this file, so it is passed on with the location here.
    std::string reason;
    IntegerSetAttr attr;
    {
      ScopedDiagnosticHandler handler(context, [&](Diagnostic &diag) {
        if (reason.empty())
          reason = diag.str();
        return success();
      });
      attr = dyn_cast_or_null<IntegerSetAttr>(
          parseAttribute(("affine_set<" + text + ">").str(), context));
    }
    if (!attr)
      return errorAt(begin, "invalid affine set: " + reason);
    IntegerSet set = attr.getValue();
    if (set.getNumDims() != 2 || set.getNumSymbols() > 2)
      return errorAt(begin, "an affine pair set has two dims (i, j) and at "
                            "most two symbols [n, m]");
    affineSet = attr;
    return expect('>', "after the affine set");
  }

  LogicalResult parseOperands(const PairSetSpec &spec,
                              SmallVectorImpl<PairParam> &params,
                              SmallVectorImpl<int64_t> &operands) {
    skipSpace();
    const char *begin = cur;
    if (spec.kind == PairKind::Prefix)
      return parsePrefixOperand(params);
    if (spec.kind == PairKind::ByHead)
      return parseHeads(params);
    if (spec.maxOperands == 0)
      return success(); // a `(` here is the caller's to reject
    if (failed(expect('(', "and the operands of '" + spec.name + "'")))
      return failure();
    do {
      if (!atOperand())
        return error("expected an operand of '" + spec.name + "'");
      FailureOr<int64_t> n = operand();
      if (failed(n))
        return failure();
      operands.push_back(*n);
    } while (accept(','));
    if ((int)operands.size() < spec.minOperands ||
        (int)operands.size() > spec.maxOperands)
      return errorAt(begin, "(C15) '" + spec.name + "' takes " +
                                Twine(spec.minOperands) + " operand" +
                                (spec.minOperands == 1 ? "" : "s") + ", got " +
                                Twine(operands.size()));
    return expect(')', "after the operands of '" + spec.name + "'");
  }

  /// The first head of each set of `by_head`: 0, then ascending.
  LogicalResult parseHeads(SmallVectorImpl<PairParam> &params) {
    if (failed(expect('(', "and the first heads of 'by_head'")))
      return failure();
    do {
      skipSpace();
      const char *begin = cur;
      FailureOr<int64_t> head = integer("a head number");
      if (failed(head))
        return failure();
      if (params.empty() ? *head != 0 : *head <= params.back().value)
        return errorAt(begin, "(C14) heads of by_head begin at 0 and ascend");
      params.push_back(PairParam::constant(*head));
    } while (accept(','));
    return expect(')', "after the heads of 'by_head'");
  }

  /// `prefix(%p)` is `prefix<%p>`: the length is a parameter either way.
  LogicalResult parsePrefixOperand(MutableArrayRef<PairParam> params) {
    const char *begin = cur;
    bool given = params[0].isOperand || params[0].value >= 0;
    if (!accept('('))
      return given ? success()
                   : errorAt(begin, "'prefix' needs a length: `prefix<p>` or "
                                    "`prefix(%p)`");
    if (given)
      return errorAt(begin, "the length of 'prefix' is given twice");
    if (!atOperand())
      return error("expected an operand of 'prefix'");
    FailureOr<int64_t> n = operand();
    if (failed(n))
      return failure();
    params[0] = PairParam::operand(*n);
    return expect(')', "after the operand of 'prefix'");
  }

  LogicalResult parseChildren(const PairSetSpec &spec,
                              SmallVectorImpl<PairsAttr> &children) {
    if (spec.maxChildren == 0)
      return success();
    if (failed(expect('{', "and the sets inside '" + spec.name + "'")))
      return failure();
    do {
      FailureOr<PairsAttr> child = parseOr();
      if (failed(child))
        return failure();
      children.push_back(*child);
    } while (accept(','));
    if ((int)children.size() < spec.minChildren ||
        (spec.maxChildren >= 0 && (int)children.size() > spec.maxChildren))
      return error("wrong number of sets inside '" + spec.name + "'");
    return expect('}', "after the sets inside '" + spec.name + "'");
  }
};
} // namespace

FailureOr<ParsedPairs>
mlir::attn::parsePairs(MLIRContext *context, StringRef text,
                       function_ref<InFlightDiagnostic(SMLoc)> emitError) {
  return PairsParser(context, text, emitError).parse();
}

//===----------------------------------------------------------------------===//
// Printer
//===----------------------------------------------------------------------===//

static void printParams(PairsAttr set, raw_ostream &os,
                        function_ref<void(int64_t)> operandName) {
  const PairSetSpec &spec = getPairSetSpec(set.getKind());
  auto printValue = [&](PairParam p) {
    if (p.isOperand)
      operandName(p.value);
    else
      os << p.value;
  };
  if (set.getKind() == PairKind::Prefix && set.getParams()[0].isOperand) {
    os << '(';
    printValue(set.getParams()[0]);
    os << ')';
    return;
  }
  if (set.getKind() == PairKind::Axes) {
    os << '<';
    llvm::interleave(set.getParams(), os, printValue, " x ");
    os << '>';
    return;
  }
  if (set.getKind() == PairKind::Affine) {
    os << "<\"";
    set.getAffineSet().getValue().print(os);
    os << "\">";
    return;
  }
  const char *separator = "<";
  for (auto [p, value] : llvm::zip(spec.params, set.getParams())) {
    if (p.defaultValue && !value.isOperand && value.value == *p.defaultValue)
      continue;
    os << separator;
    separator = ", ";
    if (p.form == PairParamSpec::Flag) {
      os << p.name;
      continue;
    }
    if (p.form == PairParamSpec::Named)
      os << p.name << " = ";
    printValue(value);
  }
  if (StringRef(separator) == ", ")
    os << '>';
}

static void printSet(PairsAttr set, raw_ostream &os,
                     function_ref<void(int64_t)> operandName, int binding) {
  auto children = [&](StringRef separator, int inner) {
    llvm::interleave(
        set.getChildren(), os,
        [&](PairsAttr child) { printSet(child, os, operandName, inner); },
        separator);
  };
  switch (set.getKind()) {
  case PairKind::Or:
  case PairKind::And: {
    int own = set.getKind() == PairKind::Or ? 1 : 2;
    // A chain inside a chain of the same operator keeps its parentheses, so
    // that the tree survives a round trip.
    if (binding >= own)
      os << '(';
    children(own == 1 ? " | " : " & ", own);
    if (binding >= own)
      os << ')';
    return;
  }
  case PairKind::Not:
    os << '!';
    return children("", 3);
  default:
    break;
  }
  os << getPairSetSpec(set.getKind()).name;
  if (set.getKind() == PairKind::ByHead) {
    os << '(';
    llvm::interleaveComma(set.getParams(), os,
                          [&](PairParam p) { os << p.value; });
    os << ')';
  } else {
    printParams(set, os, operandName);
  }
  if (!set.getOperands().empty()) {
    os << '(';
    llvm::interleaveComma(set.getOperands(), os, operandName);
    os << ')';
  }
  if (!set.getChildren().empty()) {
    os << " { ";
    children(", ", 0);
    os << " }";
  }
}

void PairsAttr::printExpression(raw_ostream &os,
                                function_ref<void(int64_t)> operandName) const {
  printSet(*this, os, operandName, 0);
}
