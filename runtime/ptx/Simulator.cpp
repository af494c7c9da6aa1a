// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// attnc_gpu_driver's functions on an executor. Streams do not exist here: every
// call is done when it returns.

#include "attnc/ptx_driver.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>

using namespace attnc::ptx;

namespace {

struct LoadedModule {
  std::string text;
};

struct LoadedFunction {
  LoadedModule *module;
  std::string name;
};

attnc_result fail(attnc_error *error, attnc_result code, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));
attnc_result fail(attnc_error *error, attnc_result code, const char *format,
                  ...) {
  va_list arguments;
  va_start(arguments, format);
  error->code = code;
  vsnprintf(error->message, sizeof(error->message), format, arguments);
  va_end(arguments);
  return code;
}

} // namespace

struct Simulator::Impl {
  SimulationOptions options;
  attnc_gpu_driver table;
  std::mutex lock;
  Executor executor;
  const LoadedModule *current = nullptr; ///< in the executor
  std::vector<std::unique_ptr<LoadedModule>> modules;
  std::vector<std::unique_ptr<LoadedFunction>> functions;
  uint64_t threadInstructions = 0, extraWavefronts = 0;

  attnc_result use(const LoadedModule &module, attnc_error *error);
  attnc_result launch(const attnc_gpu_launch &call, attnc_error *error);
};

/// The executor holds one module at a time; memory stays.
attnc_result Simulator::Impl::use(const LoadedModule &module,
                                  attnc_error *error) {
  if (current == &module)
    return ATTNC_OK;
  current = nullptr;
  Diagnostic wrong;
  if (!executor.load(module.text, wrong))
    return fail(error, ATTNC_ERROR_DEVICE, "ptx-sim: line %u: %s", wrong.line,
                wrong.message.c_str());
  current = &module;
  return ATTNC_OK;
}

attnc_result Simulator::Impl::launch(const attnc_gpu_launch &call,
                                     attnc_error *error) {
  const auto &function = *static_cast<const LoadedFunction *>(call.function);
  if (attnc_result result = use(*function.module, error))
    return result;
  std::vector<std::vector<uint8_t>> arguments;
  for (uint32_t i = 0; i < call.num_params; ++i) {
    const auto *bytes = static_cast<const uint8_t *>(call.params[i]);
    arguments.emplace_back(bytes, bytes + call.sizes[i]);
  }
  LaunchOptions launch;
  launch.grid.x = call.blocks;
  launch.block.x = call.threads;
  launch.dynamicShared = call.shared_bytes;
  launch.seed = options.seed++;
  launch.races = options.races;
  launch.banks = options.banks;
  launch.progress = options.progress;
  LaunchResult result = executor.launch(function.name, arguments, launch);
  threadInstructions += result.threadInstructions;
  extraWavefronts += result.extraWavefronts();
  if (!result.completed)
    return fail(error, ATTNC_ERROR_DEVICE,
                "ptx-sim: %s, line %u: %s (seed %llu)", function.name.c_str(),
                result.error.line, result.error.message.c_str(),
                static_cast<unsigned long long>(launch.seed));
  if (result.findings.empty())
    return ATTNC_OK;
  const Finding &first = result.findings.front();
  return fail(error, ATTNC_ERROR_DEVICE,
              "ptx-sim: %s, line %u: %s: %s (%zu findings, seed %llu)",
              function.name.c_str(), first.line, nameOf(first.kind),
              first.message.c_str(), result.findings.size(),
              static_cast<unsigned long long>(launch.seed));
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

static Simulator::Impl &implOf(void *user) {
  return *static_cast<Simulator::Impl *>(user);
}

static attnc_result describe(void *, int32_t device, char *name, size_t size,
                             attnc_error *error) {
  if (device != 0)
    return fail(error, ATTNC_ERROR_INVALID_ARGUMENT,
                "ptx-sim has device 0 only, not %d", int(device));
  snprintf(name, size, "PTX up to sm_90a");
  return ATTNC_OK;
}

static int takes(void *, int32_t, uint32_t arch, uint32_t sm, uint32_t) {
  return arch == ATTNC_ARCH_PTX && sm <= 90;
}

static attnc_result load(void *user, int32_t, uint32_t, const void *image,
                         size_t size, void **module, attnc_error *error) {
  Simulator::Impl &impl = implOf(user);
  std::lock_guard<std::mutex> guard(impl.lock);
  auto created = std::make_unique<LoadedModule>();
  created->text.assign(static_cast<const char *>(image), size);
  if (attnc_result result = impl.use(*created, error))
    return result;
  *module = created.get();
  impl.modules.push_back(std::move(created));
  return ATTNC_OK;
}

static void unload(void *user, int32_t, void *module) {
  Simulator::Impl &impl = implOf(user);
  std::lock_guard<std::mutex> guard(impl.lock);
  if (impl.current == module)
    impl.current = nullptr;
  for (size_t i = impl.functions.size(); i-- > 0;)
    if (impl.functions[i]->module == module)
      impl.functions.erase(impl.functions.begin() + static_cast<ptrdiff_t>(i));
  for (size_t i = impl.modules.size(); i-- > 0;)
    if (impl.modules[i].get() == module)
      impl.modules.erase(impl.modules.begin() + static_cast<ptrdiff_t>(i));
}

static attnc_result function(void *user, int32_t, void *module,
                             const char *name, uint32_t, void **result,
                             attnc_error *error) {
  Simulator::Impl &impl = implOf(user);
  std::lock_guard<std::mutex> guard(impl.lock);
  auto *loaded = static_cast<LoadedModule *>(module);
  if (attnc_result failed = impl.use(*loaded, error))
    return failed;
  for (const EntryInfo &entry : impl.executor.entries())
    if (entry.name == name) {
      impl.functions.push_back(
          std::make_unique<LoadedFunction>(LoadedFunction{loaded, name}));
      *result = impl.functions.back().get();
      return ATTNC_OK;
    }
  return fail(error, ATTNC_ERROR_DEVICE, "ptx-sim: no entry function %s", name);
}

static attnc_result launch(void *user, int32_t, const attnc_gpu_launch *call,
                           attnc_error *error) {
  Simulator::Impl &impl = implOf(user);
  std::lock_guard<std::mutex> guard(impl.lock);
  return impl.launch(*call, error);
}

static attnc_result allocate(void *user, int32_t, size_t size,
                             uint64_t *address, attnc_error *error) {
  Simulator::Impl &impl = implOf(user);
  std::lock_guard<std::mutex> guard(impl.lock);
  *address = impl.executor.allocate(size);
  return *address ? ATTNC_OK
                  : fail(error, ATTNC_ERROR_OUT_OF_MEMORY,
                         "ptx-sim: no memory for %zu bytes", size);
}

static void release(void *user, int32_t, uint64_t address) {
  Simulator::Impl &impl = implOf(user);
  std::lock_guard<std::mutex> guard(impl.lock);
  impl.executor.free(address);
}

static attnc_result write(void *user, int32_t, void *, uint64_t address,
                          const void *data, size_t size, attnc_error *error) {
  Simulator::Impl &impl = implOf(user);
  std::lock_guard<std::mutex> guard(impl.lock);
  if (impl.executor.write(address, data, size))
    return ATTNC_OK;
  return fail(error, ATTNC_ERROR_DEVICE,
              "ptx-sim: %zu bytes at 0x%llx are not the device's", size,
              static_cast<unsigned long long>(address));
}

static attnc_result zero(void *user, int32_t device, void *stream,
                         uint64_t address, size_t size, attnc_error *error) {
  std::vector<uint8_t> zeros(size);
  return write(user, device, stream, address, zeros.data(), size, error);
}

static attnc_result read(void *user, int32_t, void *, void *data,
                         uint64_t address, size_t size, attnc_error *error) {
  Simulator::Impl &impl = implOf(user);
  std::lock_guard<std::mutex> guard(impl.lock);
  if (impl.executor.read(address, data, size))
    return ATTNC_OK;
  return fail(error, ATTNC_ERROR_DEVICE,
              "ptx-sim: %zu bytes at 0x%llx are not the device's", size,
              static_cast<unsigned long long>(address));
}

Simulator::Simulator(SimulationOptions options)
    : impl(std::make_unique<Impl>()) {
  impl->options = std::move(options);
  impl->table = {sizeof(impl->table),
                 "ptx-sim",
                 impl.get(),
                 describe,
                 takes,
                 load,
                 unload,
                 function,
                 launch,
                 allocate,
                 release,
                 zero,
                 write,
                 read};
}
Simulator::~Simulator() = default;

const attnc_gpu_driver &Simulator::driver() const { return impl->table; }
uint64_t Simulator::map(void *data, size_t size, bool writable) {
  std::lock_guard<std::mutex> guard(impl->lock);
  return impl->executor.map(data, size, writable);
}
uint64_t Simulator::threadInstructions() const {
  return impl->threadInstructions;
}
uint64_t Simulator::extraWavefronts() const { return impl->extraWavefronts; }
