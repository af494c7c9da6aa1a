// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Statements to instructions. A decoder function for each opcode consumes
// modifiers and operands in the order of the PTX manual; what is left over is
// an error, so that nothing unknown is ever ignored.

#ifndef ATTNC_RUNTIME_PTX_DECODER_H
#define ATTNC_RUNTIME_PTX_DECODER_H

#include "Error.h"
#include "Program.h"

#include <initializer_list>
#include <unordered_map>

namespace attnc {
namespace ptx {

/// One body that is being decoded: the entry's, or that of an inlined call.
struct Frame {
  const Function *function = nullptr;
  std::vector<int64_t> slots;                  ///< of registers, -1: none yet
  std::map<const Variable *, uint32_t> locals; ///< offsets in local memory
  std::vector<uint32_t> starts; ///< of statements, in Program::code
  struct Fixup {
    uint32_t inst, statement;
  };
  std::vector<Fixup> fixups;
  std::vector<uint32_t> returns; ///< branches to the end of the body
};

class Reader;

class Decoder {
public:
  Decoder(const Module &module, Program &program)
      : module(module), program(program) {}
  void decodeEntry(const Function &f);

  Slot constant(uint64_t value, bool wide);
  Slot special(Special which, bool wide);
  Slot address(const Variable *variable, int64_t addend, bool wide,
               unsigned line);
  Slot registerSlot(uint32_t reg);
  Slot temporary(bool wide);
  Type typeOfRegister(uint32_t reg) const {
    return frame->function->registers[reg].type;
  }
  uint32_t localOffset(const Variable *variable, unsigned line);
  void emit(const Inst &inst);
  /// The statement that a label names, seen from a scope.
  uint32_t findLabel(const Operand &operand, const Statement &at) const;
  /// The labels of a list of .branchtargets, null if the name is none.
  const std::vector<std::string_view> *findTargets(const Operand &operand,
                                                   const Statement &at) const;
  void addBranch(Inst inst, uint32_t statement);
  void addReturn(Inst inst);
  void call(Reader &reader);
  void narrowGranule(unsigned bytes);
  bool isEntry() const { return frame->function->isEntry; }

  const Module &module;
  Program &program;

private:
  friend class Reader;
  void decodeBody(const Function &f, Frame &inner);
  void decodeStatement(const Statement &statement);
  void layOutShared();

  Frame *frame = nullptr;
  uint64_t frameSlots = 0; ///< of all frames so far
  std::vector<const Function *> stack;
  std::map<std::pair<uint64_t, bool>, Slot> constants;
  std::map<std::pair<Special, bool>, Slot> specials;
};

/// One statement while it is decoded.
class Reader {
public:
  Reader(Decoder &decoder, const Statement &statement);

  [[noreturn]] void fail(const std::string &message) const;

  // Modifiers.
  bool take(std::string_view modifier);
  /// The index of the one that is next, consumed; -1 if it is none of them.
  int takeOneOf(std::initializer_list<const char *> list);
  void require(std::string_view modifier);
  Type type(); ///< the next modifier, which must be a type
  Type optionalType();
  bool atEnd() const { return nextModifier == statement.modifiers.size(); }
  std::string_view peek() const;
  /// Cache operators and eviction hints, which do nothing here.
  void skipCacheHints();
  /// `.rn` and its like; false if there is none.
  bool takeRounding();

  // Operands.
  bool hasOperand() const { return nextOperand < statement.operands.size(); }
  const Operand &peekOperand() const;
  const Operand &operand();
  Slot source(Type type);
  Slot source(Type type, const Operand &operand);
  /// Any register or constant of at most these bits.
  Slot sourceUpTo(unsigned bits, const Operand &operand);
  Slot destination(Type type);
  Slot destination(Type type, const Operand &operand, bool mayBeWider = false);
  /// A predicate to read: a register or a constant, perhaps negated.
  uint32_t predicate(bool &negated);
  uint32_t plainPredicate();
  uint32_t predicateDestination(const Operand &operand);
  /// `[base+offset]` into a, imm and wideAddress; returns what else is inside.
  void addressOperand(const Operand &operand, Space space);
  void addressOperand(Space space) { addressOperand(operand(), space); }
  int64_t integer(int64_t least, int64_t most, const char *what);
  /// Elements of `{…}`, or the operand alone.
  std::vector<Operand> vector(const Operand &operand) const;
  uint32_t addSlots(const std::vector<Slot> &slots);

  /// Checks that nothing is left, and emits `inst`.
  void finish();
  void finishWithoutEmit();
  void emitExtra(const Inst &extra) { decoder.emit(extra); }
  void needTarget(unsigned sm);

  Decoder &decoder;
  const Statement &statement;
  Inst inst;

private:
  size_t nextModifier = 0, nextOperand = 0;
};

using DecodeFunction = void (*)(Reader &);
using DecodeTable = std::unordered_map<std::string_view, DecodeFunction>;
void addIntegerDecoders(DecodeTable &table);
void addFloatDecoders(DecodeTable &table);
void addBitDecoders(DecodeTable &table);
void addMoveDecoders(DecodeTable &table);
void addControlDecoders(DecodeTable &table);
void addMemoryDecoders(DecodeTable &table);
void addMatrixDecoders(DecodeTable &table);
void addAsyncDecoders(DecodeTable &table);
void addTensorDecoders(DecodeTable &table);

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_DECODER_H
