// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A kernel file's description once it has been read and checked.

#ifndef ATTNC_RUNTIME_KERNELMODEL_H
#define ATTNC_RUNTIME_KERNELMODEL_H

#include "attnc/formula_eval.h"
#include "attnc/kernel_abi.h"

#include <string>
#include <utility>
#include <vector>

namespace attnc {

using FormulaProgram = std::vector<attnc_formula_op>;

struct ArgModel {
  std::string name;
  attnc_role role;
  attnc_dtype dtype;
  uint64_t alignment;
  std::vector<int64_t> dims;
  /// Where its sizes and strides start in arrays over all arguments' dims.
  size_t firstDim;
};

struct ConstraintModel {
  FormulaProgram mustBeZero;
  std::string message;
};

struct WordModel {
  uint32_t kind;
  uint32_t tensor; ///< arguments first, then temporaries
  uint32_t dim;
  FormulaProgram value;
};

struct LaunchModel {
  std::string name;
  uint64_t scratchBytes;
  std::vector<FormulaProgram> grid;
  std::vector<WordModel> words;
};

/// How a GPU runs a launch; see kernel_abi.h.
struct GpuLaunchModel {
  uint32_t threads;
  uint32_t sharedBytes;
  uint32_t blocks;
};

struct ImageModel {
  uint32_t arch;
  std::string target;
  std::vector<std::string> features;
  uint64_t alignment;
  uint64_t codeOffset; ///< in the file
  uint64_t codeSize;
  std::vector<uint64_t> entries; ///< CPUs
  // GPUs.
  uint32_t sm = 0, smSuffix = 0;
  std::vector<GpuLaunchModel> geometry;

  bool isGpu() const {
    return arch == ATTNC_ARCH_CUBIN || arch == ATTNC_ARCH_PTX;
  }
};

struct KernelModel {
  std::string name;
  std::string producer;
  std::vector<ArgModel> args;
  size_t totalDims = 0;
  std::vector<ConstraintModel> constraints;
  std::vector<FormulaProgram> temps;
  std::vector<LaunchModel> launches;
  size_t totalWords = 0;
  std::vector<ImageModel> images;
  std::vector<std::pair<std::string, std::string>> metadata;
};

} // namespace attnc

#endif // ATTNC_RUNTIME_KERNELMODEL_H
