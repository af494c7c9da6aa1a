// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stage 4 to stage 5 for CPUs: each grid of the function becomes a launch
// function over memrefs; see codegen/llvm/Stage5.h for the form.

#ifndef ATTNC_CODEGEN_CPU_LOWERTOLOOPS_H
#define ATTNC_CODEGEN_CPU_LOWERTOLOOPS_H

#include "codegen/Target.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace attnc::cpu {

/// The stage-5 module of a stage-4 function. Diagnoses what cannot be compiled
/// at its location. Names of arguments come from `attn.name` attributes,
/// otherwise arg0, arg1, ... and out0, out1, ...
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
lowerToLoops(mlir::func::FuncOp stage4, const Target &target);

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_LOWERTOLOOPS_H
