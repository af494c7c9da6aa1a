// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// NumPy's .npy files, read with suspicion and written whole or not at all.
//
// Read: versions 1.0, 2.0 and 3.0, C order, little-endian f8 f4 f2 i8 i4 i2 i1
// u1 b1, and V2 for bfloat16 (what np.save makes of an ml_dtypes.bfloat16
// array). Everything else is an error that says what to do about it.
// Written: version 1.0; bf16 as V2, which ml_dtypes reads with
// np.load(f).view(ml_dtypes.bfloat16).

#ifndef ATTNC_TOOLS_SUPPORT_NPY_H
#define ATTNC_TOOLS_SUPPORT_NPY_H

#include "tools/support/Tensor.h"
#include "llvm/Support/raw_ostream.h"

namespace attnc {

/// Type and shape, as the header tells.
struct NpyHeader {
  attnc_dtype dtype = ATTNC_DTYPE_INVALID;
  std::vector<int64_t> shape;
  /// Where the elements begin.
  size_t dataOffset = 0;
};

/// Parses the header at the start of a file's bytes. Errors do not name a file.
llvm::Expected<NpyHeader> parseNpyHeader(llvm::StringRef bytes);

/// Reads a whole file; errors begin with its path.
llvm::Expected<Tensor> readNpy(llvm::StringRef path);

/// Writes header and elements; the stream keeps any error.
void writeNpy(llvm::raw_ostream &os, const Tensor &tensor);

} // namespace attnc

#endif // ATTNC_TOOLS_SUPPORT_NPY_H
