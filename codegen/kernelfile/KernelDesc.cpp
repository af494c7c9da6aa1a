// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small helpers on kernel descriptions.

#include "codegen/kernelfile/KernelDesc.h"

using namespace attnc;

std::vector<std::string> attnc::tensorNames(const KernelDesc &kernel) {
  std::vector<std::string> names;
  for (const ArgDesc &arg : kernel.args)
    names.push_back(arg.name);
  for (size_t i = 0; i < kernel.temps.size(); ++i)
    names.push_back("temp" + std::to_string(i));
  return names;
}

std::vector<std::string> attnc::x86LevelFeatures(const std::string &level) {
  static const std::vector<std::pair<const char *, std::vector<std::string>>>
      levels = {
          {"x86-64", {"cmov", "cx8", "fxsr", "mmx", "sse", "sse2", "x87"}},
          {"x86-64-v2",
           {"cx16", "popcnt", "sahf", "sse3", "sse4.1", "sse4.2", "ssse3"}},
          {"x86-64-v3",
           {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe",
            "xsave"}},
          {"x86-64-v4",
           {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}}};
  std::vector<std::string> features;
  for (const auto &entry : levels) {
    features.insert(features.end(), entry.second.begin(), entry.second.end());
    if (level == entry.first)
      return features;
  }
  return {};
}
