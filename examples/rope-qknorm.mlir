// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Queries and keys are normalised (RMS over the head, with a gain) and rotated by
// their position before they meet:
//
//     x'[e] = (x[e] g[e] cos[r, e] + x[p] g[p] sin[r, e]) / rms(x),  p = e + 32 mod 64
//
// %cos and %sin have a row a position; the first half of %sin is negative. All of
// it works row by row, so it becomes part of the kernel: `attnc explain` tells
// whether a row is computed when it is read, or once before.

#x = affine_map<(b, h, r, e) -> (b, h, r, e)>
#sum = affine_map<(b, h, r, e) -> (b, h, r)>
#table = affine_map<(b, h, r, e) -> (r, e)>
#gain = affine_map<(b, h, r, e) -> (e)>

func.func @rope_qknorm(%q: tensor<?x8x?x64xf32>, %k: tensor<?x8x?x64xf32>,
                       %v: tensor<?x8x?x64xf32>, %gain: tensor<64xf32>,
                       %cos: tensor<?x64xf32>, %sin: tensor<?x64xf32>)
    -> tensor<?x8x?x64xf32> {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %q, %c0 : tensor<?x8x?x64xf32>
  %n = tensor.dim %q, %c2 : tensor<?x8x?x64xf32>
  %row = tensor.empty(%batch, %n) : tensor<?x8x?xf32>
  %rows = tensor.empty(%batch, %n) : tensor<?x8x?x64xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%row : tensor<?x8x?xf32>)
      -> tensor<?x8x?xf32>

  %qq = linalg.generic {indexing_maps = [#x, #sum],
        iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q : tensor<?x8x?x64xf32>) outs(%zeros : tensor<?x8x?xf32>) {
      ^bb0(%a: f32, %acc: f32):
        %square = arith.mulf %a, %a : f32
        %next = arith.addf %acc, %square : f32
        linalg.yield %next : f32
      } -> tensor<?x8x?xf32>
  %qr = linalg.generic {indexing_maps = [#x, #sum, #gain, #table, #table, #x],
        iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%q, %qq, %gain, %cos, %sin : tensor<?x8x?x64xf32>, tensor<?x8x?xf32>,
          tensor<64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
      outs(%rows : tensor<?x8x?x64xf32>) {
      ^bb0(%a: f32, %square: f32, %g: f32, %cosine: f32, %sine: f32, %init: f32):
        %b = linalg.index 0 : index
        %h = linalg.index 1 : index
        %r = linalg.index 2 : index
        %e = linalg.index 3 : index
        %half = arith.constant 32 : index
        %d = arith.constant 64 : index
        %inverse = arith.constant 0.015625 : f32
        %epsilon = arith.constant 1.0e-6 : f32
        %shifted = arith.addi %e, %half : index
        %p = arith.remui %shifted, %d : index
        %other = tensor.extract %q[%b, %h, %r, %p] : tensor<?x8x?x64xf32>
        %gp = tensor.extract %gain[%p] : tensor<64xf32>
        %own = arith.mulf %a, %g : f32
        %partner = arith.mulf %other, %gp : f32
        %x = arith.mulf %own, %cosine : f32
        %y = arith.mulf %partner, %sine : f32
        %rotated = arith.addf %x, %y : f32
        %mean = arith.mulf %square, %inverse : f32
        %safe = arith.addf %mean, %epsilon : f32
        %factor = math.rsqrt %safe : f32
        %result = arith.mulf %rotated, %factor : f32
        linalg.yield %result : f32
      } -> tensor<?x8x?x64xf32>

  %kk = linalg.generic {indexing_maps = [#x, #sum],
        iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%k : tensor<?x8x?x64xf32>) outs(%zeros : tensor<?x8x?xf32>) {
      ^bb0(%a: f32, %acc: f32):
        %square = arith.mulf %a, %a : f32
        %next = arith.addf %acc, %square : f32
        linalg.yield %next : f32
      } -> tensor<?x8x?xf32>
  %kr = linalg.generic {indexing_maps = [#x, #sum, #gain, #table, #table, #x],
        iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%k, %kk, %gain, %cos, %sin : tensor<?x8x?x64xf32>, tensor<?x8x?xf32>,
          tensor<64xf32>, tensor<?x64xf32>, tensor<?x64xf32>)
      outs(%rows : tensor<?x8x?x64xf32>) {
      ^bb0(%a: f32, %square: f32, %g: f32, %cosine: f32, %sine: f32, %init: f32):
        %b = linalg.index 0 : index
        %h = linalg.index 1 : index
        %r = linalg.index 2 : index
        %e = linalg.index 3 : index
        %half = arith.constant 32 : index
        %d = arith.constant 64 : index
        %inverse = arith.constant 0.015625 : f32
        %epsilon = arith.constant 1.0e-6 : f32
        %shifted = arith.addi %e, %half : index
        %p = arith.remui %shifted, %d : index
        %other = tensor.extract %k[%b, %h, %r, %p] : tensor<?x8x?x64xf32>
        %gp = tensor.extract %gain[%p] : tensor<64xf32>
        %own = arith.mulf %a, %g : f32
        %partner = arith.mulf %other, %gp : f32
        %x = arith.mulf %own, %cosine : f32
        %y = arith.mulf %partner, %sine : f32
        %rotated = arith.addf %x, %y : f32
        %mean = arith.mulf %square, %inverse : f32
        %safe = arith.addf %mean, %epsilon : f32
        %factor = math.rsqrt %safe : f32
        %result = arith.mulf %rotated, %factor : f32
        linalg.yield %result : f32
      } -> tensor<?x8x?x64xf32>

  %o = attn.attention %qr, %kr, %v mask = #attn.pairs<causal>
       : tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>
         -> tensor<?x8x?x64xf32>
  return %o : tensor<?x8x?x64xf32>
}
