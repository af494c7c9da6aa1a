// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Targets: what the levels promise, and what is read off the host.

#include "TestKernels.h"

#include "attnc/runtime.h"

#include <gtest/gtest.h>

using namespace attnc;
using attnc::test::targetNamed;

TEST(Target, LevelsPromiseWhatTheirNamesSay) {
  Target v1 = targetNamed("x86-64"), v2 = targetNamed("x86-64-v2");
  Target v3 = targetNamed("x86-64-v3"), v4 = targetNamed("x86-64-v4");
  EXPECT_EQ(v1.vectorBits, 128u);
  EXPECT_EQ(v2.vectorBits, 128u);
  EXPECT_EQ(v3.vectorBits, 256u);
  EXPECT_EQ(v4.vectorBits, 512u);
  EXPECT_EQ(v3.lanes(32), 8u);
  EXPECT_EQ(v3.vectorRegisters, 16u);
  EXPECT_EQ(v4.vectorRegisters, 32u);
  EXPECT_FALSE(v1.hasSse41);
  EXPECT_TRUE(v2.hasSse41);
  EXPECT_FALSE(v2.hasFma);
  EXPECT_TRUE(v3.hasFma);
  EXPECT_FALSE(v2.hasF16c);
  EXPECT_TRUE(v3.hasF16c);
  EXPECT_FALSE(v4.hasAvx512Bf16);
  // A level has all that the one before it has.
  for (const std::string &feature : v3.features)
    EXPECT_TRUE(v4.hasFeature(feature)) << feature;
  EXPECT_EQ(v4.machineModel().vectorBytes, 64);
}

TEST(Target, UnknownNameListsTheKnownOnes) {
  llvm::Expected<Target> target = Target::parse("pentium");
  ASSERT_FALSE(static_cast<bool>(target));
  std::string text = llvm::toString(target.takeError());
  EXPECT_EQ(text.find("unknown target 'pentium'; known are native, x86-64, "
                      "x86-64-v2, x86-64-v3, x86-64-v4, x86-64-v4+avx512bf16, "
                      "sm_75, sm_80, "),
            0u)
      << text;
}

TEST(Target, HostUsesOnlyWhatTheRuntimeSees) {
  Target host = targetNamed("native");
  std::string known = " " + std::string(attnc_cpu_features()) + " ";
  for (const std::string &feature : host.features)
    EXPECT_NE(known.find(" " + feature + " "), std::string::npos) << feature;
  EXPECT_TRUE(host.hasFeature("sse2"));
  EXPECT_GE(host.l1Bytes, 8 << 10);
  EXPECT_GE(host.l2Bytes, host.l1Bytes);
}

// A feature that the target has must be one that generated code may use: the
// string that LLVM gets says so for every one of them.
TEST(Target, FeatureStringMatchesTheList) {
  for (llvm::StringRef name : Target::names()) {
    Target target = targetNamed(name.data());
    if (target.isGpu())
      continue; // its string names a version of PTX
    llvm::SmallVector<llvm::StringRef> changes;
    llvm::StringRef(target.featureString).split(changes, ',');
    std::vector<std::string> enabled;
    for (llvm::StringRef change : changes)
      if (change.consume_front("+"))
        enabled.push_back(change.str());
    std::sort(enabled.begin(), enabled.end());
    EXPECT_EQ(enabled, target.features) << name.str();
  }
}
