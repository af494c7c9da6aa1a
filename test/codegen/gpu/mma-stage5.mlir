// The tensor-core fold of a causal prefill, sm_80: what its stage 5 holds.

// RUN: attnc compile %s --target=sm_80 --emit=stage5 --no-tuned | FileCheck %s
// RUN: attnc compile %s --target=sm_80 --emit=stage3 --no-tuned | FileCheck %s --check-prefix=SCHEDULE
// RUN: attnc compile %s --target=sm_75 --emit=stage3 --no-tuned | FileCheck %s --check-prefix=OLD

// SCHEDULE: micro = mma, query_tile = 128, heads = 1, key_block = 32
// SCHEDULE-SAME: mma = <warps = 4, stages = 3, query_steps = 0, lookahead = 2, fence = 0, lazy = 8>
// OLD: micro = row
// OLD-SAME: it needs a chip from sm_80 on

// Rows are read by 16 bytes, so they begin at multiples of that.
// CHECK: alignment = 16 : i64, name = "q"
// CHECK: llvm.mlir.global external @attnc_shared() {addr_space = 3
// Shared memory: queries, and three stages of keys and values.
// CHECK: func.func @launch_0
// CHECK-SAME: memref<81920xi8> {attn.scratch}
// CHECK-SAME: attn.threads = 128

// Queries, of which some may not exist; then the first two blocks of keys.
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg, %{{.*}} :
// CHECK: nvvm.cp.async.commit.group
// CHECK: nvvm.cp.async.commit.group

// Blocks that every query keeps: scores of the first, a loop that is left where
// a reference has to be raised, and in it one without a branch: weights and
// products with values, then the next block's scores. Its copies ask for
// nothing.
// CHECK: scf.while
// CHECK: nvvm.vote.sync any
// CHECK: scf.while
// CHECK: nvvm.shfl.sync bfly
// CHECK: scf.while
// CHECK-NOT: scf.if
// CHECK: llvm.call_intrinsic "llvm.nvvm.ex2.approx.ftz.f32"
// CHECK-NOT: scf.if
// CHECK: nvvm.ldmatrix %{{.*}} layout = #nvvm.mma_layout<col>
// CHECK-NOT: scf.if
// CHECK: nvvm.mma.sync
// CHECK-NOT: scf.if
// CHECK: nvvm.cp.async.wait.group 1
// CHECK-NEXT: nvvm.barrier
// CHECK-NOT: scf.if
// CHECK: nvvm.cp.async.shared.global %{{.*}}, %{{.*}}, 16, cache = cg : !llvm.ptr<3>, !llvm.ptr<1>
// CHECK-NOT: scf.if
// CHECK: nvvm.cp.async.commit.group
// CHECK-NOT: scf.if
// CHECK: nvvm.ldmatrix %{{.*}} layout = #nvvm.mma_layout<row>
// CHECK-NOT: scf.if
// CHECK: nvvm.vote.sync any
// CHECK-NOT: scf.if
// CHECK: scf.condition

// Blocks that some query masks: values are looked at first.
// CHECK: scf.while
// CHECK-NEXT: nvvm.cp.async.wait.group 1
// CHECK: nvvm.barrier #nvvm.reduction<or>
// CHECK: nvvm.mma.sync
// CHECK: nvvm.vote.sync any
// CHECK: scf.condition

// Nothing is under way when the rows are stored.
// CHECK: nvvm.cp.async.wait.group 0
// CHECK-NEXT: nvvm.barrier
// CHECK: llvm.store %{{.*}}, %{{.*}} : vector<2xf16>, !llvm.ptr<1>
func.func @causal(%q: tensor<1x4x?x128xf16>, %k: tensor<1x2x?x128xf16>,
                  %v: tensor<1x2x?x128xf16>) -> tensor<1x4x?x128xf16> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
      : tensor<1x4x?x128xf16>, tensor<1x2x?x128xf16>, tensor<1x2x?x128xf16>
      -> tensor<1x4x?x128xf16>
  return %o : tensor<1x4x?x128xf16>
}
