// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The runtime's C interface: load a kernel, ask for its signature, run it.
//
//   attnc_error error = ATTNC_ERROR_INIT;
//   attnc_kernel *kernel = NULL;
//   if (attnc_kernel_load_file("k.attnc", NULL, &kernel, &error) != ATTNC_OK)
//     fprintf(stderr, "%s\n", error.message);
//   ...
//   attnc_launch(kernel, tensors, n, NULL, &error);
//   attnc_kernel_destroy(kernel);
//
// Conventions
//   * A struct that the caller fills or provides begins with its own size, so
//     that a newer runtime knows an older caller. Fields beyond that size are
//     taken as zero; the ATTNC_*_INIT macros set it.
//   * Functions that can fail return an attnc_result and take an optional
//     attnc_error, which the caller owns. Nothing is global: any thread may
//     call anything, also on the same kernel, except that a kernel must not be
//     destroyed while it is in use.
//   * Strings that queries return are UTF-8 as far as the file's writer kept
//     to it, end with a zero byte, and live as long as the kernel.
//   * No C++ exception leaves the library, and none may be thrown through it.
//   * A kernel file is a program. Loading a file checks that it is whole and
//     well formed, not that its author means well.

#ifndef ATTNC_RUNTIME_H
#define ATTNC_RUNTIME_H

#include "attnc/kernel_abi.h"

#include <stddef.h>
#include <stdint.h>

#if defined(ATTNC_RUNTIME_BUILD)
#define ATTNC_API __attribute__((visibility("default")))
#else
#define ATTNC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

//===----------------------------------------------------------------------===//
// Results and errors
//===----------------------------------------------------------------------===//

typedef int32_t attnc_result;
enum {
  ATTNC_OK = 0,
  // The caller's side.
  ATTNC_ERROR_INVALID_ARGUMENT = 1, ///< a NULL or bad parameter of the call
  ATTNC_ERROR_OUT_OF_MEMORY = 2,    ///< memory, or an executable mapping
  ATTNC_ERROR_IO = 3,               ///< a file cannot be read
  // Kernel files.
  ATTNC_ERROR_NOT_A_KERNEL = 10,   ///< does not begin like a kernel file
  ATTNC_ERROR_TRUNCATED = 11,      ///< shorter than its header says
  ATTNC_ERROR_CHECKSUM = 12,       ///< altered since it was written
  ATTNC_ERROR_FORMAT_VERSION = 13, ///< another version of the file format
  ATTNC_ERROR_ABI_VERSION = 14,    ///< compiled for another runtime interface
  ATTNC_ERROR_MALFORMED = 15,      ///< whole, but its contents make no sense
  ATTNC_ERROR_NO_IMAGE = 16,       ///< no code in it that the device can run
  // Launches. The message names the argument.
  ATTNC_ERROR_RANK = 30,      ///< wrong number of tensors or dimensions
  ATTNC_ERROR_DTYPE = 31,     ///< another element type
  ATTNC_ERROR_SHAPE = 32,     ///< a size, or a relation between sizes
  ATTNC_ERROR_STRIDE = 33,    ///< strides that the kernel cannot take
  ATTNC_ERROR_DATA = 34,      ///< NULL or misaligned data
  ATTNC_ERROR_ALIAS = 35,     ///< an output overlaps another argument
  ATTNC_ERROR_OVERFLOW = 36,  ///< sizes whose product exceeds 64 bits
  ATTNC_ERROR_WORKSPACE = 37, ///< the caller's workspace is too small
  ATTNC_ERROR_PARALLEL = 38,  ///< the caller's parallel_for failed
  ATTNC_ERROR_STATUS = 39,    ///< the kernel set status bits
  // GPUs. The message has the driver's own name of the error.
  ATTNC_ERROR_NO_DRIVER = 50, ///< there is no driver, or it has no device
  ATTNC_ERROR_DEVICE = 51     ///< the driver reports an error
};

/// Kinds of device, by DLPack's numbers.
typedef int32_t attnc_device_type;
enum { ATTNC_DEVICE_CPU = 1, ATTNC_DEVICE_CUDA = 2 };

/// See gpu_driver.h.
typedef struct attnc_gpu_driver attnc_gpu_driver;

/// Where a failing call says why. Owned by the caller; needs no freeing. Set on
/// every return: a call that succeeds sets ATTNC_OK and an empty message.
typedef struct attnc_error {
  size_t struct_size;
  attnc_result code;
  char message[1012]; ///< ends with a zero byte; cut short if it must be
} attnc_error;

#define ATTNC_ERROR_INIT {sizeof(attnc_error), ATTNC_OK, {0}}

/// The result's name, for example "ATTNC_ERROR_SHAPE". Static storage.
ATTNC_API const char *attnc_result_name(attnc_result result);

//===----------------------------------------------------------------------===//
// The runtime and this machine
//===----------------------------------------------------------------------===//

/// ATTNC_ABI_VERSION of the library in use, which may differ from the header's.
ATTNC_API uint32_t attnc_runtime_abi_version(void);

/// The kernel file format that the library reads.
ATTNC_API uint32_t attnc_runtime_format_version(void);

/// Threads that a launch uses by default: ATTNC_NUM_THREADS from the
/// environment, as read when first needed, or else the CPUs that the process
/// may run on.
ATTNC_API uint32_t attnc_default_threads(void);

/// Features of this CPU that the operating system supports too, by LLVM's
/// names, separated by spaces, sorted. Static storage.
ATTNC_API const char *attnc_cpu_features(void);

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

typedef struct attnc_kernel attnc_kernel;

typedef struct attnc_load_options {
  size_t struct_size;
  /// Take the image of this target name only, instead of the first that the
  /// CPU can run. NULL chooses.
  const char *target;
  /// Where the kernel will run: ATTNC_DEVICE_CPU (or 0), or ATTNC_DEVICE_CUDA.
  attnc_device_type device_type;
  /// GPUs: the device that the code is loaded for now; for others it is loaded
  /// by their first launch.
  int32_t device_id;
  /// GPUs: the driver; NULL for NVIDIA's. It must outlive the kernel.
  const attnc_gpu_driver *driver;
} attnc_load_options;

#define ATTNC_LOAD_OPTIONS_INIT {sizeof(attnc_load_options), NULL, 0, 0, NULL}

/// Loads a kernel file. On success *kernel is the caller's, to be given to
/// attnc_kernel_destroy; on failure it is NULL. `options` may be NULL.
ATTNC_API attnc_result attnc_kernel_load_file(const char *path,
                                              const attnc_load_options *options,
                                              attnc_kernel **kernel,
                                              attnc_error *error);

/// The same from `size` bytes in memory, which need no alignment and are not
/// used after the call.
ATTNC_API attnc_result attnc_kernel_load_memory(
    const void *data, size_t size, const attnc_load_options *options,
    attnc_kernel **kernel, attnc_error *error);

/// Called once when a kernel made by attnc_kernel_create is destroyed.
typedef void (*attnc_release_fn)(void *owner);

/// Makes a kernel from a description, a kernel file's bytes usually without
/// images (any there are stay unused), and functions that the caller has, for
/// example from a JIT: one for each launch, in order. The array is copied.
/// `release(owner)`, if given, is called when the kernel is destroyed, and not
/// at all if this call fails.
ATTNC_API attnc_result attnc_kernel_create(const void *description, size_t size,
                                           const attnc_workgroup_fn *functions,
                                           size_t num_functions,
                                           attnc_release_fn release,
                                           void *owner, attnc_kernel **kernel,
                                           attnc_error *error);

/// Frees the kernel, its code and what it keeps between launches. NULL is fine.
ATTNC_API void attnc_kernel_destroy(attnc_kernel *kernel);

/// Gives back the workspaces that the kernel keeps for its next launches.
ATTNC_API void attnc_kernel_trim(attnc_kernel *kernel);

//===----------------------------------------------------------------------===//
// Queries. Each fills the struct up to its struct_size, and returns
// ATTNC_ERROR_INVALID_ARGUMENT for a NULL or an index that does not exist.
//===----------------------------------------------------------------------===//

typedef struct attnc_kernel_info {
  size_t struct_size;
  const char *name;
  const char *producer;
  uint32_t num_args;
  uint32_t num_launches;
  uint32_t num_images;
  uint32_t num_metadata;
  int32_t image; ///< the image in use; -1 if the caller gave the functions
} attnc_kernel_info;

typedef struct attnc_arg_info {
  size_t struct_size;
  const char *name;
  attnc_role role;
  attnc_dtype dtype;
  uint32_t rank;
  const int64_t *dims; ///< `rank` sizes; -1 where any size will do
  uint64_t alignment;  ///< of the data pointer, in bytes
} attnc_arg_info;

typedef struct attnc_launch_info {
  size_t struct_size;
  const char *name;
  uint32_t grid_rank;
  uint32_t num_words;
  uint64_t scratch_bytes; ///< for each thread
} attnc_launch_info;

typedef struct attnc_image_info {
  size_t struct_size;
  const char *target;
  const char *features; ///< required, separated by spaces
  const char *missing;  ///< those that this machine lacks; "" if it can run
  uint64_t code_bytes;
} attnc_image_info;

typedef struct attnc_metadata {
  size_t struct_size;
  const char *key;
  const char *value;
  size_t value_size; ///< without the ending zero byte
} attnc_metadata;

ATTNC_API attnc_result attnc_kernel_get_info(const attnc_kernel *kernel,
                                             attnc_kernel_info *info);
ATTNC_API attnc_result attnc_kernel_get_arg(const attnc_kernel *kernel,
                                            uint32_t index,
                                            attnc_arg_info *info);
ATTNC_API attnc_result attnc_kernel_get_launch(const attnc_kernel *kernel,
                                               uint32_t index,
                                               attnc_launch_info *info);
ATTNC_API attnc_result attnc_kernel_get_image(const attnc_kernel *kernel,
                                              uint32_t index,
                                              attnc_image_info *info);
ATTNC_API attnc_result attnc_kernel_get_metadata(const attnc_kernel *kernel,
                                                 uint32_t index,
                                                 attnc_metadata *metadata);

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// A view of the caller's memory; the runtime keeps nothing of it after a call.
///
/// The last dimension must be contiguous (stride 1), unless its size is 0 or 1.
/// Other strides of an input must not be negative; 0 repeats. No two elements
/// of an output or of an argument that is updated in place (ATTNC_ROLE_INOUT, a
/// cache) may share memory, nor may they share any with another argument;
/// caches that interleave are fine. Strides of dimensions of size 0 or 1 are
/// not looked at.
typedef struct attnc_tensor {
  size_t struct_size;
  attnc_dtype dtype;
  uint32_t rank;
  void *data;             ///< may be NULL if there are no elements
  const int64_t *shape;   ///< `rank` sizes, in elements; none negative
  const int64_t *strides; ///< `rank` strides, in elements; NULL means dense
  /// Where `data` lies, as DLPack says it. 0: where the kernel runs; a GPU's
  /// number is then that of the load options.
  attnc_device_type device_type;
  int32_t device_id;
} attnc_tensor;

/// The size that attnc_tensor had before it knew of devices.
#define ATTNC_TENSOR_MIN_SIZE offsetof(attnc_tensor, device_type)

/// The body of a parallel loop, as the runtime passes it to the caller's pool.
typedef void (*attnc_parallel_body_fn)(void *context, uint32_t index);

/// The caller's pool: runs body(context, i) for each 0 <= i < count, in any
/// order, on any threads, one after another if need be, and returns when all
/// have returned: 0, or another value if it failed. Each body takes workgroups
/// until none are left, so `count` is the number of threads worth using. The
/// launch fails with ATTNC_ERROR_PARALLEL if workgroups were left over.
typedef int (*attnc_parallel_for_fn)(void *user, uint32_t count,
                                     attnc_parallel_body_fn body,
                                     void *context);

typedef struct attnc_launch_options {
  size_t struct_size;
  /// Threads to use, the calling one included; 0 means attnc_default_threads().
  /// The result does not depend on it.
  uint32_t threads;
  uint32_t reserved; ///< 0
  /// Runs on these threads instead of the runtime's own. NULL for the latter.
  attnc_parallel_for_fn parallel_for;
  void *parallel_for_user;
  /// At least attnc_workspace_size() bytes for the same tensors and threads (on
  /// a GPU: of its memory), at any alignment, overlapping no argument, used
  /// until the call returns. NULL lets the kernel allocate it and keep it for
  /// the next launch.
  void *workspace;
  size_t workspace_size;
  /// Receives the status word of the call, if not NULL: ATTNC_STATUS_* bits.
  /// Where it is not 0 the call fails with ATTNC_ERROR_STATUS, but all results
  /// are written: lengths clamped, bad indices left out.
  uint32_t *status_out;
  /// GPUs: the stream, a CUstream; NULL is the default one.
  void *stream;
  /// GPUs: address in device memory of a u32 into which status bits are ORed.
  /// With it the call only puts its launches into the stream and returns: the
  /// workspace must then be the caller's, nothing is zeroed, allocated or
  /// waited for, and a CUDA graph can capture it. 0: the call returns when the
  /// results are there.
  uint64_t device_status;
} attnc_launch_options;

#define ATTNC_LAUNCH_OPTIONS_INIT                                              \
  {sizeof(attnc_launch_options), 0, 0, NULL, NULL, NULL, 0, NULL, NULL, 0}

/// Bytes of workspace that attnc_launch wants for these tensors and this many
/// threads (0 as in the options): temporaries, and scratch for each thread.
/// Checks all that attnc_launch checks except data pointers, which may be NULL.
ATTNC_API attnc_result attnc_workspace_size(const attnc_kernel *kernel,
                                            const attnc_tensor *tensors,
                                            size_t num_tensors,
                                            uint32_t threads, size_t *bytes,
                                            attnc_error *error);

/// Runs the kernel on `num_tensors` tensors, one for each argument in order,
/// inputs, outputs and those that are both alike. Nothing is written unless all
/// checks pass. With ATTNC_ERROR_STATUS the contents of the outputs are
/// unspecified. `options` may be NULL.
ATTNC_API attnc_result attnc_launch(attnc_kernel *kernel,
                                    const attnc_tensor *tensors,
                                    size_t num_tensors,
                                    const attnc_launch_options *options,
                                    attnc_error *error);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNC_RUNTIME_H
