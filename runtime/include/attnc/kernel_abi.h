// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What compiled code and the runtime agree on: the workgroup function, its
// words, its status bits and the element types. Plain C, shared by both sides.

#ifndef ATTNC_KERNEL_ABI_H
#define ATTNC_KERNEL_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Raised whenever anything in this header changes its meaning. A kernel file
/// records the version it was compiled for, and the runtime takes no other.
#define ATTNC_ABI_VERSION 1

/// Every pointer that a workgroup function receives for scratch and every
/// temporary buffer starts at a multiple of this many bytes.
#define ATTNC_SCRATCH_ALIGNMENT 64

/// One workgroup of a launch.
///
/// `args`      the launch's words, in the order of its description: base
///             addresses, sizes and strides in elements, and values. Shared by
///             all workgroups of the launch and not to be written.
/// `workgroup` the linear index in the launch's grid, 0 <= workgroup < product
///             of the grid, last grid dimension fastest. Indices are handed out
///             in ascending order, so a kernel that puts its longest workgroups
///             first gets them started first; they may finish in any order.
/// `scratch`   the launch's scratch_bytes, aligned to ATTNC_SCRATCH_ALIGNMENT,
///             of unspecified contents, used by no other thread meanwhile.
///             NULL if the launch asks for none.
/// `status`    the function ORs ATTNC_STATUS_* bits into it. The word belongs
///             to the calling thread: no atomics are needed.
///
/// The function must not throw, block, or call into the runtime; its result
/// must depend on `args` and `workgroup` only. Floating-point control is at the
/// machine's default (round to nearest, no flushing of denormals) during the
/// call, whatever the calling thread had set.
typedef void (*attnc_workgroup_fn)(const uint64_t *args, uint64_t workgroup,
                                   void *scratch, uint32_t *status);

/// Bits of the status word: what a kernel found wrong in its *data*, which no
/// check of shapes can see. It skips the offending element and goes on.
enum {
  ATTNC_STATUS_OK = 0,
  ATTNC_STATUS_BAD_PAGE = 1,   ///< a page table entry outside its pool
  ATTNC_STATUS_BAD_INDEX = 2,  ///< a row or column index outside its operand
  ATTNC_STATUS_BAD_LENGTH = 4, ///< a length or position outside its operand
  ATTNC_STATUS_BAD_ORDER = 8   ///< offsets that must not decrease did
};

/// Element types. Values are stored in kernel files: never renumber.
typedef uint32_t attnc_dtype;
enum {
  ATTNC_DTYPE_INVALID = 0,
  ATTNC_DTYPE_F64 = 1,
  ATTNC_DTYPE_F32 = 2,
  ATTNC_DTYPE_F16 = 3,
  ATTNC_DTYPE_BF16 = 4,
  ATTNC_DTYPE_I64 = 5,
  ATTNC_DTYPE_I32 = 6,
  ATTNC_DTYPE_I16 = 7,
  ATTNC_DTYPE_I8 = 8,
  ATTNC_DTYPE_U8 = 9,
  ATTNC_DTYPE_BOOL = 10,   ///< one byte; 0 is false and 1 is true
  ATTNC_DTYPE_F8E4M3 = 11, ///< 4 bits of exponent, 3 of fraction, no infinity
  ATTNC_DTYPE_F8E5M2 = 12  ///< 5 bits of exponent, 2 of fraction
};

/// Bytes of one element, or 0 for an unknown type.
static inline size_t attnc_dtype_size(attnc_dtype dtype) {
  switch (dtype) {
  case ATTNC_DTYPE_F64:
  case ATTNC_DTYPE_I64:
    return 8;
  case ATTNC_DTYPE_F32:
  case ATTNC_DTYPE_I32:
    return 4;
  case ATTNC_DTYPE_F16:
  case ATTNC_DTYPE_BF16:
  case ATTNC_DTYPE_I16:
    return 2;
  case ATTNC_DTYPE_I8:
  case ATTNC_DTYPE_U8:
  case ATTNC_DTYPE_BOOL:
  case ATTNC_DTYPE_F8E4M3:
  case ATTNC_DTYPE_F8E5M2:
    return 1;
  default:
    return 0;
  }
}

/// The type's name as the IR spells it ("f32", "i1" is "bool"), or "unknown".
static inline const char *attnc_dtype_name(attnc_dtype dtype) {
  switch (dtype) {
  case ATTNC_DTYPE_F64:
    return "f64";
  case ATTNC_DTYPE_F32:
    return "f32";
  case ATTNC_DTYPE_F16:
    return "f16";
  case ATTNC_DTYPE_BF16:
    return "bf16";
  case ATTNC_DTYPE_I64:
    return "i64";
  case ATTNC_DTYPE_I32:
    return "i32";
  case ATTNC_DTYPE_I16:
    return "i16";
  case ATTNC_DTYPE_I8:
    return "i8";
  case ATTNC_DTYPE_U8:
    return "u8";
  case ATTNC_DTYPE_BOOL:
    return "bool";
  case ATTNC_DTYPE_F8E4M3:
    return "f8E4M3FN";
  case ATTNC_DTYPE_F8E5M2:
    return "f8E5M2";
  default:
    return "unknown";
  }
}

/// What an argument is for. Stored in kernel files: never renumber.
typedef uint32_t attnc_role;
enum {
  ATTNC_ROLE_INPUT = 0,  ///< read only
  ATTNC_ROLE_OUTPUT = 1, ///< written; what it held does not matter
  ATTNC_ROLE_INOUT = 2   ///< read, and parts of it written, in place
};

/// Limits that both sides keep, and that make a hostile file harmless.
enum {
  ATTNC_MAX_RANK = 16,            ///< dimensions of one tensor
  ATTNC_MAX_TENSORS = 1024,       ///< arguments plus temporaries
  ATTNC_MAX_LAUNCHES = 1024,      ///< launches of one kernel
  ATTNC_MAX_WORDS = 65536,        ///< words of one launch
  ATTNC_MAX_GRID_RANK = 16,       ///< dimensions of one grid
  ATTNC_MAX_CONSTRAINTS = 4096,   ///< constraints of one kernel
  ATTNC_MAX_IMAGES = 256,         ///< images of one kernel file
  ATTNC_MAX_FEATURES = 256,       ///< required features of one image
  ATTNC_MAX_METADATA = 4096,      ///< metadata entries of one kernel file
  ATTNC_MAX_FORMULA_OPS = 4096,   ///< steps of one formula
  ATTNC_MAX_FORMULA_STACK = 64,   ///< depth of one formula's stack
  ATTNC_MAX_NAME = 256,           ///< bytes of a name
  ATTNC_MAX_MESSAGE = 4096,       ///< bytes of a constraint's message
  ATTNC_MAX_TEXT = 1 << 24,       ///< bytes of a metadata value
  ATTNC_MAX_ALIGNMENT = 4096,     ///< bytes, for arguments and for images
  ATTNC_MAX_GPU_SM = 9999,        ///< number of a chip, 80 for sm_80
  ATTNC_MAX_GPU_THREADS = 1024,   ///< threads of a GPU's block
  ATTNC_MAX_GPU_BLOCKS = 65536,   ///< blocks that share a launch's workgroups
  ATTNC_MAX_GPU_SHARED = 1 << 20, ///< bytes of a block's dynamic shared memory
  ATTNC_MAX_GPU_WORDS = 500       ///< words that a GPU's entry function takes
};

/// Most scratch that one launch may ask for, per thread.
#define ATTNC_MAX_SCRATCH_BYTES ((uint64_t)1 << 32)

/// Steps of a formula: a postfix program over signed 64-bit numbers. Any
/// overflow and any division by zero makes the whole formula an error; nothing
/// wraps. Stored in kernel files: never renumber.
enum {
  ATTNC_OP_CONST = 1,    ///< push imm
  ATTNC_OP_DIM = 2,      ///< push the size of `tensor`'s dimension `dim`
  ATTNC_OP_ADD = 3,      ///< a b -> a + b
  ATTNC_OP_SUB = 4,      ///< a b -> a - b
  ATTNC_OP_MUL = 5,      ///< a b -> a * b
  ATTNC_OP_FLOORDIV = 6, ///< a b -> a / b, rounded towards minus infinity
  ATTNC_OP_CEILDIV = 7,  ///< a b -> a / b, rounded towards plus infinity
  ATTNC_OP_MOD = 8,      ///< a b -> a - floordiv(a, b) * b, has b's sign
  ATTNC_OP_MIN = 9,      ///< a b -> the smaller
  ATTNC_OP_MAX = 10      ///< a b -> the larger
};

/// Kinds of a launch's words. Stored in kernel files: never renumber.
enum {
  ATTNC_WORD_TENSOR_BASE = 1,   ///< address of element 0
  ATTNC_WORD_TENSOR_SIZE = 2,   ///< size of one dimension, in elements
  ATTNC_WORD_TENSOR_STRIDE = 3, ///< stride of one dimension, in elements
  ATTNC_WORD_VALUE = 4          ///< a formula's value
};

/// What an image's code is. Stored in kernel files.
enum {
  ATTNC_ARCH_X86_64 = 1,
  ATTNC_ARCH_AARCH64 = 2,
  ATTNC_ARCH_CUBIN = 3, ///< machine code of an NVIDIA GPU
  ATTNC_ARCH_PTX = 4    ///< NVIDIA's portable assembly, compiled when loaded
};

/// A GPU's code has an entry function `attnc_launch_<k>` for launch k:
///
///   .param .align 8 .b8 words[8 * max(words, 1)], by value, as above
///   .param .u64 status: address of a u32 into which ATTNC_STATUS_* bits are
///                       ORed atomically
///
/// Block b is workgroup b of the launch. Where the launch's geometry limits the
/// number of blocks there are two more parameters, and all threads of the grid
/// share the workgroups:
///
///   .param .u64 workgroups
///   .param .u64 scratch: aligned to ATTNC_SCRATCH_ALIGNMENT; the launch's
///                        scratch_bytes, rounded up to that, for each thread

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNC_KERNEL_ABI_H
