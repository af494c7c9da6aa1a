// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What this CPU and its operating system can run, by LLVM's feature names.

#ifndef ATTNC_RUNTIME_CPUFEATURES_H
#define ATTNC_RUNTIME_CPUFEATURES_H

#include <cstdint>
#include <string>
#include <vector>

namespace attnc {

/// The registers that one cpuid leaf returns.
struct CpuidLeaf {
  uint32_t eax, ebx, ecx, edx;
};

/// Where x86 features are read from: the machine, or a test's stand-in.
struct CpuidSource {
  CpuidLeaf (*cpuid)(uint32_t leaf, uint32_t subleaf);
  /// XCR0; called only where cpuid says that xgetbv exists.
  uint64_t (*xgetbv)();
};

/// Sorted names. Vector extensions whose registers the operating system does
/// not save are left out.
std::vector<std::string> detectX86Features(const CpuidSource &source);

/// Those of this machine, detected once.
const std::vector<std::string> &hostFeatures();

/// ATTNC_ARCH_* of this machine; 0 if it has no number.
uint32_t hostArch();

/// The `required` features that the host lacks, separated by spaces; empty if
/// it lacks none. An unknown name counts as lacking.
std::string missingFeatures(const std::vector<std::string> &required);

} // namespace attnc

#endif // ATTNC_RUNTIME_CPUFEATURES_H
