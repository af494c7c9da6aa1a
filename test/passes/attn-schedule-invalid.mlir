// RUN: attnc-opt %s --split-input-file --attn-expand --attn-schedule --verify-diagnostics
// RUN: not attnc-opt %S/attn-schedule.mlir --split-input-file --attn-schedule=micro=warp 2>&1 | FileCheck %s
// CHECK: attn-schedule: micro must be auto, block, row or mma, got 'warp'
// RUN: not attnc-opt %S/attn-schedule.mlir --split-input-file '--attn-schedule=fields={query_tile = 50}' 2>&1 | FileCheck %s --check-prefix=TILE
// TILE: attn-schedule: query_tile must be a multiple of lanes * register_vectors, which is 8, got 50
// TILE: note: asked for: query_tile = 50
// RUN: not attnc-opt %S/attn-schedule.mlir --split-input-file '--attn-schedule=fields={heads = 2}' 2>&1 | FileCheck %s --check-prefix=HEADS
// HEADS: (C24) heads of a schedule is 1 or divides the query heads of a key head (or, with pages, is those of some key heads), which are 1, got 2
// RUN: not attnc-opt %S/attn-schedule.mlir --split-input-file '--attn-schedule=fields={micro = row, split = 8}' 2>&1 | FileCheck %s --check-prefix=SPLIT
// SPLIT: attn-schedule: split takes the row or mma micro-kernel and key_block or more keys, got 8
// RUN: not attnc-opt %S/attn-schedule.mlir --split-input-file '--attn-schedule=fields={micro = row, heads = 3}' 2>&1 | FileCheck %s --check-prefix=GROUP
// GROUP: (C24) heads of a schedule is 1 or divides the query heads of a key head (or, with pages, is those of some key heads), which are 4, got 3
// RUN: not attnc-opt %S/attn-schedule.mlir --split-input-file '--attn-schedule=fields={lists.heads = 2}' 2>&1 | FileCheck %s --check-prefix=NOLISTS
// NOLISTS: attn-schedule: there is no list of keys that 'lists.' could be about
// RUN: not attnc-opt %S/attn-schedule.mlir --split-input-file '--attn-schedule=fields={tile = 2}' 2>&1 | FileCheck %s --check-prefix=NAMES
// NAMES: attn-schedule: 'tile = 2' sets no field of a schedule; 'FIELD = VALUE, ...' is expected, with the fields micro, query_tile,
// RUN: not attnc-opt %S/attn-schedule.mlir --split-input-file '--attn-schedule=fields={query_tile = 0}' 2>&1 | FileCheck %s --check-prefix=ZERO
// ZERO: attn-schedule: 'query_tile' is a whole number from 1 to 65536, got '0'
// RUN: not attnc-opt %S/attn-schedule.mlir --split-input-file '--attn-schedule=fields={k = fuse}' 2>&1 | FileCheck %s --check-prefix=FUSE
// FUSE: attn-schedule: k must be direct: nothing computes it, got fuse

func.func @a_projection_is_not_row_work(%q: tensor<?x64xf32>, %x: tensor<?x32xf32>, %w: tensor<32x64xf32>, %v: tensor<?x64xf32>, %e: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @below {{is not row-local work in front of attention and is not compiled yet}}
  %k = linalg.matmul ins(%x, %w : tensor<?x32xf32>, tensor<32x64xf32>) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
  %o = attn.attention %q, %k, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

func.func @tile_must_fit_registers(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @below {{query_tile must be a multiple of lanes * register_vectors, which is 24, got 50}}
  %o = attn.attention %q, %k, %v schedule = #attn.schedule<micro = block, query_tile = 50, heads = 1, key_block = 64, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = direct, v = direct>
      : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

func.func @direct_loads_compute_nothing(%q: tensor<?x64xf32>, %k: tensor<?x64xf16>, %v: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %k1 = arith.extf %k : tensor<?x64xf16> to tensor<?x64xf32>
  // expected-error @below {{attn-schedule: k must be fuse or materialize: producers compute it, got direct}}
  %o = attn.attention %q, %k1, %v schedule = #attn.schedule<micro = block, query_tile = 48, heads = 1, key_block = 64, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = direct, v = direct>
      : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

func.func @nothing_to_fuse(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error @below {{attn-schedule: v must be direct: nothing computes it, got fuse}}
  %o = attn.attention %q, %k, %v schedule = #attn.schedule<micro = block, query_tile = 48, heads = 1, key_block = 64, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = direct, v = fuse>
      : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

func.func @lists_need_a_schedule(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %v: tensor<?x64xf32>, %idx: tensor<?x4xi32>) -> tensor<?x64xf32> {
  // expected-error @below {{attn-schedule: lists of keys need a schedule of their own}}
  %o = attn.attention %q, %k, %v mask = #attn.pairs<topk(%idx)> plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (s1 - 1), row_lower = ()[s0, s1, s2, s3] -> (s2), row_upper = ()[s0, s1, s2, s3] -> (s3 - 1), tests = [1], walk = 1>], atoms = [#attn.pairs<topk($0)>]> schedule = #attn.schedule<micro = block, query_tile = 48, heads = 1, key_block = 64, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = direct, v = direct>
      : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x4xi32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}
