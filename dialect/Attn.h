// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The attn dialect: include this to use its operations and attributes.

#ifndef ATTN_DIALECT_ATTN_H
#define ATTN_DIALECT_ATTN_H

#include "dialect/PairSet.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/SCF/IR/DeviceMappingInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/IntegerSet.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialect/AttnDialect.h.inc"
#include "dialect/AttnEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/AttnAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialect/AttnOps.h.inc"

namespace mlir::attn {

/// The mapping of an scf.forall with `rank` loops, the last over tiles, that is
/// a launch's grid.
ArrayAttr getGridMapping(MLIRContext *context, int64_t rank,
                         GridOrder order = GridOrder::Up);

/// `set` with every operand number n replaced by `numbers[n]`.
PairsAttr renumberOperands(PairsAttr set, llvm::ArrayRef<int64_t> numbers);

/// Names of the symbols of a plan's maps before its parameters.
enum PlanSymbol : unsigned { KBegin, KEnd, QBegin, QEnd, FirstParameter };

/// Whether a per-batch operand (lengths, starts, set parameters) holds one
/// value for all batches rather than one for each.
bool isPerBatchUniform(Type type);

/// Where `positions = start` or a default puts things is explained at C8/C21.

} // namespace mlir::attn

#endif // ATTN_DIALECT_ATTN_H
