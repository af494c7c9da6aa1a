// Loaders dequantise in vectors: int8 by sign extension, fp8 by way of f16, on
// which no machine without AVX512-FP16 computes, but which F16C converts.

// RUN: attnc compile %src_root/examples/dequant-gate.mlir --target=x86-64-v3 --emit=asm | FileCheck %s --check-prefix=INT8
// RUN: attnc compile %src_root/examples/dequant-gate.mlir --target=x86-64-v3 --emit=asm --micro=row | FileCheck %s --check-prefix=INT8
// RUN: attnc compile %src_root/examples/fp8-cache.mlir --target=x86-64-v3 --emit=asm | FileCheck %s --check-prefix=FP8
// RUN: attnc compile %src_root/examples/fp8-cache.mlir --target=x86-64-v3 --emit=asm --micro=row | FileCheck %s --check-prefix=FP8
// RUN: attnc compile %src_root/examples/fp8-cache.mlir --target=x86-64-v4+avx512bf16 --emit=asm | FileCheck %s --check-prefix=DOT
// RUN: attnc compile %src_root/examples/fp8-cache.mlir --target=x86-64-v4+avx512bf16 --emit=asm --micro=row | FileCheck %s --check-prefix=DOT

// INT8-NOT: vpextrb
// INT8: vpmovsxbd
// INT8: vcvtdq2ps %ymm

// FP8-NOT: vpextrb
// FP8: vpmovsxbw
// FP8: vcvtph2ps %xmm{{[0-9]+}}, %ymm
// FP8-NOT: vpextrb

// What is dequantised to bf16 is rounded by the machine, two vectors at a time,
// and multiplied in pairs.
// DOT: vcvtph2ps %ymm{{[0-9]+}}, %zmm
// DOT: vcvtne2ps2bf16 %zmm{{[0-9]+}}, %zmm{{[0-9]+}}, %zmm{{[0-9]+}}
// DOT-NEXT: vmovups %zmm
// DOT: vdpbf16ps
