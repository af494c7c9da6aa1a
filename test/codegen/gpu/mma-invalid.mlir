// What tensor cores do not take is said at its location, and taken by the row
// micro-kernel where nobody asks for more.

// RUN: not attnc compile %s --target=sm_80 --emit=stage5 --no-tuned --schedule='micro = mma' 2>&1 | FileCheck %s
// RUN: attnc compile %s --target=sm_80 --emit=stage3 --no-tuned | FileCheck %s --check-prefix=ROW
// RUN: not attnc compile %s --target=sm_80 --emit=stage5 --no-tuned --schedule='micro = mma, warps = 3' 2>&1 | FileCheck %s --check-prefix=WARPS
// RUN: not attnc compile %s --target=x86-64-v3 --emit=stage5 --no-tuned --schedule='micro = mma' 2>&1 | FileCheck %s

func.func @single(%q: tensor<4x?x64xf32>, %k: tensor<4x?x64xf32>,
                  %v: tensor<4x?x64xf32>) -> tensor<4x?x64xf32> {
  // CHECK: mma-invalid.mlir:[[@LINE+3]]:8: error: attn-schedule: micro must be row: tensor cores do not take this, since it multiplies f16 and bf16
  // ROW: micro = row
  // WARPS: error: attn-schedule: warps must be a power of two or a multiple of four, got 3
  %o = attn.attention %q, %k, %v
      : tensor<4x?x64xf32>, tensor<4x?x64xf32>, tensor<4x?x64xf32>
      -> tensor<4x?x64xf32>
  return %o : tensor<4x?x64xf32>
}
