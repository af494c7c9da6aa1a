// RUN: attnc-opt %s --split-input-file --attn-tile --verify-diagnostics

func.func @needs_plan_and_schedule(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %v: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @below {{attn-tile needs a plan and a schedule: run attn-plan-pairs and attn-schedule first}}
  %o = attn.attention %q, %k, %v : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}

// -----

#plan = #attn.plan<components = [#attn.component<lower = (i)[a, b, c, d] -> (a), upper = (i)[a, b, c, d] -> (b - 1), row_lower = ()[a, b, c, d] -> (c), row_upper = ()[a, b, c, d] -> (d - 1)>]>
func.func @sizes_must_come_from_arguments(%q: tensor<?x8xf32>, %k: tensor<?x8xf32>, %x: tensor<?xi32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %a = tensor.extract %x[%c0] : tensor<?xi32>
  %n = arith.index_cast %a : i32 to index
  %z = arith.constant 0.0 : f32
  %e = tensor.empty(%n) : tensor<?x8xf32>
  %v = linalg.fill ins(%z : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
  // expected-error @below {{cannot derive a size from the sizes of the function's arguments: (C6) k and v need the same rows}}
  %o = attn.attention %q, %k, %v plan = #plan schedule = #attn.schedule<micro = block, query_tile = 24, heads = 1, key_block = 64, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = direct, v = direct>
      : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}
