// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the runtime wants of a GPU, as a table of functions: NVIDIA's driver
// behind attnc_cuda_driver(), the PTX executor behind ptx_driver.h, or one of
// the caller's own. Plain C.
//
// Functions return ATTNC_OK or fill `error`, which is never NULL. Addresses are
// those of the device's memory. Any thread may call any function.

#ifndef ATTNC_GPU_DRIVER_H
#define ATTNC_GPU_DRIVER_H

#include "attnc/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/// One launch. Parameter i has sizes[i] bytes at params[i].
typedef struct attnc_gpu_launch {
  size_t struct_size;
  void *function;
  uint32_t blocks, threads, shared_bytes;
  uint32_t num_params;
  void **params;
  const size_t *sizes;
  void *stream;
} attnc_gpu_launch;

struct attnc_gpu_driver {
  size_t struct_size;
  const char *name; ///< "cuda", "ptx-sim"
  void *user;       ///< passed to every function

  /// Whether device number `device` exists; its name for messages, "sm_86".
  attnc_result (*describe)(void *user, int32_t device, char *name, size_t size,
                           attnc_error *error);
  /// Not 0 if the device takes such code: ATTNC_ARCH_CUBIN or ATTNC_ARCH_PTX
  /// for the chip `sm` with the suffix 'a', 'f' or 0. Only of devices that
  /// exist.
  int (*takes)(void *user, int32_t device, uint32_t arch, uint32_t sm,
               uint32_t suffix);
  attnc_result (*load)(void *user, int32_t device, uint32_t arch,
                       const void *image, size_t size, void **module,
                       attnc_error *error);
  void (*unload)(void *user, int32_t device, void *module);
  /// An entry function, ready for `shared_bytes` of dynamic shared memory. It
  /// lives as long as the module.
  attnc_result (*function)(void *user, int32_t device, void *module,
                           const char *name, uint32_t shared_bytes,
                           void **function, attnc_error *error);
  attnc_result (*launch)(void *user, int32_t device,
                         const attnc_gpu_launch *launch, attnc_error *error);
  attnc_result (*allocate)(void *user, int32_t device, size_t size,
                           uint64_t *address, attnc_error *error);
  void (*release)(void *user, int32_t device, uint64_t address);
  /// Zeroes a multiple of 4 bytes, in the stream's order.
  attnc_result (*zero)(void *user, int32_t device, void *stream,
                       uint64_t address, size_t size, attnc_error *error);
  /// Copies from (`write`) and to (`read`) the host, in the stream's order;
  /// both return when the copy is done.
  attnc_result (*write)(void *user, int32_t device, void *stream,
                        uint64_t address, const void *data, size_t size,
                        attnc_error *error);
  attnc_result (*read)(void *user, int32_t device, void *stream, void *data,
                       uint64_t address, size_t size, attnc_error *error);
};

/// NVIDIA's driver, loaded when this is first called: libcuda.so.1, or the file
/// that ATTNC_LIBCUDA names. Fails with ATTNC_ERROR_NO_DRIVER where there is
/// none. The table lives as long as the process.
ATTNC_API attnc_result attnc_cuda_driver(const attnc_gpu_driver **driver,
                                         attnc_error *error);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNC_GPU_DRIVER_H
