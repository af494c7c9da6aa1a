// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The rows of keys and values go through reshapes and a slice before attention
// sees them; only that k and v have the same rows ties the two.

func.func @reshaped(%q: tensor<?x64xf32>, %k: tensor<?x80xf32>,
                    %v: tensor<?x4x8xf16>) -> tensor<?x32xf32> {
  %c0 = arith.constant 0 : index
  %m = tensor.dim %k, %c0 : tensor<?x80xf32>
  %k1 = tensor.extract_slice %k[0, 16] [%m, 64] [1, 1]
      : tensor<?x80xf32> to tensor<?x64xf32>
  %v1 = tensor.collapse_shape %v [[0], [1, 2]]
      : tensor<?x4x8xf16> into tensor<?x32xf16>
  %v2 = arith.extf %v1 : tensor<?x32xf16> to tensor<?x32xf32>
  %o = attn.attention %q, %k1, %v2
      : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x32xf32> -> tensor<?x32xf32>
  return %o : tensor<?x32xf32>
}
