// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The shared library as others get it: opened, used and closed at run time;
// its size, what it needs and what it exports.

#include "TestKernels.h"

#include <cstdio>
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace attnc;
using namespace attnc::test;

namespace {

/// The output of a shell command, both streams, and its exit status.
int runCommand(const std::string &command, std::string &output) {
  output.clear();
  FILE *pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe)
    return -1;
  for (int c; (c = fgetc(pipe)) != EOF;)
    output += char(c);
  int status = pclose(pipe);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Library, IsSmallAndStandsAlone) {
  std::string most = "1000000";
#if defined(ATTNC_TEST_SANITIZED)
  most = "100000000"; // instrumented code is no measure of size
#endif
  std::string output;
  int status =
      runCommand(std::string("sh '") + ATTNC_TEST_CHECK_LIBRARY + "' '" +
                     ATTNC_TEST_LIBRARY + "' '" + ATTNC_TEST_STRIP + "' '" +
                     ATTNC_TEST_READELF + "' " + most,
                 output);
  std::fputs(output.c_str(), stdout);
  EXPECT_EQ(status, 0);
}

#if defined(__x86_64__)
/// Opens the library, runs a kernel on two threads and closes it again.
void openRunClose() {
  void *library = dlopen(ATTNC_TEST_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  auto load = reinterpret_cast<decltype(&attnc_kernel_load_memory)>(
      dlsym(library, "attnc_kernel_load_memory"));
  auto run =
      reinterpret_cast<decltype(&attnc_launch)>(dlsym(library, "attnc_launch"));
  auto destroy = reinterpret_cast<decltype(&attnc_kernel_destroy)>(
      dlsym(library, "attnc_kernel_destroy"));
  auto version = reinterpret_cast<decltype(&attnc_runtime_abi_version)>(
      dlsym(library, "attnc_runtime_abi_version"));
  ASSERT_TRUE(load && run && destroy && version);
  EXPECT_EQ(version(), uint32_t(ATTNC_ABI_VERSION));
  EXPECT_EQ(dlsym(library, "_ZN5attnc10ThreadPool3getEv"), nullptr);

  std::vector<uint8_t> file = serialize(incrementDesc());
  attnc_kernel *kernel = nullptr;
  attnc_error error = ATTNC_ERROR_INIT;
  ASSERT_EQ(load(file.data(), file.size(), nullptr, &kernel, &error), ATTNC_OK)
      << error.message;
  std::vector<int32_t> q(10000, 41), out(10000);
  Tensor tensors[] = {{ATTNC_DTYPE_I32, q.data(), {10000}, {}},
                      {ATTNC_DTYPE_I32, out.data(), {10000}, {}}};
  attnc_tensor list[] = {tensors[0].view(), tensors[1].view()};
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.threads = 2;
  EXPECT_EQ(run(kernel, list, 2, &options, &error), ATTNC_OK) << error.message;
  EXPECT_EQ(out, std::vector<int32_t>(10000, 42));
  destroy(kernel);
  // Its threads must be gone before its code is.
  EXPECT_EQ(dlclose(library), 0);
}

TEST(Library, OpensRunsAndCloses) {
  for (int i = 0; i < 20; ++i)
    openRunClose();
}
#endif

#if defined(__x86_64__) && defined(ATTNC_TEST_EXAMPLE)
class Example : public testing::Test {
protected:
  Example() : path("/tmp/attnc-example-" + std::to_string(getpid())) {
    std::string error;
    EXPECT_TRUE(writeKernelFile(incrementDesc(), path, error)) << error;
  }
  ~Example() override { unlink(path.c_str()); }

  /// Runs the C example on the file; true if it ends with this status and says
  /// this.
  testing::AssertionResult says(const std::string &arguments, int status,
                                const std::string &text) {
    std::string output;
    int got = runCommand(
        std::string("'") + ATTNC_TEST_EXAMPLE + "' " + arguments, output);
    if (got == status && output.find(text) != std::string::npos)
      return testing::AssertionSuccess();
    return testing::AssertionFailure() << "status " << got << ": " << output;
  }
  std::string path;
};

TEST_F(Example, RunsAKernelFile) {
  EXPECT_TRUE(says(path + " q=1000", 0, "input  q: i32[?]"));
  EXPECT_TRUE(says(path + " q=1000", 0, "image  x86-64, 78 bytes, in use"));
  // Inputs are 0 or 1, outputs one more.
  EXPECT_TRUE(says(path + " q=0", 0, "out: sum 0,"));
  EXPECT_TRUE(
      says(path + " q=1000 out=1000 --threads=2 --seed=3", 0, "1000 elements"));
  std::string first, second;
  std::string command = std::string("'") + ATTNC_TEST_EXAMPLE + "' " + path +
                        " q=100000 | grep sum";
  runCommand(command, first);
  runCommand(command, second);
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(first, second) << "the same seed gives the same sums";
}

TEST_F(Example, ReportsErrors) {
  EXPECT_TRUE(says("", 1, "usage:"));
  EXPECT_TRUE(says("--help", 0, "usage:"));
  EXPECT_TRUE(says("/nonexistent.attnc", 1, "cannot open"));
  EXPECT_TRUE(says("/etc/passwd", 1, "not an attnc kernel file"));
  EXPECT_TRUE(says(path, 1, "'q' has dynamic sizes"));
  EXPECT_TRUE(says(path + " q=3x", 1, "is not 1 sizes"));
  EXPECT_TRUE(says(path + " q=-3", 1, "is not 1 sizes"));
  EXPECT_TRUE(says(path + " q=3 k=3", 1, "no argument 'k'"));
  EXPECT_TRUE(says(path + " q=3 out=4", 1, "q and out differ in length"));
  EXPECT_TRUE(says(path + " q=9223372036854775807", 1, "too large"));
  EXPECT_TRUE(says(path + " q=3 --threads=x", 1, "bad value"));
}
#endif

TEST(Library, Versions) {
  EXPECT_EQ(attnc_runtime_abi_version(), uint32_t(ATTNC_ABI_VERSION));
  EXPECT_EQ(attnc_runtime_format_version(), 2u);
  EXPECT_GE(attnc_default_threads(), 1u);
}

TEST(Library, ResultsHaveNames) {
  EXPECT_STREQ(attnc_result_name(ATTNC_OK), "ATTNC_OK");
  EXPECT_STREQ(attnc_result_name(ATTNC_ERROR_STATUS), "ATTNC_ERROR_STATUS");
  EXPECT_STREQ(attnc_result_name(12345), "unknown result");
}

} // namespace
