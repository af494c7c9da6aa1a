// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes of attnc, in the order in which Pipeline.cpp runs them.

#ifndef ATTNC_PASSES
#define ATTNC_PASSES

include "mlir/Pass/PassBase.td"

def ExpandPass : Pass<"attn-expand", "::mlir::func::FuncOp"> {
  let summary = "writes defaults out and removes sugar (stage 1 to 2)";
  let description = [{
    Afterwards every attention has its `scale` and `kernel` written, `local<w>`
    is `window<w, w>`, and tensor code around it is `linalg.generic` over
    `tensor.empty`: elementwise `arith` and `math` operations and named linalg
    operations are converted, splat constants among the inputs become scalars
    in the body. So later passes know one form of each thing. Running it again
    changes nothing.

    *Before:* any valid IR; a function without attention is brought to the same
    form.

    ```mlir
    %s = arith.addf %q, %q : tensor<?x64xf32>
    %o = attn.attention %s, %k, %v mask = #attn.pairs<local<8>> : ...
    ```

    *After:*

    ```mlir
    %e = tensor.empty(%n) : tensor<?x64xf32>
    %s = linalg.generic {...} ins(%q : tensor<?x64xf32>) outs(%e : tensor<?x64xf32>) {
    ^bb0(%x: f32, %out: f32):
      %y = arith.addf %x, %x : f32
      linalg.yield %y : f32
    } -> tensor<?x64xf32>
    %o = attn.attention %s, %k, %v mask = #attn.pairs<window<8, 8>>
           kernel = #attn.softmax scale = 1.250000e-01 : ...
    ```

    Tested by `test/passes/attn-expand.mlir`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def SimplifyPairsPass : Pass<"attn-simplify-pairs", "::mlir::func::FuncOp"> {
  let summary = "simplifies mask and sparsity without changing a pair";
  let description = [{
    Predicate regions made of comparisons that are affine in i and j, or of j
    with a length of the batch, become sets; of a conjunction that holds in
    part, that part is put in front of the predicate.
    Chains of `&` and `|` become flat, `!` moves onto single sets, constant
    windows merge (with `causal`, too), and parts that the rest implies vanish;
    a chain that keeps nothing becomes `empty`, one that keeps everything
    `full`. What the rest implies is *proven*, by the algebra of half spaces in
    `PairAlgebra.h`, with data-decided sets as unknowns; where a proof would
    take too long the set stays as it is. `mask` and `sparsity` stay apart,
    since `sparsity` is what `attnc run --check` judges; it vanishes when the
    mask implies it. Set operands and predicate regions that no set names any
    more are dropped, the rest renumbered. Running it again changes nothing.

    *Before:* any valid IR, best after `attn-expand`. Operations with a plan are
    left alone.

    ```mlir
    %o = attn.attention %q, %k, %v
           mask = #attn.pairs<causal & (window<255, 3> & !(empty & keys(%m)))>
           sparsity = #attn.pairs<window<9, 9> | !!window<3, 12>> : ...
    ```

    *After:*

    ```mlir
    %o = attn.attention %q, %k, %v mask = #attn.pairs<window<255, 0>>
           sparsity = #attn.pairs<window<9, 12>> : ...
    ```

    Tested by `test/passes/attn-simplify-pairs.mlir`, and on random sets by
    `test/unit/passes/PlanDifferentialTest.cpp`.
  }];
}

def PlanPairsPass : Pass<"attn-plan-pairs", "::mlir::func::FuncOp"> {
  let summary = "splits mask & sparsity into disjoint components with bounds a query";
  let description = [{
    Attaches `plan = #attn.plan<...>`: disjoint components, in each of which a
    query keeps one interval of keys, thinned by atoms that are tested pair by
    pair or, one a component, walked (a lattice, a list). Together they keep
    exactly the pairs of `mask & sparsity` that exist (`k_begin <= j < k_end`,
    `q_begin <= i < q_end`; each component repeats these bounds). Components
    without tests come first.

    The set is written as a union of conjunctions of half spaces (`j - i`, `j`
    or `i` at most or at least a sum of symbols and of values that each query
    has of its own) and tests; scopes are undone on the way. Earlier parts are
    subtracted from later ones, parts that are empty for all values of the
    symbols are dropped, parts that meet are joined, bounds that the others and
    the operation's types imply are left out. A set of more than 64 parts is one
    component that tests it.

    This pass also refuses, at the operation, whatever no pass compiles yet
    (`Compilable.cpp` is the list). A plan in the input is checked and kept.

    *Before:* any valid IR.

    ```mlir
    %o = attn.attention %q, %k, %v mask = #attn.pairs<causal & (window<1023, 0> | first<4>)> : ...
    ```

    *After* (s0 to s3 are k_begin, k_end, q_begin, q_end):

    ```mlir
    plan = #attn.plan<components = [
      #attn.component<lower = (d0)[s0, s1, s2, s3] -> (d0 - 1023, s0),
                      upper = (d0)[s0, s1, s2, s3] -> (d0, s1 - 1),
                      row_lower = ()[s0, s1, s2, s3] -> (s2),
                      row_upper = ()[s0, s1, s2, s3] -> (s3 - 1)>,
      #attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0),
                      upper = (d0)[s0, s1, s2, s3] -> (3, d0 - 1024, s1 - 1),
                      row_lower = ()[s0, s1, s2, s3] -> (s2),
                      row_upper = ()[s0, s1, s2, s3] -> (s3 - 1)>]>
    ```

    Tested by `test/passes/attn-plan-pairs.mlir`, its refusals by
    `attn-plan-pairs-invalid.mlir`, and on random sets against every pair by
    `test/unit/passes/PlanDifferentialTest.cpp`.
  }];
}

def SchedulePass : Pass<"attn-schedule", "::mlir::func::FuncOp"> {
  let summary = "chooses the micro-kernel, tiles and what is fused, with reasons";
  let description = [{
    The only home of heuristics. Attaches `schedule = #attn.schedule<...>` with
    one sentence a decision in `why`, which `attnc explain` prints. Fields given
    by `fields` are taken as they are, and the others are chosen to go with
    them. A schedule in the input is kept but for these fields, and checked.

    *Before:* stage 2.

    ```mlir
    %o = attn.attention %q, %k, %v mask = #attn.pairs<causal> ... : tensor<4x?x64xf32>, ...
    ```

    *After:*

    ```mlir
    schedule = #attn.schedule<micro = block, query_tile = 96, heads = 1, key_block = 128,
      lanes = 8, register_keys = 4, register_vectors = 3, q = fuse, k = materialize,
      v = direct, why = ["block micro-kernel: ...", ...]>
    ```

    Fails where a producer of q, k or v is no row-local work, and where no kernel
    can be made for a schedule that is written or asked for.

    Tested by `test/passes/attn-schedule.mlir` and `attn-schedule-invalid.mlir`.
  }];
  let options = [
    Option<"vectorBytes", "vector-bytes", "int64_t", /*default=*/"32",
           "width of a native vector">,
    Option<"vectorRegisters", "vector-registers", "int64_t", /*default=*/"16",
           "number of vector registers">,
    Option<"bf16Dot", "bf16-dot", "bool", /*default=*/"false",
           "whether bf16 pairs are multiplied at twice the rate of f32">,
    Option<"sm", "sm", "int64_t", /*default=*/"0",
           "NVIDIA chip to schedule for, 80 for sm_80; 0: a CPU">,
    Option<"wgmma", "wgmma", "bool", /*default=*/"false",
           "whether the chip multiplies by warpgroups, as sm_90a does">,
    Option<"micro", "micro", "std::string", /*default=*/"\"auto\"",
           "micro-kernel: auto, block or row">,
    Option<"producers", "producers", "std::string", /*default=*/"\"auto\"",
           "producers of q, k, v: auto, fuse or materialize">,
    Option<"fields", "fields", "std::string", /*default=*/"",
           "fields to set, as in {query_tile = 48, k = fuse}">,
    Option<"fieldsFrom", "fields-from", "std::string",
           /*default=*/"\"asked for\"", "where `fields` come from, for `why`">
  ];
}

def TilePass : Pass<"attn-tile", "::mlir::func::FuncOp"> {
  let summary = "turns attention into a grid of query tiles, each one attn.fold (stage 3 to 4)";
  let description = [{
    Every attention becomes one `scf.forall` over batch, groups of heads and
    tiles of query rows. Its body computes the plan's symbols from the lengths
    and starts of its batch and holds one `attn.fold`, whose loaders read rows
    of the whole operands and whose score and tests regions are made of
    softcap, bias, `score_mod` and the plan's atoms. What the verifiers demand
    of dynamic sizes is recorded on the function for the launch to check.

    *Before:* every attention has a plan and a schedule.

    ```mlir
    %o = attn.attention %q, %k, %v ... plan = ... schedule = ... : tensor<4x?x64xf32>, ...
    ```

    *After:*

    ```mlir
    %o = scf.forall (%h, %t) in (4, %tiles) shared_outs(%out = %e) -> (tensor<4x?x64xf32>) {
      %tile = attn.fold head(%h) rows(%r, %rows) keys(%m) symbols(...) plan = ... { ... }
      scf.forall.in_parallel { tensor.parallel_insert_slice %tile into %out[%h, %r, 0] ... }
    }
    ```

    Components that walk the classes of a lattice, or lists, have launches of
    their own in front, whose `partial` folds leave their states in buffers of
    [batch..., heads, n, dv] and [batch..., heads, n, 2]; the fold of the next
    launch goes on from there. With `count-pairs` the function also returns,
    for each launch, how many keys of each row its kernel computes scores of.

    Tested by `test/passes/attn-tile.mlir` and `attn-tile-invalid.mlir`.
  }];
  let options = [
    Option<"countPairs", "count-pairs", "bool", "false",
           "return how many pairs each launch computes">,
  ];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
                           "::mlir::tensor::TensorDialect"];
}

def FusePass : Pass<"attn-fuse", "::mlir::func::FuncOp"> {
  let summary = "moves producers into loaders or launches, consumers into the epilogue";
  let description = [{
    Does what the schedules say. Producers marked `fuse` are tiled to one row
    and pulled into the loader that reads the row; those marked `materialize`
    become a launch of their own (`attn.rows`) that fills an O(m d) buffer once.
    Elementwise operations that alone read an attention become its epilogue.
    Other linalg operations get launches of their own.

    *Before:* the output of `attn-tile`.

    ```mlir
    %s = linalg.generic ... ins(%q) ... -> tensor<4x?x64xf32>
    scf.forall ... { attn.fold ... load_q { ... tensor.extract_slice %s ... } ... }
    ```

    *After:*

    ```mlir
    scf.forall ... { attn.fold ... load_q { ... tensor.extract_slice %q ...; linalg.generic ... } ... }
    ```

    Tested by `test/passes/attn-fuse.mlir` and `attn-fuse-invalid.mlir`.
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

#endif // ATTNC_PASSES
