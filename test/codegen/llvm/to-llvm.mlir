// RUN: attnc-opt %s --attn-cpu-to-llvm=target=x86-64-v3 | FileCheck %s
// RUN: attnc-opt %s --attn-cpu-to-llvm=target=x86-64 | FileCheck %s --check-prefix=OLD
// RUN: not attnc-opt %s --attn-cpu-to-llvm=target=i386 2>&1 | FileCheck %s --check-prefix=TARGET

// TARGET: error: unknown target 'i386'; known are native, x86-64, x86-64-v2, x86-64-v3, x86-64-v4, x86-64-v4+avx512bf16

// Bodies and constants are internal, entry points are not; pointers that the
// runtime keeps apart do not alias, those of a tensor that comes twice do.
// CHECK: llvm.mlir.global internal unnamed_addr constant @table
// CHECK: llvm.func internal @first(%{{[^,]*}}: !llvm.ptr, %{{[^,]*}}: !llvm.ptr {llvm.align = 4 : i64, llvm.noalias},
// CHECK-SAME: !llvm.ptr {llvm.align = 64 : i64, llvm.noalias},
// CHECK-SAME: !llvm.ptr {llvm.align = 64 : i64, llvm.dereferenceable = 128 : i64, llvm.noalias},
// CHECK-SAME: !llvm.ptr {llvm.align = 4 : i64, llvm.dereferenceable = 4 : i64, llvm.noalias},
// CHECK: llvm.intr.fma
// CHECK-NOT: llvm.call @
// CHECK: llvm.func internal @second(%{{[^,]*}}: !llvm.ptr, %{{[^,]*}}: !llvm.ptr {llvm.align = 64 : i64},
// CHECK-SAME: !llvm.ptr {llvm.align = 64 : i64},

// Sizes stay in registers, also that of a dim whose number is not constant, and
// in loops, where the stack would grow.
// CHECK-LABEL: llvm.func internal @sizes(
// CHECK-NOT: llvm.alloca
// CHECK: llvm.icmp "eq" %{{[0-9]+}}, %{{[0-9]+}} : i64
// CHECK: llvm.select

// Old machines have no fused multiply-add, nor an instruction for floor.
// OLD-NOT: llvm.intr.fma(
// OLD-NOT: llvm.intr.floor

// Words: base, sizes, strides of a tensor that is dynamic; base and size of a
// temporary; a value. Static sizes are constants.
// CHECK-LABEL: llvm.func @attnc_launch_0(
// CHECK-SAME: %[[ARGS:.*]]: !llvm.ptr, %[[WORKGROUP:.*]]: i64, %[[SCRATCH:.*]]: !llvm.ptr, %[[STATUS:.*]]: !llvm.ptr)
// CHECK: %[[P0:.*]] = llvm.getelementptr %[[ARGS]][0]
// CHECK: %[[BASE:.*]] = llvm.load %[[P0]] {alignment = 8 : i64} : !llvm.ptr -> !llvm.ptr
// CHECK: %[[P1:.*]] = llvm.getelementptr %[[ARGS]][1]
// CHECK: %[[SIZE:.*]] = llvm.load %[[P1]]
// CHECK: %[[C4:.*]] = llvm.mlir.constant(4 : i64)
// CHECK: %[[P2:.*]] = llvm.getelementptr %[[ARGS]][2]
// CHECK: %[[STRIDE:.*]] = llvm.load %[[P2]]
// CHECK: %[[C1:.*]] = llvm.mlir.constant(1 : i64)
// CHECK: %[[P3:.*]] = llvm.getelementptr %[[ARGS]][3]
// CHECK: %[[P4:.*]] = llvm.getelementptr %[[ARGS]][4]
// CHECK: %[[P5:.*]] = llvm.getelementptr %[[ARGS]][5]
// CHECK: %[[VALUE:.*]] = llvm.load %[[P5]]
// CHECK: llvm.call @first(%[[BASE]], %[[BASE]], %{{[^,]*}}, %[[SIZE]], %[[C4]], %[[STRIDE]], %[[C1]], {{.*}}, %[[VALUE]], %[[WORKGROUP]], %[[SCRATCH]], %[[SCRATCH]], {{.*}}, %[[STATUS]], %[[STATUS]],
// CHECK: llvm.return
// CHECK-LABEL: llvm.func @attnc_launch_1(
module attributes {attn.kernel = {name = "k",
    args = [{name = "x", role = "input", type = tensor<?x4xf32>}],
    temps = [#attn.formula<map = ()[s0] -> (s0 * 4), dims = [0, 0]>]}} {
  memref.global "private" constant @table : memref<4xf32> = dense<[1.0, 2.0, 3.0, 4.0]>
  func.func @first(%x: memref<?x4xf32, strided<[?, 1]>> {attn.tensor = 0 : i64},
                   %t: memref<?xf32> {attn.tensor = 1 : i64},
                   %n: index {attn.value = #attn.formula<map = ()[s0] -> (s0 ceildiv 8), dims = [0, 0]>},
                   %w: index {attn.workgroup}, %s: memref<128xi8> {attn.scratch}, %status: memref<1xi32> {attn.status})
      attributes {attn.grid = [#attn.formula<map = ()[s0] -> (s0), dims = [0, 0]>]} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %table = memref.get_global @table : memref<4xf32>
    scf.for %i = %c0 to %n step %c1 {
      %v = vector.load %x[%i, %c0] : memref<?x4xf32, strided<[?, 1]>>, vector<4xf32>
      %k = vector.load %table[%c0] : memref<4xf32>, vector<4xf32>
      %e = math.exp %v : vector<4xf32>
      %f = math.floor %e : vector<4xf32>
      %g = arith.mulf %f, %k : vector<4xf32>
      %r = vector.reduction <add>, %g : vector<4xf32> into f32
      memref.store %r, %t[%i] : memref<?xf32>
    }
    return
  }
  func.func @second(%t0: memref<?xf32> {attn.tensor = 1 : i64}, %t1: memref<?xf32> {attn.tensor = 1 : i64},
                    %w: index {attn.workgroup}, %s: memref<0xi8> {attn.scratch}, %status: memref<1xi32> {attn.status})
      attributes {attn.grid = []} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %v = memref.load %t0[%c0] : memref<?xf32>
    memref.store %v, %t1[%c1] : memref<?xf32>
    return
  }
  func.func @sizes(%x: memref<?x4xf32, strided<[?, 1]>> {attn.tensor = 0 : i64}, %t: memref<?xf32> {attn.tensor = 1 : i64},
                   %w: index {attn.workgroup}, %s: memref<0xi8> {attn.scratch}, %status: memref<1xi32> {attn.status})
      attributes {attn.grid = []} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    scf.for %i = %c0 to %c2 step %c1 {
      %zero = arith.constant 0 : index
      %rows = memref.dim %x, %zero : memref<?x4xf32, strided<[?, 1]>>
      %size = memref.dim %x, %i : memref<?x4xf32, strided<[?, 1]>>
      %sum = arith.addi %rows, %size : index
      %y = arith.index_cast %sum : index to i32
      %f = arith.sitofp %y : i32 to f32
      memref.store %f, %t[%i] : memref<?xf32>
    }
    return
  }
}
