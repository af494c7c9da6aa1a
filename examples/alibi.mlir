// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// ALiBi: the score falls with the distance of the key, at a slope of its own for
// each head. Any scalar computation of (score, batch, head, i, j) can stand in a
// score_mod region.

func.func @alibi(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                 %v: tensor<?x8x?x64xf32>, %slopes: tensor<8xf32>)
    -> tensor<?x8x?x64xf32> {
  %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
       score_mod captures(%slopes : tensor<8xf32>) {
       ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
         %slope = tensor.extract %slopes[%h] : tensor<8xf32>
         %distance = arith.subi %i, %j : index
         %steps = arith.index_cast %distance : index to i32
         %far = arith.sitofp %steps : i32 to f32
         %penalty = arith.mulf %slope, %far : f32
         %t = arith.subf %s, %penalty : f32
         attn.yield %t : f32
       }
       : tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>
         -> tensor<?x8x?x64xf32>
  return %o : tensor<?x8x?x64xf32>
}
