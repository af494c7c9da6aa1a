// What the verifiers of attn.fold, attn.rows and of stages 3 and 4's attributes
// refuse, by constraint.
//
// RUN: attnc-opt %s -split-input-file -verify-diagnostics

func.func @f1_rank_of_the_tile(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F1) the tile must be [2, rows, dv], got 'tensor<2x8xf32>'}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x8xf32>
  return
}

// -----

func.func @f1_heads_of_the_schedule(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F1) the tile must be [2, rows, dv], got 'tensor<3x?x8xf32>'}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<3x?x8xf32>
  return
}

// -----

func.func @f1_row_size(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F1) the tile stores rows of 8 elements, got 'tensor<2x?x9xf32>'}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x9xf32>
  return
}

// -----

func.func @f1_lse(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F1) lse must be an f32 tensor [heads, rows], got 'tensor<2x?x1xf32>'}}
  %t, %l = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>, tensor<2x?x1xf32>
  return
}

// -----

func.func @f2_load_q_arguments(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F2) load_q must take ('index', 'index') and end with attn.yield}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_load_k_arguments(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F2) load_k must take ('index') and end with attn.yield}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%h: index, %c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_loaders_yield_rows(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F2) a loader must yield one static row of floats}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %c : index
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_static_rows(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1, %d: tensor<?xf32>) {
  // expected-error@+1 {{(F2) a loader must yield one static row of floats}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %d : tensor<?xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_one_head_size(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F2) load_q and load_k must yield rows of one size}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %w : tensor<4xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_score_arguments(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F2) score must take ('f32', 'index', 'index', 'index', 'index', 'index') and end with attn.yield}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    score {
    ^bb0(%s: f32):
      attn.yield %s : f32
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_score_type(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F2) score must take ('f64', 'index', 'index', 'index', 'index', 'index') and end with attn.yield}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %y : tensor<8xf64>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    score {
    ^bb0(%s: f32, %h: index, %i1: index, %j: index, %r: index, %c: index):
      attn.yield %s : f32
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_score_yields_a_score(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F2) score must yield 'f32'}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    score {
    ^bb0(%s: f32, %h: index, %i1: index, %j: index, %r: index, %c: index):
      attn.yield %j : index
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_epilogue_arguments(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F2) epilogue must take (row, index, index) and yield one row}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    epilogue {
    ^bb0(%z: tensor<8xf32>, %h: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_epilogue_takes_the_row(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F2) epilogue must take a row of 8 elements, as load_v yields, got 'tensor<4xf32>'}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    epilogue {
    ^bb0(%z: tensor<4xf32>, %h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_epilogue_yields_the_row(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F1) the tile stores rows of 4 elements, got 'tensor<2x?x8xf32>'}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    epilogue {
    ^bb0(%z: tensor<8xf32>, %h: index, %r: index):
      attn.yield %w : tensor<4xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_epilogue_element_type(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F2) epilogue must yield rows of the tile's element type, got 'tensor<8xf64>'}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    epilogue {
    ^bb0(%z: tensor<8xf32>, %h: index, %r: index):
      attn.yield %y : tensor<8xf64>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f3_symbols(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F3) expected 5 symbols, got 4}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<parameters = [0]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f3_symbols_of_components(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F3) a component takes more symbols than are given}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3, s4] -> (s0), upper = (d0)[s0, s1, s2, s3, s4] -> (d0), row_lower = ()[s0, s1, s2, s3, s4] -> (), row_upper = ()[s0, s1, s2, s3, s4] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f4_atoms_exist(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F4) a component tests atom -2 of 1}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> (), tests = [-2]>], atoms = [#attn.pairs<keys($0)>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    tests {
    ^bb0(%h: index, %i1: index, %j: index, %r: index, %c: index):
      attn.yield %b : i1
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f4_tests_exist(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F4) a component tests atom -9223372036854775808 of 1}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> (), tests = [-9223372036854775808]>], atoms = [#attn.pairs<keys($0)>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    tests {
    ^bb0(%h: index, %i1: index, %j: index, %r: index, %c: index):
      attn.yield %b : i1
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f4_a_region_for_atoms(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F4) a tests region goes with a plan that has atoms}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> (), tests = [1]>], atoms = [#attn.pairs<keys($0)>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f4_atoms_for_a_region(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F4) a tests region goes with a plan that has atoms}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    tests {
    ^bb0(%h: index, %i1: index, %j: index, %r: index, %c: index):
      attn.yield %b : i1
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f4_a_bit_an_atom(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F4) tests must yield one i1 for each of the plan's 1 atoms}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> (), tests = [1]>], atoms = [#attn.pairs<keys($0)>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    tests {
    ^bb0(%h: index, %i1: index, %j: index, %r: index, %c: index):
      attn.yield %b, %b : i1, i1
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @accumulator(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{kernel is not an accumulator: unit}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = unit scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @r1_arguments(%i: index, %x: tensor<8xf32>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{(R1) the region must take ('index') and end with attn.yield}}
  %t = attn.rows(%i, %i) {
  ^bb0(%r: index, %c: index):
    attn.yield %x : tensor<8xf32>
  } : tensor<?x8xf32>
  return
}

// -----

func.func @r1_one_row(%i: index, %x: tensor<8xf32>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{(R1) the region must yield one row of 8 'f32'}}
  %t = attn.rows(%i, %i) {
  ^bb0(%r: index):
    attn.yield %y : tensor<2x8xf32>
  } : tensor<?x8xf32>
  return
}

// -----

func.func @r1_row_size(%i: index, %x: tensor<8xf32>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{(R1) the region must yield one row of 9 'f32'}}
  %t = attn.rows(%i, %i) {
  ^bb0(%r: index):
    attn.yield %x : tensor<8xf32>
  } : tensor<?x9xf32>
  return
}

// -----

func.func @r1_element_type(%i: index, %x: tensor<8xf32>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{(R1) the region must yield one row of 8 'f16'}}
  %t = attn.rows(%i, %i) {
  ^bb0(%r: index):
    attn.yield %x : tensor<8xf32>
  } : tensor<?x8xf16>
  return
}

// -----

func.func @r1_rank(%i: index, %x: tensor<8xf32>, %y: tensor<2x8xf32>) {
  // expected-error@+1 {{(R1) the tile must be [rows, columns]}}
  %t = attn.rows(%i, %i) {
  ^bb0(%r: index):
    attn.yield %x : tensor<8xf32>
  } : tensor<1x?x8xf32>
  return
}

// -----

// expected-error@+1 {{maps of a component take at least 4 symbols}}
func.func private @component_symbols() attributes {attn.x = #attn.component<lower = (d0)[s0, s1, s2] -> (s0), upper = (d0)[s0, s1, s2] -> (d0), row_lower = ()[s0, s1, s2] -> (), row_upper = ()[s0, s1, s2] -> ()>}

// -----

// expected-error@+1 {{lower and upper take one dim, the query position}}
func.func private @component_dims() attributes {attn.x = #attn.component<lower = (d0, d1)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>}

// -----

// expected-error@+1 {{tests count atoms from 1}}
func.func private @component_tests() attributes {attn.x = #attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> (), tests = [0]>}

// -----

// expected-error@+1 {{expected components, atoms, parameters or values}}
func.func private @plan_keyword() attributes {attn.x = #attn.plan<parts = []>}

// -----

// expected-error@+1 {{query_tile must be 1 to 4096, got 0}}
func.func private @schedule_tile() attributes {attn.x = #attn.schedule<micro = row, query_tile = 0, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>}

// -----

// expected-error@+1 {{lanes must be a power of two from 2 to 64, got 6}}
func.func private @schedule_lanes() attributes {attn.x = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 6, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>}

// -----

// expected-error@+1 {{split takes the row micro-kernel and key_block or more keys, got 64}}
func.func private @schedule_split_of_blocks() attributes {attn.x = #attn.schedule<micro = block, query_tile = 8, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct, split = 64>}

// -----

// expected-error@+1 {{split takes the row micro-kernel and key_block or more keys, got 15}}
func.func private @schedule_split_is_short() attributes {attn.x = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct, split = 15>}

// -----

// expected-error@+1 {{strips keep the keys of a row together: split goes with a strip of 1, got 2}}
func.func private @schedule_split_of_strips() attributes {attn.x = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct, strip = 2, split = 64>}

// -----

// expected-error@+1 {{strip must be 1 to 4, got 5}}
func.func private @schedule_strip_is_wide() attributes {attn.x = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct, strip = 5>}

// -----

// expected-error@+1 {{few is a schedule of the row micro-kernel in one of the block micro-kernel}}
func.func private @schedule_few_of_rows() attributes {attn.x = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct, few = #attn.schedule<micro = row, query_tile = 1, heads = 2, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct>>}

// -----

// expected-error@+1 {{few is a schedule of the row micro-kernel in one of the block micro-kernel}}
func.func private @schedule_few_heads() attributes {attn.x = #attn.schedule<micro = block, query_tile = 8, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct, few = #attn.schedule<micro = row, query_tile = 4, heads = 1, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct>>}

// -----

// expected-error@+1 {{few is a schedule of the row micro-kernel in one of the block micro-kernel}}
func.func private @schedule_few_is_larger() attributes {attn.x = #attn.schedule<micro = block, query_tile = 8, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct, few = #attn.schedule<micro = row, query_tile = 8, heads = 2, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct>>}

// -----

// expected-error@+1 {{few is a schedule of the row micro-kernel in one of the block micro-kernel}}
func.func private @schedule_few_is_no_schedule() attributes {attn.x = #attn.schedule<micro = block, query_tile = 8, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct, few = 3 : i64>}

// -----

// expected-error@+1 {{few is a schedule of the row micro-kernel in one of the block micro-kernel}}
func.func private @schedule_few_loads() attributes {attn.x = #attn.schedule<micro = block, query_tile = 8, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct, few = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = fuse, v = direct>>}

// -----

// expected-error@+1 {{register_keys * register_vectors must be at most 64, got 96}}
func.func private @schedule_registers() attributes {attn.x = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 32, register_vectors = 3, q = direct, k = direct, v = direct>}

// -----

// expected-error@+1 {{query_tile * heads must be at most 4096, got 4224}}
func.func private @schedule_queries() attributes {attn.x = #attn.schedule<micro = row, query_tile = 66, heads = 64, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>}

// -----

// expected-error@+1 {{why is a list of strings}}
func.func private @schedule_why() attributes {attn.x = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct, why = [1]>}

// -----

// expected-error@+1 {{a formula binds each symbol to (tensor, dim)}}
func.func private @formula_dims() attributes {attn.x = #attn.formula<map = ()[s0] -> (s0), dims = [0]>}

// -----

// expected-error@+1 {{a formula has symbols only and one result}}
func.func private @formula_results() attributes {attn.x = #attn.formula<map = (d0) -> (d0)>}

// -----

func.func @f7_pages_without_a_region(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F7) pages goes with a page region}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) pages(%i, %i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f7_region_without_pages(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F7) pages goes with a page region}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    page {
    ^bb0(%t0: index):
      attn.yield %t0 : index
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f2_loaders_of_pages(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F2) load_k must take ('index', 'index') and end with attn.yield}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) pages(%i, %i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    page {
    ^bb0(%t0: index):
      attn.yield %t0 : index
    } : tensor<2x?x8xf32>
  return
}

// -----

// expected-error@+1 {{products = dot_bf16 takes 4 to 16 lanes, an even key_block and, with the block micro-kernel, even register_keys}}
func.func private @schedule_products() attributes {attn.x = #attn.schedule<micro = block, query_tile = 8, heads = 1, key_block = 16, lanes = 8, register_keys = 3, register_vectors = 1, q = direct, k = direct, v = direct, products = dot_bf16>}

// -----

func.func @f2_pairs_of_bf16(%i: index, %x: tensor<8xbf16>, %y: tensor<8xf32>) {
  // expected-error@+1 {{(F2) products = dot_bf16 takes loaders that yield bf16 rows}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan<components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0), row_lower = ()[s0, s1, s2, s3] -> (), row_upper = ()[s0, s1, s2, s3] -> ()>]>
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = block, query_tile = 8, heads = 1, key_block = 16, lanes = 8, register_keys = 4, register_vectors = 1, q = direct, k = direct, v = direct, products = dot_bf16>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xbf16>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xbf16>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %y : tensor<8xf32>
    } : tensor<1x?x8xbf16>
  return
}

// -----

func.func @f8_states_without_a_region(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F8) states goes with a state region}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) states(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    } : tensor<2x?x8xf32>
  return
}

// -----

func.func @f5_state_of_states(%i: index, %x: tensor<8xf32>, %y: tensor<8xf64>, %w: tensor<4xf32>, %f: f32, %b: i1) {
  // expected-error@+1 {{(F5) state must take (index, index, index) and yield a row of 8 elements and two scalars, of 'f32'}}
  %t = attn.fold head(%i) rows(%i, %i) keys(%i) states(%i) symbols(%i, %i, %i, %i)
      plan = #attn.plan
      kernel = #attn.softmax scale = 1.0
      schedule = #attn.schedule<micro = row, query_tile = 4, heads = 2, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct>
    load_q {
    ^bb0(%h: index, %r: index):
      attn.yield %x : tensor<8xf32>
    }
    load_k {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    load_v {
    ^bb0(%c: index):
      attn.yield %x : tensor<8xf32>
    }
    state {
    ^bb0(%h: index, %r: index):
      attn.yield %x, %f, %f : tensor<8xf32>, f32, f32
    } : tensor<2x?x8xf32>
  return
}
