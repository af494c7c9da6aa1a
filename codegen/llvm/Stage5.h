// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Stage 5, the border between the machine-dependent code generators and LLVM: a
// module that holds one kernel as loops over memrefs and vectors.
//
//   module attributes {attn.kernel = {name = "attn",
//       args = [{name = "q", role = "input", type = tensor<?x64xf32>,
//                alignment = 4 : i64}, ...],   // or "output", "inout"
//       constraints = [{formula = #attn.formula<...>, message = "..."}],
//       temps = [#attn.formula<...>]}} {
//     func.func @tiles(%q: memref<?x64xf32, strided<[?, 1]>> {attn.tensor = 0 :
//     i64},
//                      %n: index {attn.value = #attn.formula<...>},
//                      %workgroup: index {attn.workgroup},
//                      %scratch: memref<4096xi8> {attn.scratch},
//                      %status: memref<1xi32> {attn.status})
//         attributes {attn.grid = [#attn.formula<...>]} { ... }
//   }
//
// Functions with `attn.grid` are the launches, in order; all others are private
// helpers. Tensors are numbered arguments first, then temporaries. What the
// runtime does not check at launch must not be assumed by a type: strides are
// dynamic but for the last, and static sizes are those of the argument's type.

#ifndef ATTNC_CODEGEN_LLVM_STAGE5_H
#define ATTNC_CODEGEN_LLVM_STAGE5_H

#include "codegen/kernelfile/KernelDesc.h"

#include "dialect/Attn.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace attnc {

namespace stage5 {
inline constexpr llvm::StringLiteral kKernelAttr = "attn.kernel";
inline constexpr llvm::StringLiteral kGridAttr = "attn.grid";
inline constexpr llvm::StringLiteral kTensorAttr = "attn.tensor";
inline constexpr llvm::StringLiteral kValueAttr = "attn.value";
inline constexpr llvm::StringLiteral kWorkgroupAttr = "attn.workgroup";
inline constexpr llvm::StringLiteral kScratchAttr = "attn.scratch";
inline constexpr llvm::StringLiteral kStatusAttr = "attn.status";
/// GPUs: the function is written for the threads of a block, this many, and its
/// scratch is the block's shared memory. Without it one thread runs it.
inline constexpr llvm::StringLiteral kThreadsAttr = "attn.threads";
/// Blocks that a multiprocessor should hold at once.
inline constexpr llvm::StringLiteral kMinBlocksAttr = "attn.min_blocks";
/// The block's shared memory, an external array in address space 3.
inline constexpr llvm::StringLiteral kSharedSymbol = "attnc_shared";
/// Symbols with this prefix are the launches' entry points in machine code.
inline constexpr llvm::StringLiteral kEntryPrefix = "attnc_launch_";

/// One entry of `args`.
struct Arg {
  llvm::StringRef name;
  ArgRole role = ArgRole::Input;
  mlir::RankedTensorType type;
  int64_t alignment = 0;
};

/// The attribute `attn.kernel`, read.
struct Kernel {
  llvm::StringRef name;
  llvm::SmallVector<Arg> args;
  llvm::SmallVector<std::pair<mlir::attn::FormulaAttr, llvm::StringRef>>
      constraints;
  llvm::SmallVector<mlir::attn::FormulaAttr> temps;
};
} // namespace stage5

/// Whether the module claims to be stage 5.
bool isStage5(mlir::ModuleOp module);

/// Reads the module's `attn.kernel`; says what is wrong with it.
mlir::FailureOr<stage5::Kernel> readKernelAttr(mlir::ModuleOp module);

/// The launches, in order.
llvm::SmallVector<mlir::func::FuncOp> getLaunches(mlir::ModuleOp module);

/// The border verifier: the kernel attribute, every launch's signature, and
/// that bodies use only what can become code without external symbols. Says
/// everything that is wrong, each at its location.
mlir::LogicalResult verifyStage5(mlir::ModuleOp module);

/// The element type's number in kernel files; ATTNC_DTYPE_INVALID if it has
/// none.
attnc_dtype dtypeOf(mlir::Type elementType);

/// The formula as a postfix program; fails only for what FormulaAttr's own
/// verifier rejects.
mlir::FailureOr<Formula> toFormula(mlir::attn::FormulaAttr formula);

/// The description of a verified module, without images: signature,
/// constraints, temporaries, launches.
mlir::FailureOr<KernelDesc> buildKernelDesc(mlir::ModuleOp module);

} // namespace attnc

#endif // ATTNC_CODEGEN_LLVM_STAGE5_H
