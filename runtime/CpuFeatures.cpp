// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// x86 features from cpuid and xgetbv; other machines report a baseline.

#include "CpuFeatures.h"

#include "attnc/runtime.h"

#include <algorithm>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

using namespace attnc;

namespace {

enum Register : uint8_t { EAX, EBX, ECX, EDX };

/// Registers that the operating system must save for the feature to work.
enum OsState : uint8_t { None, Avx, Avx512 };

struct FeatureBit {
  const char *name;
  uint32_t leaf;
  uint32_t subleaf;
  Register reg;
  uint8_t bit;
  OsState state;
};

// AMX is absent on purpose: its state needs a permission from the kernel that
// is asked for by each process.
constexpr FeatureBit x86Features[] = {
    {"sse3", 1, 0, ECX, 0, None},
    {"pclmul", 1, 0, ECX, 1, None},
    {"ssse3", 1, 0, ECX, 9, None},
    {"fma", 1, 0, ECX, 12, Avx},
    {"cx16", 1, 0, ECX, 13, None},
    {"sse4.1", 1, 0, ECX, 19, None},
    {"sse4.2", 1, 0, ECX, 20, None},
    {"movbe", 1, 0, ECX, 22, None},
    {"popcnt", 1, 0, ECX, 23, None},
    {"crc32", 1, 0, ECX, 20, None},
    {"aes", 1, 0, ECX, 25, None},
    {"xsave", 1, 0, ECX, 27, None}, // OSXSAVE: enabled, not only present
    {"avx", 1, 0, ECX, 28, Avx},
    {"f16c", 1, 0, ECX, 29, Avx},
    {"rdrnd", 1, 0, ECX, 30, None},
    {"x87", 1, 0, EDX, 0, None},
    {"cx8", 1, 0, EDX, 8, None},
    {"cmov", 1, 0, EDX, 15, None},
    {"mmx", 1, 0, EDX, 23, None},
    {"fxsr", 1, 0, EDX, 24, None},
    {"sse", 1, 0, EDX, 25, None},
    {"sse2", 1, 0, EDX, 26, None},
    {"fsgsbase", 7, 0, EBX, 0, None},
    {"bmi", 7, 0, EBX, 3, None},
    {"avx2", 7, 0, EBX, 5, Avx},
    {"bmi2", 7, 0, EBX, 8, None},
    {"invpcid", 7, 0, EBX, 10, None},
    {"rtm", 7, 0, EBX, 11, None},
    {"avx512f", 7, 0, EBX, 16, Avx512},
    {"avx512dq", 7, 0, EBX, 17, Avx512},
    {"rdseed", 7, 0, EBX, 18, None},
    {"adx", 7, 0, EBX, 19, None},
    {"avx512ifma", 7, 0, EBX, 21, Avx512},
    {"clflushopt", 7, 0, EBX, 23, None},
    {"clwb", 7, 0, EBX, 24, None},
    {"avx512cd", 7, 0, EBX, 28, Avx512},
    {"sha", 7, 0, EBX, 29, None},
    {"avx512bw", 7, 0, EBX, 30, Avx512},
    {"avx512vl", 7, 0, EBX, 31, Avx512},
    {"avx512vbmi", 7, 0, ECX, 1, Avx512},
    {"pku", 7, 0, ECX, 4, None},
    {"waitpkg", 7, 0, ECX, 5, None},
    {"avx512vbmi2", 7, 0, ECX, 6, Avx512},
    {"shstk", 7, 0, ECX, 7, None},
    {"gfni", 7, 0, ECX, 8, None},
    {"vaes", 7, 0, ECX, 9, Avx},
    {"vpclmulqdq", 7, 0, ECX, 10, Avx},
    {"avx512vnni", 7, 0, ECX, 11, Avx512},
    {"avx512bitalg", 7, 0, ECX, 12, Avx512},
    {"avx512vpopcntdq", 7, 0, ECX, 14, Avx512},
    {"rdpid", 7, 0, ECX, 22, None},
    {"cldemote", 7, 0, ECX, 25, None},
    {"movdiri", 7, 0, ECX, 27, None},
    {"movdir64b", 7, 0, ECX, 28, None},
    {"enqcmd", 7, 0, ECX, 29, None},
    {"avx512vp2intersect", 7, 0, EDX, 8, Avx512},
    {"serialize", 7, 0, EDX, 14, None},
    {"tsxldtrk", 7, 0, EDX, 16, None},
    {"avx512fp16", 7, 0, EDX, 23, Avx512},
    {"sha512", 7, 1, EAX, 0, Avx},
    {"sm3", 7, 1, EAX, 1, Avx},
    {"sm4", 7, 1, EAX, 2, Avx},
    {"avxvnni", 7, 1, EAX, 4, Avx},
    {"avx512bf16", 7, 1, EAX, 5, Avx512},
    {"cmpccxadd", 7, 1, EAX, 7, None},
    {"avxifma", 7, 1, EAX, 23, Avx},
    {"avxvnniint8", 7, 1, EDX, 4, Avx},
    {"avxneconvert", 7, 1, EDX, 5, Avx},
    {"avxvnniint16", 7, 1, EDX, 10, Avx},
    {"prefetchi", 7, 1, EDX, 14, None},
    {"xsaveopt", 13, 1, EAX, 0, None},
    {"xsavec", 13, 1, EAX, 1, None},
    {"xsaves", 13, 1, EAX, 3, None},
    {"sahf", 0x80000001, 0, ECX, 0, None},
    {"lzcnt", 0x80000001, 0, ECX, 5, None},
    {"sse4a", 0x80000001, 0, ECX, 6, None},
    {"prfchw", 0x80000001, 0, ECX, 8, None},
    {"xop", 0x80000001, 0, ECX, 11, Avx},
    {"fma4", 0x80000001, 0, ECX, 16, Avx},
    {"tbm", 0x80000001, 0, ECX, 21, None},
    {"mwaitx", 0x80000001, 0, ECX, 29, None},
    {"64bit", 0x80000001, 0, EDX, 29, None},
    {"clzero", 0x80000008, 0, EBX, 0, None},
    {"rdpru", 0x80000008, 0, EBX, 4, None},
    {"wbnoinvd", 0x80000008, 0, EBX, 9, None},
};

uint32_t select(const CpuidLeaf &leaf, Register reg) {
  switch (reg) {
  case EAX:
    return leaf.eax;
  case EBX:
    return leaf.ebx;
  case ECX:
    return leaf.ecx;
  case EDX:
    return leaf.edx;
  }
  return 0;
}

#if defined(__x86_64__)
CpuidLeaf machineCpuid(uint32_t leaf, uint32_t subleaf) {
  CpuidLeaf result = {0, 0, 0, 0};
  __cpuid_count(leaf, subleaf, result.eax, result.ebx, result.ecx, result.edx);
  return result;
}

uint64_t machineXgetbv() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t(high) << 32) | low;
}
#endif

std::vector<std::string> detectHost() {
#if defined(__x86_64__)
  return detectX86Features({machineCpuid, machineXgetbv});
#elif defined(__aarch64__)
  return {"fp-armv8", "neon"};
#else
  return {};
#endif
}

std::string join(const std::vector<std::string> &words) {
  std::string text;
  for (const std::string &word : words)
    text += (text.empty() ? "" : " ") + word;
  return text;
}

} // namespace

std::vector<std::string> attnc::detectX86Features(const CpuidSource &source) {
  constexpr uint32_t osxsaveBit = 1u << 27;
  // SSE and AVX state; then opmask, upper halves and upper registers on top.
  constexpr uint64_t avxState = 0x6, avx512State = 0xe6;
  uint64_t xcr0 = 0;
  if (source.cpuid(1, 0).ecx & osxsaveBit)
    xcr0 = source.xgetbv();
  bool stateSaved[] = {true, (xcr0 & avxState) == avxState,
                       (xcr0 & avx512State) == avx512State};

  std::vector<std::string> names;
  for (const FeatureBit &feature : x86Features) {
    // Leaves beyond the largest return garbage on some CPUs.
    uint32_t largest = source.cpuid(feature.leaf & 0x80000000u, 0).eax;
    if (feature.leaf > largest || !stateSaved[feature.state])
      continue;
    if (feature.subleaf > 0 && feature.leaf == 7 &&
        feature.subleaf > source.cpuid(7, 0).eax)
      continue;
    CpuidLeaf leaf = source.cpuid(feature.leaf, feature.subleaf);
    if ((select(leaf, feature.reg) >> feature.bit) & 1)
      names.push_back(feature.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

const std::vector<std::string> &attnc::hostFeatures() {
  static const std::vector<std::string> features = detectHost();
  return features;
}

uint32_t attnc::hostArch() {
#if defined(__x86_64__)
  return ATTNC_ARCH_X86_64;
#elif defined(__aarch64__)
  return ATTNC_ARCH_AARCH64;
#else
  return 0;
#endif
}

std::string attnc::missingFeatures(const std::vector<std::string> &required) {
  const std::vector<std::string> &have = hostFeatures();
  std::vector<std::string> missing;
  for (const std::string &name : required)
    if (!std::binary_search(have.begin(), have.end(), name))
      missing.push_back(name);
  return join(missing);
}

const char *attnc_cpu_features(void) {
  static const std::string text = join(hostFeatures());
  return text.c_str();
}
