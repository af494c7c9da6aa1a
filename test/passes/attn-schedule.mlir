// RUN: attnc-opt %s --split-input-file --attn-expand --attn-plan-pairs --attn-schedule | FileCheck %s
// RUN: attnc-opt %s --split-input-file --attn-expand \
// RUN:   '--attn-schedule=vector-bytes=64 vector-registers=32' | FileCheck %s --check-prefix=WIDE
// RUN: attnc-opt %s --split-input-file --attn-expand \
// RUN:   '--attn-schedule=vector-bytes=64 vector-registers=32 bf16-dot=true' | FileCheck %s --check-prefix=DOT
// RUN: attnc-opt %s --split-input-file --attn-expand --attn-schedule=micro=row | FileCheck %s --check-prefix=ROW
// RUN: attnc-opt %s --split-input-file --attn-expand --attn-schedule=producers=materialize | FileCheck %s --check-prefix=MAT
// RUN: attnc-opt %s --split-input-file --attn-expand '--attn-schedule=fields={key_block = 64, register_keys=2, order = up_across} fields-from=measured' | FileCheck %s --check-prefix=ASKED

// CHECK-LABEL: @dynamic_rows_take_the_block_kernel
// CHECK: schedule = #attn.schedule<micro = block, query_tile = 96, heads = 4, key_block = 128, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = direct, v = direct,
// CHECK-SAME: few = #attn.schedule<micro = row, query_tile = 8, heads = 4, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct>,
// CHECK-SAME: "a tile of up to 8 rows that exist takes the row micro-kernel, 4 heads at a time: batches mix sequences of one new query with long ones"
// ASKED-LABEL: @dynamic_rows_take_the_block_kernel
// ASKED: query_tile = 96, heads = 4, key_block = 64, lanes = 8, register_keys = 2, register_vectors = 3, q = direct, k = direct, v = direct, order = up_across, few = #attn.schedule<micro = row, query_tile = 8, heads = 4, key_block = 16,
// ASKED-SAME: register tile 2 keys x 24 queries: 6 of 16 vector registers accumulate
// ASKED-SAME: tiles of 96 query rows, keys in blocks of 64:
// ASKED-SAME: key_block = 64, register_keys = 2, order = up_across: measured
// WIDE-LABEL: @dynamic_rows_take_the_block_kernel
// WIDE: micro = block, query_tile = 96, heads = 4, key_block = 128, lanes = 16, register_keys = 8, register_vectors = 3
// WIDE-SAME: few = #attn.schedule<micro = row, query_tile = 8, heads = 4, key_block = 16, lanes = 16, register_keys = 1, register_vectors = 16
// ROW-LABEL: @dynamic_rows_take_the_block_kernel
// ROW: micro = row, query_tile = 1, heads = 4
func.func @dynamic_rows_take_the_block_kernel(%q: tensor<8x?x64xf32>, %k: tensor<2x?x64xf32>, %v: tensor<2x?x64xf32>) -> tensor<8x?x64xf32> {
  %o = attn.attention %q, %k, %v : tensor<8x?x64xf32>, tensor<2x?x64xf32>, tensor<2x?x64xf32> -> tensor<8x?x64xf32>
  return %o : tensor<8x?x64xf32>
}

// -----

// CHECK-LABEL: @f64_has_half_the_lanes
// CHECK: lanes = 4
func.func @f64_has_half_the_lanes(%q: tensor<?x64xf64>, %k: tensor<?x64xf64>, %v: tensor<?x64xf64>) -> tensor<?x64xf64> {
  %o = attn.attention %q, %k, %v : tensor<?x64xf64>, tensor<?x64xf64>, tensor<?x64xf64> -> tensor<?x64xf64>
  return %o : tensor<?x64xf64>
}

// -----

// One query and four heads a key head: each key row is read once for all four.
// CHECK-LABEL: @decode_takes_the_row_kernel
// CHECK: micro = row, query_tile = 1, heads = 4, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8
// CHECK-SAME: split = 4096
// CHECK-SAME: row micro-kernel: 1 query rows
// CHECK-SAME: keys and values are read row after row as they lie in memory, by blocks of 16: those of both have 8 KiB
// CHECK-SAME: keys of a row in tiles of 4096, merged by one more launch
func.func @decode_takes_the_row_kernel(%q: tensor<8x1x64xf32>, %k: tensor<2x?x64xf32>, %v: tensor<2x?x64xf32>) -> tensor<8x1x64xf32> {
  %o = attn.attention %q, %k, %v : tensor<8x1x64xf32>, tensor<2x?x64xf32>, tensor<2x?x64xf32> -> tensor<8x1x64xf32>
  return %o : tensor<8x1x64xf32>
}

// -----

// Keys that fit into one tile, launches that are chained and packed page tables
// are not split.
// CHECK-LABEL: @what_is_not_split
// CHECK: attn.attention
// CHECK-NOT: split =
// CHECK: attn.attention
// CHECK-NOT: split =
// CHECK: keys of a row stay in one tile: its launches are chained by states, or walk lists
// CHECK: attn.attention
// CHECK-NOT: split =
// CHECK: keys of a row stay in one tile: sequences share one table of pages, any of them could have all
// CHECK: return
func.func @what_is_not_split(%q: tensor<1x8x1x64xf32>, %k: tensor<1x2x4000x64xf32>, %l: tensor<1x2x?x64xf32>, %p: tensor<?x2x16x64xf32>, %indices: tensor<?xi32>, %indptr: tensor<2xi32>, %len: tensor<1xi32>) -> (tensor<1x8x1x64xf32>, tensor<1x8x1x64xf32>, tensor<1x8x1x64xf32>) {
  %a = attn.attention %q, %k, %k : tensor<1x8x1x64xf32>, tensor<1x2x4000x64xf32>, tensor<1x2x4000x64xf32> -> tensor<1x8x1x64xf32>
  %b = attn.attention %q, %l, %l sparsity = #attn.pairs<strided<4>> : tensor<1x8x1x64xf32>, tensor<1x2x?x64xf32>, tensor<1x2x?x64xf32> -> tensor<1x8x1x64xf32>
  %c = attn.attention %q, %p, %p pages(%indices, %indptr) lengths(%len) : tensor<1x8x1x64xf32>, tensor<?x2x16x64xf32>, tensor<?x2x16x64xf32>, tensor<?xi32>, tensor<2xi32>, tensor<1xi32> -> tensor<1x8x1x64xf32>
  return %a, %b, %c : tensor<1x8x1x64xf32>, tensor<1x8x1x64xf32>, tensor<1x8x1x64xf32>
}

// -----

// CHECK-LABEL: @few_static_keys_shrink_the_block
// CHECK: query_tile = 24, heads = 1, key_block = 32
func.func @few_static_keys_shrink_the_block(%q: tensor<20x64xf32>, %k: tensor<20x64xf32>, %v: tensor<20x64xf32>) -> tensor<20x64xf32> {
  %o = attn.attention %q, %k, %v : tensor<20x64xf32>, tensor<20x64xf32>, tensor<20x64xf32> -> tensor<20x64xf32>
  return %o : tensor<20x64xf32>
}

// -----

// A cast is cheaper than a buffer; the square root of a norm is not.
// CHECK-LABEL: @casts_fuse_and_norms_materialize
// CHECK: q = direct, k = materialize, v = fuse
// CHECK-SAME: k: 1 producer materialized once in O(m d): every query tile would recompute 5 operations an element
// CHECK-SAME: v: 1 producer fused into the loader: 1 operation an element costs less than a second buffer
// MAT-LABEL: @casts_fuse_and_norms_materialize
// MAT: q = direct, k = materialize, v = materialize
func.func @casts_fuse_and_norms_materialize(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf16>, %n: index) -> tensor<?x64xf32> {
  %e = tensor.empty(%n) : tensor<?x64xf32>
  %k1 = linalg.generic {indexing_maps = [affine_map<(r, c) -> (r, c)>, affine_map<(r, c) -> (r, c)>], iterator_types = ["parallel", "parallel"]}
      ins(%k : tensor<?x64xf32>) outs(%e : tensor<?x64xf32>) {
  ^bb0(%x: f32, %o: f32):
    %a = math.absf %x : f32
    %b = math.sqrt %a : f32
    %c = math.exp %b : f32
    %d = arith.addf %c, %x : f32
    %f = arith.mulf %d, %d : f32
    linalg.yield %f : f32
  } -> tensor<?x64xf32>
  %v1 = arith.extf %v : tensor<?x64xf16> to tensor<?x64xf32>
  %o = attn.attention %q, %k1, %v1 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: @one_query_tile_fuses_everything
// CHECK: q = direct, k = fuse
// CHECK-SAME: k: 1 producer fused into the loader: one query tile reads each row once
func.func @one_query_tile_fuses_everything(%q: tensor<64x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>) -> tensor<64x64xf32> {
  %k1 = math.tanh %k : tensor<?x64xf32>
  %o = attn.attention %q, %k1, %v : tensor<64x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<64x64xf32>
  return %o : tensor<64x64xf32>
}

// -----

// CHECK-LABEL: @a_written_schedule_stays
// CHECK: query_tile = 48
// But for what is asked for.
// ASKED-LABEL: @a_written_schedule_stays
// ASKED: query_tile = 48, heads = 1, key_block = 64, lanes = 8, register_keys = 2, register_vectors = 3, q = direct, k = direct, v = direct, order = up_across, why = ["key_block = 64, register_keys = 2, order = up_across: measured"]
func.func @a_written_schedule_stays(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %o = attn.attention %q, %k, %v schedule = #attn.schedule<micro = block, query_tile = 48, heads = 1, key_block = 64, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = direct, v = direct>
      : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: @known_tiles_are_counted
// CHECK: q = fuse, k = materialize, v = fuse
// CHECK-SAME: q: 1 producer fused into the loader: each query row is loaded once
// CHECK-SAME: k: 5 producers materialized once in O(m d): each of 3 query tiles would recompute 5 operations an element
// CHECK-SAME: v: 2 producers fused into the loader: 2 operations an element cost less than a second buffer
func.func @known_tiles_are_counted(%q: tensor<288x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf16>) -> tensor<288x64xf32> {
  %q1 = math.tanh %q : tensor<288x64xf32>
  %a = math.absf %k : tensor<?x64xf32>
  %b = math.sqrt %a : tensor<?x64xf32>
  %c = math.exp %b : tensor<?x64xf32>
  %d = arith.addf %c, %k : tensor<?x64xf32>
  %e = arith.mulf %d, %d : tensor<?x64xf32>
  %f = arith.extf %v : tensor<?x64xf16> to tensor<?x64xf32>
  %g = arith.negf %f : tensor<?x64xf32>
  %o = attn.attention %q1, %e, %g : tensor<288x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<288x64xf32>
  return %o : tensor<288x64xf32>
}

// -----

// CHECK-LABEL: @bf16_is_multiplied_in_pairs
// CHECK-NOT: products
// CHECK: bf16 keys and values converted to f32 once a key block: this machine multiplies f32 only
// DOT-LABEL: @bf16_is_multiplied_in_pairs
// DOT: products = dot_bf16
// DOT-SAME: dot products of bf16 pairs: twice the rate of f32
// ROW-LABEL: @bf16_is_multiplied_in_pairs
// ROW-NOT: key block:
func.func @bf16_is_multiplied_in_pairs(%q: tensor<?x72xbf16>, %k: tensor<?x72xbf16>, %v: tensor<?x33xbf16>) -> tensor<?x33xbf16> {
  %o = attn.attention %q, %k, %v : tensor<?x72xbf16>, tensor<?x72xbf16>, tensor<?x33xbf16> -> tensor<?x33xbf16>
  return %o : tensor<?x33xbf16>
}

// -----

// DOT-LABEL: @odd_head_sizes_end_in_half_a_pair
// DOT: products = dot_bf16
// DOT-SAME: dot products of bf16 pairs: twice the rate of f32
func.func @odd_head_sizes_end_in_half_a_pair(%q: tensor<?x15xbf16>, %k: tensor<?x15xbf16>, %v: tensor<?x15xbf16>) -> tensor<?x15xbf16> {
  %o = attn.attention %q, %k, %v : tensor<?x15xbf16>, tensor<?x15xbf16>, tensor<?x15xbf16> -> tensor<?x15xbf16>
  return %o : tensor<?x15xbf16>
}

// -----

// DOT-LABEL: @f16_is_converted
// DOT-NOT: products
// DOT: f16 keys and values converted to f32 once a key block
func.func @f16_is_converted(%q: tensor<?x64xf16>, %k: tensor<?x64xf16>, %v: tensor<?x64xf16>) -> tensor<?x64xf16> {
  %o = attn.attention %q, %k, %v : tensor<?x64xf16>, tensor<?x64xf16>, tensor<?x64xf16> -> tensor<?x64xf16>
  return %o : tensor<?x64xf16>
}

// -----

// The tile with the most keys begins first; a window keeps as many everywhere.
// CHECK-LABEL: @longest_tiles_first
// CHECK: order = down
// CHECK-SAME: tiles of a head from its last rows on: those keep the most keys, and begin first
// CHECK: mask = #attn.pairs<window
// CHECK-NOT: order
func.func @longest_tiles_first(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %a = attn.attention %q, %k, %v mask = #attn.pairs<causal> : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  %b = attn.attention %q, %k, %v mask = #attn.pairs<window<63, 0>> : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %a, %b : tensor<?x64xf32>, tensor<?x64xf32>
}

// -----

// Windows and chunks of a grid keep few columns: so do tiles. A grid that is
// narrow, or whose columns are all kept, is taken row by row.
// CHECK-LABEL: @strips_of_grids
// CHECK: strip = 4
// CHECK-SAME: strips of 4 of a grid's 64 columns: 24 queries visit about 115 keys, not 448
// CHECK: strip = 7
// CHECK-SAME: strips of 7 of a grid's 56 columns: 24 queries visit about 70 keys, not 392
// CHECK: attn.attention
// CHECK-NOT: strip
func.func @strips_of_grids(%q: tensor<4096x64xf32>, %s: tensor<3136x64xf32>) -> (tensor<4096x64xf32>, tensor<3136x64xf32>, tensor<4096x64xf32>) {
  %a = attn.attention %q, %q, %q mask = #attn.pairs<axes<64 x 64> { window<3, 3, clamped>, window<3, 3, clamped> }> : tensor<4096x64xf32>, tensor<4096x64xf32>, tensor<4096x64xf32> -> tensor<4096x64xf32>
  %b = attn.attention %s, %s, %s mask = #attn.pairs<axes<56 x 56> { chunk<7>, chunk<7> }> : tensor<3136x64xf32>, tensor<3136x64xf32>, tensor<3136x64xf32> -> tensor<3136x64xf32>
  %c = attn.attention %q, %q, %q mask = #attn.pairs<axes<64 x 64> { window<3, 3>, full }> : tensor<4096x64xf32>, tensor<4096x64xf32>, tensor<4096x64xf32> -> tensor<4096x64xf32>
  return %a, %b, %c : tensor<4096x64xf32>, tensor<3136x64xf32>, tensor<4096x64xf32>
}
