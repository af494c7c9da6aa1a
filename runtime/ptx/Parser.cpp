// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Modules: headers, variables, functions' signatures. Bodies are in
// ParseBody.cpp.

#include "Parser.h"
#include "Error.h"

#include <algorithm>
#include <cstring>

using namespace attnc::ptx;

constexpr uint64_t largestVariable = uint64_t(64) << 20;
constexpr uint64_t largestParameter = 32764; // of PTX 8.1 on sm_70 and newer

void Parser::advance() {
  token = following;
  following = lexer.next();
}

void Parser::fail(const std::string &message) const {
  throw Error(token.line, message);
}

bool Parser::accept(char c) {
  if (!token.is(c))
    return false;
  advance();
  return true;
}

bool Parser::acceptDot(std::string_view name) {
  if (token.kind != Token::DotWord || token.text.substr(1) != name)
    return false;
  advance();
  return true;
}

static std::string describe(const Token &token) {
  if (token.kind == Token::End)
    return "the end of the text";
  return "'" + std::string(token.text.substr(0, 100)) + "'";
}

void Parser::expect(char c) {
  if (!accept(c))
    fail(format("'%c' expected, found ", c) + describe(token));
}

std::string_view Parser::expectWord(const char *what) {
  if (token.kind != Token::Word)
    fail(format("%s expected, found ", what) + describe(token));
  std::string_view text = token.text;
  advance();
  return text;
}

uint64_t Parser::expectInteger(const char *what) {
  if (token.kind != Token::Integer)
    fail(format("%s expected, found ", what) + describe(token));
  uint64_t value = token.value;
  advance();
  return value;
}

void Parser::skipLine() {
  unsigned line = token.line;
  while (token.kind != Token::End && token.line == line)
    advance();
}

void Parser::skipBlock() {
  unsigned depth = 0;
  do {
    if (token.kind == Token::End)
      fail("this block has no end");
    depth += token.is('{');
    depth -= token.is('}') && depth;
    advance();
  } while (depth);
}

/// .version, .target and .address_size, which begin each module.
void Parser::parseHeader() {
  if (!acceptDot("version"))
    fail("a module begins with .version");
  std::string_view number = token.text;
  double version = 0;
  if (token.kind == Token::Float64)
    memcpy(&version, &token.value, sizeof version);
  if (version < 6.0 || version >= 10.0)
    fail("PTX version " + std::string(number.substr(0, 20)) +
         " is not one of 6.0 to 9.x");
  module.version = static_cast<unsigned>(version * 10 + 0.5);
  advance();
  if (!acceptDot("target"))
    fail(".target expected, found " + describe(token));
  if (token.kind != Token::Word || token.text.substr(0, 3) != "sm_")
    fail("target sm_… expected, found " + describe(token));
  std::string_view target = expectWord("a target");
  for (char c : target.substr(3))
    if (c >= '0' && c <= '9' && module.target < 1000)
      module.target = module.target * 10 + static_cast<unsigned>(c - '0');
  while (accept(','))
    expectWord("a target option");
  if (acceptDot("address_size") && expectInteger("an address size") != 64)
    fail("only 64-bit addresses are supported");
}

void Parser::parse() {
  parseHeader();
  while (token.kind != Token::End)
    parseTopLevel();
}

void Parser::parseTopLevel() {
  bool isExtern = false;
  for (;;) {
    if (acceptDot("extern"))
      isExtern = true;
    else if (!acceptDot("visible") && !acceptDot("weak") &&
             !acceptDot("common"))
      break;
  }
  if (acceptDot("entry"))
    return parseFunction(/*isEntry=*/true, isExtern);
  if (acceptDot("func"))
    return parseFunction(/*isEntry=*/false, isExtern);
  if (acceptDot("global"))
    return parseVariables(Space::Global, isExtern, nullptr);
  if (acceptDot("const"))
    return parseVariables(Space::Const, isExtern, nullptr);
  if (acceptDot("shared"))
    return parseVariables(Space::Shared, isExtern, nullptr);
  if (token.text == ".file" || token.text == ".loc")
    return skipLine();
  if (acceptDot("section")) {
    while (token.kind == Token::DotWord)
      advance();
    if (!token.is('{'))
      fail("'{' expected");
    return skipBlock();
  }
  if (acceptDot("pragma")) {
    while (token.kind == Token::String || token.is(','))
      advance();
    return expect(';');
  }
  fail("a declaration expected, found " + describe(token));
}

/// `.align 4 .b8 name[16]`, after the state space.
Variable &Parser::parseVariable(Space space, bool isExtern, bool isLocal) {
  Variable variable;
  variable.space = space;
  variable.isExtern = isExtern;
  variable.line = token.line;
  variable.alignment = 0;
  unsigned vector = 1;
  variable.type = Type::None;
  while (token.kind == Token::DotWord) {
    std::string_view word = token.text.substr(1);
    advance();
    if (word == "align") {
      uint64_t alignment = expectInteger("an alignment");
      if (!alignment || alignment > 65536 || (alignment & (alignment - 1)))
        fail("an alignment is a power of two up to 65536");
      // That of `.ptr .align` belongs to what is pointed to.
      if (variable.type == Type::None || space != Space::Param)
        variable.alignment = static_cast<uint32_t>(alignment);
    } else if (word == "v2" || word == "v4") {
      vector = word[1] - '0';
    } else if (word == "ptr" || (word == "global" || word == "shared" ||
                                 word == "const" || word == "local")) {
      if (space != Space::Param || variable.type == Type::None)
        fail("." + std::string(word) + " is not expected here");
    } else if (variable.type = typeOf(word);
               variable.type == Type::None || variable.type == Type::Pred) {
      fail("unknown type or attribute ." + std::string(word.substr(0, 100)));
    }
  }
  if (variable.type == Type::None)
    fail("a variable's type expected");
  variable.name = expectWord("a variable's name");
  uint64_t count = vector;
  while (accept('[')) {
    uint64_t extent = 0;
    if (!token.is(']'))
      extent = expectInteger("an array size");
    else if (!isExtern && isLocal)
      fail("an array size expected");
    if (__builtin_mul_overflow(count, extent, &count))
      fail("this variable is too large");
    expect(']');
  }
  uint64_t largest = space == Space::Param ? largestParameter : largestVariable;
  if (count > largest / bytesOf(variable.type))
    fail("this variable is too large");
  variable.size = count * bytesOf(variable.type);
  if (!variable.alignment)
    variable.alignment = bytesOf(variable.type) * vector;
  module.variables.push_back(std::move(variable));
  return module.variables.back();
}

void Parser::parseVariables(Space space, bool isExtern, Function *owner) {
  Variable &variable = parseVariable(space, isExtern, owner);
  if (owner)
    names.declareVariable(&variable, variable.line);
  else if (!module.globals.emplace(variable.name, &variable).second)
    throw Error(variable.line, "'" + variable.name + "' is declared twice");
  if (owner && (space == Space::Local || space == Space::Param))
    owner->locals.push_back(&variable);
  if (accept('='))
    initialize(variable);
  else if (!variable.size && !isExtern)
    throw Error(variable.line, "'" + variable.name + "' has no size");
  if (token.is(','))
    fail("one variable a declaration, please");
  expect(';');
  uint64_t total = 0;
  for (const Variable &other : module.variables)
    total += other.size;
  if (total > largestVariable * 4)
    throw Error(variable.line, "the module's variables are too large");
}

void Parser::initialize(Variable &variable) {
  if (variable.space != Space::Global && variable.space != Space::Const)
    fail("only variables of .global and .const have initial values");
  target = &variable;
  parseInitializer(variable, 0);
  if (!variable.size)
    variable.size = variable.initial.size();
  if (variable.initial.size() > variable.size)
    fail("more initial values than elements");
}

void Parser::parseInitializer(Variable &variable, unsigned depth) {
  if (accept('{')) {
    if (depth > 8)
      fail("initial values are nested too deeply");
    while (!accept('}')) {
      parseInitializer(variable, depth + 1);
      if (!accept(',') && !token.is('}'))
        fail("',' or '}' expected, found " + describe(token));
    }
    return;
  }
  unsigned bytes = bytesOf(variable.type);
  uint64_t bits = 0;
  if (variable.initial.size() > largestVariable)
    fail("too many initial values");
  if (token.kind == Token::Word) {
    bool generic = token.text == "generic" && following.is('(');
    if (generic) {
      advance();
      advance();
    }
    const Variable *other = names.findVariable(token.text);
    if (!other)
      fail("unknown symbol " + describe(token));
    advance();
    if (generic)
      expect(')');
    int64_t addend = parseOffset();
    variable.relocations.push_back(
        {variable.initial.size(), other, addend, bytes});
  } else {
    Operand constant = parseConstant(accept('-'));
    bits = static_cast<uint64_t>(constant.value);
    if (constant.kind == Operand::Float64 && variable.type == Type::F32) {
      double wide;
      memcpy(&wide, &bits, sizeof wide);
      float narrow = static_cast<float>(wide);
      uint32_t pattern;
      memcpy(&pattern, &narrow, sizeof pattern);
      bits = pattern;
    }
  }
  for (unsigned i = 0; i < bytes; ++i)
    variable.initial.push_back(i < 8 ? static_cast<uint8_t>(bits >> (8 * i))
                                     : 0);
}

Dim3 Parser::parseDim3() {
  Dim3 dims{1, 1, 1};
  uint32_t *out[3] = {&dims.x, &dims.y, &dims.z};
  for (unsigned i = 0; i < 3; ++i) {
    uint64_t extent = expectInteger("a number of threads");
    if (!extent || extent > 1024)
      fail("a block has 1 to 1024 threads in each dimension");
    *out[i] = static_cast<uint32_t>(extent);
    if (!token.is(',') || i == 2)
      break;
    advance();
  }
  return dims;
}

/// What stands between a function's parameters and its body.
void Parser::parseAttributes(Function &f) {
  while (token.kind == Token::DotWord) {
    std::string_view word = token.text.substr(1);
    if (word == "pragma") {
      advance();
      while (token.kind == Token::String || token.is(','))
        advance();
      expect(';');
      continue;
    }
    advance();
    if (word == "reqntid") {
      f.requiredBlock = parseDim3();
    } else if (word == "maxntid") {
      f.maxBlock = parseDim3();
    } else if (word == "maxnreg" || word == "minnctapersm" ||
               word == "maxclusterrank") {
      expectInteger("a number");
    } else if (word == "reqnctapercluster") {
      if (parseDim3().count() != 1)
        fail("clusters of more than one block are not supported");
    } else if (word != "noreturn" && word != "explicitcluster" &&
               word != "blocksareclusters" && word != "noinline") {
      fail("unknown directive ." + std::string(word.substr(0, 100)));
    }
  }
}

std::vector<const Variable *> Parser::parseParameters(Function &f) {
  std::vector<const Variable *> list;
  if (!accept('('))
    return list;
  uint64_t total = 0;
  while (!accept(')')) {
    if (!acceptDot("param"))
      fail(".param expected, found " + describe(token));
    Variable &variable = parseVariable(Space::Param, false, true);
    names.declareVariable(&variable, variable.line);
    list.push_back(&variable);
    total += variable.size;
    if (total > largestParameter || list.size() > 4096)
      fail("the parameters are too large");
    if (!accept(',') && !token.is(')'))
      fail("',' or ')' expected, found " + describe(token));
  }
  (void)f;
  return list;
}

void Parser::parseFunction(bool isEntry, bool isExtern) {
  Function f;
  f.isEntry = isEntry;
  f.line = token.line;
  names.enterFunction(f);
  if (!isEntry)
    f.results = parseParameters(f);
  std::string_view name = expectWord("a function's name");
  f.name = name;
  f.parameters = parseParameters(f);
  parseAttributes(f);
  if (!isExtern && token.is('{')) {
    f.hasBody = true;
    parseBody(f);
  } else {
    expect(';');
  }
  auto known = module.byName.find(name);
  if (known == module.byName.end()) {
    module.functions.push_back(std::move(f));
    module.byName.emplace(name, &module.functions.back());
  } else if (known->second->hasBody && f.hasBody) {
    throw Error(f.line, "function '" + f.name + "' is defined twice");
  } else if (f.hasBody) {
    *known->second = std::move(f);
  }
}

std::unique_ptr<Module> attnc::ptx::parseModule(std::string_view text) {
  constexpr size_t longestText = size_t(256) << 20;
  if (text.size() > longestText)
    throw Error(0, "the text is longer than 256 MiB");
  auto module = std::make_unique<Module>();
  module->text = text;
  Parser(*module).parse();
  return module;
}
