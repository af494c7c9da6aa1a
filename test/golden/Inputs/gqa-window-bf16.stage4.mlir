#map = affine_map<()[s0] -> (s0 ceildiv 96)>
#map1 = affine_map<()[s0] -> (s0 * 96)>
#map2 = affine_map<()[s0] -> (s0 * 4)>
module {
  func.func @gqa_window(%arg0: tensor<?x8x?x128xbf16> {attn.name = "q"}, %arg1: tensor<?x2x?x128xbf16> {attn.name = "k"}, %arg2: tensor<?x2x?x128xbf16> {attn.name = "v"}, %arg3: tensor<?xi32> {attn.name = "len"}) -> (tensor<?x8x?x128xbf16> {attn.name = "out"}) attributes {attn.constraints = [{formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [1, 0, 0, 0]>, message = "(C3) q, k and v need the same batch dim 0"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [2, 0, 0, 0]>, message = "(C3) q, k and v need the same batch dim 0"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [1, 2, 2, 2]>, message = "(C6) k and v need the same rows"}, {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [3, 0, 0, 0]>, message = "(C8) a per-batch operand needs the batch dims of q"}]} {
    %c4 = arith.constant 4 : index
    %c96 = arith.constant 96 : index
    %c2 = arith.constant 2 : index
    %c0 = arith.constant 0 : index
    %dim = tensor.dim %arg0, %c0 : tensor<?x8x?x128xbf16>
    %dim_0 = tensor.dim %arg0, %c2 : tensor<?x8x?x128xbf16>
    %0 = affine.apply #map()[%dim_0]
    %1 = tensor.empty(%dim, %dim_0) : tensor<?x8x?x128xbf16>
    %2 = scf.forall (%arg4, %arg5, %arg6) in (%dim, 2, %0) shared_outs(%arg7 = %1) -> (tensor<?x8x?x128xbf16>) {
      %3 = affine.apply #map1()[%arg6]
      %4 = arith.subi %dim_0, %3 : index
      %5 = arith.minsi %4, %c96 : index
      %6 = affine.apply #map2()[%arg5]
      %7 = arith.divui %6, %c4 : index
      %dim_1 = tensor.dim %arg1, %c2 : tensor<?x2x?x128xbf16>
      %extracted = tensor.extract %arg3[%arg4] : tensor<?xi32>
      %8 = arith.index_cast %extracted : i32 to index
      %9 = attn.checked %8 in(%c0, %dim_1) status  length
      %10 = arith.subi %9, %dim_0 : index
      %tile = attn.fold head(%6) rows(%3, %5) keys(%9) symbols(%c0, %9, %10, %9) plan = <components = [#attn.component<lower = (d0)[s0, s1, s2, s3] -> (d0 - 255, s0), upper = (d0)[s0, s1, s2, s3] -> (d0, s1 - 1), row_lower = ()[s0, s1, s2, s3] -> (s2), row_upper = ()[s0, s1, s2, s3] -> (s3 - 1)>]> kernel = #attn.softmax scale = 0.088388347648318433 schedule = <micro = block, query_tile = 96, heads = 4, key_block = 128, lanes = 8, register_keys = 4, register_vectors = 3, q = direct, k = direct, v = direct, few = #attn.schedule<micro = row, query_tile = 8, heads = 4, key_block = 16, lanes = 8, register_keys = 1, register_vectors = 8, q = direct, k = direct, v = direct>, why = ["block micro-kernel: queries in lanes, keys and values read as broadcasts in place", "bf16 keys and values converted to f32 once a key block: this machine multiplies f32 only", "register tile 4 keys x 24 queries: 12 of 16 vector registers accumulate", "tiles of 96 query rows, keys in blocks of 128: scores and sums stay in the first-level cache", "a tile of up to 8 rows that exist takes the row micro-kernel, 4 heads at a time: batches mix sequences of one new query with long ones"]> load_q {
      ^bb0(%arg8: index, %arg9: index):
        %extracted_slice = tensor.extract_slice %arg0[%arg4, %arg8, %arg9, 0] [1, 1, 1, 128] [1, 1, 1, 1] : tensor<?x8x?x128xbf16> to tensor<1x1x1x128xbf16>
        attn.yield %extracted_slice : tensor<1x1x1x128xbf16>
      } load_k {
      ^bb0(%arg8: index):
        %extracted_slice = tensor.extract_slice %arg1[%arg4, %7, %arg8, 0] [1, 1, 1, 128] [1, 1, 1, 1] : tensor<?x2x?x128xbf16> to tensor<1x1x1x128xbf16>
        attn.yield %extracted_slice : tensor<1x1x1x128xbf16>
      } load_v {
      ^bb0(%arg8: index):
        %extracted_slice = tensor.extract_slice %arg2[%arg4, %7, %arg8, 0] [1, 1, 1, 128] [1, 1, 1, 1] : tensor<?x2x?x128xbf16> to tensor<1x1x1x128xbf16>
        attn.yield %extracted_slice : tensor<1x1x1x128xbf16>
      } : tensor<4x?x128xbf16>
      scf.forall.in_parallel {
        tensor.parallel_insert_slice %tile into %arg7[%arg4, %6, %3, 0] [1, 4, %5, 128] [1, 1, 1, 1] : tensor<4x?x128xbf16> into tensor<?x8x?x128xbf16>
      }
    } {mapping = [#attn.grid<0>, #attn.grid<1>, #attn.grid<2>]}
    return %2 : tensor<?x8x?x128xbf16>
  }
}
