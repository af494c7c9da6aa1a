// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Functions: register files, shared and local memory, labels, inlined calls.

#include "Decoder.h"
#include "Execute.h"
#include "Memory.h"

#include <algorithm>

using namespace attnc::ptx;

constexpr uint32_t mostWords = uint32_t(64) << 20; // 256 MiB a warp
constexpr size_t mostInstructions = size_t(1) << 20;
constexpr uint64_t mostFrameSlots = uint64_t(64) << 20;
constexpr uint32_t mostShared = 1 << 20;
constexpr uint32_t mostLocal = 512 << 10; // what CUDA allows a thread
constexpr size_t deepestCall = 64;

static const DecodeTable &decodeTable() {
  static const DecodeTable table = [] {
    DecodeTable all;
    addIntegerDecoders(all);
    addFloatDecoders(all);
    addBitDecoders(all);
    addMoveDecoders(all);
    addControlDecoders(all);
    addMemoryDecoders(all);
    addMatrixDecoders(all);
    addAsyncDecoders(all);
    addTensorDecoders(all);
    return all;
  }();
  return table;
}

Slot Decoder::temporary(bool wide) {
  Slot slot{program.registerWords, wide};
  program.registerWords += wide ? 64 : 32;
  if (program.registerWords > mostWords)
    throw Error(0, "'" + program.name + "' needs too many registers");
  return slot;
}

Slot Decoder::constant(uint64_t value, bool wide) {
  if (!wide)
    value &= 0xffffffff;
  auto known = constants.find({value, wide});
  if (known != constants.end())
    return known->second;
  Slot slot = temporary(wide);
  program.constants.push_back({slot, value});
  constants[{value, wide}] = slot;
  return slot;
}

Slot Decoder::special(Special which, bool wide) {
  auto known = specials.find({which, wide});
  if (known != specials.end())
    return known->second;
  Slot slot = temporary(wide);
  program.specials.push_back({slot, which});
  specials[{which, wide}] = slot;
  return slot;
}

Slot Decoder::address(const Variable *variable, int64_t addend, bool wide,
                      unsigned line) {
  uint64_t offset = static_cast<uint64_t>(addend);
  if (variable->space == Space::Local)
    return constant(localOffset(variable, line) + offset, wide);
  if (variable->space == Space::Param) {
    const auto &formals = frame->function->parameters;
    auto at = std::find(formals.begin(), formals.end(), variable);
    if (!isEntry() || at == formals.end())
      throw Error(line, "the address of a call's parameter cannot be taken");
    return constant(
        program.parameterOffsets[static_cast<size_t>(at - formals.begin())] +
            offset,
        wide);
  }
  if (variable->space == Space::Shared)
    program.sharedOffsets.emplace(variable, 0);
  else if (!wide)
    throw Error(line, "the address of '" + variable->name + "' has 64 bits");
  for (const Program::AddressSlot &known : program.addresses)
    if (known.variable == variable && known.addend == addend &&
        known.slot.wide == wide)
      return known.slot;
  Slot slot = temporary(wide);
  program.addresses.push_back({slot, variable, addend});
  return slot;
}

Slot Decoder::registerSlot(uint32_t reg) {
  int64_t &at = frame->slots[reg];
  Type type = typeOfRegister(reg);
  if (type == Type::Pred) {
    if (at < 0)
      at = program.predicates++;
    return {static_cast<uint32_t>(at), false};
  }
  bool wide = bitsOf(type) == 64;
  if (bitsOf(type) == 128)
    throw Error(frame->function->line, "128-bit registers are not supported");
  if (at < 0)
    at = temporary(wide).at;
  return {static_cast<uint32_t>(at), wide};
}

uint32_t Decoder::localOffset(const Variable *variable, unsigned line) {
  auto known = frame->locals.find(variable);
  if (known != frame->locals.end())
    return known->second;
  uint32_t alignment = std::max<uint32_t>(variable->alignment, 1);
  uint64_t at =
      (uint64_t(program.localBytes) + alignment - 1) & ~uint64_t(alignment - 1);
  if (variable->size > mostLocal || at + variable->size > mostLocal)
    throw Error(line, format("a thread needs more than %u bytes of local "
                             "memory",
                             mostLocal));
  program.localBytes = static_cast<uint32_t>(at + variable->size);
  frame->locals[variable] = static_cast<uint32_t>(at);
  return static_cast<uint32_t>(at);
}

void Decoder::emit(const Inst &inst) {
  if (program.code.size() >= mostInstructions)
    throw Error(inst.line, "too many instructions");
  program.code.push_back(inst);
}

uint32_t Decoder::findLabel(const Operand &operand, const Statement &at) const {
  const Function &f = *frame->function;
  for (uint32_t scope = at.scope;; scope = f.scopes[scope].parent) {
    auto found = f.scopes[scope].labels.find(operand.name);
    if (operand.kind == Operand::Name && found != f.scopes[scope].labels.end())
      return found->second;
    if (scope == 0)
      break;
  }
  throw Error(at.line, "no label '" + std::string(operand.name.substr(0, 200)) +
                           "' can be seen from here");
}

const std::vector<std::string_view> *
Decoder::findTargets(const Operand &operand, const Statement &at) const {
  const Function &f = *frame->function;
  for (uint32_t scope = at.scope;; scope = f.scopes[scope].parent) {
    auto found = f.scopes[scope].targets.find(operand.name);
    if (operand.kind == Operand::Name && found != f.scopes[scope].targets.end())
      return &found->second;
    if (scope == 0)
      return nullptr;
  }
}

void Decoder::addBranch(Inst inst, uint32_t statement) {
  frame->fixups.push_back(
      {static_cast<uint32_t>(program.code.size()), statement});
  emit(inst);
}

void Decoder::addReturn(Inst inst) {
  frame->returns.push_back(static_cast<uint32_t>(program.code.size()));
  emit(inst);
}

void Decoder::narrowGranule(unsigned bytes) {
  while (program.granuleShift && bytes < (1u << program.granuleShift))
    --program.granuleShift;
}

void Decoder::decodeStatement(const Statement &statement) {
  const DecodeTable &table = decodeTable();
  auto found = table.find(statement.opcode);
  if (found == table.end())
    throw Error(statement.line,
                "unknown instruction '" +
                    std::string(statement.opcode.substr(0, 99)) + "'");
  Reader reader(*this, statement);
  found->second(reader);
}

void Decoder::decodeBody(const Function &f, Frame &inner) {
  if (!f.hasBody)
    throw Error(f.line, "function '" + f.name + "' has no body");
  if (stack.size() >= deepestCall ||
      std::find(stack.begin(), stack.end(), &f) != stack.end())
    throw Error(f.line, "calls of '" + f.name + "' are recursive or too deep");
  stack.push_back(&f);
  Frame *outer = frame;
  frame = &inner;
  inner.function = &f;
  frameSlots += f.registers.size() + f.body.size();
  if (frameSlots > mostFrameSlots)
    throw Error(f.line, "too many calls of '" + f.name + "'");
  inner.slots.assign(f.registers.size(), -1);
  inner.starts.reserve(f.body.size() + 1);
  for (const Statement &statement : f.body) {
    inner.starts.push_back(static_cast<uint32_t>(program.code.size()));
    decodeStatement(statement);
  }
  uint32_t end = static_cast<uint32_t>(program.code.size());
  inner.starts.push_back(end);
  for (const Frame::Fixup &fixup : inner.fixups)
    program.code[fixup.inst].target = inner.starts[fixup.statement];
  for (uint32_t inst : inner.returns)
    program.code[inst].target = end;
  frame = outer;
  stack.pop_back();
}

/// `call (results), f, (arguments)`: the body, with the caller's parameter
/// variables in place of the function's own.
void Decoder::call(Reader &reader) {
  const Statement &statement = reader.statement;
  std::vector<const Operand *> lists;
  const Operand *name = nullptr;
  while (reader.hasOperand()) {
    const Operand &operand = reader.operand();
    if (operand.kind == Operand::List)
      lists.push_back(&operand);
    else if (!name)
      name = &operand;
    else
      reader.fail("calls through a pointer are not supported");
  }
  if (!name || name->kind != Operand::Name)
    reader.fail("a function's name expected");
  auto found = module.byName.find(name->name);
  if (found == module.byName.end())
    reader.fail("unknown function '" + std::string(name->name) + "'");
  const Function &f = *found->second;
  if (!f.hasBody && f.name == "__assertfail") {
    reader.inst.run = runTrap;
    return emit(reader.inst);
  }
  if (f.isEntry || !f.hasBody)
    reader.fail("'" + f.name + "' cannot be called: it " +
                (f.isEntry ? "is an entry" : "has no body"));
  if (lists.size() != size_t(!f.results.empty()) + !f.parameters.empty())
    reader.fail("the arguments do not fit those of '" + f.name + "'");
  Frame inner;
  size_t next = 0;
  for (const auto *formals : {&f.results, &f.parameters}) {
    if (formals->empty())
      continue;
    const std::vector<Operand> &actuals = lists[next++]->elements;
    if (actuals.size() != formals->size())
      reader.fail("the arguments do not fit those of '" + f.name + "'");
    for (size_t i = 0; i < actuals.size(); ++i) {
      if (actuals[i].kind != Operand::Symbol ||
          actuals[i].variable->space != Space::Param ||
          actuals[i].variable->size < (*formals)[i]->size)
        reader.fail("arguments of calls must be .param variables of the "
                    "function's sizes");
      inner.locals[(*formals)[i]] =
          localOffset(actuals[i].variable, statement.line);
    }
  }
  reader.finishWithoutEmit();
  // A guarded call is one that a branch jumps over.
  size_t jump = program.code.size();
  bool guarded = reader.inst.guard != 0;
  if (guarded) {
    Inst skip = reader.inst;
    skip.guardFlip = ~skip.guardFlip;
    skip.run = runBranch;
    emit(skip);
  }
  decodeBody(f, inner);
  if (guarded) {
    program.code[jump].target = static_cast<uint32_t>(program.code.size());
  }
}

/// Static variables first, then the arrays that dynamic shared memory fills.
void Decoder::layOutShared() {
  uint64_t at = sharedBase;
  for (auto &[variable, offset] : program.sharedOffsets) {
    uint32_t alignment = std::max<uint32_t>(variable->alignment, 1);
    if (variable->isExtern || !variable->size) {
      program.dynamicSharedAlignment =
          std::max(program.dynamicSharedAlignment, alignment);
      continue;
    }
    at = (at + alignment - 1) & ~uint64_t(alignment - 1);
    offset = static_cast<uint32_t>(at);
    at += variable->size;
    if (at > mostShared)
      throw Error(variable->line, "too much shared memory");
  }
  uint64_t alignment = std::max<uint32_t>(program.dynamicSharedAlignment, 16);
  program.staticShared = static_cast<uint32_t>(at - sharedBase);
  at = (at + alignment - 1) & ~(alignment - 1);
  for (auto &[variable, offset] : program.sharedOffsets)
    if (variable->isExtern || !variable->size)
      offset = static_cast<uint32_t>(at);
}

void Decoder::decodeEntry(const Function &f) {
  program.name = f.name;
  program.requiredBlock = f.requiredBlock;
  program.maxBlock = f.maxBlock;
  uint32_t at = 0;
  for (const Variable *variable : f.parameters) {
    uint32_t alignment = std::max<uint32_t>(variable->alignment, 1);
    at = (at + alignment - 1) & ~(alignment - 1);
    program.parameterOffsets.push_back(at);
    program.parameters.push_back({variable->name,
                                  static_cast<uint32_t>(variable->size),
                                  variable->alignment});
    at += static_cast<uint32_t>(variable->size);
  }
  program.parameterBytes = at;
  Frame outermost;
  decodeBody(f, outermost);
  Inst end;
  end.line = f.body.empty() ? f.line : f.body.back().line;
  end.run = runExit;
  emit(end);
  layOutShared();
  bool fast = cpuHasAvx2();
  for (Inst &inst : program.code) {
    if (!inst.run)
      inst.run = fast ? avx2::selectArithmetic(inst)
                      : baseline::selectArithmetic(inst);
    if (!inst.run)
      inst.run = fast ? avx2::selectMatrix(inst) : baseline::selectMatrix(inst);
    if (!inst.run)
      throw Error(inst.line, "this form of the instruction is not supported");
  }
}

Program attnc::ptx::decodeProgram(const Module &module, const Function &entry) {
  Program program;
  Decoder(module, program).decodeEntry(entry);
  return program;
}

bool attnc::ptx::cpuHasAvx2() {
#if defined(__x86_64__) && defined(ATTNC_PTX_HAS_AVX2)
  static const bool has =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return has;
#else
  return false;
#endif
}
