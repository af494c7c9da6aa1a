// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reads a kernel file that may be damaged or hostile.

#ifndef ATTNC_RUNTIME_KERNELREADER_H
#define ATTNC_RUNTIME_KERNELREADER_H

#include "Error.h"
#include "KernelModel.h"

namespace attnc {

/// Checks the file and fills `model`. Everything that later code relies on
/// holds afterwards: counts and names within their limits, formulas that
/// evaluate, words that refer to what exists, code inside the file and entries
/// inside the code. May throw std::bad_alloc, for no more than a small multiple
/// of `size`.
attnc_result readKernel(const uint8_t *file, size_t size, KernelModel &model,
                        Error &error);

} // namespace attnc

#endif // ATTNC_RUNTIME_KERNELREADER_H
