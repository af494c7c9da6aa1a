// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The attention of one layer of all-MiniLM-L6-v2, as demo.py runs it. The spec
// itself is still missing here. What demo.py expects of it:
//
//   inputs   %q, %k, %v  tensor<?x12x?x32xf32>  [batch, head, token, dim], unscaled
//            %keys       tensor<?x?xi1>         [batch, token], false: padding
//   result   one tensor<?x12x?x32xf32>
//   pairs    every (query, key) of a sentence whose key is not padding
//   scale    1/sqrt(32); softmax; no bias, no softcap
//
// The operands are passed by the names q, k, v and keys. keys arrives as a NumPy
// bool array. Queries of padding are computed too, against the kept keys.
