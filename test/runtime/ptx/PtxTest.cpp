// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The harness of the executor's tests.

#include "PtxTest.h"

#include <random>

using namespace attnc;
using namespace attnc::test;

std::string attnc::test::module(const std::string &body, unsigned target,
                                const std::string &globals,
                                const std::string &attributes) {
  std::string suffix = target == 90 || target == 100 ? "a" : "";
  return ".version 8.4\n.target sm_" + std::to_string(target) + suffix +
         "\n.address_size 64\n" + globals +
         "\n.visible .entry k(.param .u64 in, .param .u64 out)\n" + attributes +
         "{\n.reg .pred %p<64>; .reg .b16 %h<64>; .reg .b32 %r<256>;\n"
         ".reg .b64 %q<64>; .reg .f32 %f<256>; .reg .f64 %g<64>;\n"
         ".reg .b64 %in, %out; .reg .b32 %thread, %lane;\n"
         "ld.param.u64 %in, [in]; ld.param.u64 %out, [out]; "
         "mov.u32 %thread, %tid.x; mov.u32 %lane, %laneid;\n" +
         body + "\nret;\n}\n";
}

Outcome attnc::test::runModule(const std::string &text, const void *in,
                               size_t inSize, size_t outSize,
                               const RunOptions &options) {
  Outcome run;
  ptx::Executor executor;
  ptx::Diagnostic error;
  if (!executor.load(text, error)) {
    ADD_FAILURE() << "line " << error.line << ": " << error.message << "\n"
                  << text;
    return run;
  }
  uint64_t source = executor.allocate(inSize),
           target = executor.allocate(outSize);
  executor.write(source, in, inSize);
  ptx::LaunchOptions launch;
  launch.grid.x = options.blocks;
  launch.block.x = options.threads;
  launch.dynamicShared = options.shared;
  launch.seed = options.seed;
  launch.uninitialized = options.uninitialized;
  launch.maxWarpInstructions = options.limit;
  run.result = executor.launch(
      "k", {ptx::argument(source), ptx::argument(target)}, launch);
  run.out.resize(outSize);
  executor.read(target, run.out.data(), outSize);
  return run;
}

Outcome attnc::test::runBody(const std::string &body,
                             const std::vector<uint32_t> &in, size_t outSize,
                             const RunOptions &options) {
  return runModule(module(body), in.data(), in.size() * 4, outSize, options);
}

ptx::Diagnostic attnc::test::loadError(const std::string &text) {
  ptx::Executor executor;
  ptx::Diagnostic error;
  EXPECT_FALSE(executor.load(text, error)) << text;
  return error;
}

std::vector<uint64_t> attnc::test::evaluate(const std::string &code,
                                            unsigned bitsIn, unsigned bitsOut,
                                            const std::vector<uint64_t> &a,
                                            const std::vector<uint64_t> &b,
                                            const std::vector<uint64_t> &c) {
  auto bits = [](unsigned n) { return "b" + std::to_string(n); };
  std::string body = ".reg ." + bits(bitsIn) + " %a, %b, %c; .reg ." +
                     bits(bitsOut) +
                     " %d;\n"
                     "mad.wide.u32 %q0, %thread, 24, %in;\n"
                     "mad.wide.u32 %q1, %thread, 8, %out;\n"
                     "ld.global." +
                     bits(bitsIn) +
                     " %a, [%q0];\n"
                     "ld.global." +
                     bits(bitsIn) +
                     " %b, [%q0+8];\n"
                     "ld.global." +
                     bits(bitsIn) +
                     " %c, [%q0+16];\n"
                     "mov.b64 %q2, 0; st.global.b64 [%q1], %q2;\n" +
                     code + "\nst.global." + bits(bitsOut) + " [%q1], %d;\n";
  std::vector<uint64_t> in;
  for (size_t i = 0; i < a.size(); ++i)
    for (const auto *list : {&a, &b, &c})
      in.push_back(list->empty() ? 0 : (*list)[i]);
  RunOptions options;
  options.threads = static_cast<unsigned>(a.size());
  Outcome run =
      runModule(module(body), in.data(), in.size() * 8, a.size() * 8, options);
  EXPECT_TRUE(run.result.completed) << run.result.error.message << "\n" << code;
  return run.as<uint64_t>();
}

std::vector<uint64_t> attnc::test::patterns(unsigned bits, unsigned count,
                                            unsigned seed) {
  std::mt19937_64 random(seed);
  uint64_t keep = bits == 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  std::vector<uint64_t> values = {
      0, 1, 2, keep, keep - 1, keep >> 1, (keep >> 1) + 1};
  while (values.size() < count) {
    uint64_t value = random();
    if (random() % 2)
      value >>= random() % 64;
    values.push_back(value & keep);
  }
  values.resize(count);
  return values;
}
