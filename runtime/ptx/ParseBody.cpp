// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Function bodies: declarations, labels, instructions and their operands.

#include "Error.h"
#include "Parser.h"

#include <algorithm>
#include <cstring>

using namespace attnc::ptx;

constexpr size_t mostStatements = size_t(4) << 20;
constexpr unsigned deepestOperand = 8;
constexpr size_t widestOperand = 512;

void Parser::parseBody(Function &f) {
  expect('{');
  for (;;) {
    if (token.kind == Token::End)
      fail("the body of '" + f.name + "' has no end");
    if (token.is('{')) {
      names.push(token.line);
      advance();
    } else if (token.is('}')) {
      advance();
      if (!names.pop())
        return;
    } else if (token.is(';')) {
      advance();
    } else if (token.kind == Token::DotWord) {
      if (!parseDirective(f))
        fail("unknown directive " + std::string(token.text.substr(0, 100)));
    } else if (token.kind == Token::Word && following.is(':')) {
      names.declareLabel(token.text, token.line);
      lastLabel = token.text;
      advance();
      advance();
    } else {
      parseStatement(f);
    }
  }
}

bool Parser::parseDirective(Function &f) {
  if (token.text == ".loc" || token.text == ".file") {
    skipLine();
    return true;
  }
  if (acceptDot("reg")) {
    parseRegisters();
    return true;
  }
  if (acceptDot("pragma")) {
    while (token.kind == Token::String || token.is(','))
      advance();
    expect(';');
    return true;
  }
  if (acceptDot("branchtargets")) {
    parseTargets(f);
    return true;
  }
  bool isExtern = acceptDot("extern");
  if (acceptDot("shared"))
    parseVariables(Space::Shared, isExtern, &f);
  else if (acceptDot("local"))
    parseVariables(Space::Local, isExtern, &f);
  else if (acceptDot("param"))
    parseVariables(Space::Param, isExtern, &f);
  else if (acceptDot("global"))
    parseVariables(Space::Global, isExtern, &f);
  else if (acceptDot("const"))
    parseVariables(Space::Const, isExtern, &f);
  else
    return false;
  return true;
}

/// `list: .branchtargets a, b;`
void Parser::parseTargets(Function &f) {
  std::vector<std::string_view> &list =
      f.scopes[names.current()].targets[lastLabel];
  do
    list.push_back(expectWord("a label"));
  while (accept(','));
  expect(';');
}

/// `.b32 %r<10>, %other;` after .reg
void Parser::parseRegisters() {
  if (token.kind != Token::DotWord)
    fail("a register's type expected");
  Type type = typeOf(token.text.substr(1));
  bool scalar = type != Type::None && bitsOf(type) <= 128 &&
                type != Type::TF32 && type < Type::E4M3;
  if (!scalar)
    fail("registers cannot have type " + std::string(token.text.substr(0, 99)));
  advance();
  do {
    unsigned line = token.line;
    std::string_view name = expectWord("a register's name");
    if (accept('<')) {
      names.declareRange(name, expectInteger("a number of registers"), type,
                         line);
      expect('>');
    } else {
      names.declareRegister(name, type, line);
    }
  } while (accept(','));
  expect(';');
}

void Parser::parseStatement(Function &f) {
  Statement statement;
  statement.scope = names.current();
  if (accept('@')) {
    statement.guardNegated = accept('!');
    std::string_view name = expectWord("a predicate");
    int64_t id = names.findRegister(name);
    if (id < 0 || f.registers[static_cast<size_t>(id)].type != Type::Pred)
      fail("'" + std::string(name.substr(0, 100)) + "' is no predicate");
    statement.guard = static_cast<int>(id);
  }
  statement.line = token.line;
  statement.opcode = expectWord("an instruction");
  while (token.kind == Token::DotWord && !token.spaceBefore) {
    statement.modifiers.push_back(token.text.substr(1));
    advance();
    if (statement.modifiers.size() > 32)
      fail("too many modifiers");
  }
  if (!token.is(';')) {
    do {
      statement.operands.push_back(parseOperand(0));
      if (statement.operands.size() > 64)
        fail("too many operands");
    } while (accept(','));
  }
  expect(';');
  if (f.body.size() >= mostStatements)
    fail("too many instructions");
  f.body.push_back(std::move(statement));
}

Operand Parser::parseConstant(bool minus) {
  Operand operand;
  if (token.kind == Token::Integer) {
    operand.kind = Operand::Integer;
    uint64_t value = minus ? 0 - token.value : token.value;
    operand.value = static_cast<int64_t>(value);
  } else if (token.kind == Token::Float32 || token.kind == Token::Float64) {
    bool narrow = token.kind == Token::Float32;
    operand.kind = narrow ? Operand::Float32 : Operand::Float64;
    uint64_t sign = minus ? uint64_t(1) << (narrow ? 31 : 63) : 0;
    operand.value = static_cast<int64_t>(token.value ^ sign);
  } else {
    fail("a constant expected");
  }
  advance();
  return operand;
}

/// `+16`, `-8`, `+-8` or nothing.
int64_t Parser::parseOffset() {
  uint64_t offset = 0;
  while (token.is('+') || token.is('-')) {
    bool minus = token.is('-');
    advance();
    if (accept('-'))
      minus = !minus;
    uint64_t value = expectInteger("an offset");
    offset += minus ? 0 - value : value;
  }
  return static_cast<int64_t>(offset);
}

Operand Parser::parseName() {
  Operand operand;
  std::string_view name = token.text;
  advance();
  if (name == "_")
    return operand;
  if (name == "WARP_SZ") {
    operand.kind = Operand::Integer;
    operand.value = 32;
    return operand;
  }
  int64_t id = names.findRegister(name);
  if (id >= 0) {
    operand.kind = Operand::Reg;
    operand.reg = static_cast<uint32_t>(id);
    return operand;
  }
  operand.variable = names.findVariable(name);
  if (operand.variable) {
    operand.kind = Operand::Symbol;
    operand.name = name;
    operand.value = parseOffset();
    return operand;
  }
  operand.name = name;
  operand.kind = name[0] == '%' ? Operand::Special : Operand::Name;
  if (operand.kind == Operand::Special && token.kind == Token::DotWord &&
      !token.spaceBefore) {
    // `%tid.x` is one name; both tokens point into the same text.
    operand.name = std::string_view(
        name.data(), static_cast<size_t>(token.text.data() + token.text.size() -
                                         name.data()));
    advance();
  }
  return operand;
}

Operand Parser::parseSequence(Operand::Kind kind, char close, unsigned depth) {
  Operand operand;
  operand.kind = kind;
  while (!accept(close)) {
    operand.elements.push_back(parseOperand(depth + 1));
    if (operand.elements.size() > widestOperand)
      fail("too many elements");
    if (!accept(',') && !token.is(close))
      fail(format("',' or '%c' expected", close));
  }
  return operand;
}

Operand Parser::parseAddress(unsigned depth) {
  Operand operand;
  operand.kind = Operand::Address;
  Operand base = parseOperand(depth + 1);
  if (base.kind == Operand::Integer) {
    // An absolute address.
    operand.value = base.value;
    base.value = 0;
  } else if (base.kind == Operand::Symbol) {
    operand.value = base.value;
    base.value = 0;
  } else if (base.kind != Operand::Reg) {
    fail("an address begins with a register, a variable or a number");
  }
  operand.value = static_cast<int64_t>(static_cast<uint64_t>(operand.value) +
                                       static_cast<uint64_t>(parseOffset()));
  operand.elements.push_back(std::move(base));
  while (accept(','))
    operand.elements.push_back(parseOperand(depth + 1));
  expect(']');
  return operand;
}

Operand Parser::parseOperand(unsigned depth) {
  if (depth > deepestOperand)
    fail("operands are nested too deeply");
  if (accept('{'))
    return parseSequence(Operand::Vector, '}', depth);
  if (accept('('))
    return parseSequence(Operand::List, ')', depth);
  if (accept('['))
    return parseAddress(depth);
  if (accept('!')) {
    Operand operand = parseOperand(depth + 1);
    operand.negated = !operand.negated;
    return operand;
  }
  if (accept('-'))
    return parseConstant(/*minus=*/true);
  if (token.kind != Token::Word)
    return parseConstant(/*minus=*/false);
  Operand operand = parseName();
  if (!token.is('|'))
    return operand;
  advance();
  Operand pair;
  pair.kind = Operand::Pair;
  pair.elements.push_back(std::move(operand));
  if (token.kind != Token::Word)
    fail("a register expected after '|'");
  pair.elements.push_back(parseName());
  return pair;
}
