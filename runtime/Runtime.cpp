// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Loading kernels and answering questions about them.

#include "CpuFeatures.h"
#include "Kernel.h"
#include "KernelReader.h"
#include "Options.h"

#include "attnc/kernel_format.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/stat.h>
#include <unistd.h>

using namespace attnc;

uint32_t attnc_runtime_abi_version(void) { return ATTNC_ABI_VERSION; }

uint32_t attnc_runtime_format_version(void) { return ATTNC_FORMAT_VERSION; }

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

namespace {

/// Closes at the end of the scope.
class File {
public:
  explicit File(const char *path) : fd(open(path, O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd >= 0)
      close(fd);
  }
  const int fd;
};

attnc_result readFile(const char *path, std::vector<uint8_t> &bytes,
                      Error &error) {
  File file(path);
  struct stat info;
  if (file.fd < 0 || fstat(file.fd, &info) != 0)
    return error.fail(ATTNC_ERROR_IO, "cannot open '%s': %s", path,
                      strerror(errno));
  if (!S_ISREG(info.st_mode))
    return error.fail(ATTNC_ERROR_IO, "'%s' is not a regular file", path);
  if (uint64_t(info.st_size) > ATTNC_MAX_FILE_BYTES)
    return error.fail(ATTNC_ERROR_NOT_A_KERNEL,
                      "'%s' is too large for a kernel file", path);
  bytes.resize(size_t(info.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = read(file.fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return error.fail(ATTNC_ERROR_IO, "cannot read '%s': %s", path,
                        strerror(errno));
    if (n == 0)
      break; // cut short meanwhile: the header will tell
    done += size_t(n);
  }
  bytes.resize(done);
  return ATTNC_OK;
}

/// Says what each image wants and what of it this CPU lacks.
attnc_result failNoImage(const attnc_kernel &kernel, const char *target,
                         Error &error) {
  if (kernel.model.images.empty())
    return error.fail(ATTNC_ERROR_NO_IMAGE,
                      "kernel '%s' holds no code: it is a description only",
                      kernel.model.name.c_str());
  std::string list;
  bool named = false;
  for (size_t i = 0; i < kernel.model.images.size(); ++i) {
    const ImageModel &image = kernel.model.images[i];
    named |= target && image.target == target;
    list += (i ? ", " : "") + image.target;
    if (image.isGpu())
      list += image.arch == ATTNC_ARCH_PTX ? " (PTX)" : " (a GPU)";
    else if (!kernel.imageMissing[i].empty())
      list += " (this CPU lacks " + kernel.imageMissing[i] + "; it needs " +
              kernel.imageFeatures[i] + ")";
  }
  if (target && !named)
    return error.fail(ATTNC_ERROR_NO_IMAGE,
                      "kernel '%s' has no image '%s'; it has %s",
                      kernel.model.name.c_str(), target, list.c_str());
  return error.fail(ATTNC_ERROR_NO_IMAGE,
                    "kernel '%s' has no image that this CPU can run; it has %s",
                    kernel.model.name.c_str(), list.c_str());
}

void describeImages(attnc_kernel &kernel) {
  for (const ImageModel &image : kernel.model.images) {
    std::string features;
    for (const std::string &feature : image.features)
      features += (features.empty() ? "" : " ") + feature;
    kernel.imageFeatures.push_back(std::move(features));
    kernel.imageMissing.push_back(image.isGpu() ? "a GPU's instructions"
                                  : image.arch == hostArch()
                                      ? missingFeatures(image.features)
                                      : "its architecture");
  }
}

attnc_result useImage(const uint8_t *file, const char *target,
                      attnc_kernel &kernel, Error &error) {
  const std::vector<ImageModel> &images = kernel.model.images;
  for (size_t i = 0; i < images.size(); ++i) {
    if (!kernel.imageMissing[i].empty() ||
        (target && images[i].target != target))
      continue;
    kernel.image = int32_t(i);
    // A kernel without launches has no entries, and maybe no code.
    if (images[i].codeSize > 0)
      if (attnc_result result = kernel.code.map(
              file + images[i].codeOffset, size_t(images[i].codeSize), error))
        return result;
    for (uint64_t entry : images[i].entries)
      kernel.functions.push_back(reinterpret_cast<attnc_workgroup_fn>(
          reinterpret_cast<uintptr_t>(kernel.code.data() + entry)));
    return ATTNC_OK;
  }
  return failNoImage(kernel, target, error);
}

attnc_result useGpu(const uint8_t *file, const attnc_load_options &options,
                    attnc_kernel &kernel, Error &error) {
  const attnc_gpu_driver *driver = options.driver;
  if (!driver) {
    attnc_error own = ATTNC_ERROR_INIT;
    if (attnc_result failed = attnc_cuda_driver(&driver, &own))
      return error.fail(failed, "%s", own.message);
  }
  if (driver->struct_size < sizeof(*driver))
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                      "options.driver has a struct_size of %zu, not %zu",
                      driver->struct_size, sizeof(*driver));
  kernel.gpu = std::make_unique<GpuKernel>(kernel.model, file, *driver,
                                           options.device_id, options.target);
  const GpuModule *module = nullptr;
  if (attnc_result failed = kernel.gpu->on(options.device_id, module, error))
    return failed;
  kernel.image = int32_t(module->image);
  return ATTNC_OK;
}

attnc_result loadMemory(const void *data, size_t size,
                        const attnc_load_options &options,
                        attnc_kernel **result, Error &error) {
  const uint8_t *file = static_cast<const uint8_t *>(data);
  auto kernel = std::make_unique<attnc_kernel>();
  if (attnc_result failed = readKernel(file, size, kernel->model, error))
    return failed;
  describeImages(*kernel);
  if (attnc_result failed =
          options.device_type == ATTNC_DEVICE_CUDA
              ? useGpu(file, options, *kernel, error)
              : useImage(file, options.target, *kernel, error))
    return failed;
  *result = kernel.release();
  return ATTNC_OK;
}

/// The checks that loading from a file and from memory have in common.
attnc_result startLoad(const void *source, const char *sourceName,
                       const attnc_load_options *options,
                       attnc_load_options &taken, attnc_kernel **kernel,
                       Error &error) {
  if (!kernel)
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT, "kernel is NULL");
  *kernel = nullptr;
  if (!source)
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT, "%s is NULL", sourceName);
  if (options && !copyOptions(taken, *options))
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                      "options.struct_size is %zu", options->struct_size);
  if (taken.device_type != 0 && taken.device_type != ATTNC_DEVICE_CPU &&
      taken.device_type != ATTNC_DEVICE_CUDA)
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                      "options.device_type is %d: kernels run on CPUs (1) and "
                      "CUDA devices (2)",
                      int(taken.device_type));
  return ATTNC_OK;
}

/// Runs `body`, with exceptions turned into error codes.
template <typename Body>
attnc_result withoutExceptions(Error &error, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc &) {
    return error.fail(ATTNC_ERROR_OUT_OF_MEMORY, "out of memory");
  }
}

attnc_result createKernel(const uint8_t *description, size_t size,
                          const attnc_workgroup_fn *functions,
                          size_t numFunctions, attnc_release_fn release,
                          void *owner, attnc_kernel **kernel, Error &error) {
  auto created = std::make_unique<attnc_kernel>();
  if (attnc_result result =
          readKernel(description, size, created->model, error))
    return result;
  const std::vector<LaunchModel> &launches = created->model.launches;
  if (numFunctions != launches.size())
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                      "%zu functions given; kernel '%s' has %zu launches",
                      numFunctions, created->model.name.c_str(),
                      launches.size());
  for (size_t i = 0; i < numFunctions; ++i) {
    if (!functions || !functions[i])
      return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                        "the function of launch %s is NULL",
                        launches[i].name.c_str());
    created->functions.push_back(functions[i]);
  }
  describeImages(*created);
  created->release = release;
  created->owner = owner;
  *kernel = created.release();
  return ATTNC_OK;
}

} // namespace

attnc_result attnc_kernel_load_file(const char *path,
                                    const attnc_load_options *options,
                                    attnc_kernel **kernel,
                                    attnc_error *error_out) {
  Error error(error_out);
  attnc_load_options taken = ATTNC_LOAD_OPTIONS_INIT;
  if (attnc_result result =
          startLoad(path, "path", options, taken, kernel, error))
    return result;
  return withoutExceptions(error, [&]() -> attnc_result {
    std::vector<uint8_t> bytes;
    if (attnc_result result = readFile(path, bytes, error))
      return result;
    return loadMemory(bytes.data(), bytes.size(), taken, kernel, error);
  });
}

attnc_result attnc_kernel_load_memory(const void *data, size_t size,
                                      const attnc_load_options *options,
                                      attnc_kernel **kernel,
                                      attnc_error *error_out) {
  Error error(error_out);
  attnc_load_options taken = ATTNC_LOAD_OPTIONS_INIT;
  if (attnc_result result =
          startLoad(data, "data", options, taken, kernel, error))
    return result;
  return withoutExceptions(
      error, [&] { return loadMemory(data, size, taken, kernel, error); });
}

attnc_result attnc_kernel_create(const void *description, size_t size,
                                 const attnc_workgroup_fn *functions,
                                 size_t num_functions, attnc_release_fn release,
                                 void *owner, attnc_kernel **kernel,
                                 attnc_error *error_out) {
  Error error(error_out);
  attnc_load_options unused = ATTNC_LOAD_OPTIONS_INIT;
  if (attnc_result result =
          startLoad(description, "description", nullptr, unused, kernel, error))
    return result;
  return withoutExceptions(error, [&] {
    return createKernel(static_cast<const uint8_t *>(description), size,
                        functions, num_functions, release, owner, kernel,
                        error);
  });
}

void attnc_kernel_destroy(attnc_kernel *kernel) {
  if (!kernel)
    return;
  attnc_release_fn release = kernel->release;
  void *owner = kernel->owner;
  delete kernel;
  if (release)
    release(owner);
}

void attnc_kernel_trim(attnc_kernel *kernel) {
  if (kernel)
    kernel->contexts.clear();
}

//===----------------------------------------------------------------------===//
// Queries
//===----------------------------------------------------------------------===//

/// Fills the caller's struct with what `describe` says of element `index` of a
/// kernel's list.
template <typename Info, typename List, typename Describe>
static attnc_result answer(Info *to, const List &list, uint32_t index,
                           Describe describe) {
  if (index >= list.size() || !copyResult(to, describe(list[index])))
    return ATTNC_ERROR_INVALID_ARGUMENT;
  return ATTNC_OK;
}

attnc_result attnc_kernel_get_info(const attnc_kernel *kernel,
                                   attnc_kernel_info *info) {
  if (!kernel)
    return ATTNC_ERROR_INVALID_ARGUMENT;
  const KernelModel &model = kernel->model;
  attnc_kernel_info result = {sizeof(result),
                              model.name.c_str(),
                              model.producer.c_str(),
                              uint32_t(model.args.size()),
                              uint32_t(model.launches.size()),
                              uint32_t(model.images.size()),
                              uint32_t(model.metadata.size()),
                              kernel->image};
  return copyResult(info, result) ? ATTNC_OK : ATTNC_ERROR_INVALID_ARGUMENT;
}

attnc_result attnc_kernel_get_arg(const attnc_kernel *kernel, uint32_t index,
                                  attnc_arg_info *info) {
  if (!kernel)
    return ATTNC_ERROR_INVALID_ARGUMENT;
  return answer(info, kernel->model.args, index, [](const ArgModel &arg) {
    return attnc_arg_info{
        sizeof(attnc_arg_info),    arg.name.c_str(), arg.role,     arg.dtype,
        uint32_t(arg.dims.size()), arg.dims.data(),  arg.alignment};
  });
}

attnc_result attnc_kernel_get_launch(const attnc_kernel *kernel, uint32_t index,
                                     attnc_launch_info *info) {
  if (!kernel)
    return ATTNC_ERROR_INVALID_ARGUMENT;
  return answer(
      info, kernel->model.launches, index, [](const LaunchModel &launch) {
        return attnc_launch_info{sizeof(attnc_launch_info), launch.name.c_str(),
                                 uint32_t(launch.grid.size()),
                                 uint32_t(launch.words.size()),
                                 launch.scratchBytes};
      });
}

attnc_result attnc_kernel_get_image(const attnc_kernel *kernel, uint32_t index,
                                    attnc_image_info *info) {
  if (!kernel)
    return ATTNC_ERROR_INVALID_ARGUMENT;
  return answer(
      info, kernel->model.images, index, [&](const ImageModel &image) {
        return attnc_image_info{sizeof(attnc_image_info), image.target.c_str(),
                                kernel->imageFeatures[index].c_str(),
                                kernel->imageMissing[index].c_str(),
                                image.codeSize};
      });
}

attnc_result attnc_kernel_get_metadata(const attnc_kernel *kernel,
                                       uint32_t index,
                                       attnc_metadata *metadata) {
  if (!kernel)
    return ATTNC_ERROR_INVALID_ARGUMENT;
  return answer(metadata, kernel->model.metadata, index, [](const auto &entry) {
    return attnc_metadata{sizeof(attnc_metadata), entry.first.c_str(),
                          entry.second.c_str(), entry.second.size()};
  });
}
