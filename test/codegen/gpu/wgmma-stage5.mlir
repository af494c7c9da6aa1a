// The fold of a causal prefill by warpgroups, sm_90a: what its stage 5 holds.

// RUN: attnc compile %s --target=sm_90a --emit=stage5 --no-tuned | FileCheck %s
// RUN: attnc compile %s --target=sm_90a --emit=stage3 --no-tuned | FileCheck %s --check-prefix=SCHEDULE
// RUN: attnc compile %s --target=sm_90 --emit=stage3 --no-tuned | FileCheck %s --check-prefix=OTHER
// RUN: attnc compile %s --target=sm_90a --emit=ptx --no-tuned | FileCheck %s --check-prefix=PTX

// SCHEDULE: micro = wgmma, query_tile = 192, heads = 1, key_block = 64
// SCHEDULE-SAME: mma = <warps = 12, stages = 4
// OTHER: micro = mma

// CHECK: func.func @launch_0
// CHECK-SAME: attn.threads = 384

// Blocks that every query keeps: copies have landed and products may read them;
// scores of a block and products of the one before go on together.
// CHECK: scf.while
// CHECK: scf.while
// CHECK: nvvm.cp.async.wait.group 1
// CHECK-NEXT: llvm.inline_asm {{.*}}"fence.proxy.async.shared::cta;"
// CHECK-NEXT: nvvm.barrier
// CHECK: nvvm.cp.async.commit.group
// CHECK: wgmma.fence.sync.aligned
// CHECK-SAME: wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16
// CHECK-SAME: wgmma.commit_group.sync.aligned
// CHECK-NOT: wgmma.wait_group
// CHECK: wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16
// CHECK-NOT: scf.if
// CHECK: wgmma.wait_group.sync.aligned 1
// CHECK-NOT: scf.if
// CHECK: ex2
// CHECK-NOT: scf.if
// CHECK: nvvm.vote.sync any
// CHECK: scf.if
// CHECK: wgmma.wait_group.sync.aligned 0
// CHECK: else
// CHECK: wgmma.wait_group.sync.aligned 0
// CHECK: ff2f16x2
// CHECK: scf.condition

// PTX: .target sm_90a
// PTX: wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16
func.func @causal(%q: tensor<1x4x?x128xf16>, %k: tensor<1x2x?x128xf16>,
                  %v: tensor<1x2x?x128xf16>) -> tensor<1x4x?x128xf16> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
      : tensor<1x4x?x128xf16>, tensor<1x2x?x128xf16>, tensor<1x2x?x128xf16>
      -> tensor<1x4x?x128xf16>
  return %o : tensor<1x4x?x128xf16>
}
