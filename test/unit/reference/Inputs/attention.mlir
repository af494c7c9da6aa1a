// Attentions that attnc-reference-tests evaluates against NumPy; the values are
// written by test/reference/numpy_values.py, which knows each by its name.

!q = tensor<2x4x5x4xf32>
!k = tensor<2x4x7x4xf32>
!v = tensor<2x4x7x6xf32>
!k2 = tensor<2x2x7x4xf32>
!v2 = tensor<2x2x7x6xf32>
!o = tensor<2x4x5x6xf32>
!s = tensor<2x4x5x7xf32>

func.func @full(%q: !q, %k: !k, %v: !v) -> !o {
  %o = attn.attention %q, %k, %v : !q, !k, !v -> !o
  return %o : !o
}

func.func @causal(%q: !q, %k: !k, %v: !v) -> !o {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal> : !q, !k, !v -> !o
  return %o : !o
}

func.func @causal_from_start(%q: !q, %k: !k, %v: !v) -> !o {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal> positions = start
         : !q, !k, !v -> !o
  return %o : !o
}

func.func @grouped_heads(%q: !q, %k: !k2, %v: !v2) -> !o {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<window<2, 1>> scale = 0.75
         : !q, !k2, !v2 -> !o
  return %o : !o
}

func.func @rank2(%q: tensor<5x4xf32>, %k: tensor<7x4xf32>, %v: tensor<7x3xf32>)
    -> tensor<5x3xf32> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
         : tensor<5x4xf32>, tensor<7x4xf32>, tensor<7x3xf32> -> tensor<5x3xf32>
  return %o : tensor<5x3xf32>
}

func.func @two_batch_dims(%q: tensor<2x3x2x4x4xf32>, %k: tensor<2x3x1x6x4xf32>,
                          %v: tensor<2x3x1x6x4xf32>, %len: tensor<2x3xi64>,
                          %mask: tensor<2x1x1x6xi1>) -> tensor<2x3x2x4x4xf32> {
  %o = attn.attention %q, %k, %v lengths(%len)
         mask = #attn.pairs<causal & keys(%mask)>
         : tensor<2x3x2x4x4xf32>, tensor<2x3x1x6x4xf32>, tensor<2x3x1x6x4xf32>,
           tensor<2x3xi64>, tensor<2x1x1x6xi1> -> tensor<2x3x2x4x4xf32>
  return %o : tensor<2x3x2x4x4xf32>
}

func.func @bias_softcap(%q: !q, %k: !k, %v: !v, %bias: tensor<4x1x7xf32>) -> !o {
  %o = attn.attention %q, %k, %v bias(%bias)
         kernel = #attn.softmax<softcap = 0.5> scale = 1.5
         : !q, !k, !v, tensor<4x1x7xf32> -> !o
  return %o : !o
}

func.func @bias_whole(%q: !q, %k: !k, %v: !v, %bias: !s) -> !o {
  %o = attn.attention %q, %k, %v bias(%bias) : !q, !k, !v, !s -> !o
  return %o : !o
}

func.func @bias_by_batch(%q: !q, %k: !k, %v: !v, %bias: tensor<2x1x5x1xf32>) -> !o {
  %o = attn.attention %q, %k, %v bias(%bias) kernel = #attn.none
         : !q, !k, !v, tensor<2x1x5x1xf32> -> !o
  return %o : !o
}

func.func @alibi(%q: !q, %k: !k, %v: !v, %slopes: tensor<4xf32>) -> !o {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
         score_mod captures(%slopes : tensor<4xf32>) {
         ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
           %slope = tensor.extract %slopes[%h] : tensor<4xf32>
           %d = arith.subi %j, %i : index
           %d32 = arith.index_cast %d : index to i32
           %x = arith.sitofp %d32 : i32 to f32
           %y = arith.mulf %slope, %x : f32
           %t = arith.addf %s, %y : f32
           attn.yield %t : f32
         } : !q, !k, !v -> !o
  return %o : !o
}

// Every other pair is dropped after the softmax, the others count double.
func.func @prob_mod(%q: !q, %k: !k, %v: !v)
    -> (!o, tensor<2x4x5xf32>, !s) {
  %o, %lse, %p = attn.attention %q, %k, %v mask = #attn.pairs<causal>
         returns = [lse, probs]
         prob_mod {
         ^bb0(%p: f32, %b: index, %h: index, %i: index, %j: index):
           %one = arith.constant 1 : index
           %zero = arith.constant 0 : index
           %a = arith.addi %i, %j : index
           %c = arith.addi %a, %b : index
           %odd = arith.andi %c, %one : index
           %drop = arith.cmpi ne, %odd, %zero : index
           %none = arith.constant 0.0 : f32
           %two = arith.constant 2.0 : f32
           %twice = arith.mulf %p, %two : f32
           %t = arith.select %drop, %none, %twice : f32
           attn.yield %t : f32
         } : !q, !k, !v -> (!o, tensor<2x4x5xf32>, !s)
  return %o, %lse, %p : !o, tensor<2x4x5xf32>, !s
}

func.func @lengths(%q: !q, %k: !k, %v: !v, %len: tensor<2xi32>,
                   %qlen: tensor<2xi32>, %kstart: tensor<2xi32>)
    -> (!o, tensor<2x4x5xf32>, !s) {
  %o, %lse, %s = attn.attention %q, %k, %v lengths(%len) q_lengths(%qlen)
         k_start(%kstart) mask = #attn.pairs<causal & window<2, 0>>
         returns = [lse, scores]
         : !q, !k, !v, tensor<2xi32>, tensor<2xi32>, tensor<2xi32>
           -> (!o, tensor<2x4x5xf32>, !s)
  return %o, %lse, %s : !o, tensor<2x4x5xf32>, !s
}

func.func @q_start(%q: !q, %k: !k, %v: !v, %at: tensor<2xi64>, %from: i32) -> !o {
  %o = attn.attention %q, %k, %v q_start(%at) k_start(%from)
         mask = #attn.pairs<causal | first<4>>
         : !q, !k, !v, tensor<2xi64>, i32 -> !o
  return %o : !o
}

// Pages -1 and 9 do not exist: nor do their keys.
func.func @pages(%q: tensor<2x4x5x4xf32>, %k: tensor<6x2x3x4xf32>,
                 %v: tensor<6x2x3x6xf32>, %table: tensor<2x4xi64>,
                 %len: tensor<2xi32>) -> tensor<2x4x5x6xf32> {
  %o = attn.attention %q, %k, %v pages(%table) lengths(%len)
         mask = #attn.pairs<causal>
         : tensor<2x4x5x4xf32>, tensor<6x2x3x4xf32>, tensor<6x2x3x6xf32>,
           tensor<2x4xi64>, tensor<2xi32> -> tensor<2x4x5x6xf32>
  return %o : tensor<2x4x5x6xf32>
}

func.func @sink_statistics(%q: !q, %k: !k, %v: !v, %sink: tensor<4xf32>)
    -> (!o, tensor<2x4x5xf32>, !s, tensor<2x4x7xf32>, tensor<2x4x5x5xf32>) {
  %o, %lse, %p, %c, %t = attn.attention %q, %k, %v sink(%sink)
         mask = #attn.pairs<causal>
         returns = [lse, probs, column_sums, statistics]
         : !q, !k, !v, tensor<4xf32> -> (!o, tensor<2x4x5xf32>, !s,
           tensor<2x4x7xf32>, tensor<2x4x5x5xf32>)
  return %o, %lse, %p, %c, %t : !o, tensor<2x4x5xf32>, !s, tensor<2x4x7xf32>,
                                tensor<2x4x5x5xf32>
}

func.func @sigmoid(%q: !q, %k: !k, %v: !v) -> !o {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
         kernel = #attn.sigmoid<bias = -1.5> : !q, !k, !v -> !o
  return %o : !o
}

func.func @relu(%q: !q, %k: !k, %v: !v) -> !o {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<local<2>>
         kernel = #attn.relu : !q, !k, !v -> !o
  return %o : !o
}

func.func @none(%q: !q, %k: !k, %v: !v) -> (!o, !s) {
  %o, %s = attn.attention %q, %k, %v mask = #attn.pairs<!causal>
         kernel = #attn.none returns = [scores] : !q, !k, !v -> (!o, !s)
  return %o, %s : !o, !s
}

//===----------------------------------------------------------------------===//
// Linear attention
//===----------------------------------------------------------------------===//

!l = tensor<2x2x6x3xf32>
!lk = tensor<2x1x6x3xf32>
!lv = tensor<2x1x6x4xf32>
!lo = tensor<2x2x6x4xf32>
!ls = tensor<2x2x3x4xf32>

func.func @linear_full(%q: !l, %k: !lk, %v: !lv) -> !lo {
  %o = attn.attention %q, %k, %v kernel = #attn.linear<feature = exp>
         : !l, !lk, !lv -> !lo
  return %o : !lo
}

func.func @linear_relu(%q: !l, %k: !lk, %v: !lv, %len: tensor<2xi32>) -> !lo {
  %o = attn.attention %q, %k, %v lengths(%len)
         mask = #attn.pairs<causal & window<3, 0>>
         kernel = #attn.linear<feature = relu, norm = none> scale = 1.0
         : !l, !lk, !lv, tensor<2xi32> -> !lo
  return %o : !lo
}

func.func @decay_by_key(%q: !l, %k: !lk, %v: !lv, %g: tensor<2x2x6xf32>,
                        %s0: !ls) -> (!lo, !ls) {
  %o, %s = attn.attention %q, %k, %v decay(%g) state(%s0)
         mask = #attn.pairs<causal>
         kernel = #attn.linear<feature = elu1, norm = none>
         : !l, !lk, !lv, tensor<2x2x6xf32>, !ls -> (!lo, !ls)
  return %o, %s : !lo, !ls
}

func.func @decay_by_channel(%q: !l, %k: !lk, %v: !lv, %g: tensor<2x2x6x3xf32>)
    -> (!lo, !ls) {
  %o, %s = attn.attention %q, %k, %v decay(%g)
         mask = #attn.pairs<causal> returns = [state]
         kernel = #attn.linear<feature = elu1>
         : !l, !lk, !lv, tensor<2x2x6x3xf32> -> (!lo, !ls)
  return %o, %s : !lo, !ls
}

// The state is reset where a document begins.
func.func @document_states(%q: !l, %k: !lk, %v: !lv, %g: tensor<2xf32>, %s0: !ls,
                           %cu: tensor<2x4xi32>) -> (!lo, !ls) {
  %o, %s = attn.attention %q, %k, %v decay(%g) state(%s0)
         mask = #attn.pairs<per_document(%cu) { causal }>
         kernel = #attn.linear<feature = identity, norm = none>
         : !l, !lk, !lv, tensor<2xf32>, !ls, tensor<2x4xi32> -> (!lo, !ls)
  return %o, %s : !lo, !ls
}

//===----------------------------------------------------------------------===//
// Pair sets, each on 12 positions
//===----------------------------------------------------------------------===//

!p = tensor<2x12x4xf32>
!w = tensor<2x12x12xf32>

func.func @set_lattices(%q: !p, %k: !p, %v: !p) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<dilated<2, 3> | (columns<5, 2> & causal)>
         sparsity = #attn.pairs<!(strided<4> & !causal)> : !p, !p, !p -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_log(%q: !p, %k: !p, %v: !p) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<log> : !p, !p, !p -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_random(%q: !p, %k: !p, %v: !p) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         sparsity = #attn.pairs<random<3, seed = 17>> : !p, !p, !p -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_chunks(%q: !p, %k: !p, %v: !p, %last: i32) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<(chunk<5, offset = 2> & causal) | last<%last>>
         : !p, !p, !p, i32 -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_clamped(%q: !p, %k: !p, %v: !p) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<window<2, 3, clamped>> : !p, !p, !p -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_affine(%q: !p, %k: !p, %v: !p) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<affine<"(i, j)[n, m] : (i floordiv 2 - j floordiv 3 >= 0, m - j - 2 >= 0)">>
         : !p, !p, !p -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_predicate(%q: !p, %k: !p, %v: !p, %group: tensor<12xi32>)
    -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<predicate<0> | predicate<1>>
         predicate captures(%group : tensor<12xi32>) {
         ^bb0(%b: index, %h: index, %i: index, %j: index):
           %x = tensor.extract %group[%i] : tensor<12xi32>
           %y = tensor.extract %group[%j] : tensor<12xi32>
           %t = arith.cmpi eq, %x, %y : i32
           attn.yield %t : i1
         }
         predicate {
         ^bb0(%b: index, %h: index, %i: index, %j: index):
           %t = arith.cmpi eq, %h, %j : index
           attn.yield %t : i1
         } : !p, !p, !p -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_documents(%q: !p, %k: !p, %v: !p, %cu: tensor<4xi64>)
    -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<documents(%cu) & causal> : !p, !p, !p, tensor<4xi64>
         -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_ranges(%q: !p, %k: !p, %v: !p, %a: tensor<12xi32>,
                      %b: tensor<12xi32>) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<ranges(%a, %b) | ranges<by_query>(%b, %a)>
         : !p, !p, !p, tensor<12xi32>, tensor<12xi32> -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_csr(%q: !p, %k: !p, %v: !p, %ptr: tensor<2x13xi32>,
                   %idx: tensor<2x9xi32>) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         sparsity = #attn.pairs<csr(%ptr, %idx)>
         : !p, !p, !p, tensor<2x13xi32>, tensor<2x9xi32> -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_bsr(%q: !p, %k: !p, %v: !p, %ptr: tensor<4xi32>,
                   %idx: tensor<5xi32>) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         sparsity = #attn.pairs<bsr<4>(%ptr, %idx)>
         : !p, !p, !p, tensor<4xi32>, tensor<5xi32> -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_dense(%q: !p, %k: !p, %v: !p, %m: tensor<2x12x12xi1>)
    -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<dense(%m)> : !p, !p, !p, tensor<2x12x12xi1> -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_by_head(%q: !p, %k: !p, %v: !p, %l: tensor<1xi64>) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<by_head(0, 1) { window<%l, 0>, global<2> }>
         : !p, !p, !p, tensor<1xi64> -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_blocks(%q: !p, %k: !p, %v: !p) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<blocks<5> { last<1> | window<0, 0> } & !prefix<1>>
         : !p, !p, !p -> (!p, !w)
  return %o, %s : !p, !w
}

func.func @set_axes(%q: !p, %k: !p, %v: !p) -> (!p, !w) {
  %o, %s = attn.attention %q, %k, %v returns = [scores]
         mask = #attn.pairs<axes<2 x 3 x 2> { full, local<1>, causal }>
         : !p, !p, !p -> (!p, !w)
  return %o, %s : !p, !w
}

//===----------------------------------------------------------------------===//
// Other element types
//===----------------------------------------------------------------------===//

func.func @f64(%q: tensor<2x5x4xf64>, %k: tensor<2x7x4xf64>,
               %v: tensor<2x7x4xf64>) -> (tensor<2x5x4xf64>, tensor<2x5xf32>) {
  %o, %l = attn.attention %q, %k, %v mask = #attn.pairs<causal> returns = [lse]
         : tensor<2x5x4xf64>, tensor<2x7x4xf64>, tensor<2x7x4xf64>
           -> (tensor<2x5x4xf64>, tensor<2x5xf32>)
  return %o, %l : tensor<2x5x4xf64>, tensor<2x5xf32>
}

func.func @f16(%q: tensor<2x5x4xf16>, %k: tensor<2x7x4xf16>,
               %v: tensor<2x7x4xf16>, %bias: tensor<5x7xf16>)
    -> (tensor<2x5x4xf16>, tensor<2x5xf32>) {
  %o, %l = attn.attention %q, %k, %v bias(%bias) mask = #attn.pairs<causal>
         returns = [lse]
         : tensor<2x5x4xf16>, tensor<2x7x4xf16>, tensor<2x7x4xf16>,
           tensor<5x7xf16> -> (tensor<2x5x4xf16>, tensor<2x5xf32>)
  return %o, %l : tensor<2x5x4xf16>, tensor<2x5xf32>
}
