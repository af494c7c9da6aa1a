// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The attn dialect itself; attributes are in AttnAttrs.td, operations in AttnOps.td.

#ifndef ATTN_BASE
#define ATTN_BASE

include "mlir/IR/OpBase.td"

def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::mlir::attn";
  let summary = "Attention as a fold of an accumulator over a set of (query, key) pairs";
  let description = [{
    Every attention variant is written as

        out[i] = finish( fold over j with (i, j) in Pairs of step(state, score(q[i], k[j]; i, j), v[j]) )

    The *pair set* (`#attn.pairs`) says which pairs take part, the *score* what
    one pair is worth, the *accumulator* (`#attn.softmax`, `#attn.linear`, ...)
    how pairs combine. `attn.attention` states the three; passes decide where
    and in what order (`#attn.plan`, `#attn.schedule`), and `attn.fold` is the
    result: one tile of queries folded over its key intervals, shared by every
    target.

    Positions: key row c sits at `k_start + c`, query row a at `q_start + a`.
    All sets speak of positions, so `causal` is always j <= i. Query rows sit by
    default so that the last query is on the last key.
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
  // The pair-set text has its own operators (&, |, !), so `#attn.pairs<...>` is
  // parsed by the dialect before the generated attribute parsers are asked.
  let useDefaultAttributePrinterParser = 0;
  let extraClassDeclaration = [{
    ::mlir::Attribute parseAttribute(::mlir::DialectAsmParser &parser, ::mlir::Type type) const override;
    void printAttribute(::mlir::Attribute attr, ::mlir::DialectAsmPrinter &os) const override;
    void registerAttributes();
  }];
}

#endif // ATTN_BASE
