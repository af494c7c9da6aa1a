// RUN: attnc-opt %s --attn-cpu-to-llvm=target=x86-64-v3 --split-input-file --verify-diagnostics

// The border verifier of stage 5: attributes, signatures, operations, types.

// expected-error@+1 {{a stage-5 module needs the dictionary attn.kernel}}
module {
}

// -----

// expected-error@+1 {{attn.kernel needs a name}}
module attributes {attn.kernel = {args = []}} {
}

// -----

// expected-error@+1 {{attn.kernel: args is not an array}}
module attributes {attn.kernel = {name = "k", args = 1 : i64}} {
}

// -----

// expected-error@+1 {{attn.kernel: argument 0 is not a dictionary}}
module attributes {attn.kernel = {name = "k", args = [1 : i64]}} {
}

// -----

// expected-error@+1 {{attn.kernel: argument 0 needs the role "input", "output" or "inout"}}
module attributes {attn.kernel = {name = "k", args = [{name = "x", role = "through", type = tensor<4xf32>}]}} {
}

// -----

// expected-error@+1 {{attn.kernel: argument 1 needs a ranked tensor type}}
module attributes {attn.kernel = {name = "k", args = [
    {name = "x", role = "input", type = tensor<4xf32>},
    {name = "y", role = "output", type = tensor<*xf32>}]}} {
}

// -----

// expected-error@+1 {{attn.kernel: argument 0 has the element type 'f8E4M3FNUZ', which kernels cannot take}}
module attributes {attn.kernel = {name = "k", args = [{name = "x", role = "input", type = tensor<4xf8E4M3FNUZ>}]}} {
}

// -----

// expected-error@+1 {{attn.kernel: argument 0 needs an alignment that is a power of two up to 4096}}
module attributes {attn.kernel = {name = "k", args = [
    {name = "x", role = "input", type = tensor<4xf32>, alignment = 12 : i64}]}} {
}

// -----

// expected-error@+1 {{attn.kernel: two arguments are called 'x'}}
module attributes {attn.kernel = {name = "k", args = [
    {name = "x", role = "input", type = tensor<4xf32>},
    {name = "x", role = "output", type = tensor<4xf32>}]}} {
}

// -----

// expected-error@+1 {{attn.kernel: a constraint needs a formula and a message}}
module attributes {attn.kernel = {name = "k", args = [], constraints = [{message = "no"}]}} {
}

// -----

// expected-error@+1 {{attn.kernel: a temporary is given by a formula, not by 64}}
module attributes {attn.kernel = {name = "k", args = [], temps = [64 : i64]}} {
}

// -----

// expected-error@+2 {{attn.kernel: the constraint 'sizes' reads dimension 2 of 'x', which has 1}}
// expected-error@+1 {{attn.kernel: the size of a temporary reads a size of argument 3, but the kernel has 1}}
module attributes {attn.kernel = {name = "k",
    args = [{name = "x", role = "input", type = tensor<?xf32>}],
    constraints = [{formula = #attn.formula<map = ()[s0] -> (s0), dims = [0, 2]>, message = "sizes"}],
    temps = [#attn.formula<map = ()[s0] -> (s0), dims = [3, 0]>]}} {
  func.func @launch(%w: index {attn.workgroup}, %s: memref<0xi8> {attn.scratch}, %t: memref<1xi32> {attn.status})
      attributes {attn.grid = []} {
    return
  }
}

// -----

// expected-error@+1 {{a kernel needs a function with attn.grid}}
module attributes {attn.kernel = {name = "k", args = []}} {
  // expected-error@+1 {{'func.func' op has no attn.grid, so it must be private}}
  func.func @open() { return }
  // expected-error@+1 {{'func.func' op is declared only: kernels have no external symbols}}
  func.func private @malloc(i64) -> i64
  // expected-error@+1 {{'func.func' op must not begin with 'attnc_launch_': these are the entry points' names}}
  func.func private @attnc_launch_0() { return }
}

// -----

module attributes {attn.kernel = {name = "k", args = []}} {
  // expected-error@+1 {{'func.func' op is a launch: it needs a body}}
  func.func private @external() attributes {attn.grid = []}
  // expected-error@+1 {{'func.func' op is a launch: it cannot return anything}}
  func.func @results() -> i32 attributes {attn.grid = []} {
    %c = arith.constant 0 : i32
    return %c : i32
  }
  // expected-error@+1 {{'func.func' op attn.grid must be an array of up to 16 formulas}}
  func.func @grid0() attributes {attn.grid = 4 : i64} { return }
  // expected-error@+1 {{'func.func' op attn.grid holds 4 : i64, not a formula}}
  func.func @grid1() attributes {attn.grid = [4 : i64]} { return }
  // expected-error@+1 {{'func.func' op attn.grid reads a size of argument 0, but the kernel has 0}}
  func.func @grid2() attributes {attn.grid = [#attn.formula<map = ()[s0] -> (s0), dims = [0, 0]>]} { return }
  // expected-error@+1 {{'func.func' op needs the arguments attn.workgroup, attn.scratch and attn.status at the end}}
  func.func @tail0(%w: index) attributes {attn.grid = []} { return }
  // expected-error@+1 {{'tail1' argument 0 must be an index with attn.workgroup}}
  func.func @tail1(%w: index, %s: memref<0xi8> {attn.scratch}, %t: memref<1xi32> {attn.status}) attributes {attn.grid = []} { return }
  // expected-error@+1 {{'tail2' argument 1 must be a memref<BYTESxi8> with attn.scratch}}
  func.func @tail2(%w: index {attn.workgroup}, %s: memref<?xi8> {attn.scratch}, %t: memref<1xi32> {attn.status}) attributes {attn.grid = []} { return }
  // expected-error@+1 {{'tail3' argument 2 must be a memref<1xi32> with attn.status}}
  func.func @tail3(%w: index {attn.workgroup}, %s: memref<0xi8> {attn.scratch}, %t: memref<1xi64> {attn.status}) attributes {attn.grid = []} { return }
  // expected-error@+1 {{'tail4' argument 1 asks for 5000000000 bytes; at most 4294967296 are allowed}}
  func.func @tail4(%w: index {attn.workgroup}, %s: memref<5000000000xi8> {attn.scratch}, %t: memref<1xi32> {attn.status}) attributes {attn.grid = []} { return }
}

// -----

// Tensors: everything that a type promises must be checked at launch.
module attributes {attn.kernel = {name = "k",
    args = [{name = "x", role = "input", type = tensor<?x8xf32>}, {name = "m", role = "input", type = tensor<?xi1>},
            {name = "u", role = "input", type = tensor<?xui8>}, {name = "n", role = "input", type = tensor<?xindex>}],
    temps = [#attn.formula<map = () -> (64)>]}} {
  // expected-error@+1 {{'func.func' op uses the type 'memref<?xi8, 3>': memory spaces do not exist on this machine}}
  func.func @launch(
      // expected-error@+1 {{'launch' argument 0 needs a memref type and an integer attn.tensor}}
      %a: memref<?x8xf32, strided<[?, 1]>>,
      // expected-error@+1 {{'launch' argument 1 names tensor 5, but the kernel has 4 arguments and 1 temporaries}}
      %b: memref<?x8xf32, strided<[?, 1]>> {attn.tensor = 5 : i64},
      // expected-error@+1 {{'launch' argument 2 names tensor -1, but the kernel has 4 arguments and 1 temporaries}}
      %c: memref<?x8xf32, strided<[?, 1]>> {attn.tensor = -1 : i64},
      // expected-error@+1 {{'launch' argument 3 assumes the stride 8 of dimension 0; only the last stride may be static, as strided<[?, ..., 1]>}}
      %d: memref<?x8xf32> {attn.tensor = 0 : i64},
      // expected-error@+1 {{'launch' argument 4 holds 'f64' instead of 'f32', which 'x' has in memory}}
      %e: memref<?x8xf64, strided<[?, 1]>> {attn.tensor = 0 : i64},
      // expected-error@+1 {{'launch' argument 5 has 1 dimensions, but 'x' has 2}}
      %f: memref<?xf32> {attn.tensor = 0 : i64},
      // expected-error@+1 {{'launch' argument 6 assumes the size 4 of dimension 0, which the type of 'x' does not promise}}
      %g: memref<4x8xf32, strided<[?, 1]>> {attn.tensor = 0 : i64},
      // expected-error@+1 {{'launch' argument 7 needs a strided layout without offset}}
      %h: memref<?x8xf32, strided<[?, 1], offset: ?>> {attn.tensor = 0 : i64},
      // expected-error@+1 {{'launch' argument 8 needs the last stride 1}}
      %i: memref<?x8xf32, strided<[?, 2]>> {attn.tensor = 0 : i64},
      // expected-error@+1 {{'launch' argument 9 holds 'i1' instead of 'i8', which 'm' has in memory}}
      %j: memref<?xi1> {attn.tensor = 1 : i64},
      // expected-error@+1 {{'launch' argument 10 is a temporary: only its first size may be dynamic}}
      %k: memref<?x?xf32> {attn.tensor = 4 : i64},
      // expected-error@+1 {{'launch' argument 11 is a temporary: it has no layout}}
      %l: memref<?x8xf32, strided<[?, 1]>> {attn.tensor = 4 : i64},
      // expected-error@+1 {{'launch' argument 12 is a temporary: its rows are empty or too long}}
      %o: memref<?x0xf32> {attn.tensor = 4 : i64},
      // expected-error@+1 {{'launch' argument 13 needs attn.value = #attn.formula<...>}}
      %p: index,
      // expected-error@+1 {{'launch' argument 14 reads dimension 7 of 'x', which has 2}}
      %q: index {attn.value = #attn.formula<map = ()[s0] -> (s0), dims = [0, 7]>},
      // expected-error@+1 {{'launch' argument 15 must not have a memory space}}
      %r: memref<?xi8, 3> {attn.tensor = 4 : i64},
      // These are fine.
      %fine0: memref<?xi8> {attn.tensor = 1 : i64}, %fine1: memref<?xi8> {attn.tensor = 2 : i64},
      %fine2: memref<?xi64> {attn.tensor = 3 : i64}, %fine3: memref<?xindex> {attn.tensor = 3 : i64},
      %fine4: memref<?x?xf32, strided<[?, ?]>> {attn.tensor = 0 : i64}, %fine5: memref<?x2xf32> {attn.tensor = 4 : i64},
      %w: index {attn.workgroup}, %s: memref<0xi8> {attn.scratch}, %t: memref<1xi32> {attn.status})
      attributes {attn.grid = []} {
    return
  }
}

// -----

module attributes {attn.kernel = {name = "k", args = []}} {
  // expected-error@+1 {{'memref.global' op must be a constant with a dense value: kernels have no writable data}}
  memref.global "private" @counter : memref<1xi32> = dense<0>
  // expected-error@+1 {{'memref.global' op must be a constant with a dense value: kernels have no writable data}}
  memref.global "private" constant @later : memref<1xi32> = uninitialized
  // expected-error@+1 {{'builtin.module' op is nested: a kernel is one module}}
  module {}
  func.func @launch(%w: index {attn.workgroup}, %s: memref<0xi8> {attn.scratch}, %t: memref<1xi32> {attn.status})
      attributes {attn.grid = []} {
    %c0 = arith.constant 0 : index
    %true = arith.constant true
    // expected-error@+1 {{'memref.alloc' op is not part of stage 5}}
    %heap = memref.alloc() : memref<8xf32>
    // expected-error@+1 {{'memref.alloca' op must have a static size}}
    %stack0 = memref.alloca(%w) : memref<?xf32>
    // expected-error@+1 {{'memref.alloca' op takes more than 65536 bytes of stack: use the launch's scratch}}
    %stack1 = memref.alloca() : memref<65537xi8>
    scf.if %true {
      // expected-error@+1 {{'memref.alloca' op must stand in its function's first block: in a loop it would take stack in each iteration}}
      %stack2 = memref.alloca() : memref<8xf32>
    }
    // expected-error@+1 {{'memref.copy' op is not part of stage 5}}
    memref.copy %t, %t : memref<1xi32> to memref<1xi32>
    // expected-error@+1 {{'cf.assert' op is not part of stage 5}}
    cf.assert %true, "no"
    // expected-error@+1 {{'vector.print' op is not part of stage 5}}
    vector.print %w : index
    // expected-error@+1 {{'arith.constant' op uses the type 'vector<[4]xf32>': scalable vectors do not exist on this machine}}
    %scalable = arith.constant dense<0.0> : vector<[4]xf32>
    // expected-error@+1 {{'arith.constant' op uses the type 'vector<8192xf32>': the vector has more than 4096 elements}}
    %long = arith.constant dense<0.0> : vector<8192xf32>
    // expected-error@+1 {{'arith.constant' op uses the type 'i128': integers have 1 to 64 bits}}
    %wide = arith.constant 0 : i128
    // expected-error@+1 {{'arith.constant' op uses the type 'f80': stage 5 has memrefs, vectors, index, integers and f8E4M3FN, f8E5M2, f16, bf16, f32, f64}}
    %x87 = arith.constant 0.0 : f80
    // expected-error@+1 {{'arith.constant' op uses the type 'tensor<4xf32>': stage 5 has memrefs, vectors, index, integers and f8E4M3FN, f8E5M2, f16, bf16, f32, f64}}
    %tensor = arith.constant dense<0.0> : tensor<4xf32>
    // expected-error@+1 {{'llvm.inline_asm' op is not part of stage 5}}
    llvm.inline_asm has_side_effects "ud2", "" : () -> ()
    // expected-error@+1 {{'llvm.call_intrinsic' op calls llvm.trap, which kernels must not use}}
    llvm.call_intrinsic "llvm.trap"() : () -> ()
    // expected-error@+1 {{'func.call' op calls a launch; only helpers can be called}}
    func.call @launch(%w, %s, %t) : (index, memref<0xi8>, memref<1xi32>) -> ()
    return
  }
}

// -----

// What would become a call of the C library, or an instruction that the target
// lacks.
module attributes {attn.kernel = {name = "k", args = []}} {
  func.func @launch(%w: index {attn.workgroup}, %s: memref<0xi8> {attn.scratch}, %t: memref<1xi32> {attn.status})
      attributes {attn.grid = []} {
    %i = arith.index_cast %w : index to i64
    %x = arith.sitofp %i : i64 to f64
    %v = vector.broadcast %x : f64 to vector<4xf64>
    // expected-error@+1 {{math.erf on f64 has no vector implementation}}
    %e = math.erf %v : vector<4xf64>
    // expected-error@+1 {{math.powf on f64 has no vector implementation}}
    %p = math.powf %e, %v : vector<4xf64>
    // expected-error@+1 {{arith.remf on f64 has no vector implementation}}
    %r = arith.remf %p, %v : vector<4xf64>
    %sum = vector.reduction <add>, %r : vector<4xf64> into f64
    %n = arith.fptosi %sum : f64 to i32
    %c0 = arith.constant 0 : index
    memref.store %n, %t[%c0] : memref<1xi32>
    return
  }
}

// -----

module attributes {attn.kernel = {name = "k", args = []}} {
  func.func @launch(%w: index {attn.workgroup}, %s: memref<64xi8> {attn.scratch}, %t: memref<1xi32> {attn.status})
      attributes {attn.grid = []} {
    %acc = arith.constant dense<0.0> : vector<4xf32>
    %x = arith.constant dense<1.0> : vector<8xbf16>
    // expected-error@+1 {{llvm.x86.avx512bf16.dpbf16ps.128 needs avx512bf16, which x86-64-v3 lacks}}
    %r = llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.128"(%acc, %x, %x) : (vector<4xf32>, vector<8xbf16>, vector<8xbf16>) -> vector<4xf32>
    return
  }
}

// -----

// Code generators of CPUs would not survive instructions of GPUs.
module attributes {attn.kernel = {name = "k", args = []}} {
  // expected-error@+1 {{is run by blocks of GPU threads, which x86-64-v3 has not}}
  func.func @launch(%w: index {attn.workgroup}, %s: memref<64xi8> {attn.scratch}, %t: memref<1xi32> {attn.status})
      attributes {attn.grid = [], attn.threads = 128 : i64} {
    %x = nvvm.read.ptx.sreg.tid.x : i32
    %c0 = arith.constant 0 : index
    memref.store %x, %t[%c0] : memref<1xi32>
    return
  }
}

// -----

module attributes {attn.kernel = {name = "k", args = []}} {
  func.func @launch(%w: index {attn.workgroup}, %s: memref<64xi8> {attn.scratch}, %t: memref<1xi32> {attn.status})
      attributes {attn.grid = []} {
    // expected-error@+1 {{is not part of stage 5}}
    %x = nvvm.read.ptx.sreg.tid.x : i32
    return
  }
}
