// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Serialises a KernelDesc into the bytes of a kernel file.

#ifndef ATTNC_CODEGEN_KERNELFILE_KERNELWRITER_H
#define ATTNC_CODEGEN_KERNELFILE_KERNELWRITER_H

#include "codegen/kernelfile/KernelDesc.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attnc {

/// Checks everything that the runtime's loader checks; `error` says what is
/// wrong. A kernel that passes loads.
bool verifyKernel(const KernelDesc &kernel, std::string &error);

/// The kernel file's bytes, the same for the same description; nothing, with
/// `error` set, if it does not verify.
std::optional<std::vector<uint8_t>> writeKernel(const KernelDesc &kernel,
                                                std::string &error);

/// Writes the kernel file at `path`. The bytes go to a temporary file beside it
/// that is renamed at the end, so `path` is either the old or the whole new
/// file at every moment; a failure leaves nothing behind. False, with `error`
/// set, on failure.
bool writeKernelFile(const KernelDesc &kernel, const std::string &path,
                     std::string &error);

/// The same for bytes that are already serialised.
bool writeFileAtomically(const std::vector<uint8_t> &bytes,
                         const std::string &path, std::string &error);

} // namespace attnc

#endif // ATTNC_CODEGEN_KERNELFILE_KERNELWRITER_H
