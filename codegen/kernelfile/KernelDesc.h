// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A compiled kernel as plain C++ structs: its arguments, checks, temporaries,
// launches and code images. The code generators fill it; KernelWriter.h
// serialises it; the runtime loads the bytes. No MLIR, no LLVM.

#ifndef ATTNC_CODEGEN_KERNELFILE_KERNELDESC_H
#define ATTNC_CODEGEN_KERNELFILE_KERNELDESC_H

#include "attnc/kernel_abi.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "codegen/kernelfile/Formula.h"

namespace attnc {

/// Size of a dimension that is known only at launch.
constexpr int64_t kDynamicSize = -1;

enum class ArgRole : uint32_t {
  Input = ATTNC_ROLE_INPUT,
  Output = ATTNC_ROLE_OUTPUT,
  InOut = ATTNC_ROLE_INOUT
};

/// One tensor that the caller passes. The runtime checks rank, dtype, static
/// sizes and alignment, and that the last dimension is contiguous. Other
/// strides are free: non-negative for inputs (0 broadcasts), and such that no
/// two elements of an output share memory. One that is read and written in
/// place (InOut) is an output to these rules.
struct ArgDesc {
  std::string name;
  ArgRole role = ArgRole::Input;
  attnc_dtype dtype = ATTNC_DTYPE_INVALID;
  /// Static size, or kDynamicSize, of each dimension.
  std::vector<int64_t> dims;
  /// The data pointer must be a multiple of this many bytes (a power of two);
  /// 0 means the element size.
  uint64_t alignment = 0;
};

/// A condition on the sizes: `mustBeZero` is 0, or the launch is refused with
/// `message`. The runtime adds the sizes that the formula reads, so the message
/// states the rule only: "k and v have different lengths".
struct ConstraintDesc {
  Formula mustBeZero;
  std::string message;
};

/// A workspace buffer that lives through all launches of one call. Aligned to
/// ATTNC_SCRATCH_ALIGNMENT, of unspecified contents at the start of the call.
struct TempDesc {
  Formula bytes;
};

/// One 64-bit word that every workgroup of a launch gets. Tensors are numbered
/// arguments first, then temporaries; a temporary has a base only.
struct WordDesc {
  enum class Kind : uint32_t {
    TensorBase = ATTNC_WORD_TENSOR_BASE,
    TensorSize = ATTNC_WORD_TENSOR_SIZE,
    TensorStride = ATTNC_WORD_TENSOR_STRIDE,
    Value = ATTNC_WORD_VALUE
  };
  Kind kind = Kind::Value;
  uint32_t tensor = 0;
  uint32_t dim = 0;
  Formula value;

  /// Address of element 0.
  static WordDesc base(uint32_t tensor) {
    return {Kind::TensorBase, tensor, 0, {}};
  }
  /// Size of a dimension, in elements.
  static WordDesc size(uint32_t tensor, uint32_t dim) {
    return {Kind::TensorSize, tensor, dim, {}};
  }
  /// Stride of a dimension, in elements. Where the size is 0 or 1 the word is
  /// the dense stride, whatever the caller passed.
  static WordDesc stride(uint32_t tensor, uint32_t dim) {
    return {Kind::TensorStride, tensor, dim, {}};
  }
  static WordDesc formula(Formula f) {
    return {Kind::Value, 0, 0, std::move(f)};
  }
};

/// One grid of workgroups. Launches run in order; all workgroups of one end
/// before the next begins.
struct LaunchDesc {
  std::string name;
  /// The product is the number of workgroups (an empty grid has one); a zero
  /// launches nothing, a negative value is an error.
  std::vector<Formula> grid;
  std::vector<WordDesc> words;
  /// Scratch bytes for each thread.
  uint64_t scratchBytes = 0;
  /// Reserved: 0.
  uint32_t flags = 0;
};

/// How a GPU runs a launch.
struct GpuLaunchDesc {
  uint32_t threads = 0; ///< of a block
  /// Dynamic shared memory of a block.
  uint32_t sharedBytes = 0;
  /// Blocks at most: their threads share the workgroups, each with scratch of
  /// its own. 0: a block for each workgroup, without scratch.
  uint32_t blocks = 0;
};

/// Code for one kind of machine. For CPUs flat, position independent, free of
/// relocations and of external symbols: it is mapped read-only and executable,
/// constants included. For GPUs a cubin or PTX text, whose entry functions are
/// called attnc_launch_0, attnc_launch_1, …
struct ImageDesc {
  uint32_t arch = ATTNC_ARCH_X86_64;
  /// For people and for choosing by name: "x86-64-v3", "znver4", "sm_80", …
  std::string target;
  /// What the CPU must have, by LLVM's names ("avx2", "fma", "avx512f", …; no
  /// leading '+'). The runtime refuses a name that it does not know.
  std::vector<std::string> features;
  std::vector<uint8_t> code;
  /// Of the first byte; a power of two, at most ATTNC_MAX_ALIGNMENT.
  uint64_t alignment = 64;
  /// Offset in `code` of each launch's workgroup function; CPUs.
  std::vector<uint64_t> entries;
  /// GPUs: the chip's number, and 'a' or 'f' where the code is for this chip or
  /// its family alone.
  uint32_t sm = 0, smSuffix = 0;
  std::vector<GpuLaunchDesc> geometry; ///< GPUs: of each launch
};

inline bool isGpuArch(uint32_t arch) {
  return arch == ATTNC_ARCH_CUBIN || arch == ATTNC_ARCH_PTX;
}

struct KernelDesc {
  std::string name;
  /// What wrote it, for example "attnc 0.1.0".
  std::string producer;
  std::vector<ArgDesc> args;
  std::vector<ConstraintDesc> constraints;
  std::vector<TempDesc> temps;
  std::vector<LaunchDesc> launches;
  /// Best first: the runtime takes the first that the CPU can run. None for a
  /// kernel whose functions the caller provides (a JIT).
  std::vector<ImageDesc> images;
  /// Free text by key, for example "spec". Keys are unique.
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// Names of the arguments in order, then temp0, temp1, …: the `names` that
/// formatFormula wants.
std::vector<std::string> tensorNames(const KernelDesc &kernel);

/// The features that an x86-64 level ("x86-64", "x86-64-v2" … "x86-64-v4")
/// promises, by LLVM's names and cumulative. Empty for any other name.
std::vector<std::string> x86LevelFeatures(const std::string &level);

} // namespace attnc

#endif // ATTNC_CODEGEN_KERNELFILE_KERNELDESC_H
