// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The CUDA Toolkit's assembler, a program that is run: from PTX to a cubin.

#ifndef ATTNC_CODEGEN_GPU_PTXAS_H
#define ATTNC_CODEGEN_GPU_PTXAS_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace attnc::gpu {

/// What ptxas says of one entry function.
struct PtxasUsage {
  std::string entry;
  unsigned registers = 0;
  uint64_t spillBytes = 0; ///< stored and loaded
  uint64_t stackBytes = 0;
  uint64_t sharedBytes = 0; ///< static
};

struct PtxasOutput {
  std::vector<uint8_t> cubin;
  std::string log; ///< warnings and what `-v` prints
  std::vector<PtxasUsage> usage;
};

/// The program: ATTNC_PTXAS, else ptxas of CUDA_HOME or CUDA_PATH, of PATH, of
/// the PyPI package nvidia-cuda-nvcc, or of /usr/local/cuda. The error says
/// where it was looked for.
llvm::Expected<std::string> findPtxas();

/// Assembles for one chip. The error holds what ptxas printed.
llvm::Expected<PtxasOutput> runPtxas(llvm::StringRef ptx, llvm::StringRef chip);

/// Reads what `ptxas -v` prints.
std::vector<PtxasUsage> parsePtxasLog(llvm::StringRef log);

} // namespace attnc::gpu

#endif // ATTNC_CODEGEN_GPU_PTXAS_H
