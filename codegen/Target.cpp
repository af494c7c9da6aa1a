// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The known targets, and the host's detection.

#include "codegen/Target.h"

#include "attnc/runtime.h"
#include "codegen/gpu/Chips.h"
#include "codegen/kernelfile/KernelDesc.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <unistd.h>

using namespace attnc;

// Code is position independent and calls nothing, so one ELF triple serves
// every x86-64 system that the runtime knows.
static constexpr llvm::StringLiteral kTriple("x86_64-unknown-linux-gnu");

static constexpr llvm::StringLiteral kCpuNames[] = {
    "native",    "x86-64",    "x86-64-v2",
    "x86-64-v3", "x86-64-v4", "x86-64-v4+avx512bf16"};

bool Target::hasFeature(llvm::StringRef feature) const {
  return llvm::is_contained(features, feature);
}

MachineModel Target::machineModel() const {
  MachineModel model;
  model.vectorBytes = vectorBits / 8;
  model.vectorRegisters = vectorRegisters;
  model.hasBf16Dot = hasAvx512Bf16;
  model.l1Bytes = l1Bytes;
  model.l2Bytes = l2Bytes;
  model.sm = sm;
  model.hasWgmma = sm == 90 && smSuffix == 'a';
  return model;
}

/// What the runtime says that this machine has: it decides whether an image may
/// run, and it knows which registers the operating system saves.
static llvm::StringSet<> runtimeFeatures() {
  llvm::SmallVector<llvm::StringRef> names;
  llvm::StringRef(attnc_cpu_features()).split(names, ' ', -1, false);
  llvm::StringSet<> features;
  features.insert_range(names);
  return features;
}

/// Instructions that no kernel contains: asking for them would only keep a
/// kernel file from machines that could run it.
static bool isForSystems(llvm::StringRef feature) {
  static constexpr llvm::StringLiteral names[] = {
      "cldemote", "clflushopt", "clwb",    "clzero",  "enqcmd",   "fsgsbase",
      "invpcid",  "movdir64b",  "movdiri", "mwaitx",  "pku",      "prfchw",
      "ptwrite",  "rdpid",      "rdpru",   "rdrnd",   "rdseed",   "serialize",
      "shstk",    "tsxldtrk",   "uintr",   "waitpkg", "wbnoinvd", "xsave",
      "xsavec",   "xsaveopt",   "xsaves"};
  return llvm::is_contained(names, feature);
}

std::vector<std::string> Target::missingOnHost() const {
  if (isGpu())
    return {"an " + name};
  llvm::StringSet<> present = runtimeFeatures();
  std::vector<std::string> missing;
  for (const std::string &feature : features)
    if (!present.contains(feature))
      missing.push_back(feature);
  return missing;
}

/// Fills the fields that follow from the features.
static void deriveFromFeatures(Target &target) {
  llvm::sort(target.features);
  auto hasAll = [&](std::initializer_list<llvm::StringRef> names) {
    return llvm::all_of(
        names, [&](llvm::StringRef name) { return target.hasFeature(name); });
  };
  target.hasSse41 = hasAll({"sse4.1"});
  target.hasFma = hasAll({"fma"});
  target.hasF16c = hasAll({"f16c"});
  target.hasAvx512Bf16 = hasAll({"avx512bf16", "avx512vl"});
  if (hasAll({"avx512f", "avx512bw", "avx512dq", "avx512vl"})) {
    target.vectorBits = 512;
    target.vectorRegisters = 32;
  } else if (hasAll({"avx2"})) {
    target.vectorBits = 256;
  }
}

/// A cache's size, or `fallback` where the system does not tell.
static int64_t cacheBytes(int name, int64_t fallback) {
  long bytes = sysconf(name);
  return bytes > 0 ? bytes : fallback;
}

llvm::Expected<Target> Target::host() {
  llvm::Triple host(llvm::sys::getProcessTriple());
  if (host.getArch() != llvm::Triple::x86_64)
    return llvm::createStringError(
        "attnc generates code for x86-64 only, and this machine is " +
        host.getArchName());
  Target target;
  target.triple = kTriple.str();
  target.cpu = llvm::sys::getHostCPUName().str();
  target.name = target.cpu;

  llvm::StringSet<> present = runtimeFeatures();
  std::vector<std::string> changes;
  for (const auto &feature : llvm::sys::getHostCPUFeatures()) {
    bool use = feature.second && present.contains(feature.first()) &&
               !isForSystems(feature.first());
    changes.push_back((use ? "+" : "-") + feature.first().str());
    if (use)
      target.features.push_back(feature.first().str());
  }
  llvm::sort(changes);
  target.featureString = llvm::join(changes, ",");
  deriveFromFeatures(target);
#ifdef _SC_LEVEL1_DCACHE_SIZE
  target.l1Bytes = cacheBytes(_SC_LEVEL1_DCACHE_SIZE, target.l1Bytes);
  target.l2Bytes = cacheBytes(_SC_LEVEL2_CACHE_SIZE, target.l2Bytes);
#endif
  return target;
}

static Target gpuTarget(const gpu::Chip &chip) {
  Target target;
  target.name = chip.name.str();
  target.triple = "nvptx64-nvidia-cuda";
  target.cpu = target.name;
  target.featureString = ("+ptx" + llvm::Twine(chip.ptx)).str();
  // A thread has no vectors: four elements are a load of 16 bytes.
  target.vectorBits = 128;
  target.hasSse41 = target.hasFma = target.hasF16c = true;
  target.sm = chip.sm;
  target.smSuffix = chip.suffix;
  target.sharedBytes = chip.sharedBytes;
  return target;
}

llvm::Expected<Target> Target::parse(llvm::StringRef name) {
  if (name == "native")
    return host();
  if (const gpu::Chip *chip = gpu::findChip(name))
    return gpuTarget(*chip);
  if (!llvm::is_contained(names(), name))
    return llvm::createStringError("unknown target '" + name + "'; known are " +
                                   llvm::join(names(), ", "));
  auto [level, extension] = name.split('+');
  Target target;
  target.name = name.str();
  target.triple = kTriple.str();
  target.cpu = level.str();
  target.features = x86LevelFeatures(level.str());
  if (!extension.empty())
    target.features.push_back(extension.str());
  std::vector<std::string> changes;
  for (const std::string &feature : target.features)
    changes.push_back("+" + feature);
  target.featureString = llvm::join(changes, ",");
  deriveFromFeatures(target);
  return target;
}

llvm::ArrayRef<llvm::StringLiteral> Target::names() {
  static const llvm::SmallVector<llvm::StringLiteral> all = [] {
    llvm::SmallVector<llvm::StringLiteral> names(std::begin(kCpuNames),
                                                 std::end(kCpuNames));
    for (const gpu::Chip &chip : gpu::chips())
      names.push_back(chip.name);
    return names;
  }();
  return all;
}
