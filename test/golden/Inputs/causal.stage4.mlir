#map = affine_map<()[s0] -> (s0 ceildiv 96)>
#map1 = affine_map<()[s0] -> (s0 * 96)>
module {
  func.func @causal(%arg0: tensor<?x8x?x64xf32> {attn.name = "q"}, %arg1: tensor<?x8x?x64xf32> {attn.name = "k"}, %arg2: tensor<?x8x?x64xf32> {attn.name = "v"}) -> (tensor<?x8x?x64xf32> {attn.name = "out"}) attributes {attn.constraints = [{formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [1, 0, 0, 0]>, message = "(C3) q, k and v need the same batch dim 0"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [2, 0, 0, 0]>, message = "(C3) q, k and v need the same batch dim 0"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [1, 2, 2, 2]>, message = "(C6) k and v need the same rows"}]} {
    %c96 = arith.constant 96 : index
    %c2 = arith.constant 2 : index
    %c0 = arith.constant 0 : index
    %dim = tensor.dim %arg0, %c0 : tensor<?x8x?x64xf32>
    %dim_0 = tensor.dim %arg0, %c2 : tensor<?x8x?x64xf32>
    %0 = affine.apply #map()[%dim_0]
    %1 = tensor.empty(%dim, %dim_0) : tensor<?x8x?x64xf32>
    %2 = scf.forall (%arg3, %arg4, %arg5) in (%dim, 8, %0) shared_outs(%arg6 = %1) -> (tensor<?x8x?x64xf32>) {
      %3 = affine.apply #map1()[%arg5]
      %4 = arith.subi %dim_0, %3 : index
      %5 = arith.minsi %4, %c96 : index
      %dim_1 = tensor.dim %arg1, %c2 : tensor<?x8x?x64xf32>
      %6 = arith.subi %dim_1, %dim_0 : index
      %tile = attn.fold head(%arg4) rows(%3, %5) keys(%dim_1) symbols(%c0, %dim_1, %6, %dim_1) plan = <components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (s0), upper = (d0)[s0, s1, s2, s3] -> (d0, s1 - 1), row_lower = ()[s0, s1, s2, s3] -> (s2), row_upper = ()[s0, s1, s2, s3] -> (s3 - 1)>]> kernel = #attn.softmax scale = 1.250000e-01 schedule = <micro = block, query_tile = 96, heads = 1, key_block = 128, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = direct, v = direct, order = down, few = #attn.schedule<micro = row, query_tile = 8, heads = 1, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct, order = down>, why = ["block micro-kernel: queries in lanes, keys and values read as broadcasts in place", "register tile 4 keys x 24 queries: 12 of 16 vector registers accumulate", "tiles of 96 query rows, keys in blocks of 128: scores and sums stay in the first-level cache", "tiles of a head from its last rows on: those keep the most keys, and begin first", "a tile of up to 8 rows that exist takes the row micro-kernel, 1 head at a time: batches mix sequences of one new query with long ones"]> load_q {
      ^bb0(%arg7: index, %arg8: index):
        %extracted_slice = tensor.extract_slice %arg0[%arg3, %arg7, %arg8, 0] [1, 1, 1, 64] [1, 1, 1, 1] : tensor<?x8x?x64xf32> to tensor<1x1x1x64xf32>
        attn.yield %extracted_slice : tensor<1x1x1x64xf32>
      } load_k {
      ^bb0(%arg7: index):
        %extracted_slice = tensor.extract_slice %arg1[%arg3, %arg4, %arg7, 0] [1, 1, 1, 64] [1, 1, 1, 1] : tensor<?x8x?x64xf32> to tensor<1x1x1x64xf32>
        attn.yield %extracted_slice : tensor<1x1x1x64xf32>
      } load_v {
      ^bb0(%arg7: index):
        %extracted_slice = tensor.extract_slice %arg2[%arg3, %arg4, %arg7, 0] [1, 1, 1, 64] [1, 1, 1, 1] : tensor<?x8x?x64xf32> to tensor<1x1x1x64xf32>
        attn.yield %extracted_slice : tensor<1x1x1x64xf32>
      } : tensor<1x?x64xf32>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %tile into %arg6[%arg3, %arg4, %3, 0] [1, 1, %5, 64] [1, 1, 1, 1] : tensor<1x?x64xf32> into tensor<?x8x?x64xf32>
      }
    } {mapping = [#attn.grid<0>, #attn.grid<1>, #attn.grid<2, down>]}
    return %2 : tensor<?x8x?x64xf32>
  }
}
