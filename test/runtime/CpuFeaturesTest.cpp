// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// CPU features, against the operating system's own list and against invented
// machines.

#include "runtime/CpuFeatures.h"

#include "attnc/runtime.h"
#include "codegen/kernelfile/KernelDesc.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

using namespace attnc;

namespace {

bool has(const std::vector<std::string> &features, const char *name) {
  return std::find(features.begin(), features.end(), name) != features.end();
}

/// A machine of which every feature bit is set, up to what is changed here.
struct FakeMachine {
  uint32_t largestLeaf = 13;
  uint32_t largestExtendedLeaf = 0x80000008;
  uint32_t largestSubleaf7 = 1;
  uint32_t leaf1Ecx = 0xffffffff;
  uint64_t xcr0 = 0xe7;
  bool readXcr0 = false;
};
FakeMachine machine;

CpuidLeaf fakeCpuid(uint32_t leaf, uint32_t subleaf) {
  if (leaf == 0)
    return {machine.largestLeaf, 0, 0, 0};
  if (leaf == 0x80000000)
    return {machine.largestExtendedLeaf, 0, 0, 0};
  if (leaf == 7 && subleaf == 0)
    return {machine.largestSubleaf7, ~0u, ~0u, ~0u};
  if (leaf == 1)
    return {~0u, ~0u, machine.leaf1Ecx, ~0u};
  return {~0u, ~0u, ~0u, ~0u};
}

uint64_t fakeXgetbv() {
  machine.readXcr0 = true;
  return machine.xcr0;
}

std::vector<std::string> detectFake(const FakeMachine &changed) {
  machine = changed;
  return detectX86Features({fakeCpuid, fakeXgetbv});
}

TEST(CpuFeatures, EverythingOnAFullMachine) {
  std::vector<std::string> features = detectFake({});
  for (const char *level : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"})
    for (const std::string &name : x86LevelFeatures(level))
      EXPECT_TRUE(has(features, name.c_str())) << name;
  EXPECT_TRUE(has(features, "avx512bf16"));
  EXPECT_TRUE(std::is_sorted(features.begin(), features.end()));
}

TEST(CpuFeatures, NoAvxWithoutItsState) {
  FakeMachine fake;
  fake.xcr0 = 0x3; // x87 and SSE only
  std::vector<std::string> features = detectFake(fake);
  for (const char *name : {"avx", "avx2", "fma", "f16c", "vaes", "avx512f"})
    EXPECT_FALSE(has(features, name)) << name;
  EXPECT_TRUE(has(features, "sse4.2"));
  EXPECT_TRUE(has(features, "bmi2"));
}

TEST(CpuFeatures, NoAvx512WithoutItsState) {
  FakeMachine fake;
  fake.xcr0 = 0x7;
  std::vector<std::string> features = detectFake(fake);
  EXPECT_TRUE(has(features, "avx2"));
  EXPECT_TRUE(has(features, "fma"));
  for (const std::string &name : features)
    EXPECT_NE(name.substr(0, 6), "avx512") << name;
}

TEST(CpuFeatures, NoXgetbvWithoutOsxsave) {
  FakeMachine fake;
  fake.leaf1Ecx &= ~(1u << 27);
  std::vector<std::string> features = detectFake(fake);
  EXPECT_FALSE(machine.readXcr0) << "xgetbv would be an illegal instruction";
  EXPECT_FALSE(has(features, "avx"));
  EXPECT_FALSE(has(features, "avx2"));
  EXPECT_FALSE(has(features, "xsave"));
}

TEST(CpuFeatures, LeavesThatDoNotExistAreNotRead) {
  FakeMachine fake;
  fake.largestLeaf = 1;
  fake.largestExtendedLeaf = 0x80000000;
  std::vector<std::string> features = detectFake(fake);
  EXPECT_TRUE(has(features, "avx"));
  for (const char *name : {"avx2", "avx512f", "lzcnt", "clzero", "xsavec"})
    EXPECT_FALSE(has(features, name)) << name;
  fake = FakeMachine();
  fake.largestSubleaf7 = 0;
  EXPECT_FALSE(has(detectFake(fake), "avx512bf16"));
}

#if defined(__x86_64__) && defined(__linux__)
TEST(CpuFeatures, AgreesWithTheOperatingSystem) {
  std::ifstream file("/proc/cpuinfo");
  std::string line, flags;
  while (std::getline(file, line))
    if (line.rfind("flags", 0) == 0) {
      flags = line.substr(line.find(':') + 1);
      break;
    }
  if (flags.empty())
    GTEST_SKIP() << "no /proc/cpuinfo";
  std::istringstream words(flags);
  std::vector<std::string> listed(std::istream_iterator<std::string>(words),
                                  {});
  const std::map<const char *, const char *> names = {
      {"avx", "avx"},
      {"avx2", "avx2"},
      {"fma", "fma"},
      {"f16c", "f16c"},
      {"sse4.1", "sse4_1"},
      {"sse4.2", "sse4_2"},
      {"bmi", "bmi1"},
      {"bmi2", "bmi2"},
      {"lzcnt", "abm"},
      {"movbe", "movbe"},
      {"avx512f", "avx512f"},
      {"avx512bw", "avx512bw"},
      {"avx512dq", "avx512dq"},
      {"avx512vl", "avx512vl"},
      {"avx512bf16", "avx512_bf16"}};
  for (const auto &name : names)
    EXPECT_EQ(has(hostFeatures(), name.first), has(listed, name.second))
        << name.first;
}
#endif

TEST(CpuFeatures, Missing) {
  EXPECT_EQ(missingFeatures({}), "");
  EXPECT_EQ(missingFeatures({"no-such-1", "no-such-2"}), "no-such-1 no-such-2");
  EXPECT_EQ(missingFeatures(hostFeatures()), "");
  std::string text = attnc_cpu_features();
  EXPECT_EQ(size_t(std::count(text.begin(), text.end(), ' ')) + 1,
            std::max<size_t>(hostFeatures().size(), 1));
}

TEST(CpuFeatures, LevelsAreCumulative) {
  EXPECT_TRUE(x86LevelFeatures("x86-64-v9").empty());
  EXPECT_TRUE(has(x86LevelFeatures("x86-64-v4"), "sse2"));
  EXPECT_TRUE(has(x86LevelFeatures("x86-64-v4"), "avx512f"));
  EXPECT_TRUE(has(x86LevelFeatures("x86-64-v3"), "avx2"));
  EXPECT_FALSE(has(x86LevelFeatures("x86-64-v3"), "avx512f"));
  EXPECT_FALSE(has(x86LevelFeatures("x86-64-v2"), "avx"));
}

} // namespace
