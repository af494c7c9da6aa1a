// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Keys and values are stored as int8 with one scale a row, and each result is
// multiplied by the sigmoid of a gate. The kernel dequantises rows as it reads
// them (or once before: `attnc explain` tells) and applies the gate as it stores.

#x = affine_map<(b, h, r, e) -> (b, h, r, e)>
#scale = affine_map<(b, h, r, e) -> (b, h, r)>

func.func @dequant_gate(%q: tensor<?x8x?x64xf32>,
                        %k: tensor<?x8x?x64xi8>, %kscale: tensor<?x8x?xf32>,
                        %v: tensor<?x8x?x64xi8>, %vscale: tensor<?x8x?xf32>,
                        %gate: tensor<?x8x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %k, %c0 : tensor<?x8x?x64xi8>
  %m = tensor.dim %k, %c2 : tensor<?x8x?x64xi8>
  %keys = tensor.empty(%batch, %m) : tensor<?x8x?x64xf32>

  %kf = linalg.generic {indexing_maps = [#x, #scale, #x],
        iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%k, %kscale : tensor<?x8x?x64xi8>, tensor<?x8x?xf32>)
      outs(%keys : tensor<?x8x?x64xf32>) {
      ^bb0(%a: i8, %s: f32, %init: f32):
        %f = arith.sitofp %a : i8 to f32
        %y = arith.mulf %f, %s : f32
        linalg.yield %y : f32
      } -> tensor<?x8x?x64xf32>
  %vf = linalg.generic {indexing_maps = [#x, #scale, #x],
        iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%v, %vscale : tensor<?x8x?x64xi8>, tensor<?x8x?xf32>)
      outs(%keys : tensor<?x8x?x64xf32>) {
      ^bb0(%a: i8, %s: f32, %init: f32):
        %f = arith.sitofp %a : i8 to f32
        %y = arith.mulf %f, %s : f32
        linalg.yield %y : f32
      } -> tensor<?x8x?x64xf32>

  %o = attn.attention %q, %kf, %vf mask = #attn.pairs<causal>
       : tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>
         -> tensor<?x8x?x64xf32>

  %n = tensor.dim %q, %c2 : tensor<?x8x?x64xf32>
  %rows = tensor.empty(%batch, %n) : tensor<?x8x?x64xf32>
  %gated = linalg.generic {indexing_maps = [#x, #x, #x],
        iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%o, %gate : tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>)
      outs(%rows : tensor<?x8x?x64xf32>) {
      ^bb0(%a: f32, %g: f32, %init: f32):
        %one = arith.constant 1.0 : f32
        %minus = arith.negf %g : f32
        %exp = math.exp %minus : f32
        %below = arith.addf %one, %exp : f32
        %y = arith.divf %a, %below : f32
        linalg.yield %y : f32
      } -> tensor<?x8x?x64xf32>
  return %gated : tensor<?x8x?x64xf32>
}
