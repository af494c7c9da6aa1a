// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tensors of a stage-4 function as a kernel sees them: inputs, outputs and
// temporaries, numbered in this order.

#ifndef ATTNC_CODEGEN_CPU_KERNELTENSORS_H
#define ATTNC_CODEGEN_CPU_KERNELTENSORS_H

#include "dialect/Attn.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"

namespace attnc::cpu {

/// The slice that a loader yields as it lies in memory; null where it computes
/// its row.
mlir::tensor::ExtractSliceOp yieldedSlice(mlir::Region &loader);

class KernelTensors {
public:
  /// Numbers the tensors of `func`; diagnoses what no kernel can be.
  static mlir::FailureOr<KernelTensors> create(mlir::func::FuncOp func);

  /// An input that a launch writes in place stays an input.
  enum class Kind { Input, Output, Temporary };
  struct Entry {
    Kind kind;
    int64_t number; // of the tensor in the kernel
  };

  /// The tensor a value is, looking through casts; none for values that are
  /// not in memory.
  std::optional<Entry> find(mlir::Value value) const;
  /// The value before casts.
  static mlir::Value strip(mlir::Value value);
  /// The value whose memory a tensor has: what a launch writes in place is the
  /// argument that it writes to.
  static mlir::Value memoryOf(mlir::Value value);

  /// The attribute `attn.kernel` of the stage-5 module.
  mlir::FailureOr<mlir::DictionaryAttr> kernelAttr();

private:
  mlir::func::FuncOp func;
  llvm::MapVector<mlir::Value, Entry> entries;
  llvm::SmallVector<mlir::Value> outputs, temporaries;
  struct OutputInfo {
    unsigned result; // of the function
    mlir::Type type;
  };
  llvm::SmallVector<OutputInfo> outputInfos;
  llvm::SmallVector<bool> isWritten; // inputs

  llvm::DenseSet<mlir::Value> copiedByChunks();
  std::string nameOf(bool isOutput, unsigned number);
  mlir::attn::FormulaAttr bytesOf(mlir::Value temporary);
};

} // namespace attnc::cpu

#endif // ATTNC_CODEGEN_CPU_KERNELTENSORS_H
