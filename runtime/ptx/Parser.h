// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX text to a Module. Everything that a name stands for is found here;
// whether an instruction exists is for the decoder to say.

#ifndef ATTNC_RUNTIME_PTX_PARSER_H
#define ATTNC_RUNTIME_PTX_PARSER_H

#include "Lexer.h"
#include "Module.h"

#include <memory>

namespace attnc {
namespace ptx {

/// Throws Error.
std::unique_ptr<Module> parseModule(std::string_view text);

/// The parser of function bodies needs names; this keeps them by scope.
class Names {
public:
  explicit Names(Module &module) : module(module) {}

  void enterFunction(Function &f);
  void push(unsigned line);
  bool pop(); ///< false at the function's own scope
  uint32_t current() const { return frames.back().id; }

  void declareRegister(std::string_view name, Type type, unsigned line);
  void declareRange(std::string_view prefix, uint64_t count, Type type,
                    unsigned line);
  void declareVariable(const Variable *variable, unsigned line);
  void declareLabel(std::string_view name, unsigned line);

  /// The number of a register, -1 if this is none.
  int64_t findRegister(std::string_view name);
  const Variable *findVariable(std::string_view name) const;

private:
  struct Range {
    Type type;
    uint64_t count;
  };
  struct Frame {
    uint32_t id = 0;
    std::map<std::string_view, uint32_t> registers;
    std::map<std::string_view, Range> ranges;
    std::map<std::string_view, const Variable *> variables;
  };
  uint32_t newRegister(Type type, unsigned line);

  Module &module;
  Function *function = nullptr;
  std::vector<Frame> frames;
};

class Parser {
public:
  explicit Parser(Module &module)
      : module(module), lexer(module.text), names(module) {
    advance();
    advance();
  }
  void parse();

private:
  // Tokens.
  void advance();
  bool accept(char c);
  bool acceptDot(std::string_view name);
  void expect(char c);
  std::string_view expectWord(const char *what);
  uint64_t expectInteger(const char *what);
  [[noreturn]] void fail(const std::string &message) const;
  void skipLine();
  void skipBlock();

  // Modules.
  void parseHeader();
  void parseTopLevel();
  Variable &parseVariable(Space space, bool isExtern, bool isLocal);
  void parseVariables(Space space, bool isExtern, Function *owner);
  void parseInitializer(Variable &variable, unsigned depth);
  void initialize(Variable &variable);
  void parseFunction(bool isEntry, bool isExtern);
  std::vector<const Variable *> parseParameters(Function &f);
  void parseAttributes(Function &f);
  Dim3 parseDim3();

  // Bodies.
  void parseBody(Function &f);
  bool parseDirective(Function &f);
  void parseRegisters();
  void parseTargets(Function &f);
  void parseStatement(Function &f);
  Operand parseOperand(unsigned depth);
  Operand parseName();
  Operand parseAddress(unsigned depth);
  Operand parseSequence(Operand::Kind kind, char close, unsigned depth);
  Operand parseConstant(bool minus);
  int64_t parseOffset();

  Module &module;
  Lexer lexer;
  Names names;
  Token token, following;
  std::string_view lastLabel;
  Variable *target = nullptr; ///< of parseInitializer
};

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_PARSER_H
