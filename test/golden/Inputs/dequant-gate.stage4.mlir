#map = affine_map<()[s0] -> (s0 ceildiv 96)>
#map1 = affine_map<()[s0] -> (s0 * 96)>
#map2 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map3 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
module {
  func.func @dequant_gate(%arg0: tensor<?x8x?x64xf32> {attn.name = "q"}, %arg1: tensor<?x8x?x64xi8> {attn.name = "k"}, %arg2: tensor<?x8x?xf32> {attn.name = "kscale"}, %arg3: tensor<?x8x?x64xi8> {attn.name = "v"}, %arg4: tensor<?x8x?xf32> {attn.name = "vscale"}, %arg5: tensor<?x8x?x64xf32> {attn.name = "gate"}) -> (tensor<?x8x?x64xf32> {attn.name = "out"}) attributes {attn.constraints = [{formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [2, 0, 1, 0]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [2, 2, 1, 2]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [4, 0, 3, 0]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [4, 2, 3, 2]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [1, 0, 3, 0]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [1, 2, 3, 2]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [1, 0, 0, 0]>, message = "(C3) q, k and v need the same batch dim 0"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [5, 0, 0, 0]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [5, 2, 0, 2]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [1, 0, 0, 0]>, message = "operands of a linalg.generic need matching sizes"}]} {
    %c96 = arith.constant 96 : index
    %cst = arith.constant 1.000000e+00 : f32
    %c0 = arith.constant 0 : index
    %c2 = arith.constant 2 : index
    %dim = tensor.dim %arg0, %c0 : tensor<?x8x?x64xf32>
    %dim_0 = tensor.dim %arg0, %c2 : tensor<?x8x?x64xf32>
    %0 = affine.apply #map()[%dim_0]
    %1 = tensor.empty(%dim, %dim_0) : tensor<?x8x?x64xf32>
    %2 = scf.forall (%arg6, %arg7, %arg8) in (%dim, 8, %0) shared_outs(%arg9 = %1) -> (tensor<?x8x?x64xf32>) {
      %3 = affine.apply #map1()[%arg8]
      %4 = arith.subi %dim_0, %3 : index
      %5 = arith.minsi %4, %c96 : index
      %dim_1 = tensor.dim %arg1, %c2 : tensor<?x8x?x64xi8>
      %6 = arith.subi %dim_1, %dim_0 : index
      %tile = attn.fold head(%arg7) rows(%3, %5) keys(%dim_1) symbols(%c0, %dim_1, %6, %dim_1) plan = <components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0, s1 - 1), row_lower = ()[s0, s1, s2, s3] -> (s2), row_upper = ()[s0, s1, s2, s3] -> (s3 - 1)>]> kernel = #attn.softmax scale = 1.250000e-01 schedule = <micro = block, query_tile = 96, heads = 1, key_block = 128, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = fuse, v = fuse, order = down, few = #attn.schedule<micro = row, query_tile = 8, heads = 1, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = fuse, v = fuse, order = down>, why = ["block micro-kernel: queries in lanes, keys and values read as broadcasts in place", "register tile 4 keys x 24 queries: 12 of 16 vector registers accumulate", "tiles of 96 query rows, keys in blocks of 128: scores and sums stay in the first-level cache", "tiles of a head from its last rows on: those keep the most keys, and begin first", "k: 1 producer fused into the loader: 2 operations an element cost less than a second buffer", "v: 1 producer fused into the loader: 2 operations an element cost less than a second buffer", "a tile of up to 8 rows that exist takes the row micro-kernel, 1 head at a time: batches mix sequences of one new query with long ones"]> load_q {
      ^bb0(%arg10: index, %arg11: index):
        %extracted_slice = tensor.extract_slice %arg0[%arg6, %arg10, %arg11, 0] [1, 1, 1, 64] [1, 1, 1, 1] : tensor<?x8x?x64xf32> to tensor<1x1x1x64xf32>
        attn.yield %extracted_slice : tensor<1x1x1x64xf32>
      } load_k {
      ^bb0(%arg10: index):
        %extracted_slice = tensor.extract_slice %arg1[%arg6, %arg7, %arg10, 0] [1, 1, 1, 64] [1, 1, 1, 1] : tensor<?x8x?x64xi8> to tensor<1x1x1x64xi8>
        %extracted_slice_2 = tensor.extract_slice %arg2[%arg6, %arg7, %arg10] [1, 1, 1] [1, 1, 1] : tensor<?x8x?xf32> to tensor<1x1x1xf32>
        %7 = tensor.empty() : tensor<1x1x1x64xf32>
        %8 = linalg.generic {indexing_maps = [#map2, #map3, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%extracted_slice, %extracted_slice_2 : tensor<1x1x1x64xi8>, tensor<1x1x1xf32>) outs(%7 : tensor<1x1x1x64xf32>) {
        ^bb0(%in: i8, %in_3: f32, %out: f32):
          %9 = arith.sitofp %in : i8 to f32
          %10 = arith.mulf %9, %in_3 : f32
          linalg.yield %10 : f32
        } -> tensor<1x1x1x64xf32>
        attn.yield %8 : tensor<1x1x1x64xf32>
      } load_v {
      ^bb0(%arg10: index):
        %extracted_slice = tensor.extract_slice %arg3[%arg6, %arg7, %arg10, 0] [1, 1, 1, 64] [1, 1, 1, 1] : tensor<?x8x?x64xi8> to tensor<1x1x1x64xi8>
        %extracted_slice_2 = tensor.extract_slice %arg4[%arg6, %arg7, %arg10] [1, 1, 1] [1, 1, 1] : tensor<?x8x?xf32> to tensor<1x1x1xf32>
        %7 = tensor.empty() : tensor<1x1x1x64xf32>
        %8 = linalg.generic {indexing_maps = [#map2, #map3, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%extracted_slice, %extracted_slice_2 : tensor<1x1x1x64xi8>, tensor<1x1x1xf32>) outs(%7 : tensor<1x1x1x64xf32>) {
        ^bb0(%in: i8, %in_3: f32, %out: f32):
          %9 = arith.sitofp %in : i8 to f32
          %10 = arith.mulf %9, %in_3 : f32
          linalg.yield %10 : f32
        } -> tensor<1x1x1x64xf32>
        attn.yield %8 : tensor<1x1x1x64xf32>
      } epilogue {
      ^bb0(%arg10: tensor<1x1x1x64xf32>, %arg11: index, %arg12: index):
        %extracted_slice = tensor.extract_slice %arg5[%arg6, %arg11, %arg12, 0] [1, 1, 1, 64] [1, 1, 1, 1] : tensor<?x8x?x64xf32> to tensor<1x1x1x64xf32>
        %7 = tensor.empty() : tensor<1x1x1x64xf32>
        %8 = linalg.generic {indexing_maps = [#map2, #map2, #map2], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%arg10, %extracted_slice : tensor<1x1x1x64xf32>, tensor<1x1x1x64xf32>) outs(%7 : tensor<1x1x1x64xf32>) {
        ^bb0(%in: f32, %in_2: f32, %out: f32):
          %9 = arith.negf %in_2 : f32
          %10 = math.exp %9 : f32
          %11 = arith.addf %10, %cst : f32
          %12 = arith.divf %in, %11 : f32
          linalg.yield %12 : f32
        } -> tensor<1x1x1x64xf32>
        attn.yield %8 : tensor<1x1x1x64xf32>
      } : tensor<1x?x64xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %tile into %arg9[%arg6, %arg7, %3, 0] [1, 1, %5, 64] [1, 1, 1, 1] : tensor<1x?x64xf32> into tensor<?x8x?x64xf32>
      }
    } {mapping = [#attn.grid<0>, #attn.grid<1>, #attn.grid<2, down>]}
    return %2 : tensor<?x8x?x64xf32>
  }
}
