// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels on GPUs, with a library in the place of NVIDIA's driver: which image
// is taken, what is called, and what errors say.

#include "TestKernels.h"

#include "attnc/gpu_driver.h"

#include <cstdlib>
#include <dlfcn.h>

using namespace attnc;
using namespace attnc::test;

namespace {

class Cuda : public ::testing::Test {
protected:
  void SetUp() override {
    setenv("ATTNC_LIBCUDA", ATTNC_TEST_FAKE_CUDA, 1);
    const attnc_gpu_driver *driver = nullptr;
    attnc_error error = ATTNC_ERROR_INIT;
    ASSERT_EQ(attnc_cuda_driver(&driver, &error), ATTNC_OK) << error.message;
    void *library = dlopen(ATTNC_TEST_FAKE_CUDA, RTLD_NOW);
    ASSERT_TRUE(library);
    find(calls, library, "fake_calls");
    find(clear, library, "fake_clear");
    find(fail, library, "fake_fail");
    find(report, library, "fake_report");
    clear();
  }
  void TearDown() override {
    fail("", 0);
    report(0);
  }
  template <typename F>
  void find(F &function, void *library, const char *name) {
    function = reinterpret_cast<F>(dlsym(library, name));
    ASSERT_TRUE(function) << name;
  }
  const char *(*calls)();
  void (*clear)();
  void (*fail)(const char *, int);
  void (*report)(uint32_t);
  std::string log() { return calls(); }

  /// incrementDesc for GPUs: machine code for sm_80 and sm_90a, PTX for sm_80.
  static KernelDesc desc(GpuLaunchDesc geometry = {64, 0, 0}) {
    KernelDesc kernel = incrementDesc();
    kernel.images.clear();
    kernel.launches.resize(1);
    auto add = [&](uint32_t arch, uint32_t sm, uint32_t suffix,
                   const std::string &name) {
      ImageDesc image;
      image.arch = arch;
      image.sm = sm;
      image.smSuffix = suffix;
      image.target = name;
      std::string code =
          "code of " + name + (arch == ATTNC_ARCH_PTX ? " ptx" : "");
      image.code.assign(code.begin(), code.end());
      image.geometry.assign(kernel.launches.size(), geometry);
      kernel.images.push_back(std::move(image));
    };
    add(ATTNC_ARCH_PTX, 80, 0, "sm_80");
    add(ATTNC_ARCH_CUBIN, 80, 0, "sm_80");
    add(ATTNC_ARCH_CUBIN, 90, 'a', "sm_90a");
    return kernel;
  }

  static attnc_result load(const KernelDesc &kernel, int32_t device,
                           KernelPtr &result, std::string &message,
                           const char *target = nullptr) {
    std::vector<uint8_t> file = serialize(kernel);
    attnc_load_options options = ATTNC_LOAD_OPTIONS_INIT;
    options.device_type = ATTNC_DEVICE_CUDA;
    options.device_id = device;
    options.target = target;
    attnc_error error = ATTNC_ERROR_INIT;
    attnc_kernel *loaded = nullptr;
    attnc_result code = attnc_kernel_load_memory(file.data(), file.size(),
                                                 &options, &loaded, &error);
    result.reset(loaded);
    message = error.message;
    return code;
  }

  struct Arrays {
    explicit Arrays(int64_t n, int32_t device) : q(n), out(n), size(n) {
      for (int64_t i = 0; i < n; ++i)
        q[i] = static_cast<int32_t>(i * i);
      for (auto *data : {q.data(), out.data()})
        views.push_back({sizeof(attnc_tensor), ATTNC_DTYPE_I32, 1, data, &size,
                         nullptr, ATTNC_DEVICE_CUDA, device});
    }
    bool isRight() const {
      for (size_t i = 0; i < q.size(); ++i)
        if (out[i] != q[i] + 1)
          return false;
      return true;
    }
    std::vector<int32_t> q, out;
    int64_t size;
    std::vector<attnc_tensor> views;
  };

  static attnc_result
  launch(const KernelPtr &kernel, Arrays &arrays, std::string &message,
         attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT) {
    attnc_error error = ATTNC_ERROR_INIT;
    attnc_result code = attnc_launch(kernel.get(), arrays.views.data(),
                                     arrays.views.size(), &options, &error);
    message = error.message;
    return code;
  }
  std::string message;
  KernelPtr kernel;
};

TEST(CudaDriver, MissingLibraryIsNamed) {
  // Must come before a driver is found, as one is kept for good.
  setenv("ATTNC_LIBCUDA", "/nowhere/libcuda.so.1", 1);
  const attnc_gpu_driver *driver = nullptr;
  attnc_error error = ATTNC_ERROR_INIT;
  EXPECT_EQ(attnc_cuda_driver(&driver, &error), ATTNC_ERROR_NO_DRIVER);
  EXPECT_NE(std::string(error.message).find("/nowhere/libcuda.so.1"),
            std::string::npos)
      << error.message;
  EXPECT_FALSE(driver);
}

TEST_F(Cuda, RunsOnTheDefaultDevice) {
  ASSERT_EQ(load(desc(), 0, kernel, message), ATTNC_OK) << message;
  EXPECT_NE(log().find("cuModuleLoadDataEx 0 code of sm_80\n"),
            std::string::npos)
      << log(); // sm_86 runs machine code of sm_80
  Arrays arrays(200, 0);
  ASSERT_EQ(launch(kernel, arrays, message), ATTNC_OK) << message;
  EXPECT_TRUE(arrays.isRight());
  EXPECT_NE(log().find("cuLaunchKernel 4 x 64, 0 shared"), std::string::npos)
      << log();
  kernel.reset();
  EXPECT_NE(log().find("cuModuleUnload"), std::string::npos);
}

TEST_F(Cuda, ModulesAreKeptByDevice) {
  ASSERT_EQ(load(desc(), 0, kernel, message), ATTNC_OK) << message;
  Arrays other(10, 1);
  clear();
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(launch(kernel, other, message), ATTNC_OK) << message;
  EXPECT_TRUE(other.isRight());
  size_t first = log().find("cuModuleLoadDataEx 1 code of sm_90a");
  ASSERT_NE(first, std::string::npos) << log();
  EXPECT_EQ(log().find("cuModuleLoadDataEx", first + 1), std::string::npos);
}

TEST_F(Cuda, ImagesAreChosenByTheChip) {
  // sm_90 does not take machine code of sm_80, but its PTX.
  KernelDesc only = desc();
  only.images.pop_back();
  ASSERT_EQ(load(only, 1, kernel, message), ATTNC_OK) << message;
  EXPECT_NE(log().find("code of sm_80 ptx"), std::string::npos) << log();
  only.images.erase(only.images.begin());
  EXPECT_EQ(load(only, 1, kernel, message), ATTNC_ERROR_NO_IMAGE);
  EXPECT_NE(message.find("cuda device 1 (sm_90); it has sm_80"),
            std::string::npos)
      << message;
  EXPECT_EQ(load(desc(), 0, kernel, message, "sm_75"), ATTNC_ERROR_NO_IMAGE);
  EXPECT_EQ(load(incrementDesc(), 0, kernel, message), ATTNC_ERROR_NO_IMAGE);
  EXPECT_EQ(load(desc(), 7, kernel, message), ATTNC_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(message.find("no CUDA device 7: the driver has 2"),
            std::string::npos)
      << message;
}

TEST_F(Cuda, SharedMemoryIsAskedFor) {
  ASSERT_EQ(load(desc({128, 99 << 10, 0}), 0, kernel, message), ATTNC_OK)
      << message;
  EXPECT_NE(log().find("cuFuncSetAttribute 8 101376"), std::string::npos);
  EXPECT_EQ(load(desc({128, 100 << 10, 0}), 0, kernel, message),
            ATTNC_ERROR_DEVICE);
  EXPECT_NE(message.find("102400 bytes of shared memory"), std::string::npos)
      << message;
}

TEST_F(Cuda, SharedWorkgroupsLimitTheGrid) {
  ASSERT_EQ(load(desc({64, 0, 2}), 0, kernel, message), ATTNC_OK) << message;
  Arrays arrays(64 * 1000, 0);
  ASSERT_EQ(launch(kernel, arrays, message), ATTNC_OK) << message;
  EXPECT_NE(log().find("cuLaunchKernel 2 x 64"), std::string::npos) << log();
}

TEST_F(Cuda, StatusReachesTheCaller) {
  ASSERT_EQ(load(desc(), 0, kernel, message), ATTNC_OK) << message;
  report(ATTNC_STATUS_BAD_PAGE);
  Arrays arrays(100, 0);
  EXPECT_EQ(launch(kernel, arrays, message), ATTNC_ERROR_STATUS);
  EXPECT_NE(message.find("page table"), std::string::npos) << message;
}

TEST_F(Cuda, LaunchesWithoutWaiting) {
  ASSERT_EQ(load(desc(), 0, kernel, message), ATTNC_OK) << message;
  Arrays arrays(100, 0);
  uint32_t status = 0;
  report(ATTNC_STATUS_BAD_INDEX);
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.stream = reinterpret_cast<void *>(0x77);
  options.device_status = reinterpret_cast<uint64_t>(&status);
  clear();
  ASSERT_EQ(launch(kernel, arrays, message, options), ATTNC_OK) << message;
  EXPECT_EQ(log(), "cuLaunchKernel 2 x 64, 0 shared, stream 0x77\n");
  EXPECT_EQ(status, uint32_t(ATTNC_STATUS_BAD_INDEX));
}

TEST_F(Cuda, ErrorsHaveTheDriversNames) {
  fail("cuModuleLoadDataEx", 218);
  EXPECT_EQ(load(desc(), 0, kernel, message), ATTNC_ERROR_DEVICE);
  EXPECT_EQ(message, "cuModuleLoadDataEx: CUDA_ERROR_INVALID_PTX (218, as the "
                     "driver puts it): line 3 is no PTX");
  fail("", 0);
  ASSERT_EQ(load(desc(), 0, kernel, message), ATTNC_OK);
  Arrays arrays(100, 0);
  for (auto [function, code, name] :
       {std::tuple("cuLaunchKernel", 700, "CUDA_ERROR_ILLEGAL_ADDRESS"),
        std::tuple("cuMemAlloc", 2, "CUDA_ERROR_OUT_OF_MEMORY"),
        std::tuple("cuStreamSynchronize", 700, "CUDA_ERROR_ILLEGAL_ADDRESS"),
        std::tuple("cuMemsetD32Async", 999, "an error without a name")}) {
    ASSERT_EQ(load(desc(), 0, kernel, message), ATTNC_OK) << message;
    fail(function, code);
    EXPECT_EQ(launch(kernel, arrays, message), ATTNC_ERROR_DEVICE) << function;
    EXPECT_NE(message.find(name), std::string::npos) << message;
    fail("", 0);
  }
}

TEST_F(Cuda, TensorsMustLieThere) {
  ASSERT_EQ(load(desc(), 0, kernel, message), ATTNC_OK) << message;
  Arrays arrays(100, 0);
  arrays.views[0].device_type = ATTNC_DEVICE_CPU;
  EXPECT_EQ(launch(kernel, arrays, message), ATTNC_ERROR_DATA);
  EXPECT_NE(message.find("type 1"), std::string::npos) << message;
  arrays.views[0].device_type = ATTNC_DEVICE_CUDA;
  arrays.views[0].device_id = 1;
  EXPECT_EQ(launch(kernel, arrays, message), ATTNC_ERROR_DATA);
  // A kernel on the CPU takes none of a GPU's.
  KernelPtr host = loadKernel(serialize(incrementDesc()));
  EXPECT_EQ(launch(host, arrays, message), ATTNC_ERROR_DATA);
}

TEST_F(Cuda, FilesForGpusDoNotLoadOnCpus) {
  std::string text = failToLoad(serialize(desc()), ATTNC_ERROR_NO_IMAGE);
  EXPECT_NE(text.find("sm_80 (PTX)"), std::string::npos) << text;
}

TEST_F(Cuda, HostileGeometriesAreRefused) {
  std::string error;
  for (GpuLaunchDesc bad :
       {GpuLaunchDesc{0, 0, 0}, GpuLaunchDesc{1025, 0, 0},
        GpuLaunchDesc{64, (1 << 20) + 1, 0}, GpuLaunchDesc{64, 0, 65537}})
    EXPECT_FALSE(writeKernel(desc(bad), error).has_value()) << bad.threads;
  // The same bytes in a file: change what a good one says.
  std::vector<uint8_t> good = serialize(desc({61, 0x12345, 0x321}));
  auto spoil = [&](uint32_t from, uint32_t to) {
    std::vector<uint8_t> file = good;
    for (size_t i = 0; i + 4 <= file.size(); ++i) {
      uint32_t value;
      memcpy(&value, &file[i], 4);
      if (value == from)
        memcpy(&file[i], &to, 4);
    }
    ASSERT_NE(file, good);
    fixChecksum(file);
    failToLoad(file, ATTNC_ERROR_MALFORMED);
  };
  spoil(61, 0);
  spoil(61, 5000);
  spoil(0x12345, 0x7fffffff);
  spoil(0x321, 0xffffffff);
}

} // namespace
