#map = affine_map<()[s0] -> (s0 ceildiv 64)>
#map1 = affine_map<()[s0] -> (s0 * 64)>
#map2 = affine_map<(d0, d1, d2) -> ()>
#map3 = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#map4 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#map5 = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#map6 = affine_map<(d0, d1, d2, d3) -> (d3)>
#map7 = affine_map<(d0, d1, d2, d3) -> (d2, d3)>
#map8 = affine_map<()[s0] -> (s0 ceildiv 96)>
#map9 = affine_map<()[s0] -> (s0 * 96)>
module {
  func.func @rope_qknorm(%arg0: tensor<?x8x?x64xf32> {attn.name = "q"}, %arg1: tensor<?x8x?x64xf32> {attn.name = "k"}, %arg2: tensor<?x8x?x64xf32> {attn.name = "v"}, %arg3: tensor<64xf32> {attn.name = "gain"}, %arg4: tensor<?x64xf32> {attn.name = "cos"}, %arg5: tensor<?x64xf32> {attn.name = "sin"}) -> (tensor<?x8x?x64xf32> {attn.name = "out"}) attributes {attn.constraints = [{formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [4, 0, 0, 2]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [5, 0, 0, 2]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [0, 0, 1, 0]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [0, 2, 1, 2]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [4, 0, 1, 2]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [5, 0, 1, 2]>, message = "operands of a linalg.generic need matching sizes"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [2, 0, 0, 0]>, message = "(C3) q, k and v need the same batch dim 0"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [0, 2, 2, 2]>, message = "(C6) k and v need the same rows"}]} {
    %c96 = arith.constant 96 : index
    %cst = arith.constant 9.99999997E-7 : f32
    %cst_0 = arith.constant 1.562500e-02 : f32
    %c64 = arith.constant 64 : index
    %c32 = arith.constant 32 : index
    %cst_1 = arith.constant 0.000000e+00 : f32
    %c0 = arith.constant 0 : index
    %c2 = arith.constant 2 : index
    %dim = tensor.dim %arg1, %c0 : tensor<?x8x?x64xf32>
    %dim_2 = tensor.dim %arg1, %c2 : tensor<?x8x?x64xf32>
    %0 = affine.apply #map()[%dim_2]
    %1 = tensor.empty(%dim, %dim_2) : tensor<?x8x?x64xf32>
    %2 = scf.forall (%arg6, %arg7, %arg8) in (%dim, 8, %0) shared_outs(%arg9 = %1) -> (tensor<?x8x?x64xf32>) {
      %6 = affine.apply #map1()[%arg8]
      %7 = arith.subi %dim_2, %6 : index
      %8 = arith.minsi %7, %c64 : index
      %9 = attn.rows(%6, %8) {
      ^bb0(%arg10: index):
        %extracted_slice = tensor.extract_slice %arg1[%arg6, %arg7, %arg10, 0] [1, 1, 1, 64] [1, 1, 1, 1] : tensor<?x8x?x64xf32> to tensor<1x1x1x64xf32>
        %10 = tensor.empty() : tensor<1x1x1xf32>
        %11 = linalg.generic {indexing_maps = [#map2, #map3], iterator_types = ["parallel", "parallel", "parallel"]} ins(%cst_1 : f32) outs(%10 : tensor<1x1x1xf32>) {
        ^bb0(%in: f32, %out: f32):
          linalg.yield %in : f32
        } -> tensor<1x1x1xf32>
        %12 = linalg.generic {indexing_maps = [#map4, #map5], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%extracted_slice : tensor<1x1x1x64xf32>) outs(%11 : tensor<1x1x1xf32>) {
        ^bb0(%in: f32, %out: f32):
          %15 = arith.mulf %in, %in : f32
          %16 = arith.addf %out, %15 : f32
          linalg.yield %16 : f32
        } -> tensor<1x1x1xf32>
        %extracted_slice_5 = tensor.extract_slice %arg4[%arg10, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
        %extracted_slice_6 = tensor.extract_slice %arg5[%arg10, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
        %13 = tensor.empty() : tensor<1x1x1x64xf32>
        %14 = linalg.generic {indexing_maps = [#map4, #map5, #map6, #map7, #map7, #map4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%extracted_slice, %12, %arg3, %extracted_slice_5, %extracted_slice_6 : tensor<1x1x1x64xf32>, tensor<1x1x1xf32>, tensor<64xf32>, tensor<1x64xf32>, tensor<1x64xf32>) outs(%13 : tensor<1x1x1x64xf32>) {
        ^bb0(%in: f32, %in_7: f32, %in_8: f32, %in_9: f32, %in_10: f32, %out: f32):
          %15 = linalg.index 3 : index
          %16 = arith.addi %15, %c32 : index
          %17 = arith.remui %16, %c64 : index
          %extracted = tensor.extract %arg1[%arg6, %arg7, %arg10, %17] : tensor<?x8x?x64xf32>
          %extracted_11 = tensor.extract %arg3[%17] : tensor<64xf32>
          %18 = arith.mulf %in, %in_8 : f32
          %19 = arith.mulf %extracted, %extracted_11 : f32
          %20 = arith.mulf %18, %in_9 : f32
          %21 = arith.mulf %19, %in_10 : f32
          %22 = arith.addf %20, %21 : f32
          %23 = arith.mulf %in_7, %cst_0 : f32
          %24 = arith.addf %23, %cst : f32
          %25 = math.rsqrt %24 : f32
          %26 = arith.mulf %22, %25 : f32
          linalg.yield %26 : f32
        } -> tensor<1x1x1x64xf32>
        attn.yield %14 : tensor<1x1x1x64xf32>
      } : tensor<?x64xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %9 into %arg9[%arg6, %arg7, %6, 0] [1, 1, %8, 64] [1, 1, 1, 1] : tensor<?x64xf32> into tensor<?x8x?x64xf32>
      }
    } {mapping = [#attn.grid<0>, #attn.grid<1>, #attn.grid<2>]}
    %dim_3 = tensor.dim %arg0, %c0 : tensor<?x8x?x64xf32>
    %dim_4 = tensor.dim %arg0, %c2 : tensor<?x8x?x64xf32>
    %3 = affine.apply #map8()[%dim_4]
    %4 = tensor.empty(%dim_3, %dim_4) : tensor<?x8x?x64xf32>
    %5 = scf.forall (%arg6, %arg7, %arg8) in (%dim_3, 8, %3) shared_outs(%arg9 = %4) -> (tensor<?x8x?x64xf32>) {
      %6 = affine.apply #map9()[%arg8]
      %7 = arith.subi %dim_4, %6 : index
      %8 = arith.minsi %7, %c96 : index
      %9 = arith.subi %dim_2, %dim_4 : index
      %tile = attn.fold head(%arg7) rows(%6, %8) keys(%dim_2) symbols(%c0, %dim_2, %9, %dim_2) plan = <components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0, s1 - 1), row_lower = ()[s0, s1, s2, s3] -> (s2), row_upper = ()[s0, s1, s2, s3] -> (s3 - 1)>]> kernel = #attn.softmax scale = 1.250000e-01 schedule = <micro = block, query_tile = 96, heads = 1, key_block = 128, lanes = 8, register_keys = 4, register_vectors = 3, q = fuse, k = materialize, v = direct, order = down, few = #attn.schedule<micro = row, query_tile = 8, heads = 1, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = fuse, k = materialize, v = direct, order = down>, why = ["block micro-kernel: queries in lanes, keys and values read as broadcasts in place", "register tile 4 keys x 24 queries: 12 of 16 vector registers accumulate", "tiles of 96 query rows, keys in blocks of 128: scores and sums stay in the first-level cache", "tiles of a head from its last rows on: those keep the most keys, and begin first", "q: 3 producers fused into the loader: each query row is loaded once", "k: 3 producers materialized once in O(m d): every query tile would recompute 19 operations an element", "a tile of up to 8 rows that exist takes the row micro-kernel, 1 head at a time: batches mix sequences of one new query with long ones"]> load_q {
      ^bb0(%arg10: index, %arg11: index):
        %extracted_slice = tensor.extract_slice %arg0[%arg6, %arg10, %arg11, 0] [1, 1, 1, 64] [1, 1, 1, 1] : tensor<?x8x?x64xf32> to tensor<1x1x1x64xf32>
        %10 = tensor.empty() : tensor<1x1x1xf32>
        %11 = linalg.generic {indexing_maps = [#map2, #map3], iterator_types = ["parallel", "parallel", "parallel"]} ins(%cst_1 : f32) outs(%10 : tensor<1x1x1xf32>) {
        ^bb0(%in: f32, %out: f32):
          linalg.yield %in : f32
        } -> tensor<1x1x1xf32>
        %12 = linalg.generic {indexing_maps = [#map4, #map5], iterator_types = ["parallel", "parallel", "parallel", "reduction"]} ins(%extracted_slice : tensor<1x1x1x64xf32>) outs(%11 : tensor<1x1x1xf32>) {
        ^bb0(%in: f32, %out: f32):
          %15 = arith.mulf %in, %in : f32
          %16 = arith.addf %out, %15 : f32
          linalg.yield %16 : f32
        } -> tensor<1x1x1xf32>
        %extracted_slice_5 = tensor.extract_slice %arg4[%arg11, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
        %extracted_slice_6 = tensor.extract_slice %arg5[%arg11, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
        %13 = tensor.empty() : tensor<1x1x1x64xf32>
        %14 = linalg.generic {indexing_maps = [#map4, #map5, #map6, #map7, #map7, #map4], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%extracted_slice, %12, %arg3, %extracted_slice_5, %extracted_slice_6 : tensor<1x1x1x64xf32>, tensor<1x1x1xf32>, tensor<64xf32>, tensor<1x64xf32>, tensor<1x64xf32>) outs(%13 : tensor<1x1x1x64xf32>) {
        ^bb0(%in: f32, %in_7: f32, %in_8: f32, %in_9: f32, %in_10: f32, %out: f32):
          %15 = linalg.index 3 : index
          %16 = arith.addi %15, %c32 : index
          %17 = arith.remui %16, %c64 : index
          %extracted = tensor.extract %arg0[%arg6, %arg10, %arg11, %17] : tensor<?x8x?x64xf32>
          %extracted_11 = tensor.extract %arg3[%17] : tensor<64xf32>
          %18 = arith.mulf %in, %in_8 : f32
          %19 = arith.mulf %extracted, %extracted_11 : f32
          %20 = arith.mulf %18, %in_9 : f32
          %21 = arith.mulf %19, %in_10 : f32
          %22 = arith.addf %20, %21 : f32
          %23 = arith.mulf %in_7, %cst_0 : f32
          %24 = arith.addf %23, %cst : f32
          %25 = math.rsqrt %24 : f32
          %26 = arith.mulf %22, %25 : f32
          linalg.yield %26 : f32
        } -> tensor<1x1x1x64xf32>
        attn.yield %14 : tensor<1x1x1x64xf32>
      } load_k {
      ^bb0(%arg10: index):
        %extracted_slice = tensor.extract_slice %2[%arg6, %arg7, %arg10, 0] [1, 1, 1, 64] [1, 1, 1, 1] : tensor<?x8x?x64xf32> to tensor<1x1x1x64xf32>
        attn.yield %extracted_slice : tensor<1x1x1x64xf32>
      } load_v {
      ^bb0(%arg10: index):
        %extracted_slice = tensor.extract_slice %arg2[%arg6, %arg7, %arg10, 0] [1, 1, 1, 64] [1, 1, 1, 1] : tensor<?x8x?x64xf32> to tensor<1x1x1x64xf32>
        attn.yield %extracted_slice : tensor<1x1x1x64xf32>
      } : tensor<1x?x64xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %tile into %arg9[%arg6, %arg7, %6, 0] [1, 1, %8, 64] [1, 1, 1, 1] : tensor<1x?x64xf32> into tensor<?x8x?x64xf32>
      }
    } {mapping = [#attn.grid<0>, #attn.grid<1>, #attn.grid<2, down>]}
    return %5 : tensor<?x8x?x64xf32>
  }
}
