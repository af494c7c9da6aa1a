// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every way in which a launch can be refused, with the argument named and
// nothing run.

#include "TestKernels.h"

#include <atomic>
#include <cstring>
#include <limits>

using namespace attnc;
using namespace attnc::test;

namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
std::atomic<int> ran{0};

void countRun(const uint64_t *, uint64_t, void *, uint32_t *) { ++ran; }

class LaunchCheck : public testing::Test {
protected:
  LaunchCheck()
      : kernel(createKernel(richDesc(), {countRun, countRun})),
        memory(3 * kTensorBytes + 64) {
    uintptr_t start = reinterpret_cast<uintptr_t>(memory.data());
    char *aligned = memory.data() + (64 - start % 64) % 64;
    tensors.resize(3);
    for (int i = 0; i < 3; ++i) {
      tensors[i].data = aligned + i * kTensorBytes;
      tensors[i].shape = {2, 5, 64};
    }
    tensors[1].shape = {2, 3, 64};
    ran = 0;
  }

  /// Launches and expects the code and both texts; nothing may have run.
  void expectRefused(attnc_result code, const char *first,
                     const char *second = "") {
    std::vector<attnc_tensor> list = views(tensors);
    attnc_error error = ATTNC_ERROR_INIT;
    attnc_result result =
        attnc_launch(kernel.get(), list.data(), list.size(), nullptr, &error);
    EXPECT_STREQ(attnc_result_name(result), attnc_result_name(code))
        << error.message;
    EXPECT_EQ(error.code, result);
    std::string message = error.message;
    EXPECT_NE(message.find(first), std::string::npos) << message;
    EXPECT_NE(message.find(second), std::string::npos) << message;
    EXPECT_EQ(ran, 0);
  }

  void expectRuns() {
    std::vector<attnc_tensor> list = views(tensors);
    attnc_error error = ATTNC_ERROR_INIT;
    EXPECT_EQ(
        attnc_launch(kernel.get(), list.data(), list.size(), nullptr, &error),
        ATTNC_OK)
        << error.message;
    EXPECT_EQ(error.message[0], '\0');
    EXPECT_GT(ran.exchange(0), 0);
  }

  static constexpr size_t kTensorBytes = 2 * 5 * 64 * 4;
  KernelPtr kernel;
  std::vector<char> memory;
  std::vector<Tensor> tensors;
};

TEST_F(LaunchCheck, GoodTensorsRun) {
  expectRuns();
  tensors[0].strides = {320, 64, 1};
  expectRuns();
}

TEST_F(LaunchCheck, NumberOfTensors) {
  tensors.pop_back();
  expectRefused(ATTNC_ERROR_RANK, "2 tensors given", "takes 3");
  attnc_error error = ATTNC_ERROR_INIT;
  EXPECT_EQ(attnc_launch(kernel.get(), nullptr, 3, nullptr, &error),
            ATTNC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(attnc_launch(nullptr, nullptr, 0, nullptr, &error),
            ATTNC_ERROR_INVALID_ARGUMENT);
}

TEST_F(LaunchCheck, StructSizes) {
  std::vector<attnc_tensor> list = views(tensors);
  attnc_error error = ATTNC_ERROR_INIT;
  list[0].struct_size = 8;
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 3, nullptr, &error),
            ATTNC_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.message).find("'q'"), std::string::npos);
  list = views(tensors);
  list[1].struct_size = 0;
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 3, nullptr, &error),
            ATTNC_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.message).find("'k'"), std::string::npos);
  EXPECT_EQ(ran, 0);
}

TEST_F(LaunchCheck, NewerCallersTensorsAreStepped) {
  struct NewerTensor {
    attnc_tensor tensor;
    uint64_t addition;
  };
  std::vector<NewerTensor> list;
  for (const Tensor &tensor : tensors) {
    list.push_back({tensor.view(), ~uint64_t(0)});
    list.back().tensor.struct_size = sizeof(NewerTensor);
  }
  attnc_error error = ATTNC_ERROR_INIT;
  EXPECT_EQ(attnc_launch(kernel.get(), &list[0].tensor, 3, nullptr, &error),
            ATTNC_OK)
      << error.message;
}

TEST_F(LaunchCheck, DtypeAndRank) {
  tensors[1].dtype = ATTNC_DTYPE_BF16;
  expectRefused(ATTNC_ERROR_DTYPE, "'k' has element type bf16", "takes f32");
  tensors[1].dtype = 1234;
  expectRefused(ATTNC_ERROR_DTYPE, "'k'", "unknown (1234)");
  tensors[1].dtype = ATTNC_DTYPE_F32;
  tensors[1].shape = {2, 64};
  expectRefused(ATTNC_ERROR_RANK, "'k' has 2 dimensions", "takes 3");
}

TEST_F(LaunchCheck, Shapes) {
  tensors[1].shape = {2, 3, 63};
  expectRefused(ATTNC_ERROR_SHAPE, "'k': dimension 2 has size 63", "takes 64");
  tensors[1].shape = {2, -3, 64};
  expectRefused(ATTNC_ERROR_SHAPE, "'k': dimension 1", "-3");
  std::vector<attnc_tensor> list = views(tensors);
  list[1].shape = nullptr;
  attnc_error error = ATTNC_ERROR_INIT;
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 3, nullptr, &error),
            ATTNC_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.message).find("'k'"), std::string::npos);
}

TEST_F(LaunchCheck, Constraints) {
  tensors[1].shape = {1, 3, 64};
  expectRefused(ATTNC_ERROR_SHAPE, "q and k differ in batch size",
                "(q.dim0 = 2, k.dim0 = 1)");
  tensors[1].shape = {2, 3, 64};
  tensors[2].shape = {2, 4, 64};
  expectRefused(ATTNC_ERROR_SHAPE, "q and out differ in length",
                "(q.dim1 = 5, out.dim1 = 4)");
}

TEST_F(LaunchCheck, Strides) {
  tensors[0].strides = {320, 64, 2};
  expectRefused(ATTNC_ERROR_STRIDE, "'q'", "last dimension has stride 2");
  tensors[0].strides = {320, -64, 1};
  expectRefused(ATTNC_ERROR_STRIDE, "'q': dimension 1", "negative stride -64");
  tensors[0].strides = {0, 0, 1}; // broadcast
  expectRuns();
  tensors[0].strides = {64, 128, 1}; // transposed
  expectRuns();
}

TEST_F(LaunchCheck, StridesOfSingleElementsDoNotMatter) {
  for (Tensor &tensor : tensors)
    tensor.shape[0] = 1;
  tensors[0].strides = {-77, 64, 1};
  tensors[2].strides = {kMax, 64, 1};
  expectRuns();
}

TEST_F(LaunchCheck, OutputsDoNotOverlapThemselves) {
  tensors[2].strides = {0, 64, 1};
  expectRefused(ATTNC_ERROR_STRIDE, "output 'out'", "share memory");
  tensors[2].strides = {320, 63, 1};
  expectRefused(ATTNC_ERROR_STRIDE, "output 'out'", "share memory");
  tensors[2].strides = {256, 64, 1}; // batches of 320
  expectRefused(ATTNC_ERROR_STRIDE, "output 'out'", "share memory");
  tensors[2].strides = {64, 128, 1}; // transposed
  expectRuns();
}

TEST_F(LaunchCheck, Data) {
  void *data = tensors[0].data;
  tensors[0].data = nullptr;
  expectRefused(ATTNC_ERROR_DATA, "'q' has no data");
  tensors[0].data = static_cast<char *>(data) + 2;
  expectRefused(ATTNC_ERROR_DATA, "'q'", "not aligned to 4 bytes");
  tensors[0].data = static_cast<char *>(data) - 4;
  tensors[2].data = static_cast<char *>(tensors[2].data) + 32;
  expectRefused(ATTNC_ERROR_DATA, "'out'", "not aligned to 64 bytes");
}

TEST_F(LaunchCheck, EmptyTensorsNeedNoData) {
  tensors[1].shape[1] = 0;
  tensors[1].data = nullptr;
  expectRuns();
  // And a grid of no workgroups runs nothing, which is no error.
  for (Tensor &tensor : tensors) {
    tensor.shape = {0, 5, 64};
    tensor.data = nullptr;
  }
  std::vector<attnc_tensor> list = views(tensors);
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 3, nullptr, nullptr),
            ATTNC_OK);
  EXPECT_EQ(ran, 0);
}

TEST_F(LaunchCheck, Aliases) {
  void *out = tensors[2].data;
  tensors[2].data = tensors[0].data;
  expectRefused(ATTNC_ERROR_ALIAS, "output 'out' and input 'q'", "overlap");
  tensors[2].data = out;
  tensors[1].data = static_cast<char *>(out) + kTensorBytes - 4;
  tensors[1].shape[1] = 1;
  expectRefused(ATTNC_ERROR_ALIAS, "output 'out' and input 'k'", "overlap");
  // Inputs may be the same memory, and neighbours do not overlap.
  tensors[1] = tensors[0];
  expectRuns();
}

TEST_F(LaunchCheck, TwoOutputsMayNotAlias) {
  KernelDesc desc = richDesc();
  desc.args[1].role = ArgRole::Output;
  kernel = createKernel(desc, {countRun, countRun});
  tensors[2].data = tensors[1].data;
  expectRefused(ATTNC_ERROR_ALIAS, "output 'k' and output 'out'", "overlap");
}

/// What is updated in place shares no element with anything, but may lie in the
/// gaps of another: K and V of one allocation, by page or by row.
TEST_F(LaunchCheck, UpdatedArguments) {
  KernelDesc desc = richDesc();
  desc.args[0].role = desc.args[1].role = ArgRole::InOut;
  kernel = createKernel(desc, {countRun, countRun});
  expectRuns();
  void *k = tensors[1].data;
  tensors[1].data = tensors[0].data;
  expectRefused(ATTNC_ERROR_ALIAS, "updated argument 'q'",
                "updated argument 'k'");
  std::vector<float> both(2 * 2 * 5 * 64);
  constexpr int64_t kLayouts[][3] = {{5 * 64, 2 * 5 * 64, 64},
                                     {64, 2 * 5 * 64, 2 * 64}};
  for (auto [distance, batch, row] : kLayouts) {
    tensors[0].data = both.data();
    tensors[1].data = both.data() + distance;
    tensors[0].strides = tensors[1].strides = {batch, row, 1};
    tensors[0].shape = tensors[1].shape = {2, 5, 64};
    expectRuns();
    tensors[1].data = both.data() + distance - 1;
    expectRefused(ATTNC_ERROR_ALIAS, "updated argument 'q'",
                  "updated argument 'k'");
  }
  // Not of one layout: what cannot be told apart is refused.
  tensors[1].data = both.data() + 64;
  tensors[1].strides = {2 * 5 * 64, 64, 1};
  expectRefused(ATTNC_ERROR_ALIAS, "updated argument 'q'",
                "updated argument 'k'");
  tensors[1].data = k;
  tensors[0].strides = {0, 64, 1};
  expectRefused(ATTNC_ERROR_STRIDE, "updated argument 'q'", "share memory");
}

TEST_F(LaunchCheck, Overflows) {
  tensors[1].shape = {2, kMax / 4, 64};
  expectRefused(ATTNC_ERROR_OVERFLOW, "'k'", "number of elements");
  tensors[1].shape = {2, kMax / 256, 64};
  expectRefused(ATTNC_ERROR_OVERFLOW, "'k'", "bytes");
  tensors[1].shape = {2, 3, 64};
  tensors[1].strides = {kMax / 2, 64, 1};
  expectRefused(ATTNC_ERROR_OVERFLOW, "'k'", "extent");
  // Fits 63 bits, and not the address space above the pointer.
  tensors[1].strides = {kMax / 4 - 1000, 64, 1};
  tensors[1].data = reinterpret_cast<void *>(~uintptr_t(0) - 255);
  expectRefused(ATTNC_ERROR_OVERFLOW, "'k'", "end of memory");
}

TEST_F(LaunchCheck, FormulasThatOverflow) {
  KernelDesc desc = richDesc();
  Formula n = Formula::dim(0, 1);
  desc.launches[1].grid = {n * kMax};
  kernel = createKernel(desc, {countRun, countRun});
  expectRefused(ATTNC_ERROR_OVERFLOW, "grid of launch merge", "q.dim1 = 5");
  desc.launches[1].grid = {n, Formula(kMax)};
  kernel = createKernel(desc, {countRun, countRun});
  expectRefused(ATTNC_ERROR_OVERFLOW, "grid of launch merge", "64 bits");
  desc.launches[1].grid = {n - 6};
  kernel = createKernel(desc, {countRun, countRun});
  expectRefused(ATTNC_ERROR_SHAPE, "grid of launch merge is negative: -1",
                "q.dim1 = 5");
  desc.launches[1].grid = {n};
  desc.launches[1].words[0] = WordDesc::formula(floorDiv(n, n - 5));
  kernel = createKernel(desc, {countRun, countRun});
  expectRefused(ATTNC_ERROR_OVERFLOW, "merge", "division by zero");
  desc = richDesc();
  desc.temps[1].bytes = n - 6;
  kernel = createKernel(desc, {countRun, countRun});
  expectRefused(ATTNC_ERROR_SHAPE, "temp1 is negative: -1");
  desc.temps[1].bytes = n * (kMax / 8);
  desc.temps[0].bytes = desc.temps[1].bytes;
  kernel = createKernel(desc, {countRun, countRun});
  expectRefused(ATTNC_ERROR_OVERFLOW, "workspace", "64 bits");
  desc.constraints[0].mustBeZero = n * kMax;
  kernel = createKernel(desc, {countRun, countRun});
  expectRefused(ATTNC_ERROR_OVERFLOW, "q and k differ", "q.dim1 = 5");
}

TEST_F(LaunchCheck, WorkspaceThatCannotBeAllocated) {
  KernelDesc desc = richDesc();
  desc.temps[0].bytes = Formula::dim(0, 1) * (int64_t(1) << 58);
  kernel = createKernel(desc, {countRun, countRun});
  expectRefused(ATTNC_ERROR_OUT_OF_MEMORY, "cannot allocate a workspace of");
}

TEST_F(LaunchCheck, Options) {
  std::vector<attnc_tensor> list = views(tensors);
  attnc_error error = ATTNC_ERROR_INIT;
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.reserved = 1;
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 3, &options, &error),
            ATTNC_ERROR_INVALID_ARGUMENT);
  options.struct_size = 0;
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 3, &options, &error),
            ATTNC_ERROR_INVALID_ARGUMENT);
  // An older caller that knows `threads` only.
  options.struct_size = offsetof(attnc_launch_options, reserved);
  options.threads = 1;
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 3, &options, &error),
            ATTNC_OK)
      << error.message;
}

TEST_F(LaunchCheck, WorkspaceSize) {
  std::vector<attnc_tensor> list = views(tensors);
  for (attnc_tensor &tensor : list)
    tensor.data = nullptr; // not looked at
  auto sizeFor = [&](uint32_t threads) {
    size_t bytes = 0;
    attnc_error error = ATTNC_ERROR_INIT;
    EXPECT_EQ(attnc_workspace_size(kernel.get(), list.data(), 3, threads,
                                   &bytes, &error),
              ATTNC_OK)
        << error.message;
    return bytes;
  };
  // 2*5*4 and 96*8 bytes in steps of 64, scratch of 1000 in steps of 128, and
  // room to align. The grid has 2 workgroups: more threads are of no use.
  EXPECT_EQ(sizeFor(1), 64u + 768 + 1024 + 63);
  EXPECT_EQ(sizeFor(2), 64u + 768 + 2048 + 63);
  EXPECT_EQ(sizeFor(8), sizeFor(2));
  size_t bytes = 1;
  list[1].rank = 2;
  EXPECT_EQ(
      attnc_workspace_size(kernel.get(), list.data(), 3, 1, &bytes, nullptr),
      ATTNC_ERROR_RANK);
  EXPECT_EQ(bytes, 0u);
  EXPECT_EQ(attnc_workspace_size(nullptr, list.data(), 3, 1, &bytes, nullptr),
            ATTNC_ERROR_INVALID_ARGUMENT);
}

TEST_F(LaunchCheck, CallersWorkspace) {
  std::vector<attnc_tensor> list = views(tensors);
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.threads = 1;
  size_t bytes = 0;
  ASSERT_EQ(
      attnc_workspace_size(kernel.get(), list.data(), 3, 1, &bytes, nullptr),
      ATTNC_OK);
  std::vector<char> workspace(bytes);
  options.workspace = workspace.data();
  options.workspace_size = bytes;
  attnc_error error = ATTNC_ERROR_INIT;
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 3, &options, &error),
            ATTNC_OK)
      << error.message;
  EXPECT_GT(ran.exchange(0), 0);
  options.workspace_size = bytes - 1;
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 3, &options, &error),
            ATTNC_ERROR_WORKSPACE);
  options.workspace = tensors[1].data;
  options.workspace_size = bytes;
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 3, &options, &error),
            ATTNC_ERROR_ALIAS);
  EXPECT_NE(std::string(error.message).find("'k'"), std::string::npos);
  EXPECT_EQ(ran, 0);
}

TEST_F(LaunchCheck, ErrorsOfOtherSizes) {
  struct {
    attnc_error error;
    char guard;
  } small = {ATTNC_ERROR_INIT, 'g'};
  small.error.struct_size = offsetof(attnc_error, message) + 8;
  std::memset(small.error.message, 'x', sizeof(small.error.message));
  tensors.pop_back();
  std::vector<attnc_tensor> list = views(tensors);
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 2, nullptr, &small.error),
            ATTNC_ERROR_RANK);
  EXPECT_STREQ(small.error.message, "2 tenso");
  EXPECT_EQ(small.error.message[8], 'x');
  // Too small for any text: left alone.
  small.error.struct_size = offsetof(attnc_error, message);
  small.error.code = 77;
  EXPECT_EQ(attnc_launch(kernel.get(), list.data(), 2, nullptr, &small.error),
            ATTNC_ERROR_RANK);
  EXPECT_EQ(small.error.code, 77);
}

} // namespace
