// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The machine that code is generated for, spelled out. Everything that is read
// off the host is read in Target::host() and nowhere else.

#ifndef ATTNC_CODEGEN_TARGET_H
#define ATTNC_CODEGEN_TARGET_H

#include "passes/MachineModel.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attnc {

struct Target {
  /// "x86-64-v3", or the host CPU's name: what a kernel file calls the image.
  std::string name;
  std::string triple;
  /// LLVM's CPU name, which also chooses the instruction costs.
  std::string cpu;
  /// What the code may use, by LLVM's names, sorted; exactly what a kernel file
  /// asks of the machine that loads it.
  std::vector<std::string> features;
  /// LLVM's feature string: what `cpu` implies, corrected to `features`.
  std::string featureString;

  /// Width of the widest vector that is worth using.
  unsigned vectorBits = 128;
  unsigned vectorRegisters = 16;
  bool hasSse41 = false; ///< floor, ceil and roundeven are instructions
  bool hasFma = false;
  bool hasF16c = false;
  bool hasAvx512Bf16 = false; ///< vdpbf16ps

  /// NVIDIA GPUs: the chip's number (80 of "sm_80"), 0 for a CPU.
  unsigned sm = 0;
  /// 'a': code for this chip alone, 'f': for its family; 0: for later chips
  /// too.
  char smSuffix = 0;
  /// Most shared memory that a block may ask for.
  uint32_t sharedBytes = 0;
  bool isGpu() const { return sm != 0; }

  /// Data caches of one core.
  int64_t l1Bytes = 32 << 10;
  int64_t l2Bytes = 1 << 20;

  /// Elements of that many bits in one vector.
  unsigned lanes(unsigned elementBits) const {
    return vectorBits / elementBits;
  }
  bool hasFeature(llvm::StringRef feature) const;
  /// Features that this machine lacks: none, if it can run the code.
  std::vector<std::string> missingOnHost() const;
  /// What attn-schedule wants to know.
  MachineModel machineModel() const;

  /// This machine; an error where attnc has no code generator for it.
  static llvm::Expected<Target> host();
  /// One of names(); the error for anything else lists them.
  static llvm::Expected<Target> parse(llvm::StringRef name);
  /// "native", then the x86-64 levels from the oldest to the newest, some with
  /// one feature more ("level+feature"), then NVIDIA's chips.
  static llvm::ArrayRef<llvm::StringLiteral> names();
};

} // namespace attnc

#endif // ATTNC_CODEGEN_TARGET_H
