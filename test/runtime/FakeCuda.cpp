// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A library that stands in for libcuda.so.1: two devices whose memory is the
// host's, modules that know one kernel, a log of all calls, and errors on
// demand. A kernel "runs" by adding one to n numbers, as incrementDesc says.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {
std::string calls, failing;
int failure = 0, currentDevice = -1;
int capability[] = {86, 90};
uint32_t statusToReport = 0;

int note(const std::string &call) {
  calls += call + "\n";
  return call.substr(0, call.find(' ')) == failing ? failure : 0;
}
} // namespace

// What the tests ask of it.
EXPORT const char *fake_calls() { return calls.c_str(); }
EXPORT void fake_clear() { calls.clear(); }
EXPORT void fake_fail(const char *function, int code) {
  failing = function;
  failure = code;
}
EXPORT void fake_report(uint32_t status) { statusToReport = status; }

EXPORT int cuInit(unsigned) { return note("cuInit"); }
EXPORT int cuDeviceGetCount(int *count) {
  *count = 2;
  return note("cuDeviceGetCount");
}
EXPORT int cuDeviceGet(int *device, int number) {
  *device = 100 + number;
  return 0;
}
EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device) {
  int chip = capability[device - 100];
  *value = attribute == 75   ? chip / 10
           : attribute == 76 ? chip % 10
           : attribute == 97 ? 101376
                             : 0;
  return 0;
}
EXPORT int cuDevicePrimaryCtxRetain(void **context, int device) {
  *context = reinterpret_cast<void *>(static_cast<intptr_t>(device));
  return note("cuDevicePrimaryCtxRetain " + std::to_string(device - 100));
}
EXPORT int cuCtxPushCurrent_v2(void *context) {
  currentDevice = static_cast<int>(reinterpret_cast<intptr_t>(context)) - 100;
  return 0;
}
EXPORT int cuCtxPopCurrent_v2(void **) {
  currentDevice = -1;
  return 0;
}
EXPORT int cuModuleLoadDataEx(void **module, const void *image, unsigned n,
                              int *options, void **values) {
  *module = strdup(static_cast<const char *>(image));
  int code = note("cuModuleLoadDataEx " + std::to_string(currentDevice) + " " +
                  static_cast<const char *>(image));
  for (unsigned i = 0; i < n && code; ++i)
    if (options[i] == 5)
      strcpy(static_cast<char *>(values[i]), "line 3 is no PTX");
  return code;
}
EXPORT int cuModuleUnload(void *module) {
  free(module);
  return note("cuModuleUnload");
}
EXPORT int cuModuleGetFunction(void **function, void *, const char *name) {
  *function = const_cast<char *>("kernel");
  return note(std::string("cuModuleGetFunction ") + name);
}
EXPORT int cuFuncSetAttribute(void *, int attribute, int value) {
  return note("cuFuncSetAttribute " + std::to_string(attribute) + " " +
              std::to_string(value));
}
EXPORT int cuLaunchKernel(void *, unsigned x, unsigned, unsigned, unsigned tx,
                          unsigned, unsigned, unsigned shared, void *stream,
                          void **params, void **) {
  char text[128];
  snprintf(text, sizeof(text), "cuLaunchKernel %u x %u, %u shared, stream %p",
           x, tx, shared, stream);
  if (int code = note(text))
    return code;
  const auto *words = static_cast<const uint64_t *>(params[0]);
  const auto *q = reinterpret_cast<const int32_t *>(words[0]);
  auto *out = reinterpret_cast<int32_t *>(words[1]);
  for (uint64_t i = 0; i < words[2]; ++i)
    out[i] = q[i] + 1;
  uint64_t status = *static_cast<const uint64_t *>(params[1]);
  *reinterpret_cast<uint32_t *>(status) |= statusToReport;
  return 0;
}
EXPORT int cuMemAlloc_v2(uint64_t *address, size_t size) {
  *address =
      reinterpret_cast<uint64_t>(aligned_alloc(256, (size + 255) & ~255));
  return note("cuMemAlloc " + std::to_string(size));
}
EXPORT int cuMemFree_v2(uint64_t address) {
  free(reinterpret_cast<void *>(address));
  return note("cuMemFree");
}
EXPORT int cuMemsetD32Async(uint64_t address, unsigned value, size_t count,
                            void *) {
  for (size_t i = 0; i < count; ++i)
    reinterpret_cast<uint32_t *>(address)[i] = value;
  return note("cuMemsetD32Async");
}
EXPORT int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t size,
                                void *) {
  memcpy(reinterpret_cast<void *>(to), from, size);
  return note("cuMemcpyHtoDAsync");
}
EXPORT int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t size, void *) {
  memcpy(to, reinterpret_cast<void *>(from), size);
  return note("cuMemcpyDtoHAsync");
}
EXPORT int cuStreamSynchronize(void *) { return note("cuStreamSynchronize"); }
EXPORT int cuGetErrorName(int code, const char **name) {
  *name = code == 218   ? "CUDA_ERROR_INVALID_PTX"
          : code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : code == 2   ? "CUDA_ERROR_OUT_OF_MEMORY"
          : code == 100 ? "CUDA_ERROR_NO_DEVICE"
                        : nullptr;
  return *name ? 0 : 1;
}
EXPORT int cuGetErrorString(int, const char **text) {
  *text = "as the driver puts it";
  return 0;
}
