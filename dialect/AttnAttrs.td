// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attributes: pair sets, accumulators, plans and schedules.

#ifndef ATTN_ATTRS
#define ATTN_ATTRS

include "AttnBase.td"
include "mlir/Dialect/SCF/IR/DeviceMappingInterface.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

class Attn_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Attn_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

class Attn_I32Enum<string name, string text, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, text, cases> {
  let cppNamespace = "::mlir::attn";
  let genSpecializedAttr = 0;
}

//===----------------------------------------------------------------------===//
// Pair sets
//===----------------------------------------------------------------------===//

def Attn_PairsAttr : Attn_Attr<"Pairs", "pairs"> {
  let summary = "a set of (query, key) position pairs";
  let description = [{
    A tree of named sets joined by `&`, `|` and `!`. i is the position of a
    query, j that of a key, b and h the (flattened) batch and the query head.
    Keys exist at positions `k_start <= j < k_end`, `k_end = k_start + length`.

    ```
    pairs   ::= and (`|` and)*
    and     ::= unary (`&` unary)*
    unary   ::= `!` unary | `(` pairs `)` | set
    set     ::= name (`<` parameters `>`)? (`(` operands `)`)? (`{` pairs (`,` pairs)* `}`)?
    ```

    | set | keeps the pair when |
    |---|---|
    | `full`, `empty` | always, never |
    | `causal` | j <= i |
    | `window<l, r>` | -l <= j - i <= r; with the flag `clamped` the window is shifted to stay inside the keys (NATTEN) |
    | `local<w>` | `window<w, w>` |
    | `prefix<p>` or `prefix(%p)` | j < p |
    | `chunk<c, offset = o>` | floor((i - o) / c) = floor((j - o) / c) |
    | `strided<s>` | (i - j) mod s = 0 |
    | `columns<l, c>` | j mod l >= l - c (summary columns) |
    | `first<g>` | j < g |
    | `last<g>` | j >= k_end - g |
    | `global<g>` | i < g or j < g |
    | `dilated<w, d>` | abs(i - j) <= w * d and (i - j) mod d = 0 |
    | `log` | j = i or j = i - 2^k, k >= 0 |
    | `random<c, seed = s>` | j is one of c pseudo-random keys of row (h, i); the generator is specified in `PairSetSemantics.h` |
    | `affine<(i, j)[n, m] : (...)>` | the affine set holds; n and m are the query and key end positions |
    | `predicate<r>` | predicate region number r yields true |
    | `keys(%mask)` | mask[b, c], c the key's row |
    | `documents(%cu)` | i and j lie in one interval cu[d] <= x < cu[d + 1] |
    | `ranges(%start, %end)` | start[c] <= i < end[c] for the key's row c; with the flag `by_query`, start[a] <= j < end[a] for the query's row a |
    | `csr(%ptr, %idx)` | j is in idx[ptr[a] .. ptr[a + 1]), a the query's row |
    | `bsr<block>(%ptr, %idx)` | the same by blocks of `block` positions; without it blocks are ceil(queries / (len(ptr) - 1)) |
    | `topk(%idx)` | j is among idx[a, :]; -1 pads, duplicates count once |
    | `dense(%mask)` | mask[a, c] by rows |
    | `per_document(%cu) {S}` | i and j lie in one document and S holds for positions relative to its begin |
    | `axes<A x B> {S, T}` | positions are row-major coordinates of a grid and each axis's set holds |
    | `blocks<b> {S}` | S holds for (floor(i / b), floor(j / b)) |
    | `by_head(0, h1, ...) {S, T, ...}` | the set whose range of query heads h lies in holds |

    Parameters are constants or operands (`window<%l, 0>`; one value, or one a
    batch; inside `per_document` one a document). In an operation operands are
    written by name; alone in an attribute they are `$0`, `$1`, ...: the
    operation's set operands by number. Set operands may have leading
    dimensions [batch...] or [batch..., heads], of size 1 to broadcast.
  }];
  let parameters = (ins
    "::mlir::attn::PairKind":$kind,
    OptionalArrayRefParameter<"::mlir::attn::PairParam">:$params,
    OptionalArrayRefParameter<"int64_t">:$operands,
    OptionalArrayRefParameter<"::mlir::attn::PairsAttr">:$children,
    OptionalParameter<"::mlir::IntegerSetAttr">:$affineSet);
  let skipDefaultBuilders = 1;
  let builders = [
    AttrBuilder<(ins "::mlir::attn::PairKind":$kind,
                     CArg<"::llvm::ArrayRef<::mlir::attn::PairParam>", "{}">:$params,
                     CArg<"::llvm::ArrayRef<int64_t>", "{}">:$operands,
                     CArg<"::llvm::ArrayRef<::mlir::attn::PairsAttr>", "{}">:$children,
                     CArg<"::mlir::IntegerSetAttr", "{}">:$affineSet)>
  ];
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// The text between `pairs<` and `>`; `operandName` writes operand number n.
    void printExpression(::llvm::raw_ostream &os,
                         ::llvm::function_ref<void(int64_t)> operandName) const;
    /// Number of operands the tree refers to: 1 + the largest operand number, or 0.
    int64_t getNumOperandRefs() const;
    /// Visits this node and every node below it, parents first.
    void visit(::llvm::function_ref<void(::mlir::attn::PairsAttr)> fn) const;
    bool isFull() const { return getKind() == PairKind::Full; }
    bool isEmpty() const { return getKind() == PairKind::Empty; }
  }];
}

//===----------------------------------------------------------------------===//
// Accumulators
//===----------------------------------------------------------------------===//

def Attn_SoftmaxAttr : Attn_Attr<"Softmax", "softmax"> {
  let summary = "softmax accumulator: out = sum exp(s - max) v / sum exp(s - max)";
  let description = [{
    With `softcap = c` scores become c * tanh(s / c) before bias and score_mod.
    A `sink(%s)` operand of the operation adds exp(sink[h] - max) to the
    denominator (a learned sink logit with no value).
  }];
  let parameters = (ins OptionalParameter<"::mlir::FloatAttr">:$softcap);
  let assemblyFormat = "(`<` struct($softcap)^ `>`)?";
}

def Attn_SigmoidAttr : Attn_Attr<"Sigmoid", "sigmoid"> {
  let summary = "out = sum sigmoid(s + bias) v, no normaliser";
  let parameters = (ins OptionalParameter<"::mlir::FloatAttr">:$bias);
  let assemblyFormat = "(`<` struct($bias)^ `>`)?";
}

def Attn_ReluAttr : Attn_Attr<"Relu", "relu"> {
  let summary = "out = sum max(s, 0) v, no normaliser";
}

def Attn_NoneAttr : Attn_Attr<"None", "none"> {
  let summary = "out = sum s v: scores used as they are";
}

def Attn_Feature : Attn_I32Enum<"Feature", "feature map of linear attention", [
  I32EnumAttrCase<"Identity", 0, "identity">, I32EnumAttrCase<"Elu1", 1, "elu1">,
  I32EnumAttrCase<"Relu", 2, "relu">, I32EnumAttrCase<"Exp", 3, "exp">]>;

def Attn_Norm : Attn_I32Enum<"Norm", "normaliser of linear attention", [
  I32EnumAttrCase<"Sum", 0, "sum">, I32EnumAttrCase<"None", 1, "none">]>;

def Attn_LinearAttr : Attn_Attr<"Linear", "linear"> {
  let summary = "linear attention: state S += f(k) v^T, out = f(scale q) S / (f(scale q) . sum f(k))";
  let description = [{
    `feature` is the map f: `identity`, `elu1` (elu(x) + 1), `relu`, `exp`.
    `norm = none` leaves the denominator out. `decay(%g)` multiplies the state
    before each key ([heads], [batch..., heads, keys], or [batch..., heads,
    keys, d] a channel); `state(%s0)` ([batch..., heads, d, dv]) is the state
    before the first key, and the new state is the second result. Both compose
    in order only, so they take ordered pair sets (C17).
  }];
  let parameters = (ins
    DefaultValuedParameter<"::mlir::attn::Feature", "::mlir::attn::Feature::Elu1">:$feature,
    DefaultValuedParameter<"::mlir::attn::Norm", "::mlir::attn::Norm::Sum">:$norm);
  let assemblyFormat = "(`<` struct($feature, $norm)^ `>`)?";
}

//===----------------------------------------------------------------------===//
// Optional results, position convention
//===----------------------------------------------------------------------===//

def Attn_ResultKind : Attn_I32Enum<"ResultKind", "optional result of attention", [
  I32EnumAttrCase<"State", 0, "state">, I32EnumAttrCase<"Lse", 1, "lse">,
  I32EnumAttrCase<"Scores", 2, "scores">, I32EnumAttrCase<"Probs", 3, "probs">,
  I32EnumAttrCase<"ColumnSums", 4, "column_sums">,
  I32EnumAttrCase<"Statistics", 5, "statistics">]>;

//===----------------------------------------------------------------------===//
// Plan: what attn-plan-pairs found
//===----------------------------------------------------------------------===//

def Attn_ValueKind : Attn_I32Enum<"ValueKind", "how a plan's value comes about", [
  I32EnumAttrCase<"Min", 0, "min">, I32EnumAttrCase<"Max", 1, "max">,
  I32EnumAttrCase<"Head", 2, "head">, I32EnumAttrCase<"Begin", 3, "begin">,
  I32EnumAttrCase<"End", 4, "end">, I32EnumAttrCase<"Number", 5, "number">,
  I32EnumAttrCase<"Load", 6, "load">]>;

def Attn_ValueAttr : Attn_Attr<"Value", "value"> {
  let summary = "a number that a plan's bounds depend on and each query row has of its own";
  let description = [{
    `map` takes the query position i and the symbols before this value: those
    of the plan's components up to it. With e its first result, the value is

    | kind | value |
    |---|---|
    | `min`, `max` | the least, the greatest of the map's results |
    | `head` | the query head (no map) |
    | `begin`, `end`, `number` | of the document of set operand `operand` that holds position e: cu[d], cu[d + 1], d; outside every document 0, 0, -1 |
    | `load` | element e, clamped to the tensor, of set operand `operand` |

    ```mlir
    #attn.value<kind = max, map = (d0)[s0, s1, s2, s3] -> ((d0 floordiv 64) * 64)>
    ```
  }];
  let parameters = (ins EnumParameter<Attn_ValueKind>:$kind,
    OptionalParameter<"::mlir::AffineMap">:$map,
    DefaultValuedParameter<"int64_t", "-1">:$operand);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_ComponentAttr : Attn_Attr<"Component", "component"> {
  let summary = "one disjoint part of a planned pair set: key bounds per query";
  let description = [{
    Keeps (i, j) when max(lower(i)) <= j <= min(upper(i)), max(row_lower) <= i
    <= min(row_upper), every result of `guard`(i) is >= 0, and every test holds.
    The maps take the query position i (row_lower and row_upper do not) and the
    symbols [k_begin, k_end, q_begin, q_end, parameters..., values...], ends
    exclusive; row_lower and row_upper take no values. Where bounds do not
    decrease with i, a tile of queries needs its corners only. `tests` are
    1-based atom numbers of the plan, negative when the atom must not hold. A
    `walk` is one of the positive tests: the atom whose keys are enumerated (by
    a lattice, a list) rather than tested.
  }];
  let parameters = (ins "::mlir::AffineMap":$lower, "::mlir::AffineMap":$upper,
    "::mlir::AffineMap":$row_lower, "::mlir::AffineMap":$row_upper,
    OptionalParameter<"::mlir::AffineMap">:$guard,
    OptionalParameter<"::mlir::DenseI64ArrayAttr">:$tests,
    DefaultValuedParameter<"int64_t", "0">:$walk);
  let extraClassDeclaration = [{
    /// The signed atom numbers, none where there are no tests.
    ::llvm::ArrayRef<int64_t> getTestNumbers() const {
      return getTests() ? getTests().asArrayRef() : ::llvm::ArrayRef<int64_t>();
    }
  }];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_PlanAttr : Attn_Attr<"Plan", "plan"> {
  let summary = "the normal form of mask & sparsity: disjoint components and the atoms they test";
  let description = [{
    Atoms are sets that no bounds say: only data decides (`keys`, `dense`,
    ...), or congruences (`strided`). `parameters` are the set-operand numbers
    behind the symbols from s4 on, `values` the symbols that follow them. No
    component means an empty pair set.
  }];
  let parameters = (ins OptionalArrayRefParameter<"::mlir::attn::ComponentAttr">:$components,
    OptionalArrayRefParameter<"::mlir::attn::PairsAttr">:$atoms,
    OptionalArrayRefParameter<"int64_t">:$parameters,
    OptionalArrayRefParameter<"::mlir::attn::ValueAttr">:$values);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// Symbols of a component's maps.
    unsigned getNumSymbols() const;
  }];
}

//===----------------------------------------------------------------------===//
// Schedule: what attn-schedule decided
//===----------------------------------------------------------------------===//

def Attn_MicroKernel : Attn_I32Enum<"MicroKernel", "shape of the inner loops", [
  I32EnumAttrCase<"Block", 0, "block">, I32EnumAttrCase<"Row", 1, "row">,
  I32EnumAttrCase<"Mma", 2, "mma">,
  I32EnumAttrCase<"Wgmma", 3, "wgmma">]>;

def Attn_LoadMode : Attn_I32Enum<"LoadMode", "how a fold reads an operand", [
  I32EnumAttrCase<"Direct", 0, "direct">, I32EnumAttrCase<"Fuse", 1, "fuse">,
  I32EnumAttrCase<"Materialize", 2, "materialize">]>;

def Attn_Products : Attn_I32Enum<"Products", "how keys and values are multiplied", [
  I32EnumAttrCase<"Fma", 0, "fma">, I32EnumAttrCase<"DotBf16", 1, "dot_bf16">]>;

def Attn_GridOrder : Attn_I32Enum<"GridOrder", "order in which tiles are begun", [
  I32EnumAttrCase<"Up", 0, "up">, I32EnumAttrCase<"Down", 1, "down">,
  I32EnumAttrCase<"UpAcross", 2, "up_across">,
  I32EnumAttrCase<"DownAcross", 3, "down_across">]>;

def Attn_MmaAttr : Attn_Attr<"Mma", "mma"> {
  let summary = "how warps share a tile on tensor cores, and what overlaps";
  let description = [{
    `warps` share the rows of a query tile, and keys and values are copied into
    `stages` parts of shared memory ahead of their use. Of the query tile
    `query_steps` slices of 16 columns stay in registers, the others are read
    again for each block of keys. Fragments are read `lookahead` ahead of the
    products that take them, and the assembler's scheduler is fenced after
    `fence` products (0: nowhere). The reference that weights are relative to is
    raised when a score exceeds it by more than `lazy` (a power of two's
    exponent); with 0, for each greater score.

    ```mlir
    #attn.mma<warps = 4, stages = 3, query_steps = 0, lookahead = 1, fence = 8, lazy = 8>
    ```
  }];
  let parameters = (ins "int64_t":$warps, "int64_t":$stages, "int64_t":$query_steps,
    "int64_t":$lookahead, "int64_t":$fence, "int64_t":$lazy);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_ScheduleAttr : Attn_Attr<"Schedule", "schedule"> {
  let summary = "tile sizes and fusion decisions; passes and code generators obey it";
  let description = [{
    `micro` is `block` (queries in lanes), `row` (lanes along the head size) or
    `mma` (tensor cores; `mma` then says how);
    `query_tile` query rows and `heads` query heads of one key head form a
    workgroup's tile; keys go by blocks of `key_block`. `register_keys` x
    `register_vectors` vectors of `lanes` elements are the register tile.
    `q`, `k`, `v` say how each operand's producers are read: `direct` (none),
    `fuse` (recomputed by the loader) or `materialize` (once, in O(m d)).
    `products` are `fma` in the compute type, or `dot_bf16`: dot products of
    pairs of bf16 elements, for operands of bf16 on machines that have
    them, an odd head size ending in half a pair; weights are rounded to bf16, and subnormal inputs
    count as 0. The row micro-kernel takes them where rows of keys and values
    hold a vector of pairs, and nothing is masked.
    `order` says in which order threads begin tiles: `up` and `down` walk one
    head after the other, its rows from the first or from the last on;
    `up_across` and `down_across` take a tile of every head before the next.
    With `strip` s the tiles of components that keep a window or chunk along the
    innermost axis of a grid are s columns wide, where s divides the grid's.
    With a `split` the keys of a row go to several tiles, that many key rows
    each, whose states are merged by one more launch; 0 keeps them together.
    Splits depend on the key rows alone, so that a sequence gives the same bits
    whatever it is launched with. A block micro-kernel folds several `heads` of a
    tile one after the other.
    `lists` is the schedule of launches that walk a list a query row, if there
    are any. `few` is the schedule of tiles of which no more than its
    `query_tile` rows are live (before q_end), as each tile finds out when it
    runs; it says how such a tile is folded, not what a tile is. `why` keeps one sentence a decision for `attnc explain`.
  }];
  let parameters = (ins
    EnumParameter<Attn_MicroKernel>:$micro, "int64_t":$query_tile, "int64_t":$heads,
    "int64_t":$key_block, "int64_t":$lanes, "int64_t":$register_keys,
    "int64_t":$register_vectors,
    EnumParameter<Attn_LoadMode>:$q, EnumParameter<Attn_LoadMode>:$k,
    EnumParameter<Attn_LoadMode>:$v,
    DefaultValuedParameter<"::mlir::attn::Products", "::mlir::attn::Products::Fma">:$products,
    DefaultValuedParameter<"::mlir::attn::GridOrder", "::mlir::attn::GridOrder::Up">:$order,
    DefaultValuedParameter<"int64_t", "1">:$strip,
    DefaultValuedParameter<"int64_t", "0">:$split,
    OptionalParameter<"::mlir::Attribute">:$lists,
    OptionalParameter<"::mlir::Attribute">:$few,
    OptionalParameter<"::mlir::attn::MmaAttr">:$mma,
    OptionalParameter<"::mlir::ArrayAttr">:$why);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The schedule of launches that walk lists; this one where none is said.
    ScheduleAttr getListSchedule() const;
    /// The schedule of tiles with few live rows; null where none is said.
    ScheduleAttr getFewSchedule() const;
  }];
}

//===----------------------------------------------------------------------===//
// Grid: what an scf.forall of stage 4 is
//===----------------------------------------------------------------------===//

def Attn_GridDirection : Attn_I32Enum<"GridDirection", "order along a dimension of a grid", [
  I32EnumAttrCase<"Up", 0, "up">, I32EnumAttrCase<"Down", 1, "down">]>;

def Attn_GridAttr : Attn_Attr<"Grid", "grid",
    [DeclareAttrInterfaceMethods<DeviceMappingAttrInterface>]> {
  let summary = "a loop of scf.forall that is dimension `dim` of a launch's grid";
  let description = [{
    The `mapping` of the grids that attn-tile and attn-fuse make. Workgroups are
    begun in the grid's order, the last dimension fastest, and along a dimension
    that is `down` from its last index on. The mapping also keeps
    canonicalization from inlining a grid of one workgroup, which would leave a
    kernel without a launch.

    ```mlir
    scf.forall (%b, %t) in (2, 7) ... {
    } {mapping = [#attn.grid<1>, #attn.grid<0, down>]}
    ```
  }];
  let parameters = (ins "int64_t":$dim,
    DefaultValuedParameter<"::mlir::attn::GridDirection", "::mlir::attn::GridDirection::Up">:$direction);
  let assemblyFormat = "`<` $dim (`,` $direction^)? `>`";
}

//===----------------------------------------------------------------------===//
// Status: what a kernel reports of bad data
//===----------------------------------------------------------------------===//

def Attn_Status : Attn_I32Enum<"Status", "bit of the status word", [
  I32EnumAttrCase<"Page", 1, "page">, I32EnumAttrCase<"Index", 2, "index">,
  I32EnumAttrCase<"Length", 4, "length">, I32EnumAttrCase<"Order", 8, "order">]>;

def Attn_StatusAttr : EnumAttr<Attn_Dialect, Attn_Status, "status"> {
  let assemblyFormat = "$value";
}

//===----------------------------------------------------------------------===//
// Formulas: sizes that are known at launch
//===----------------------------------------------------------------------===//

def Attn_FormulaAttr : Attn_Attr<"Formula", "formula"> {
  let summary = "a size computed at launch from the sizes of a kernel's tensors";
  let description = [{
    The one result of `map` (symbols only; products of symbols are fine), with
    symbol s bound to dim `dims[2 s + 1]` of tensor `dims[2 s]`. Tensors are
    numbered inputs first, then outputs, as in the kernel's signature.

    ```mlir
    #attn.formula<map = ()[s0] -> (s0 ceildiv 96), dims = [0, 2]>
    ```
  }];
  let parameters = (ins "::mlir::AffineMap":$map,
    OptionalParameter<"::mlir::DenseI64ArrayAttr">:$dims);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

#endif // ATTN_ATTRS
