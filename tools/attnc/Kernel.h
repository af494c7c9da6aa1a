// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A kernel of the runtime, from a file or from the JIT, as the tools use it.

#ifndef ATTNC_TOOLS_ATTNC_KERNEL_H
#define ATTNC_TOOLS_ATTNC_KERNEL_H

#include "attnc/runtime.h"
#include "tools/attnc/Device.h"
#include "tools/attnc/Spec.h"
#include "tools/support/Tensor.h"

namespace attnc {

class Kernel {
public:
  /// Loads a kernel file; `target` (may be empty) chooses an image.
  static llvm::Expected<Kernel> load(llvm::StringRef path,
                                     llvm::StringRef target,
                                     std::shared_ptr<Device> device);
  static llvm::Expected<Kernel> loadBytes(llvm::ArrayRef<uint8_t> bytes,
                                          std::shared_ptr<Device> device);
  /// Takes over a kernel that was created elsewhere, on the CPU.
  explicit Kernel(attnc_kernel *kernel) : kernel(kernel) {}

  Signature getSignature() const;
  /// A metadata entry, empty if there is none.
  llvm::StringRef getMetadata(llvm::StringRef key) const;
  /// As Device::getObservations; empty for the CPU.
  std::string getObservations() const {
    return device ? device->getObservations() : "";
  }
  /// The target of the image in use; empty for a JIT.
  std::string getTarget() const;

  /// Runs once. Outputs are those of `signature` and must have their shapes;
  /// those that are updated must hold what the inputs do. Returns the seconds
  /// that the launch took, without copies to and from a device.
  llvm::Expected<double> launch(const Signature &signature,
                                const std::vector<Tensor> &inputs,
                                std::vector<Tensor> &outputs,
                                unsigned threads) const;

private:
  Kernel(attnc_kernel *kernel, std::shared_ptr<Device> device)
      : device(std::move(device)), kernel(kernel) {}
  std::shared_ptr<Device> device; ///< null: the CPU; outlives the kernel
  struct Destroy {
    void operator()(attnc_kernel *k) const { attnc_kernel_destroy(k); }
  };
  std::unique_ptr<attnc_kernel, Destroy> kernel;
};

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_KERNEL_H
