// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The runtime's C interface behind a class.

#include "tools/attnc/Kernel.h"

#include <chrono>

using namespace attnc;

static llvm::Error failure(const llvm::Twine &where, const attnc_error &error) {
  return llvm::createStringError(where + llvm::StringRef(error.message));
}

static attnc_load_options optionsFor(const Device *device) {
  attnc_load_options options = ATTNC_LOAD_OPTIONS_INIT;
  if (device && device->isGpu()) {
    options.device_type = ATTNC_DEVICE_CUDA;
    options.device_id = device->getNumber();
    options.driver = device->getDriver();
  }
  return options;
}

llvm::Expected<Kernel> Kernel::load(llvm::StringRef path,
                                    llvm::StringRef target,
                                    std::shared_ptr<Device> device) {
  attnc_load_options options = optionsFor(device.get());
  std::string name = target.str();
  options.target = name.empty() ? nullptr : name.c_str();
  attnc_error error = ATTNC_ERROR_INIT;
  attnc_kernel *kernel = nullptr;
  if (attnc_kernel_load_file(path.str().c_str(), &options, &kernel, &error) !=
      ATTNC_OK)
    return failure(path + ": ", error);
  return Kernel(kernel, std::move(device));
}

llvm::Expected<Kernel> Kernel::loadBytes(llvm::ArrayRef<uint8_t> bytes,
                                         std::shared_ptr<Device> device) {
  attnc_load_options options = optionsFor(device.get());
  attnc_error error = ATTNC_ERROR_INIT;
  attnc_kernel *kernel = nullptr;
  if (attnc_kernel_load_memory(bytes.data(), bytes.size(), &options, &kernel,
                               &error) != ATTNC_OK)
    return failure("", error);
  return Kernel(kernel, std::move(device));
}

Signature Kernel::getSignature() const {
  attnc_kernel_info info = {};
  info.struct_size = sizeof(info);
  attnc_kernel_get_info(kernel.get(), &info);
  Signature signature;
  signature.name = info.name;
  std::vector<Argument> updated;
  for (uint32_t i = 0; i < info.num_args; ++i) {
    attnc_arg_info arg = {};
    arg.struct_size = sizeof(arg);
    attnc_kernel_get_arg(kernel.get(), i, &arg);
    Argument argument;
    argument.name = arg.name;
    argument.dtype = arg.dtype;
    argument.dims.assign(arg.dims, arg.dims + arg.rank);
    if (arg.role == ATTNC_ROLE_INOUT) {
      updated.push_back(argument);
      updated.back().updates = signature.inputs.size();
      updated.back().name += "_new";
    }
    (arg.role == ATTNC_ROLE_OUTPUT ? signature.outputs : signature.inputs)
        .push_back(std::move(argument));
  }
  llvm::append_range(signature.outputs, updated);
  return signature;
}

llvm::StringRef Kernel::getMetadata(llvm::StringRef key) const {
  attnc_metadata entry = {};
  entry.struct_size = sizeof(entry);
  for (uint32_t i = 0;
       attnc_kernel_get_metadata(kernel.get(), i, &entry) == ATTNC_OK; ++i)
    if (key == entry.key)
      return {entry.value, entry.value_size};
  return {};
}

std::string Kernel::getTarget() const {
  attnc_kernel_info info = {};
  info.struct_size = sizeof(info);
  attnc_kernel_get_info(kernel.get(), &info);
  attnc_image_info image = {};
  image.struct_size = sizeof(image);
  if (info.image < 0 ||
      attnc_kernel_get_image(kernel.get(), info.image, &image) != ATTNC_OK)
    return "";
  return image.target;
}

/// The runtime's view; it does not write to inputs.
static attnc_tensor viewOf(const Tensor &tensor) {
  attnc_tensor view = {};
  view.struct_size = sizeof(view);
  view.dtype = tensor.dtype;
  view.rank = static_cast<uint32_t>(tensor.shape.size());
  view.data = const_cast<uint8_t *>(tensor.getData());
  view.shape = tensor.shape.data();
  return view;
}

namespace {
/// A kernel's arguments on a GPU: copies of the tensors that the views show.
class DeviceCopies {
public:
  llvm::Error add(const Device &device, attnc_tensor &view, bool isWritten) {
    size_t bytes = attnc_dtype_size(view.dtype);
    for (uint32_t d = 0; d < view.rank; ++d)
      bytes *= static_cast<size_t>(view.shape[d]);
    llvm::Expected<DeviceArray> array = DeviceArray::create(device, bytes);
    if (!array)
      return array.takeError();
    if (llvm::Error error = array->write(view.data))
      return error;
    void *host = view.data;
    view.data = reinterpret_cast<void *>(array->getAddress());
    view.device_type = ATTNC_DEVICE_CUDA;
    view.device_id = device.getNumber();
    copies.push_back({std::move(*array), isWritten ? host : nullptr});
    return llvm::Error::success();
  }
  llvm::Error readBack() const {
    for (const Copy &copy : copies)
      if (copy.host)
        if (llvm::Error error = copy.array.read(copy.host))
          return error;
    return llvm::Error::success();
  }

private:
  struct Copy {
    DeviceArray array;
    void *host; ///< where results go
  };
  std::vector<Copy> copies;
};
} // namespace

llvm::Expected<double> Kernel::launch(const Signature &signature,
                                      const std::vector<Tensor> &inputs,
                                      std::vector<Tensor> &outputs,
                                      unsigned threads) const {
  // Arguments come in the kernel's order, inputs and outputs as it has them.
  std::vector<attnc_tensor> views;
  DeviceCopies copies;
  size_t nextInput = 0;
  std::vector<Tensor *> written, updated(inputs.size());
  for (auto [argument, tensor] : llvm::zip(signature.outputs, outputs))
    (argument.updates ? updated[*argument.updates] : written.emplace_back()) =
        &tensor;
  auto nextOutput = written.begin();
  attnc_arg_info arg = {};
  arg.struct_size = sizeof(arg);
  for (uint32_t i = 0; attnc_kernel_get_arg(kernel.get(), i, &arg) == ATTNC_OK;
       ++i) {
    if (arg.role == ATTNC_ROLE_OUTPUT) {
      views.push_back(viewOf(**nextOutput++));
    } else {
      size_t number = nextInput++;
      views.push_back(
          viewOf(updated[number] ? *updated[number] : inputs[number]));
    }
    if (device && device->isGpu())
      if (llvm::Error error =
              copies.add(*device, views.back(), arg.role != ATTNC_ROLE_INPUT))
        return std::move(error);
  }
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.threads = threads;
  attnc_error error = ATTNC_ERROR_INIT;
  auto start = std::chrono::steady_clock::now();
  if (attnc_launch(kernel.get(), views.data(), views.size(), &options,
                   &error) != ATTNC_OK)
    return failure("", error);
  std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  if (llvm::Error failed = copies.readBack())
    return std::move(failed);
  return time.count();
}
