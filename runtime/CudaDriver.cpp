// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NVIDIA's driver as an attnc_gpu_driver. The library is loaded when a GPU is
// first asked for, so that everything else builds and runs without it. The few
// types and numbers of its interface that are needed stand here.

#include "Error.h"
#include "attnc/gpu_driver.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <mutex>
#include <string>

using namespace attnc;

namespace {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = uint64_t;
using Handle = void *; // of contexts, modules, functions and streams

// Attributes of devices and functions, and options of the PTX compiler.
constexpr int kComputeMajor = 75, kComputeMinor = 76, kSharedOptIn = 97;
constexpr int kMaxDynamicShared = 8;
constexpr int kErrorLogBuffer = 5, kErrorLogBytes = 6;

/// The functions, by the symbols that the library exports.
struct Functions {
  CUresult (*init)(unsigned);
  CUresult (*deviceGetCount)(int *);
  CUresult (*deviceGet)(CUdevice *, int);
  CUresult (*deviceGetAttribute)(int *, int, CUdevice);
  CUresult (*primaryContextRetain)(Handle *, CUdevice);
  CUresult (*contextPush)(Handle);
  CUresult (*contextPop)(Handle *);
  CUresult (*moduleLoad)(Handle *, const void *, unsigned, int *, void **);
  CUresult (*moduleUnload)(Handle);
  CUresult (*moduleGetFunction)(Handle *, Handle, const char *);
  CUresult (*functionSetAttribute)(Handle, int, int);
  CUresult (*launchKernel)(Handle, unsigned, unsigned, unsigned, unsigned,
                           unsigned, unsigned, unsigned, Handle, void **,
                           void **);
  CUresult (*memoryAllocate)(CUdeviceptr *, size_t);
  CUresult (*memoryFree)(CUdeviceptr);
  CUresult (*memorySet32)(CUdeviceptr, unsigned, size_t, Handle);
  CUresult (*copyToDevice)(CUdeviceptr, const void *, size_t, Handle);
  CUresult (*copyToHost)(void *, CUdeviceptr, size_t, Handle);
  CUresult (*streamSynchronize)(Handle);
  CUresult (*getErrorName)(CUresult, const char **);
  CUresult (*getErrorString)(CUresult, const char **);
};

/// Most devices that one process may use.
constexpr int kMaxDevices = 64;

class Cuda {
public:
  static Cuda &get() {
    static Cuda *cuda = new Cuda; // the driver outlives everything
    return *cuda;
  }

  attnc_result start(Error &error);
  const attnc_gpu_driver *table() const { return &driver; }

  /// "cuModuleLoadDataEx: CUDA_ERROR_INVALID_PTX (a PTX JIT ... failed)".
  attnc_result fail(CUresult code, const char *what, Error &error,
                    const char *detail = "") const;
  const Functions &functions() const { return f; }
  int deviceCount() const { return count; }
  attnc_result check(int32_t device, Error &error) const;
  attnc_result find(int32_t device, CUdevice &number, Error &error) const;
  attnc_result context(int32_t device, Handle &context, Error &error);
  /// The compute capability as one number, 86.
  attnc_result chip(int32_t device, int &sm, Error &error);

private:
  Cuda();
  attnc_result loadLibrary(Error &error);

  std::mutex lock;
  bool isStarted = false;
  int count = 0;
  Functions f = {};
  Handle contexts[kMaxDevices] = {};
  attnc_gpu_driver driver;
};

/// Makes a device's primary context current for a scope, as the caller may use
/// another one.
class Current {
public:
  Current(int32_t device, Error &error) {
    Cuda &cuda = Cuda::get();
    Handle context = nullptr;
    result = cuda.context(device, context, error);
    if (result == ATTNC_OK)
      result = cuda.fail(cuda.functions().contextPush(context),
                         "cuCtxPushCurrent", error);
    isPushed = result == ATTNC_OK;
  }
  ~Current() {
    Handle old;
    if (isPushed)
      Cuda::get().functions().contextPop(&old);
  }
  attnc_result result;

private:
  bool isPushed = false;
};

/// Calls `body(cuda, functions, error)` with the device's context current.
template <typename Body>
attnc_result onDevice(int32_t device, attnc_error *out, Body body) {
  Error error(out);
  Current current(device, error);
  if (current.result)
    return current.result;
  Cuda &cuda = Cuda::get();
  return body(cuda, cuda.functions(), error);
}

//===----------------------------------------------------------------------===//
// Loading the library
//===----------------------------------------------------------------------===//

attnc_result Cuda::loadLibrary(Error &error) {
  const char *named = std::getenv("ATTNC_LIBCUDA");
  const char *file = named && *named ? named : "libcuda.so.1";
  void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    return error.fail(ATTNC_ERROR_NO_DRIVER,
                      "no NVIDIA driver: cannot load %s: %s", file,
                      why ? why : "no reason given");
  }
  const char *missing = nullptr;
  auto find = [&](auto &function, const char *symbol) {
    void *address = dlsym(library, symbol);
    if (!address && !missing)
      missing = symbol;
    std::memcpy(&function, &address, sizeof(function));
  };
  find(f.init, "cuInit");
  find(f.deviceGetCount, "cuDeviceGetCount");
  find(f.deviceGet, "cuDeviceGet");
  find(f.deviceGetAttribute, "cuDeviceGetAttribute");
  find(f.primaryContextRetain, "cuDevicePrimaryCtxRetain");
  find(f.contextPush, "cuCtxPushCurrent_v2");
  find(f.contextPop, "cuCtxPopCurrent_v2");
  find(f.moduleLoad, "cuModuleLoadDataEx");
  find(f.moduleUnload, "cuModuleUnload");
  find(f.moduleGetFunction, "cuModuleGetFunction");
  find(f.functionSetAttribute, "cuFuncSetAttribute");
  find(f.launchKernel, "cuLaunchKernel");
  find(f.memoryAllocate, "cuMemAlloc_v2");
  find(f.memoryFree, "cuMemFree_v2");
  find(f.memorySet32, "cuMemsetD32Async");
  find(f.copyToDevice, "cuMemcpyHtoDAsync_v2");
  find(f.copyToHost, "cuMemcpyDtoHAsync_v2");
  find(f.streamSynchronize, "cuStreamSynchronize");
  find(f.getErrorName, "cuGetErrorName");
  find(f.getErrorString, "cuGetErrorString");
  if (!missing)
    return ATTNC_OK;
  attnc_result result =
      error.fail(ATTNC_ERROR_NO_DRIVER, "no usable NVIDIA driver: %s has no %s",
                 file, missing);
  dlclose(library);
  f = {};
  return result;
}

attnc_result Cuda::start(Error &error) {
  std::lock_guard<std::mutex> guard(lock);
  if (isStarted)
    return ATTNC_OK;
  if (!f.init)
    if (attnc_result result = loadLibrary(error))
      return result;
  if (attnc_result result = fail(f.init(0), "cuInit", error))
    return result;
  if (attnc_result result =
          fail(f.deviceGetCount(&count), "cuDeviceGetCount", error))
    return result;
  if (count <= 0)
    return error.fail(ATTNC_ERROR_NO_DRIVER, "NVIDIA's driver finds no device");
  if (count > kMaxDevices)
    count = kMaxDevices;
  isStarted = true;
  return ATTNC_OK;
}

attnc_result Cuda::fail(CUresult code, const char *what, Error &error,
                        const char *detail) const {
  if (code == 0)
    return ATTNC_OK;
  const char *name = nullptr, *text = nullptr;
  if (f.getErrorName(code, &name) != 0 || !name)
    name = "an error without a name";
  if (f.getErrorString(code, &text) != 0 || !text)
    text = "not explained";
  return error.fail(ATTNC_ERROR_DEVICE, "%s: %s (%d, %s)%s%s", what, name, code,
                    text, *detail ? ": " : "", detail);
}

attnc_result Cuda::check(int32_t device, Error &error) const {
  if (device >= 0 && device < count)
    return ATTNC_OK;
  return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                    "there is no CUDA device %d: the driver has %d",
                    int(device), count);
}

attnc_result Cuda::find(int32_t device, CUdevice &number, Error &error) const {
  if (attnc_result result = check(device, error))
    return result;
  return fail(f.deviceGet(&number, device), "cuDeviceGet", error);
}

attnc_result Cuda::context(int32_t device, Handle &context, Error &error) {
  if (attnc_result result = check(device, error))
    return result;
  std::lock_guard<std::mutex> guard(lock);
  if (!contexts[device]) {
    CUdevice number = 0;
    if (attnc_result result = find(device, number, error))
      return result;
    if (attnc_result result =
            fail(f.primaryContextRetain(&contexts[device], number),
                 "cuDevicePrimaryCtxRetain", error)) {
      contexts[device] = nullptr;
      return result;
    }
  }
  context = contexts[device];
  return ATTNC_OK;
}

attnc_result Cuda::chip(int32_t device, int &sm, Error &error) {
  CUdevice number = 0;
  int major = 0, minor = 0;
  attnc_result result = find(device, number, error);
  if (!result)
    result = fail(f.deviceGetAttribute(&major, kComputeMajor, number),
                  "cuDeviceGetAttribute", error);
  if (!result)
    result = fail(f.deviceGetAttribute(&minor, kComputeMinor, number),
                  "cuDeviceGetAttribute", error);
  sm = major * 10 + minor;
  return result;
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

attnc_result describe(void *, int32_t device, char *name, size_t size,
                      attnc_error *out) {
  Error error(out);
  int sm = 0;
  if (attnc_result result = Cuda::get().chip(device, sm, error))
    return result;
  std::snprintf(name, size, "sm_%d", sm);
  return ATTNC_OK;
}

/// Machine code runs on later chips of the same major number; PTX on all later
/// ones; what uses features of one chip or family only there.
int takes(void *, int32_t device, uint32_t arch, uint32_t sm, uint32_t suffix) {
  Error error(nullptr);
  int own = 0;
  if (Cuda::get().chip(device, own, error) != ATTNC_OK)
    return 0;
  uint32_t chip = uint32_t(own);
  if (suffix == 'a')
    return sm == chip;
  if (arch == ATTNC_ARCH_CUBIN || suffix == 'f')
    return sm / 10 == chip / 10 && sm <= chip;
  return sm <= chip;
}

attnc_result load(void *, int32_t device, uint32_t, const void *image,
                  size_t size, void **module, attnc_error *out) {
  return onDevice(
      device, out, [&](Cuda &cuda, const Functions &f, Error &error) {
        // PTX must end with a zero byte.
        std::string copy(static_cast<const char *>(image), size);
        char log[512] = "";
        int options[] = {kErrorLogBuffer, kErrorLogBytes};
        void *values[] = {log, reinterpret_cast<void *>(sizeof(log) - 1)};
        return cuda.fail(f.moduleLoad(module, copy.c_str(), 2, options, values),
                         "cuModuleLoadDataEx", error, log);
      });
}

void unload(void *, int32_t device, void *module) {
  onDevice(device, nullptr, [&](Cuda &, const Functions &f, Error &) {
    f.moduleUnload(module);
    return ATTNC_OK;
  });
}

/// Lets the function have more shared memory than it may take without asking.
attnc_result allowShared(Cuda &cuda, int32_t device, Handle function,
                         const char *name, uint32_t shared, Error &error) {
  const Functions &f = cuda.functions();
  CUdevice number = 0;
  int most = 0;
  if (f.deviceGet(&number, device) == 0 &&
      f.deviceGetAttribute(&most, kSharedOptIn, number) == 0 &&
      shared > uint32_t(most))
    return error.fail(ATTNC_ERROR_DEVICE,
                      "%s asks for %u bytes of shared memory a block; device "
                      "%d has %d",
                      name, shared, int(device), most);
  return cuda.fail(
      f.functionSetAttribute(function, kMaxDynamicShared, int(shared)),
      "cuFuncSetAttribute", error, name);
}

attnc_result function(void *, int32_t device, void *module, const char *name,
                      uint32_t shared, void **result, attnc_error *out) {
  return onDevice(
      device, out, [&](Cuda &cuda, const Functions &f, Error &error) {
        constexpr uint32_t withoutAsking = 48 << 10;
        attnc_result failed =
            cuda.fail(f.moduleGetFunction(result, module, name),
                      "cuModuleGetFunction", error, name);
        if (failed || shared <= withoutAsking)
          return failed;
        return allowShared(cuda, device, *result, name, shared, error);
      });
}

attnc_result launch(void *, int32_t device, const attnc_gpu_launch *call,
                    attnc_error *out) {
  return onDevice(
      device, out, [&](Cuda &cuda, const Functions &f, Error &error) {
        return cuda.fail(f.launchKernel(call->function, call->blocks, 1, 1,
                                        call->threads, 1, 1, call->shared_bytes,
                                        call->stream, call->params, nullptr),
                         "cuLaunchKernel", error);
      });
}

attnc_result allocate(void *, int32_t device, size_t size, uint64_t *address,
                      attnc_error *out) {
  return onDevice(
      device, out, [&](Cuda &cuda, const Functions &f, Error &error) {
        return cuda.fail(f.memoryAllocate(address, size), "cuMemAlloc", error);
      });
}

void release(void *, int32_t device, uint64_t address) {
  onDevice(device, nullptr, [&](Cuda &, const Functions &f, Error &) {
    f.memoryFree(address);
    return ATTNC_OK;
  });
}

attnc_result zero(void *, int32_t device, void *stream, uint64_t address,
                  size_t size, attnc_error *out) {
  return onDevice(
      device, out, [&](Cuda &cuda, const Functions &f, Error &error) {
        return cuda.fail(f.memorySet32(address, 0, size / 4, stream),
                         "cuMemsetD32Async", error);
      });
}

attnc_result wait(Cuda &cuda, void *stream, Error &error) {
  return cuda.fail(cuda.functions().streamSynchronize(stream),
                   "cuStreamSynchronize", error);
}

attnc_result write(void *, int32_t device, void *stream, uint64_t address,
                   const void *data, size_t size, attnc_error *out) {
  return onDevice(device, out,
                  [&](Cuda &cuda, const Functions &f, Error &error) {
                    attnc_result failed =
                        cuda.fail(f.copyToDevice(address, data, size, stream),
                                  "cuMemcpyHtoDAsync", error);
                    return failed ? failed : wait(cuda, stream, error);
                  });
}

attnc_result read(void *, int32_t device, void *stream, void *data,
                  uint64_t address, size_t size, attnc_error *out) {
  return onDevice(device, out,
                  [&](Cuda &cuda, const Functions &f, Error &error) {
                    attnc_result failed =
                        cuda.fail(f.copyToHost(data, address, size, stream),
                                  "cuMemcpyDtoHAsync", error);
                    return failed ? failed : wait(cuda, stream, error);
                  });
}

Cuda::Cuda()
    : driver{sizeof(driver), "cuda", nullptr,  describe, takes, load,  unload,
             function,       launch, allocate, release,  zero,  write, read} {}

} // namespace

attnc_result attnc_cuda_driver(const attnc_gpu_driver **driver,
                               attnc_error *error_out) {
  Error error(error_out);
  if (!driver)
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT, "driver is NULL");
  *driver = nullptr;
  if (attnc_result result = Cuda::get().start(error))
    return result;
  *driver = Cuda::get().table();
  return ATTNC_OK;
}
