// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: attnc-opt %s -attn-to-stage2 > %t.2
// RUN: attnc-opt %s -attn-to-stage3 > %t.3
// RUN: attnc-opt %s -attn-to-stage4 > %t.4
// RUN: FileCheck %s --check-prefix=STAGE2 < %t.2
// RUN: FileCheck %s --check-prefix=STAGE3 < %t.3
// RUN: FileCheck %s --check-prefix=STAGE4 < %t.4
// A stage can be taken up where it was left, and going there again changes
// nothing.
// RUN: attnc-opt %t.2 -attn-to-stage3 | diff %t.3 -
// RUN: attnc-opt %t.3 -attn-to-stage4 | diff %t.4 -
// RUN: attnc-opt %t.2 -attn-to-stage2 | diff %t.2 -
// RUN: attnc-opt %t.3 -attn-to-stage3 | diff %t.3 -
// RUN: attnc-opt %t.4 -attn-to-stage4 | diff %t.4 -
// Options reach their pass.
// RUN: attnc-opt %s -attn-to-stage3="micro=row vector-bytes=64 vector-registers=32 producers=materialize" \
// RUN:   | FileCheck %s --check-prefix=OPTIONS

// STAGE2: linalg.generic
// STAGE2: attn.attention
// STAGE2-SAME: mask = #attn.pairs<window<15, 0>> kernel = #attn.softmax scale = 1.250000e-01 :
// STAGE2: linalg.generic

// STAGE3: attn.attention
// STAGE3-SAME: plan = #attn.plan<
// STAGE3-SAME: schedule = #attn.schedule<micro = block
// STAGE3-SAME: q = fuse

// STAGE4-NOT: attn.attention
// STAGE4: scf.forall
// STAGE4: attn.fold
// STAGE4-NOT: attn.attention

// OPTIONS: schedule = #attn.schedule<micro = row
// OPTIONS-SAME: lanes = 16
// OPTIONS-SAME: q = materialize
func.func @f(%q: tensor<4x?x64xf32>, %k: tensor<4x?x64xf32>, %v: tensor<4x?x64xf32>, %m: tensor<?xi1>) -> tensor<4x?x64xf32> {
  %s = arith.addf %q, %q : tensor<4x?x64xf32>
  %o = attn.attention %s, %k, %v mask = #attn.pairs<causal & local<15> | empty & keys(%m)>
      : tensor<4x?x64xf32>, tensor<4x?x64xf32>, tensor<4x?x64xf32>, tensor<?xi1> -> tensor<4x?x64xf32>
  %r = arith.mulf %o, %o : tensor<4x?x64xf32>
  return %r : tensor<4x?x64xf32>
}
