// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From stage 5 to running code, in the process and through kernel files.

#include "TestKernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace attnc;
using namespace attnc::test;

namespace {

/// What kRowsKernel computes, in double.
float rowsReference(float x, int64_t column) {
  double offset = column % 8 * 0.125;
  return static_cast<float>(std::tanh(2.0 * x + offset));
}

/// Runs kRowsKernel on rows x columns with the given row stride of the input.
std::vector<float> runRows(const KernelHandle &kernel, int64_t rows,
                           int64_t columns, int64_t stride) {
  std::vector<float> x(rows * stride, 1e30f), y(rows * columns + 1, -7.0f);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      x[r * stride + c] = 0.01f * static_cast<float>(r * 37 % 101 - c);
  std::string error;
  attnc_result result =
      launch(kernel,
             {{ATTNC_DTYPE_F32, x.data(), {rows, columns}, {stride, 1}},
              {ATTNC_DTYPE_F32, y.data(), {rows, columns}}},
             &error);
  EXPECT_EQ(result, ATTNC_OK) << error;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      EXPECT_NEAR(y[r * columns + c], rowsReference(x[r * stride + c], c),
                  3e-7f)
          << r << ", " << c;
  EXPECT_EQ(y.back(), -7.0f); // nothing beyond the end was written
  y.pop_back();
  return y;
}

/// A feature that this machine does not have.
std::string lackingFeature() {
  Target host = targetNamed("native");
  for (const char *name : {"xop", "avx512fp16", "fma4", "avx512f"})
    if (!host.hasFeature(name))
      return name;
  return "";
}

} // namespace

TEST(Compiler, JitRunsRows) {
  Session session(kRowsKernel);
  KernelHandle kernel = session.jit(targetNamed("native"));
  ASSERT_TRUE(kernel) << session.errors();
  for (int64_t columns : {1, 7, 8, 9, 63, 64, 65})
    runRows(kernel, 5, columns, columns);
  runRows(kernel, 17, 33, 50);
  runRows(kernel, 0, 33, 50);
  const PhaseTimes &times = session.times;
  EXPECT_GT(times.codeGeneration, 0);
  EXPECT_GT(times.link, 0);
  EXPECT_EQ(times.passes, 0); // stage 5 needs none
  EXPECT_GT(times.codeBytes, 100u);
  std::printf(
      "[ phases   ] stage5 %.2f, to LLVM dialect %.2f, translate %.2f, "
      "LLVM passes %.2f, code generation %.2f, link %.2f ms; %u bytes\n",
      times.stage5 * 1e3, times.toLLVMDialect * 1e3, times.translate * 1e3,
      times.llvmPasses * 1e3, times.codeGeneration * 1e3, times.link * 1e3,
      static_cast<unsigned>(times.codeBytes));
}

TEST(Compiler, AotOfEachLevelGivesTheBitsOfTheJit) {
  for (const char *level : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
    SCOPED_TRACE(level);
    Target target = targetNamed(level);
    Session session(kRowsKernel);
    KernelHandle file = session.aot({target});
    if (!target.missingOnHost().empty()) {
      EXPECT_FALSE(file);
      EXPECT_NE(session.errors().find("avx"), std::string::npos)
          << session.errors();
      continue;
    }
    ASSERT_TRUE(file) << session.errors();
    KernelHandle jit = session.jit(target);
    ASSERT_TRUE(jit) << session.errors();
    EXPECT_EQ(runRows(file, 9, 43, 43), runRows(jit, 9, 43, 43));
  }
}

TEST(Compiler, KernelFileHoldsSeveralImagesBestFirst) {
  std::vector<Target> targets = {targetNamed("x86-64-v2"),
                                 targetNamed("x86-64-v4"),
                                 targetNamed("x86-64-v3")};
  Session session(kRowsKernel);
  Compiler compiler(session.options);
  auto description = compiler.compile(session.module(), targets);
  ASSERT_TRUE(mlir::succeeded(description)) << session.errors();
  ASSERT_EQ(description->images.size(), 3u);
  EXPECT_EQ(description->images[0].target, "x86-64-v4");
  EXPECT_EQ(description->images[1].target, "x86-64-v3");
  EXPECT_EQ(description->images[2].target, "x86-64-v2");
  KernelHandle best = session.aot(targets);
  ASSERT_TRUE(best) << session.errors();
  runRows(best, 3, 20, 20);
  KernelHandle old = session.aot(targets, "x86-64-v2");
  ASSERT_TRUE(old) << session.errors();
  runRows(old, 3, 20, 20);
}

TEST(Compiler, RefusesFeaturesThatTheHostLacks) {
  std::string lacking = lackingFeature();
  if (lacking.empty())
    GTEST_SKIP() << "this machine has everything";
  Target target = targetNamed("x86-64-v2");
  target.features.push_back(lacking);
  Session file(kRowsKernel);
  EXPECT_FALSE(file.aot({target}));
  EXPECT_NE(file.errors().find(lacking), std::string::npos) << file.errors();
  Session jit(kRowsKernel);
  EXPECT_FALSE(jit.jit(target));
  EXPECT_EQ(jit.errors(),
            "this machine lacks " + lacking + ", which x86-64-v2 needs\n");
}

TEST(Compiler, StatusWordReachesTheCaller) {
  Session session(kRowsKernel);
  KernelHandle kernel = session.jit(targetNamed("native"));
  ASSERT_TRUE(kernel) << session.errors();
  std::vector<float> x(11, 1.0f), y(11);
  x[9] = std::numeric_limits<float>::quiet_NaN();
  uint32_t status = 0;
  EXPECT_EQ(launch(kernel,
                   {{ATTNC_DTYPE_F32, x.data(), {1, 11}},
                    {ATTNC_DTYPE_F32, y.data(), {1, 11}}},
                   nullptr, &status),
            ATTNC_ERROR_STATUS);
  EXPECT_EQ(status, static_cast<uint32_t>(ATTNC_STATUS_BAD_INDEX));
}

TEST(Compiler, ConstraintsAreChecked) {
  Session session(kRowsKernel);
  KernelHandle kernel = session.jit(targetNamed("native"));
  ASSERT_TRUE(kernel) << session.errors();
  std::vector<float> x(12), y(12);
  std::string error;
  EXPECT_EQ(launch(kernel,
                   {{ATTNC_DTYPE_F32, x.data(), {3, 4}},
                    {ATTNC_DTYPE_F32, y.data(), {2, 4}}},
                   &error),
            ATTNC_ERROR_SHAPE);
  EXPECT_NE(error.find("x and y need the same rows"), std::string::npos)
      << error;
}

TEST(Compiler, LaunchesRunInOrderAndShareTemporaries) {
  Session session(kTwoLaunches);
  for (bool inProcess : {true, false}) {
    Target target = targetNamed("native");
    KernelHandle kernel =
        inProcess ? session.jit(target) : session.aot({target});
    ASSERT_TRUE(kernel) << session.errors();
    for (int64_t rows : {1, 3, 4, 5, 100}) {
      std::vector<float> x(rows * 16), y(rows * 16);
      for (size_t i = 0; i < x.size(); ++i)
        x[i] = static_cast<float>(i % 7 + 1);
      ASSERT_EQ(launch(kernel, {{ATTNC_DTYPE_F32, x.data(), {rows, 16}},
                                {ATTNC_DTYPE_F32, y.data(), {rows, 16}}}),
                ATTNC_OK);
      for (int64_t r = 0; r < rows; ++r) {
        float sum = 0;
        for (int64_t c = 0; c < 16; ++c)
          sum += x[r * 16 + c];
        for (int64_t c = 0; c < 16; ++c)
          ASSERT_FLOAT_EQ(y[r * 16 + c], x[r * 16 + c] / sum);
      }
    }
  }
}

TEST(Compiler, DescribesTheKernel) {
  Session session(kTwoLaunches);
  session.options.producer = "test 1";
  Compiler compiler(session.options);
  auto kernel = compiler.compile(session.module(), {targetNamed("x86-64")});
  ASSERT_TRUE(mlir::succeeded(kernel)) << session.errors();
  EXPECT_EQ(kernel->name, "normalize");
  EXPECT_EQ(kernel->producer, "test 1");
  ASSERT_EQ(kernel->args.size(), 2u);
  EXPECT_EQ(kernel->args[1].role, ArgRole::Output);
  EXPECT_EQ(kernel->args[0].dims, (std::vector<int64_t>{kDynamicSize, 16}));
  std::vector<std::string> names = tensorNames(*kernel);
  ASSERT_EQ(kernel->constraints.size(), 1u);
  EXPECT_EQ(formatFormula(kernel->constraints[0].mustBeZero, names),
            "x.dim0 - y.dim0");
  ASSERT_EQ(kernel->temps.size(), 1u);
  EXPECT_EQ(formatFormula(kernel->temps[0].bytes, names), "x.dim0 * 4");
  ASSERT_EQ(kernel->launches.size(), 2u);
  const LaunchDesc &divide = kernel->launches[1];
  EXPECT_EQ(formatFormula(divide.grid.at(0), names), "ceildiv(x.dim0, 4)");
  // x: base, size, stride; y likewise; the temporary: base, size; the rows.
  ASSERT_EQ(divide.words.size(), 9u);
  EXPECT_EQ(divide.words[5].kind, WordDesc::Kind::TensorStride);
  EXPECT_EQ(divide.words[6].tensor, 2u);
  EXPECT_EQ(formatFormula(divide.words[7].value, names),
            "floordiv(x.dim0 * 4, 4)");
  EXPECT_EQ(formatFormula(divide.words[8].value, names), "x.dim0");
}

// Whatever passes are chosen, a loop that clears memory stays a loop.
TEST(Compiler, MakesNoCallsOutOfLoops) {
  Session session(elementwiseKernel("f32", 0, "%y = arith.constant 0.0 : f32"));
  session.options.backend.passes =
      "function(early-cse,loop-mssa(licm),instcombine,loop-mssa(loop-rotate),"
      "loop(indvars,loop-idiom))";
  KernelHandle kernel = session.jit(targetNamed("native"));
  ASSERT_TRUE(kernel) << session.errors();
  std::vector<float> x(100, 1.0f), y(100, 1.0f);
  ASSERT_EQ(launch(kernel, {{ATTNC_DTYPE_F32, x.data(), {100}},
                            {ATTNC_DTYPE_F32, y.data(), {100}}}),
            ATTNC_OK);
  EXPECT_EQ(y, std::vector<float>(100, 0.0f));
}

TEST(Compiler, EmitsWhatItIsAskedFor) {
  Session session(kRowsKernel);
  Target target = targetNamed("x86-64-v3");
  Compiler compiler(session.options);
  auto emit = [&](const char *stage) {
    auto text = compiler.emit(*parseStage(stage), session.module(), target);
    return mlir::succeeded(text) ? *text : "";
  };
  EXPECT_NE(emit("stage5").find("attn.kernel"), std::string::npos);
  std::string llvm = emit("llvm");
  EXPECT_NE(llvm.find("define dso_local void @attnc_launch_0(ptr"),
            std::string::npos);
  EXPECT_NE(llvm.find("noalias"), std::string::npos);
  EXPECT_NE(llvm.find("\"target-cpu\"=\"x86-64-v3\""), std::string::npos);
  EXPECT_NE(emit("asm").find("%ymm"), std::string::npos);
  EXPECT_EQ(emit("object").substr(0, 4), "\177ELF");
  EXPECT_EQ(session.errors(), "");
  EXPECT_EQ(emit("stage4"), "");
  EXPECT_EQ(session.errors(),
            "the module is at stage5 already, beyond stage4\n");
  EXPECT_FALSE(parseStage("stage9").has_value());
}

TEST(Compiler, SaysWhereThereIsNothingToCompile) {
  Session session("module { func.func @f() { return } }");
  EXPECT_FALSE(session.jit(targetNamed("native")));
  EXPECT_EQ(session.errors(), "there is no attention here: neither attn "
                              "operations nor a stage-5 kernel\n");
}

// From a spec: all stages, and one kernel file for machines with different
// vectors.
TEST(Compiler, CompilesASpecForSeveralTargets) {
  Session session(R"mlir(
    func.func @f(%q: tensor<2x?x16xf32>, %k: tensor<2x?x16xf32>,
                 %v: tensor<2x?x16xf32>) -> tensor<2x?x16xf32> {
      %o = attn.attention %q, %k, %v mask = #attn.pairs<causal>
           : tensor<2x?x16xf32>, tensor<2x?x16xf32>, tensor<2x?x16xf32>
             -> tensor<2x?x16xf32>
      return %o : tensor<2x?x16xf32>
    })mlir");
  ASSERT_TRUE(session.isValid()) << session.errors();
  std::vector<Target> targets;
  for (const char *name : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"})
    targets.push_back(targetNamed(name));
  constexpr int64_t n = 37, d = 16;
  std::vector<float> q(2 * n * d), k(q), v(q), o(q);
  for (size_t i = 0; i < q.size(); ++i) {
    q[i] = std::sin(0.37f * i);
    k[i] = std::cos(0.73f * i);
    v[i] = std::sin(1.7f * i);
  }
  for (const Target &target : targets) {
    if (!target.missingOnHost().empty())
      continue;
    KernelHandle kernel = session.aot(targets, target.name.c_str());
    ASSERT_TRUE(kernel) << session.errors();
    std::vector<View> views;
    for (std::vector<float> *data : {&q, &k, &v, &o})
      views.push_back({ATTNC_DTYPE_F32, data->data(), {2, n, d}});
    std::string error;
    ASSERT_EQ(launch(kernel, views, &error), ATTNC_OK) << error;
    for (int64_t row = 0; row < 2 * n; ++row) {
      double sum = 0, expected[d] = {};
      for (int64_t j = row / n * n; j <= row; ++j) {
        double score = 0;
        for (int64_t c = 0; c < d; ++c)
          score += static_cast<double>(q[row * d + c]) * k[j * d + c];
        double weight = std::exp(score / 4);
        sum += weight;
        for (int64_t c = 0; c < d; ++c)
          expected[c] += weight * v[j * d + c];
      }
      for (int64_t c = 0; c < d; ++c)
        ASSERT_NEAR(o[row * d + c], expected[c] / sum, 2e-6)
            << target.name << " row " << row;
    }
  }
}

TEST(Compiler, CompilesInSeveralThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::vector<int> failures(4, 1);
  for (int &failed : failures)
    threads.emplace_back([&failed] {
      for (int round = 0; round < 3; ++round) {
        Session session(kRowsKernel);
        KernelHandle kernel = session.jit(targetNamed("native"));
        if (!kernel)
          return;
        runRows(kernel, 3, 21, 21);
      }
      failed = 0;
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(failures, std::vector<int>(4, 0));
}

TEST(Compiler, CompilesAfterAFork) {
  Session before(kRowsKernel);
  KernelHandle kernel = before.jit(targetNamed("native"));
  ASSERT_TRUE(kernel) << before.errors();
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Session session(kRowsKernel);
    KernelHandle own = session.jit(targetNamed("native"));
    if (own)
      runRows(own, 3, 21, 21);
    _exit(own && !::testing::Test::HasFailure() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  runRows(kernel, 3, 21, 21);
}
