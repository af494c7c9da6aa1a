// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A parsed module: names are resolved, instructions are not yet understood.

#ifndef ATTNC_RUNTIME_PTX_MODULE_H
#define ATTNC_RUNTIME_PTX_MODULE_H

#include "Types.h"
#include "attnc/ptx_executor.h"

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace attnc {
namespace ptx {

/// A variable of any state space but registers.
struct Variable {
  std::string name;
  Space space = Space::Global;
  Type type = Type::B8;
  uint64_t size = 0; ///< 0: the array that dynamic shared memory fills
  uint32_t alignment = 1;
  bool isExtern = false;
  unsigned line = 0;
  std::vector<uint8_t> initial; ///< shorter than size: zeros follow
  /// Addresses inside `initial`: where, of what, plus what.
  struct Relocation {
    uint64_t offset;
    const Variable *target;
    int64_t addend;
    unsigned bytes;
  };
  std::vector<Relocation> relocations;
};

struct Register {
  Type type = Type::B32;
};

struct Function;

struct Operand {
  enum Kind : uint8_t {
    Reg,
    Integer,
    Float32, ///< value holds the bits
    Float64,
    Symbol,  ///< address of a variable, plus value
    Special, ///< special register, by name
    Name,    ///< label or function, not known to the parser
    Address, ///< elements[0] is the base, value the offset, more may follow
    Vector,
    Sink, ///< `_`
    Pair, ///< `a|b`
    List, ///< `(a, b)` of a call
  };
  Kind kind = Sink;
  bool negated = false; ///< `!p`
  uint32_t reg = 0;
  int64_t value = 0;
  std::string_view name;
  const Variable *variable = nullptr;
  std::vector<Operand> elements;
};

/// An instruction as it is written.
struct Statement {
  unsigned line = 0;
  std::string_view opcode;                 ///< up to the first dot
  std::vector<std::string_view> modifiers; ///< without their dots
  std::vector<Operand> operands;
  int guard = -1; ///< register, -1: none
  bool guardNegated = false;
  uint32_t scope = 0;
};

struct Scope {
  uint32_t parent = 0;
  std::map<std::string_view, uint32_t> labels; ///< to statement numbers
  /// Lists of .branchtargets, by their own labels.
  std::map<std::string_view, std::vector<std::string_view>> targets;
};

struct Function {
  std::string name;
  bool isEntry = false;
  bool hasBody = false;
  unsigned line = 0;
  std::vector<const Variable *> parameters, results;
  Dim3 requiredBlock{0, 0, 0}, maxBlock{0, 0, 0};
  std::vector<Register> registers;
  std::vector<const Variable *> locals; ///< of spaces local and param
  std::vector<Statement> body;
  std::vector<Scope> scopes;
};

struct Module {
  std::string text;     ///< tokens point into it
  unsigned version = 0; ///< 10 × major + minor
  unsigned target = 0;  ///< the number of sm_…
  std::deque<Variable> variables;
  std::map<std::string_view, const Variable *> globals;
  std::deque<Function> functions;
  std::map<std::string_view, Function *> byName;
};

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_MODULE_H
