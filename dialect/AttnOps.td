// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operations: attn.attention and attn.append (what), attn.fold and attn.rows
// (where), attn.yield.

#ifndef ATTN_OPS
#define ATTN_OPS

include "AttnAttrs.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/IR/BuiltinAttributes.td"

class Attn_Op<string opMnemonic, list<Trait> traits = []>
    : Op<Attn_Dialect, opMnemonic, traits>;

def Attn_ScalarOrTensor : AnyTypeOf<[AnyRankedTensor, AnySignlessInteger, Index]>;

//===----------------------------------------------------------------------===//
// attn.attention
//===----------------------------------------------------------------------===//

def Attn_AttentionOp : Attn_Op<"attention", [
    AttrSizedOperandSegments, RecursivelySpeculatable, RecursiveMemoryEffects,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "attention over a set of (query, key) pairs";
  let description = [{
    Folds an accumulator over the pairs of a set:

        out[b, h, a] = finish(fold over c with (q_start + a, k_start + c) in mask & sparsity
                              of step(state, score(q[b, h, a], k[b, g, c]), v[b, g, c]))

    where g = h / (query heads / key heads) and the score is, in this order,

        s = scale * dot(q, k);  s = softcap * tanh(s / softcap);  s = s + bias;  s = score_mod(s, b, h, i, j)

    With `scale` left out it is 1 / sqrt(d). A row that keeps no pair, or whose
    every kept score is -inf, gives zeros and a log-sum-exp of -inf. Keys that
    no pair of a row keeps never reach that row, not even as NaN.

    Some corners: lse includes a sink; probs, column sums and statistics are
    those before `prob_mod`; a row without pairs gives zeros even where a state
    was given; with documents, the initial state reaches the first key's
    document only. Indices of `csr` and `topk` are key positions, block columns
    of `bsr` blocks of positions. A negative run-time parameter is taken as the
    set's inequality takes it.

    ```mlir
    %o = attn.attention %q, %k, %v lengths(%len) bias(%bias)
           mask = #attn.pairs<causal & window<255, 0>>
           : tensor<2x8x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2x2x?x64xf32>, tensor<2xi32>,
             tensor<8x?x?xf32> -> tensor<2x8x?x64xf32>
    ```

    Clauses come in any order, at most once each (`predicate` any number of
    times). The list of types names the operands in the order q, k, v, pages (its
    one or two), lengths, q_lengths, q_start, k_start, bias, sink, decay, state,
    then the set operands in order of first mention; captures carry their own
    types.

    | operand | shape | meaning |
    |---|---|---|
    | `query` | [batch..., heads, n, d] | queries; [heads, n, d] and [n, d] too |
    | `key` | [batch..., key heads, m, d] | keys; paged: [pages, key heads, page size, d] |
    | `value` | [batch..., key heads, m, dv] | values; paged like the keys |
    | `pages` | [batch, max pages] integer | page of each run of `page size` key rows |
    | `pages` | [total] and `page_indptr` [batch + 1] integers | the same, packed: batch b has entries indptr[b] .. indptr[b + 1] - 1 |
    | `lengths` | per batch, integer | valid key rows (default m) |
    | `q_lengths` | per batch, integer | valid query rows (default n); rows beyond give zeros |
    | `q_start` | per batch, integer | position of query row 0 (default k_start + length - q_length; 0 with `positions = start`) |
    | `k_start` | per batch, integer | position of key row 0 (default 0) |
    | `bias` | broadcastable to [batch..., heads, n, m] | added to the score |
    | `sink` | [heads] | softmax: a logit without a value |
    | `decay` | see `#attn.linear` | linear: state decay |
    | `state` | [batch..., heads, d, dv] | linear: initial state |
    | `set_operands` | by set | operands that `mask` and `sparsity` name |
    | `captures` | any | what the regions read: score_mod's, then prob_mod's, then each predicate's |

    "Per batch" is a scalar, tensor<T>, tensor<1xT> or a tensor of the batch dims.

    With `pages(%table)` (or, packed, `pages(%indices, %indptr)`) key row c of
    batch b is row c mod page size of page table[b, c floordiv page size] of k
    and v, and m is max pages * page size. Pages may be shared. An entry
    that names no page takes its keys away: no query keeps them (a kernel sets
    the status `page`). Entries past the length are not read. A packed table has
    no common m: nothing else may have a dim of key rows then.

    | types | q, k, v, result | scores, regions, lse | accumulation |
    |---|---|---|---|
    | | f32, f16, bf16 | f32 | f32 |
    | | f64 | f64 (lse f32) | f64 |

    Regions: `score_mod` (s, b, h, i, j) -> s; `prob_mod` (p, b, h, i, j) -> p on
    normalised probabilities; `predicate` (b, h, i, j) -> i1. b is the flattened
    batch index, h the query head, i and j positions. They are pure and scalar
    and use values from outside only if captured (constants are free).

    Optional results, `returns = [...]`, after the first: `state` (implied by
    `state(...)`), `lse` [batch..., heads, n] f32, `scores` and `probs`
    [batch..., heads, n, m], `column_sums` [batch..., heads, m] f32 (sum of
    probabilities over queries), `statistics` [batch..., heads, n, 5] f32:
    entropy (nats), largest probability, mean |i - j|, share of the previous
    position, share of the first key.

    Constraints:
    * (C1) q, k, v have one rank >= 2 (paged: q rank 4, k and v rank 4).
    * (C2) q, k, v, result have one element type: f64, f32, f16 or bf16.
    * (C3) batch dims of q, k, v agree where static.
    * (C4) k and v have the same heads, which divide q's heads.
    * (C5) q and k have one static head size d >= 1, v a static dv >= 1.
    * (C6) k and v have the same key rows.
    * (C7) the first result is [batch..., heads, n, dv].
    * (C8) lengths, q_lengths, q_start, k_start are integers or index, one value or one a batch.
    * (C9) pages is an integer tensor [batch, max pages], or [total] beside page_indptr [batch + 1], and needs lengths; k and v have the same pages, of 1 row at least. With page_indptr no operand and no result has a dim of key rows.
    * (C10) bias is a float tensor broadcastable to [batch..., heads, n, m] from the right.
    * (C11) score_mod and prob_mod take (float, index, index, index, index) and yield that float.
    * (C12) each predicate takes four indices and yields i1; `predicate<r>` names an existing one.
    * (C13) regions are pure and use outside values only through their captures.
    * (C14) set parameters are in range (strides, blocks, chunks, documents >= 1; extents >= 0; ...).
    * (C15) set operands fit their set in number, element type and shape; every one is used.
    * (C16) softcap > 0; sink needs softmax and is a float tensor [heads].
    * (C17) decay and state (operand or result) need a linear kernel and ordered sets: causal, alone or inside per_document. A state operand needs `norm = none`. A linear kernel takes no bias and no score_mod.
    * (C18) returns are distinct and in result order, with the shapes above; lse, probs, column_sums, statistics need softmax; state needs linear.
    * (C19) scale is finite.
    * (C20) prob_mod needs softmax.
    * (C21) `positions = start` and q_start exclude each other.
    * (C22) static lengths agree with static shapes: axes<...> covers the positions, dense is [n, m].
    * (C23) a plan's atoms fit as sets do, its parameters are per-batch set operands, its values read set operands of one dimension besides batch and heads, its components take no other symbols and test no other atoms.
    * (C24) a schedule's `heads`, where it is not 1, divides the query heads of a key head, which are static; its vectors have at most 64 bytes.
  }];

  let arguments = (ins
    AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value,
    Optional<AnyRankedTensor>:$pages, Optional<AnyRankedTensor>:$page_indptr,
    Optional<Attn_ScalarOrTensor>:$lengths, Optional<Attn_ScalarOrTensor>:$q_lengths,
    Optional<Attn_ScalarOrTensor>:$q_start, Optional<Attn_ScalarOrTensor>:$k_start,
    Optional<AnyRankedTensor>:$bias, Optional<AnyRankedTensor>:$sink,
    Optional<AnyRankedTensor>:$decay, Optional<AnyRankedTensor>:$state,
    Variadic<Attn_ScalarOrTensor>:$set_operands,
    Variadic<AnyType>:$captures,
    OptionalAttr<Attn_PairsAttr>:$mask,
    OptionalAttr<Attn_PairsAttr>:$sparsity,
    OptionalAttr<AnyAttr>:$kernel,
    OptionalAttr<F64Attr>:$scale,
    UnitAttr:$positions_start,
    DefaultValuedAttr<DenseI32ArrayAttr, "{}">:$returns,
    DefaultValuedAttr<DenseI32ArrayAttr, "{}">:$capture_counts,
    OptionalAttr<Attn_PlanAttr>:$plan,
    OptionalAttr<Attn_ScheduleAttr>:$schedule);
  let regions = (region MaxSizedRegion<1>:$score_mod, MaxSizedRegion<1>:$prob_mod,
    VariadicRegion<SizedRegion<1>>:$predicates);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;

  let extraClassDeclaration = [{
    /// The accumulator; #attn.softmax when none is written.
    ::mlir::Attribute getAccumulator();
    /// The scale, 1/sqrt(d) when none is written.
    double getScaleValue();
    /// Kinds of the results after the first.
    ::llvm::SmallVector<::mlir::attn::ResultKind> getReturnKinds();
    /// Captures of score_mod (0), prob_mod (1), predicate r (2 + r).
    ::mlir::OperandRange getRegionCaptures(unsigned region);
    /// f64 for f64 operands, else f32: the type of scores, regions and sums.
    ::mlir::FloatType getComputeType();
    /// The mask; full when none is written.
    ::mlir::attn::PairsAttr getMaskSet();
    /// mask & sparsity, or mask alone.
    ::mlir::attn::PairsAttr getPairs();

    ::mlir::RankedTensorType getQueryType() { return ::llvm::cast<::mlir::RankedTensorType>(getQuery().getType()); }
    ::mlir::RankedTensorType getKeyType() { return ::llvm::cast<::mlir::RankedTensorType>(getKey().getType()); }
    ::mlir::RankedTensorType getValueType() { return ::llvm::cast<::mlir::RankedTensorType>(getValue().getType()); }
    ::mlir::RankedTensorType getOutputType() { return ::llvm::cast<::mlir::RankedTensorType>(getResult(0).getType()); }
    /// Number of leading batch dimensions of q (rank - 3, at least 0).
    int64_t getBatchRank() { return ::std::max<int64_t>(getQueryType().getRank() - 3, 0); }
    bool hasHeads() { return getQueryType().getRank() >= 3; }
    /// Query heads and key heads (1 when there is no head dim, kDynamic when unknown).
    int64_t getQueryHeads();
    int64_t getKeyHeads();
    int64_t getQueryRows() { return getQueryType().getDimSize(getQueryType().getRank() - 2); }
    /// Static key rows; kDynamic when unknown or paged.
    int64_t getKeyRows();
    int64_t getHeadDim() { return getQueryType().getShape().back(); }
    int64_t getValueDim() { return getValueType().getShape().back(); }
    int64_t getPageSize() { return getPages() ? getKeyType().getDimSize(2) : 0; }
  }];
}

def Attn_YieldOp : Attn_Op<"yield", [Pure, ReturnLike, Terminator]> {
  let summary = "ends a region of an attn operation";
  let description = "Yields the region's value: a score, a probability, an i1 or a row.";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";

}

//===----------------------------------------------------------------------===//
// attn.append
//===----------------------------------------------------------------------===//

def Attn_AppendOp : Attn_Op<"append", [
    Pure, AttrSizedOperandSegments, TypesMatchWith<"the result is the cache", "cache", "result", "$_self">,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let summary = "writes new key or value rows into a cache";
  let description = [{
    The cache with the last rows of each batch replaced: with `len` the length
    (new rows included) and `count` the new rows of batch b,

        result[b, h, len - count + r] = rows[b, h, r]   for 0 <= r < count

    and the cache as it was elsewhere. `lengths`, and `row_lengths` for counts
    (default: all of `rows`), are what `attn.attention` takes as `lengths` and
    `q_lengths` behind it: new queries sit on new keys. With `pages` the row goes
    through the page table, as attention reads it.

    ```mlir
    %k1 = attn.append %k into %cache lengths(%len) pages(%table)
          : (tensor<4x2x1x64xf32>, tensor<?x2x16x64xf32>, tensor<4xi32>, tensor<4x?xi32>)
            -> tensor<?x2x16x64xf32>
    ```

    Compiled, the rows are written in place: the cache is an argument of the
    function that nothing else reads, the result is one of its results, and both
    are one argument of the kernel (role `inout`). What computes `rows` row by row
    (a cast, a rotary embedding) is fused into the copy. A row that would fall
    outside the cache is left out (status `length`), one whose page does not
    exist too (`page`). Two batches must not write to one row of one page.

    Constraints:
    * (A1) rows is [batch..., heads, n, d] of rank >= 2; cache is [batch..., heads, capacity, d] or, paged, [pages, heads, page size, d], of the same rank and element type. Heads and d agree, d is static; when paged the rank is 4.
    * (A2) lengths and row_lengths are integers or index, one value or one a batch.
    * (A3) pages and page_indptr are as for attn.attention (C9).
  }];
  let arguments = (ins AnyRankedTensor:$rows, AnyRankedTensor:$cache,
    Attn_ScalarOrTensor:$lengths, Optional<Attn_ScalarOrTensor>:$row_lengths,
    Optional<AnyRankedTensor>:$pages, Optional<AnyRankedTensor>:$page_indptr);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $rows `into` $cache `lengths` `(` $lengths `)` (`row_lengths` `(` $row_lengths^ `)`)?
    (`pages` `(` $pages^ (`,` $page_indptr^)? `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getRowsType() { return ::llvm::cast<::mlir::RankedTensorType>(getRows().getType()); }
    ::mlir::RankedTensorType getCacheType() { return ::llvm::cast<::mlir::RankedTensorType>(getCache().getType()); }
    int64_t getBatchRank() { return ::std::max<int64_t>(getRowsType().getRank() - 3, 0); }
    bool hasHeads() { return getRowsType().getRank() >= 3; }
  }];
}

//===----------------------------------------------------------------------===//
// Stage 4: attn.fold, attn.rows
//===----------------------------------------------------------------------===//

def Attn_FoldOp : Attn_Op<"fold", [AttrSizedOperandSegments, AttrSizedResultSegments,
    RecursivelySpeculatable, RecursiveMemoryEffects]> {
  let summary = "folds the keys that one tile of queries keeps";
  let description = [{
    The body of a launch: a tile of `rows` query rows beginning at row `row`, for
    `heads` query heads beginning at head `head` that share one key head, folded
    over the keys 0 <= c < `keys` that the plan keeps.

    ```mlir
    %tile, %lse = attn.fold head(%h) rows(%r0, %rows) keys(%len)
        symbols(%kb, %ke, %qb, %qe) plan = #attn.plan<...> kernel = #attn.softmax
        scale = 0.125 schedule = #attn.schedule<...>
      load_q { ^bb0(%hq: index, %r: index): ... attn.yield %row : tensor<1x1x1x64xf32> }
      load_k { ^bb0(%c: index): ... }
      load_v { ^bb0(%c: index): ... }
      score { ^bb0(%s: f32, %hq: index, %i: index, %j: index, %r: index, %c: index): ... }
      tests { ^bb0(%hq: index, %i: index, %j: index, %r: index, %c: index): ... attn.yield %t : i1 }
      epilogue { ^bb0(%x: tensor<64xf32>, %hq: index, %r: index): ... }
      : tensor<1x?x64xf32>, tensor<1x?xf32>
    ```

    A query row r sits at position i = q_begin + r, a key row c at j = k_begin +
    c, with [k_begin, k_end, q_begin, q_end] the first four symbols. `score`
    (softcap, bias and score_mod composed; absent: the scaled dot product as it
    is), `tests` (one i1 for each atom of the plan) and `epilogue` (a finished
    row, before it is stored) are optional. Loaders yield one row: a tensor
    whose last dim is the head size and whose other dims are 1. Regions see
    everything around them. The first result is [heads, rows, dv], the second,
    if present, the natural log-sum-exp [heads, rows] in f32. Query rows at
    positions >= q_end keep no pair: they give zeros.

    More regions, all optional:
    * `values { ^bb0(%hq: index, %i: index, %r: index): ... }` yields the plan's
      values of a query row, each an index.
    * `count { ^bb0(%hq, %i, %r): ... }` and `element { ^bb0(%hq, %i, %r, %t):
      ... }` enumerate the list that a component walks: how many elements row r
      has and the size b of a block, and (position, i1) of element t, false for
      one that pads. An element stands for the keys at b positions from its
      own; rows r of one r floordiv b share a list. A position twice counts
      once; one at no key row sets the status `index`.
    * `state { ^bb0(%hq, %r): ... }` yields (row of dv, m, l), what another fold
      has accumulated of this row: the sum of weights times values, the maximum
      of the scores times log2(e), and the sum of weights 2^(score - m). With
      `states(%n)` it takes one more index s, and there are n such states, for
      0 <= s < n, which are merged in this order.
    * `page { ^bb0(%t: index): ... }`, with `pages(%size, %count)`: key c is row c
      mod size of the page that the region yields for t = c floordiv size, and
      `load_k` and `load_v` take (page, row in it) instead of c. A page outside
      [0, count) sets the status `page`, and no query keeps its keys; pages of
      keys that no query of the tile visits are not asked for. With
      `key_heads(%g0, n)` as well, the tile's query heads read n key heads, as
      many each in their order, and these loaders take (page, row in it, g),
      g0 <= g < g0 + n: a page is then read whole, as it lies in memory.

    With `from(%c0)` the keys c < c0 are left to other folds. A fold whose plan
    has no component keeps none: it finishes what others have accumulated.

    With `step` s the tile's rows are `row`, `row` + s, `row` + 2 s, ...; with
    `run` u, too, u rows from each of these on: row t is `row` + (t floordiv u) s
    + t mod u. A `partial` fold yields its state instead of finished rows: the tile in the
    compute type and (m, l) as [heads, rows, 2]. `pairs`, [heads, rows] of i64,
    is the number of keys that the kernel computes scores of, kept or not.

    Constraints:
    * (F1) the first result is [heads, rows, dv] with schedule.heads static, lse [heads, rows].
    * (F2) region arguments and yields are as in the example.
    * (F3) symbols are 4 + the plan's parameters.
    * (F4) tests yield one i1 for each atom of the plan.
    * (F5) values yield one index for each value of the plan; count and element go with each other.
    * (F6) a partial fold has no epilogue and yields [heads, rows, dv] and [heads, rows, 2] of the compute type.
    * (F7) pages goes with a page region, which yields an index. key_heads goes with pages and divides the tile's heads.
    * (F8) states goes with a state region, which then takes the state's number, too.
  }];
  let arguments = (ins Index:$head, Index:$row, Index:$rows, Index:$keys,
    Optional<Index>:$first_key, Optional<Index>:$states,
    Optional<Index>:$page_size, Optional<Index>:$page_count, Optional<Index>:$key_head,
    Variadic<Index>:$symbols,
    Attn_PlanAttr:$plan, AnyAttr:$kernel, F64Attr:$scale,
    Attn_ScheduleAttr:$schedule, DefaultValuedAttr<I64Attr, "1">:$step,
    DefaultValuedAttr<I64Attr, "1">:$run, UnitAttr:$partial, DefaultValuedAttr<I64Attr, "1">:$key_heads);
  let regions = (region SizedRegion<1>:$load_q, SizedRegion<1>:$load_k, SizedRegion<1>:$load_v,
    MaxSizedRegion<1>:$score, MaxSizedRegion<1>:$tests, MaxSizedRegion<1>:$values,
    MaxSizedRegion<1>:$count, MaxSizedRegion<1>:$element, MaxSizedRegion<1>:$page,
    MaxSizedRegion<1>:$state, MaxSizedRegion<1>:$epilogue);
  let results = (outs AnyRankedTensor:$tile, Optional<AnyRankedTensor>:$lse,
    Optional<AnyRankedTensor>:$pairs);
  let assemblyFormat = [{
    (`partial` $partial^)? `head` `(` $head `)` `rows` `(` $row `,` $rows `)`
    (`step` $step^)? (`run` $run^)? `keys` `(` $keys `)` (`from` `(` $first_key^ `)`)?
    (`states` `(` $states^ `)`)? (`pages` `(` $page_size^ `,` $page_count `)`)?
    (`key_heads` `(` $key_head^ `,` $key_heads `)`)? `symbols` `(` $symbols `)` `plan` `=` $plan `kernel` `=` $kernel `scale` `=` $scale
    `schedule` `=` $schedule attr-dict
    `load_q` $load_q `load_k` $load_k `load_v` $load_v
    (`score` $score^)? (`tests` $tests^)? (`values` $values^)? (`count` $count^)?
    (`element` $element^)? (`page` $page^)? (`state` $state^)? (`epilogue` $epilogue^)?
    `:` type($tile) (`,` type($lse)^)? (`pairs` type($pairs)^)?
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    /// f64 when a loader yields f64, else f32.
    ::mlir::FloatType getComputeType();
    int64_t getHeadDim();
    int64_t getValueDim();
    /// The row type a loader (load_q, load_k, load_v) yields.
    static ::mlir::RankedTensorType getRowType(::mlir::Region &loader);
  }];
}

def Attn_CheckedOp : Attn_Op<"checked", [Pure]> {
  let summary = "an index from memory, kept in range and reported when it was not";
  let description = [{
    `value` clamped to [`lower`, `upper`]. A value outside sets the bit `status`
    of the launch's status word: the kernel reads nothing outside its operands,
    and the caller learns that its data were wrong. Evaluation reports an error.

    ```mlir
    %len = attn.checked %x in(%c0, %m) status length
    ```
  }];
  let arguments = (ins Index:$value, Index:$lower, Index:$upper, Attn_StatusAttr:$status);
  let results = (outs Index:$result);
  let assemblyFormat = "$value `in` `(` $lower `,` $upper `)` `status` $status attr-dict";
}

def Attn_CheckOrderOp : Attn_Op<"check_order", [MemoryEffects<[MemWrite]>]> {
  let summary = "reports offsets that decrease";
  let description = [{
    Where `when` holds and some element of `offsets` along its last dim is less
    than the one before it, the launch's status word gets the bit `order`.
    attn-tile puts it into the first tile of each batch (and head) whose
    boundaries or offsets tests and bounds read by halving or without a check,
    so that a launch looks at them once. Evaluation reports an error.

    ```mlir
    attn.check_order %cu[%b] when(%first) : tensor<4x?xi32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$offsets, Variadic<Index>:$lead, I1:$when);
  let assemblyFormat = "$offsets `[` $lead `]` `when` `(` $when `)` attr-dict `:` type($offsets)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// What regions of a fold ask of set operands
//===----------------------------------------------------------------------===//

def Attn_SegmentOp : Attn_Op<"segment", [Pure]> {
  let summary = "the document that holds a position";
  let description = [{
    With `boundaries` = cu along its last dim, non-decreasing: the number d with
    cu[d] <= x < cu[d + 1], cu[d] and cu[d + 1]; -1, 0 and 0 where there is
    none. Found by halving, in O(log documents).

    ```mlir
    %d, %begin, %end = attn.segment %x of %cu[%b] : tensor<4x?xi32>
    ```
  }];
  let arguments = (ins Index:$x, AnyRankedTensor:$boundaries, Variadic<Index>:$lead);
  let results = (outs Index:$number, Index:$begin, Index:$end);
  let assemblyFormat = "$x `of` $boundaries `[` $lead `]` attr-dict `:` type($boundaries)";
  let hasVerifier = 1;
}

def Attn_ListedOp : Attn_Op<"listed", [Pure]> {
  let summary = "whether a list holds a number";
  let description = [{
    Whether x is among the elements `begin` .. `end` - 1 (clamped to the
    tensor) of `list` along its last dim.

    ```mlir
    %t = attn.listed %x of %idx[%b, %r] from(%begin) to(%end) : tensor<4x128x?xi32>
    ```
  }];
  let arguments = (ins Index:$x, AnyRankedTensor:$list, Variadic<Index>:$lead,
    Index:$begin, Index:$end);
  let results = (outs I1:$result);
  let assemblyFormat = [{
    $x `of` $list `[` $lead `]` `from` `(` $begin `)` `to` `(` $end `)` attr-dict `:` type($list)
  }];
  let hasVerifier = 1;
}

def Attn_RandomKeyOp : Attn_Op<"random_key", [Pure]> {
  let summary = "a pseudo-random key of a query";
  let description = [{
    Key number `t` of `random<..., seed = s>` for query head `head` at position
    `i`, among the positions `begin` <= j < `end`; `begin` - 1 where there is
    none. `PairSetSemantics.h` has the generator.

    ```mlir
    %j = attn.random_key(%h, %i, %t) from(%kb) to(%ke) seed 7
    ```
  }];
  let arguments = (ins Index:$head, Index:$i, Index:$t, Index:$begin, Index:$end,
    I64Attr:$seed);
  let results = (outs Index:$result);
  let assemblyFormat = [{
    `(` $head `,` $i `,` $t `)` `from` `(` $begin `)` `to` `(` $end `)` `seed` $seed attr-dict
  }];
}

def Attn_IsRandomKeyOp : Attn_Op<"is_random_key", [Pure]> {
  let summary = "whether a key is one of a query's pseudo-random keys";
  let description = [{
    Whether j is `attn.random_key` number t for some 0 <= t < `count`.

    ```mlir
    %t = attn.is_random_key %j of(%h, %i) from(%kb) to(%ke) count 3 seed 7
    ```
  }];
  let arguments = (ins Index:$j, Index:$head, Index:$i, Index:$begin, Index:$end,
    I64Attr:$count, I64Attr:$seed);
  let results = (outs I1:$result);
  let assemblyFormat = [{
    $j `of` `(` $head `,` $i `)` `from` `(` $begin `)` `to` `(` $end `)` `count` $count `seed` $seed attr-dict
  }];
}

def Attn_RowsOp : Attn_Op<"rows", [RecursivelySpeculatable, RecursiveMemoryEffects]> {
  let summary = "computes a tile of rows, one region call a row";
  let description = [{
    The body of a materialising launch: row r of the result is the region's
    value at `row` + r. The region yields one row as a loader of `attn.fold` does.

    ```mlir
    %tile = attn.rows(%r0, %n) { ^bb0(%r: index): ... attn.yield %x : tensor<1x1x1x64xf32> }
            : tensor<?x64xf32>
    ```

    Constraints:
    * (R1) the region takes an index and yields one row with the result's last dim and element type.
  }];
  let arguments = (ins Index:$row, Index:$rows);
  let regions = (region SizedRegion<1>:$body);
  let results = (outs AnyRankedTensor:$tile);
  let assemblyFormat = "`(` $row `,` $rows `)` $body attr-dict `:` type($tile)";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

#endif // ATTN_OPS
