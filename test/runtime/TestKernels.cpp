// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kernels for the tests, one of them in hand-assembled machine code.

#include "TestKernels.h"

#include "attnc/kernel_checksum.h"

#include <cstring>

using namespace attnc;
using namespace attnc::test;

// A test asks for more memory than there is and expects to hear so.
#if defined(ATTNC_TEST_SANITIZED)
extern "C" const char *__asan_default_options() {
  return "allocator_may_return_null=1";
}
extern "C" const char *__tsan_default_options() {
  return "allocator_may_return_null=1";
}
#endif

std::vector<uint8_t> test::serialize(const KernelDesc &desc) {
  std::string error;
  std::optional<std::vector<uint8_t>> bytes = writeKernel(desc, error);
  EXPECT_TRUE(bytes.has_value()) << error;
  return bytes.value_or(std::vector<uint8_t>());
}

void test::fixChecksum(std::vector<uint8_t> &file) {
  uint64_t size = file.size();
  std::memcpy(file.data() + ATTNC_FILE_SIZE_OFFSET, &size, 8);
  uint64_t checksum = kernelFileChecksum(file.data(), file.size());
  std::memcpy(file.data() + ATTNC_FILE_CHECKSUM_OFFSET, &checksum, 8);
}

KernelPtr test::createKernel(const KernelDesc &desc,
                             const std::vector<attnc_workgroup_fn> &functions) {
  std::vector<uint8_t> bytes = serialize(desc);
  attnc_kernel *kernel = nullptr;
  attnc_error error = ATTNC_ERROR_INIT;
  EXPECT_EQ(attnc_kernel_create(bytes.data(), bytes.size(), functions.data(),
                                functions.size(), nullptr, nullptr, &kernel,
                                &error),
            ATTNC_OK)
      << error.message;
  return KernelPtr(kernel);
}

KernelPtr test::loadKernel(const std::vector<uint8_t> &file) {
  attnc_kernel *kernel = nullptr;
  attnc_error error = ATTNC_ERROR_INIT;
  EXPECT_EQ(attnc_kernel_load_memory(file.data(), file.size(), nullptr, &kernel,
                                     &error),
            ATTNC_OK)
      << error.message;
  return KernelPtr(kernel);
}

std::string test::failToLoad(const std::vector<uint8_t> &file,
                             attnc_result code) {
  // A copy without slack, so that a sanitizer sees any read past the end.
  auto exact = std::make_unique<uint8_t[]>(file.size());
  std::copy(file.begin(), file.end(), exact.get());
  int untouched = 0;
  attnc_kernel *kernel = reinterpret_cast<attnc_kernel *>(&untouched);
  attnc_error error = ATTNC_ERROR_INIT;
  attnc_result result = attnc_kernel_load_memory(exact.get(), file.size(),
                                                 nullptr, &kernel, &error);
  EXPECT_STREQ(attnc_result_name(result), attnc_result_name(code))
      << error.message;
  EXPECT_EQ(error.code, result);
  EXPECT_EQ(kernel, nullptr);
  EXPECT_NE(error.message[0], '\0');
  attnc_kernel_destroy(kernel);
  return error.message;
}

const std::vector<uint8_t> &test::incrementCode() {
  static const std::vector<uint8_t> code = {
      // increment:
      0x4c, 0x8b, 0x07,                   // 00 mov r8, [rdi]       q
      0x4c, 0x8b, 0x4f, 0x08,             // 03 mov r9, [rdi + 8]   out
      0x4c, 0x8b, 0x57, 0x10,             // 07 mov r10, [rdi + 16] n
      0x48, 0x89, 0xf0,                   // 0b mov rax, rsi
      0x48, 0xc1, 0xe0, 0x06,             // 0e shl rax, 6
      0x4c, 0x8d, 0x58, 0x40,             // 12 lea r11, [rax + 64]
      0x4d, 0x39, 0xd3,                   // 16 cmp r11, r10
      0x4d, 0x0f, 0x4f, 0xda,             // 19 cmovg r11, r10
      0x4c, 0x39, 0xd8,                   // 1d cmp rax, r11
      0x7d, 0x13,                         // 20 jge 35
      0x41, 0x8b, 0x34, 0x80,             // 22 mov esi, [r8 + 4*rax]
      0x03, 0x35, 0x0c, 0x00, 0x00, 0x00, // 26 add esi, [rip + 12]
      0x41, 0x89, 0x34, 0x81,             // 2c mov [r9 + 4*rax], esi
      0x48, 0xff, 0xc0,                   // 30 inc rax
      0xeb, 0xe8,                         // 33 jmp 1d
      0xc3,                               // 35 ret
      0xcc, 0xcc,                         // 36
      0x01, 0x00, 0x00, 0x00,             // 38 the constant 1
      0xcc, 0xcc, 0xcc, 0xcc,             // 3c
      // check:
      0x4c, 0x8b, 0x07,             // 40 mov r8, [rdi]
      0x41, 0x83, 0x3c, 0xb0, 0x00, // 43 cmp dword [r8 + 4*rsi], 0
      0x7d, 0x03,                   // 48 jge 4d
      0x83, 0x09, 0x02,             // 4a or dword [rcx], BAD_INDEX
      0xc3                          // 4d ret
  };
  return code;
}

KernelDesc test::incrementDesc() {
  KernelDesc desc;
  desc.name = "increment";
  desc.producer = "attnc-runtime-tests";
  desc.args = {{"q", ArgRole::Input, ATTNC_DTYPE_I32, {kDynamicSize}, 0},
               {"out", ArgRole::Output, ATTNC_DTYPE_I32, {kDynamicSize}, 0}};
  Formula n = Formula::dim(0, 0);
  desc.constraints = {{n - Formula::dim(1, 0), "q and out differ in length"}};
  LaunchDesc launch;
  launch.name = "main";
  launch.grid = {ceilDiv(n, 64)};
  launch.words = {WordDesc::base(0), WordDesc::base(1), WordDesc::size(0, 0)};
  desc.launches = {launch};
  ImageDesc future;
  future.target = "x86-64-v99";
  future.features = {"sse2", "avx9000"};
  future.code = {0x0f, 0x0b}; // ud2
  future.entries = {0};
  ImageDesc baseline;
  baseline.target = "x86-64";
  baseline.features = x86LevelFeatures("x86-64");
  baseline.code = incrementCode();
  baseline.entries = {0};
  desc.images = {future, baseline};
  return desc;
}

KernelDesc test::richDesc() {
  KernelDesc desc;
  desc.name = "rich";
  desc.producer = "attnc-runtime-tests";
  std::vector<int64_t> dims = {kDynamicSize, kDynamicSize, 64};
  desc.args = {{"q", ArgRole::Input, ATTNC_DTYPE_F32, dims, 0},
               {"k", ArgRole::Input, ATTNC_DTYPE_F32, dims, 0},
               {"out", ArgRole::Output, ATTNC_DTYPE_F32, dims, 64}};
  Formula b = Formula::dim(0, 0), n = Formula::dim(0, 1);
  desc.constraints = {
      {b - Formula::dim(1, 0), "q and k differ in batch size"},
      {b - Formula::dim(2, 0), "q and out differ in batch size"},
      {n - Formula::dim(2, 1), "q and out differ in length"}};
  desc.temps = {{b * n * 4}, {alignTo(n, 96) * 8}};
  LaunchDesc first;
  first.name = "scores";
  first.grid = {b, ceilDiv(n, 96)};
  first.words = {WordDesc::base(0),      WordDesc::base(1),
                 WordDesc::base(3),      WordDesc::size(1, 1),
                 WordDesc::stride(0, 0), WordDesc::formula(n * b - 1)};
  first.scratchBytes = 1000;
  LaunchDesc second;
  second.name = "merge";
  second.grid = {b};
  second.words = {WordDesc::base(3), WordDesc::base(4), WordDesc::base(2)};
  desc.launches = {first, second};
  desc.metadata = {{"spec", "attn.attention %q, %k, %v"},
                   {"note", std::string("zero\0inside", 11)}};
  return desc;
}

std::vector<attnc_tensor> test::views(const std::vector<Tensor> &tensors) {
  std::vector<attnc_tensor> result;
  for (const Tensor &tensor : tensors)
    result.push_back(tensor.view());
  return result;
}
