// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scalar operations as JavaScript expressions.

#include "tools/attnc/view/RegionScript.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace attnc;
using namespace mlir;

static std::string numberScript(double value) {
  if (std::isnan(value))
    return "NaN";
  if (std::isinf(value))
    return value < 0 ? "-Infinity" : "Infinity";
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.17g", value);
  return text;
}

std::string RegionScript::constant(Attribute value) {
  if (auto integer = dyn_cast<IntegerAttr>(value)) {
    bool isBit = integer.getType().isInteger(1);
    return isBit ? (integer.getValue().isZero() ? "0" : "1")
                 : std::to_string(integer.getValue().getSExtValue());
  }
  if (auto number = dyn_cast<FloatAttr>(value))
    return numberScript(number.getValueAsDouble());
  problem = "a constant that is no number";
  return "";
}

/// A value of the region, a constant, or a scalar from outside.
std::string RegionScript::use(Value value) {
  auto known = names.find(value);
  if (known != names.end())
    return known->second;
  Attribute attribute;
  if (matchPattern(value, m_Constant(&attribute)) &&
      !isa<ShapedType>(value.getType()))
    return "(" + constant(attribute) + ")";
  std::optional<unsigned> number;
  if (!isa<ShapedType>(value.getType()))
    number = operands.embed(value);
  if (number)
    return "c.data(" + std::to_string(*number) + ")[0]";
  problem = "a predicate region that captures more than fits a page";
  return "";
}

std::string RegionScript::extract(Operation *op) {
  auto extract = cast<tensor::ExtractOp>(op);
  std::optional<unsigned> number = operands.embed(extract.getTensor());
  if (!number) {
    problem = "a captured tensor is too large to be embedded";
    return "";
  }
  std::string text = "sets.scalar.at(c, " + std::to_string(*number);
  for (Value index : extract.getIndices())
    text += ", " + use(index);
  return text + ")";
}

static unsigned widthOf(Type type) {
  return type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
}

std::string RegionScript::compare(Operation *op) {
  std::string a = use(op->getOperand(0)), b = use(op->getOperand(1));
  if (auto cmp = dyn_cast<arith::CmpFOp>(op)) {
    StringRef name = arith::stringifyCmpFPredicate(cmp.getPredicate());
    if (name == "true" || name == "false")
      return name == "true" ? "1" : "0";
    std::string nan = "(Number.isNaN(" + a + ") || Number.isNaN(" + b + "))";
    if (name == "ord" || name == "uno")
      return "+(" + std::string(name == "ord" ? "!" : "") + nan + ")";
    bool orNan = name[0] == 'u';
    StringRef sign = llvm::StringSwitch<StringRef>(name.drop_front())
                         .Case("eq", "===")
                         .Case("ne", "!==")
                         .Case("lt", "<")
                         .Case("le", "<=")
                         .Case("gt", ">")
                         .Default(">=");
    std::string plain = "(" + a + " " + sign.str() + " " + b + ")";
    return orNan ? "+(" + nan + " || " + plain + ")"
                 : "+(!" + nan + " && " + plain + ")";
  }
  auto cmp = cast<arith::CmpIOp>(op);
  StringRef name = arith::stringifyCmpIPredicate(cmp.getPredicate());
  unsigned width = widthOf(cmp.getLhs().getType());
  if (name[0] == 'u') {
    std::string w = ", " + std::to_string(width) + ")";
    a = "sets.scalar.unsigned(" + a + w;
    b = "sets.scalar.unsigned(" + b + w;
  } else if (width == 1 && name[0] == 's') { // 1 means -1
    a = "-" + a;
    b = "-" + b;
  }
  StringRef sign = llvm::StringSwitch<StringRef>(name)
                       .Case("eq", "===")
                       .Case("ne", "!==")
                       .Cases({"slt", "ult"}, "<")
                       .Cases({"sle", "ule"}, "<=")
                       .Cases({"sgt", "ugt"}, ">")
                       .Default(">=");
  return "+(" + a + " " + sign.str() + " " + b + ")";
}

std::string RegionScript::integerOperation(StringRef name, Operation *op) {
  unsigned width = widthOf(op->getResult(0).getType());
  std::string w = ", " + std::to_string(width) + ")";
  std::string a = use(op->getOperand(0));
  std::string b = op->getNumOperands() > 1 ? use(op->getOperand(1)) : "";
  auto wrapped = [&](const std::string &text) {
    return "sets.scalar.wrap(" + text + w;
  };
  auto function = [&](const char *f) {
    return std::string("sets.scalar.") + f + "(" + a + ", " + b + w;
  };
  auto unsignedOf = [&](const std::string &x) {
    return "sets.scalar.unsigned(" + x + w;
  };
  // Of one bit, signed operations see 0 and -1: rare enough to be left out.
  bool isBitwise = name == "andi" || name == "ori" || name == "xori" ||
                   name == "addi" || name == "subi" || name == "muli";
  if (width == 1 && !isBitwise)
    return "";
  if (width == 1)
    return llvm::StringSwitch<std::string>(name)
        .Cases({"andi", "muli"}, "(" + a + " & " + b + ")")
        .Case("ori", "(" + a + " | " + b + ")")
        .Default("(" + a + " ^ " + b + ")");
  return llvm::StringSwitch<std::string>(name)
      .Case("addi", wrapped(a + " + " + b))
      .Case("subi", wrapped(a + " - " + b))
      .Case("muli", function("mul"))
      .Case("andi", function("and"))
      .Case("ori", function("or"))
      .Case("xori", function("xor"))
      .Case("shli", function("shl"))
      .Case("shrsi", function("shr"))
      .Case("shrui", function("shru"))
      .Case("maxsi", "Math.max(" + a + ", " + b + ")")
      .Case("minsi", "Math.min(" + a + ", " + b + ")")
      .Case("maxui",
            wrapped("Math.max(" + unsignedOf(a) + ", " + unsignedOf(b) + ")"))
      .Case("minui",
            wrapped("Math.min(" + unsignedOf(a) + ", " + unsignedOf(b) + ")"))
      .Case("divsi", "Math.trunc(" + a + " / " + b + ")")
      .Case("remsi", "(" + a + " % " + b + ")")
      .Case("floordivsi", "Math.floor(" + a + " / " + b + ")")
      .Case("ceildivsi", "Math.ceil(" + a + " / " + b + ")")
      .Case("divui", wrapped("Math.floor(" + unsignedOf(a) + " / " +
                             unsignedOf(b) + ")"))
      .Case("remui", wrapped(unsignedOf(a) + " % " + unsignedOf(b)))
      .Case("absi", wrapped("Math.abs(" + a + ")"))
      .Default("");
}

std::string RegionScript::floatOperation(StringRef name, Operation *op) {
  std::string a = use(op->getOperand(0));
  std::string b = op->getNumOperands() > 1 ? use(op->getOperand(1)) : "";
  std::string c = op->getNumOperands() > 2 ? use(op->getOperand(2)) : "";
  return llvm::StringSwitch<std::string>(name)
      .Case("addf", "(" + a + " + " + b + ")")
      .Case("subf", "(" + a + " - " + b + ")")
      .Case("mulf", "(" + a + " * " + b + ")")
      .Case("divf", "(" + a + " / " + b + ")")
      .Case("remf", "(" + a + " % " + b + ")")
      .Case("maximumf", "Math.max(" + a + ", " + b + ")")
      .Case("minimumf", "Math.min(" + a + ", " + b + ")")
      .Case("negf", "(-" + a + ")")
      .Case("fma", "(" + a + " * " + b + " + " + c + ")")
      .Case("powf", "(" + a + " ** " + b + ")")
      .Case("atan2", "Math.atan2(" + a + ", " + b + ")")
      .Case("absf", "Math.abs(" + a + ")")
      .Case("rsqrt", "(1 / Math.sqrt(" + a + "))")
      .Case("exp2", "(2 ** " + a + ")")
      .Cases({"ceil", "floor", "sqrt", "cbrt", "exp", "expm1", "log", "log1p"},
             "Math." + name.str() + "(" + a + ")")
      .Cases({"log2", "log10", "sin", "cos", "tan", "tanh", "trunc"},
             "Math." + name.str() + "(" + a + ")")
      .Default("");
}

std::string RegionScript::conversion(StringRef name, Operation *op) {
  if (name == "select" && !isa<ShapedType>(op->getOperand(0).getType()))
    return "(" + use(op->getOperand(0)) + " ? " + use(op->getOperand(1)) +
           " : " + use(op->getOperand(2)) + ")";
  if (op->getNumOperands() != 1 || op->getNumResults() != 1)
    return "";
  std::string a = use(op->getOperand(0));
  Type from = op->getOperand(0).getType(), to = op->getResult(0).getType();
  bool toInteger = isa<IntegerType, IndexType>(to);
  std::string to_ = toInteger ? ", " + std::to_string(widthOf(to)) + ")" : "";
  bool fromBit = from.isInteger(1);
  std::string asUnsigned = isa<IntegerType, IndexType>(from)
                               ? "sets.scalar.unsigned(" + a + ", " +
                                     std::to_string(widthOf(from)) + ")"
                               : a;
  return llvm::StringSwitch<std::string>(name)
      .Cases({"extsi", "sitofp"}, fromBit ? "(-" + a + ")" : a)
      .Cases({"index_cast", "trunci"},
             "sets.scalar.wrap(" + (fromBit ? "-" + a : a) + to_)
      .Cases({"extui", "uitofp"}, asUnsigned)
      .Case("index_castui", "sets.scalar.wrap(" + asUnsigned + to_)
      .Case("fptosi", "Math.trunc(" + a + ")")
      .Cases({"extf", "truncf"}, a)
      .Default("");
}

std::string RegionScript::expression(Operation *op) {
  if (isa<tensor::ExtractOp>(op))
    return extract(op);
  if (op->getNumResults() != 1 || op->getNumOperands() == 0 ||
      isa<ShapedType>(op->getResult(0).getType()))
    return "";
  if (isa<arith::CmpIOp, arith::CmpFOp>(op))
    return compare(op);
  StringRef name = op->getName().stripDialect();
  StringRef dialect = op->getName().getDialectNamespace();
  if (dialect != "arith" && dialect != "math")
    return "";
  bool isFloat = isa<FloatType>(op->getResult(0).getType());
  bool sameTypes = llvm::all_of(op->getOperandTypes(), [&](Type type) {
    return type == op->getResult(0).getType();
  });
  std::string text = sameTypes ? (isFloat ? floatOperation(name, op)
                                          : integerOperation(name, op))
                               : std::string();
  return text.empty() ? conversion(name, op) : text;
}

std::optional<std::string> RegionScript::write(Region &region) {
  Block &block = region.front();
  static constexpr StringLiteral arguments[] = {"c.batch", "c.head", "i", "j"};
  for (auto [argument, name] : llvm::zip(block.getArguments(), arguments))
    names[argument] = name.str();
  std::string text;
  for (Operation &op : block.without_terminator()) {
    Attribute attribute;
    if (matchPattern(&op, m_Constant(&attribute)) &&
        !isa<ShapedType>(op.getResult(0).getType()))
      continue; // written where it is used
    std::string value = expression(&op);
    if (value.empty() && problem.empty())
      problem = "a predicate region with '" +
                op.getName().getStringRef().str() +
                "', which is not translated";
    if (!problem.empty())
      return std::nullopt;
    std::string name = "v" + std::to_string(names.size());
    names[op.getResult(0)] = name;
    text += "          const " + name + " = " + value + ";\n";
  }
  text += "          return " + use(block.getTerminator()->getOperand(0)) +
          " !== 0;\n";
  return problem.empty() ? std::optional<std::string>(text) : std::nullopt;
}
