// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A decoded entry function: one flat list of instructions whose operands are
// places in a warp's register file. Calls are inlined, constants and special
// registers are read-only registers, so that handlers read everything alike.

#ifndef ATTNC_RUNTIME_PTX_PROGRAM_H
#define ATTNC_RUNTIME_PTX_PROGRAM_H

#include "Module.h"

#include <string>
#include <vector>

namespace attnc {
namespace ptx {

struct Warp;
struct Inst;

/// Runs an instruction for the lanes of `mask`, which is never empty.
using Handler = void (*)(Warp &, const Inst &, uint32_t mask);

enum class Op : uint8_t {
  // Integers and bits.
  Add,
  Sub,
  Mul,
  MulHi,
  MulWide,
  Mad,
  MadHi,
  MadWide,
  Mul24,
  Mad24,
  Sad,
  Div,
  Rem,
  Abs,
  Neg,
  Min,
  Max,
  And,
  Or,
  Xor,
  Not,
  Cnot,
  Lop3,
  Shl,
  Shr,
  ShfL,
  ShfR,
  Popc,
  Clz,
  Bfind,
  Brev,
  Bfe,
  Bfi,
  Bmsk,
  Szext,
  Prmt,
  Dp4a,
  Mov,
  Selp,
  Slct,
  AddCc,
  AddC,
  SubCc,
  SubC,
  MadCcLo,
  MadCcHi,
  MadCLo,
  MadCHi,
  // Floating point.
  Fma,
  Rcp,
  Sqrt,
  Rsqrt,
  Sin,
  Cos,
  Lg2,
  Ex2,
  Tanh,
  Copysign,
  Testp,
  // Predicates and comparisons.
  Setp,
  Set,
  PredAnd,
  PredOr,
  PredXor,
  PredNot,
  PredMov,
  PredSelp,
  // Conversions and packing.
  Cvt,
  CvtPack,
  Pack,
  Unpack,
  // Everything whose handler the decoder names itself.
  Other,
};

enum class Compare : uint8_t {
  Eq,
  Ne,
  Lt,
  Le,
  Gt,
  Ge,
  Equ,
  Neu,
  Ltu,
  Leu,
  Gtu,
  Geu,
  Num,
  Nan
};
enum class Rounding : uint8_t { Nearest, Zero, Down, Up, NearestAway };

/// A place for one operand.
struct Slot {
  uint32_t at = 0;   ///< in words of the register file; number if a predicate
  bool wide = false; ///< 64 bits a lane
};

struct Inst {
  Handler run = nullptr;
  uint32_t d = 0, a = 0, b = 0, c = 0; ///< Slot::at of operands
  uint32_t d2 = 0;                     ///< second result, or one more operand
  uint32_t guard = 0;                  ///< predicate number, 0: always
  uint32_t guardFlip = 0;              ///< all ones for @!p
  uint32_t list = 0;                   ///< first of Program::slots
  uint32_t target = 0;                 ///< of a branch
  uint32_t line = 0;
  int64_t imm = 0;
  Op op = Op::Other;
  Type type = Type::None, type2 = Type::None;
  Space space = Space::Generic;
  Compare compare = Compare::Eq;
  Rounding rounding = Rounding::Nearest;
  uint8_t count = 0; ///< vector elements, matrices, …
  uint8_t mode = 0;  ///< by opcode
  bool ftz = false, saturate = false, nan = false, integral = false;
  bool relu = false, wideAddress = false, sync = false, negate = false;
  bool extra = false, transpose = false, spins = false;
};

/// Special registers that a warp fills in when it starts.
enum class Special : uint8_t {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaidX,
  CtaidY,
  CtaidZ,
  NctaidX,
  NctaidY,
  NctaidZ,
  LaneId,
  WarpId,
  NwarpId,
  MaskEq,
  MaskLe,
  MaskLt,
  MaskGe,
  MaskGt,
  GridId,
  SmId,
  NsmId,
  Zero,
  One,
  DynamicShared,
  TotalShared,
  Clock,
  Clock64,
  GlobalTimer, ///< these by an instruction
};

struct Program {
  std::string name;
  std::vector<Inst> code;
  std::vector<Slot> slots; ///< operand lists

  struct Constant {
    Slot slot;
    uint64_t value;
  };
  struct SpecialSlot {
    Slot slot;
    Special special;
  };
  /// Where a variable of the module's global memory or of the dynamic part of
  /// shared memory is known only at a launch.
  struct AddressSlot {
    Slot slot;
    const Variable *variable;
    int64_t addend;
  };
  std::vector<Constant> constants;
  std::vector<SpecialSlot> specials;
  std::vector<AddressSlot> addresses;
  uint32_t registerWords = 0;
  uint32_t predicates = 2; ///< 0 is always true, 1 always false
  uint32_t localBytes = 0; ///< a thread
  uint32_t staticShared = 0;
  uint32_t dynamicSharedAlignment = 1;
  std::map<const Variable *, uint32_t> sharedOffsets;
  std::vector<Parameter> parameters;
  std::vector<uint32_t> parameterOffsets;
  uint32_t parameterBytes = 0;
  Dim3 requiredBlock{0, 0, 0}, maxBlock{0, 0, 0};
  /// Log 2 of the smallest unit in which shared memory is written.
  unsigned granuleShift = 2;
};

/// Throws Error. The module must outlive the program.
Program decodeProgram(const Module &module, const Function &entry);

/// Finds the handlers of arithmetic; instances for several instruction sets.
namespace baseline {
Handler selectArithmetic(const Inst &inst);
Handler selectMatrix(const Inst &inst);
} // namespace baseline
namespace avx2 {
Handler selectArithmetic(const Inst &inst);
Handler selectMatrix(const Inst &inst);
} // namespace avx2
bool cpuHasAvx2();

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_PROGRAM_H
