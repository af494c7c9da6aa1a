// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes of attnc, in the order in which Pipeline.cpp runs them.

#ifndef ATTNC_PASSES
#define ATTNC_PASSES

include "mlir/Pass/PassBase.td"

class AttnPass<string argument> : Pass<argument, "::mlir::func::FuncOp">;

def ExpandPass : AttnPass<"attn-expand"> {
  let summary = "writes defaults out and removes sugar (stage 1 to 2)";
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"];
}

def SimplifyPairsPass : AttnPass<"attn-simplify-pairs"> {
  let summary = "simplifies mask and sparsity without changing a pair";
}

def PlanPairsPass : AttnPass<"attn-plan-pairs"> {
  let summary = "splits mask & sparsity into disjoint components with monotone bounds";
}

def SchedulePass : AttnPass<"attn-schedule"> {
  let summary = "chooses the micro-kernel, tiles and what is fused, with reasons";
  let options = [
    Option<"vectorBytes", "vector-bytes", "int64_t", /*default=*/"32", "width of a native vector">,
    Option<"vectorRegisters", "vector-registers", "int64_t", /*default=*/"16", "number of vector registers">,
    Option<"micro", "micro", "std::string", /*default=*/"\"auto\"", "micro-kernel: auto, block or row">,
    Option<"producers", "producers", "std::string", /*default=*/"\"auto\"", "producers of q, k, v: auto, fuse or materialize">
  ];
}

def TilePass : AttnPass<"attn-tile"> {
  let summary = "turns attention into a grid of query tiles, each one attn.fold (stage 3 to 4)";
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def FusePass : AttnPass<"attn-fuse"> {
  let summary = "moves producers into loaders or launches, consumers into the epilogue";
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

#endif // ATTNC_PASSES
