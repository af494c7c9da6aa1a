// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Damaged and hostile files: each is refused with the right code, or loads;
// nothing crashes.

#include "TestKernels.h"

#include "attnc/kernel_format.h"

#include <cstdlib>
#include <cstring>
#include <random>

using namespace attnc;
using namespace attnc::test;

namespace {

void noWork(const uint64_t *, uint64_t, void *, uint32_t *) {}

int refuseToRun(void *, uint32_t, attnc_parallel_body_fn, void *) { return 7; }

TEST(Corruption, EveryTruncation) {
  std::vector<uint8_t> file = serialize(incrementDesc());
  for (size_t size = 0; size < file.size(); ++size) {
    std::vector<uint8_t> cut(file.begin(), file.begin() + int64_t(size));
    failToLoad(cut,
               size == 0 ? ATTNC_ERROR_NOT_A_KERNEL : ATTNC_ERROR_TRUNCATED);
  }
}

TEST(Corruption, BytesAfterTheEnd) {
  std::vector<uint8_t> file = serialize(incrementDesc());
  file.push_back(0);
  failToLoad(file, ATTNC_ERROR_MALFORMED);
}

/// What a change of this byte must be reported as.
attnc_result expectedCode(size_t offset, bool sizeGrew) {
  if (offset < ATTNC_FILE_MAGIC_BYTES)
    return ATTNC_ERROR_NOT_A_KERNEL;
  if (offset < ATTNC_FILE_FORMAT_VERSION_OFFSET)
    return ATTNC_ERROR_CHECKSUM;
  if (offset < ATTNC_FILE_ABI_VERSION_OFFSET)
    return ATTNC_ERROR_FORMAT_VERSION;
  if (offset < ATTNC_FILE_SIZE_OFFSET)
    return ATTNC_ERROR_ABI_VERSION;
  if (offset < ATTNC_FILE_SECTION_COUNT_OFFSET)
    return sizeGrew ? ATTNC_ERROR_TRUNCATED : ATTNC_ERROR_MALFORMED;
  return ATTNC_ERROR_CHECKSUM;
}

TEST(Corruption, EveryByte) {
  const std::vector<uint8_t> file = serialize(incrementDesc());
  for (size_t offset = 0; offset < file.size(); ++offset) {
    for (uint8_t mask : {0x01, 0x80, 0xff}) {
      std::vector<uint8_t> changed = file;
      changed[offset] ^= mask;
      uint64_t size = 0;
      std::memcpy(&size, changed.data() + ATTNC_FILE_SIZE_OFFSET, 8);
      failToLoad(changed, expectedCode(offset, size > file.size()));
    }
  }
}

TEST(Corruption, VersionsAreNamed) {
  std::vector<uint8_t> file = serialize(incrementDesc());
  file[ATTNC_FILE_FORMAT_VERSION_OFFSET] = 42;
  fixChecksum(file);
  std::string message = failToLoad(file, ATTNC_ERROR_FORMAT_VERSION);
  EXPECT_NE(message.find("version 42"), std::string::npos) << message;
  file = serialize(incrementDesc());
  file[ATTNC_FILE_ABI_VERSION_OFFSET] = 43;
  fixChecksum(file);
  message = failToLoad(file, ATTNC_ERROR_ABI_VERSION);
  EXPECT_NE(message.find("version 43"), std::string::npos) << message;
}

TEST(Corruption, OtherFiles) {
  std::string elf("\x7f"
                  "ELF and so on");
  failToLoad({elf.begin(), elf.end()}, ATTNC_ERROR_NOT_A_KERNEL);
  failToLoad(std::vector<uint8_t>(4096, 0), ATTNC_ERROR_NOT_A_KERNEL);
}

/// A count that no file can hold, at one place after another.
TEST(Corruption, HostileCounts) {
  const std::vector<uint8_t> file = serialize(richDesc());
  int refused = 0;
  for (uint32_t hostile : {0xffffffffu, 0x7fffffffu, 0x10000u, 1000u}) {
    for (size_t at = ATTNC_FILE_SECTION_COUNT_OFFSET; at + 4 <= file.size();
         ++at) {
      std::vector<uint8_t> changed = file;
      std::memcpy(changed.data() + at, &hostile, 4);
      fixChecksum(changed);
      attnc_workgroup_fn functions[] = {noWork, noWork};
      attnc_kernel *kernel = nullptr;
      attnc_result result =
          attnc_kernel_create(changed.data(), changed.size(), functions, 2,
                              nullptr, nullptr, &kernel, nullptr);
      EXPECT_TRUE(result == ATTNC_OK || result == ATTNC_ERROR_MALFORMED ||
                  result == ATTNC_ERROR_INVALID_ARGUMENT)
          << attnc_result_name(result) << " at " << at;
      refused += result != ATTNC_OK;
      attnc_kernel_destroy(kernel);
    }
  }
  EXPECT_GT(refused, int(file.size()));
}

//===----------------------------------------------------------------------===//
// Random files with a valid checksum
//===----------------------------------------------------------------------===//

/// Random changes, biased to where descriptions are and to values that upset
/// counts and sizes.
void mutate(std::vector<uint8_t> &file, std::mt19937_64 &random) {
  static const uint64_t nasty[] = {0,
                                   1,
                                   0xff,
                                   0xffff,
                                   0x7fffffff,
                                   0xffffffff,
                                   uint64_t(1) << 62,
                                   ~uint64_t(0),
                                   0x8000000000000000ull};
  int changes = 1 + int(random() % 4);
  for (int i = 0; i < changes; ++i) {
    size_t start = ATTNC_FILE_SECTION_COUNT_OFFSET;
    size_t at = start + random() % (file.size() - start);
    switch (random() % 5) {
    case 0:
      file[at] ^= uint8_t(1) << (random() % 8);
      break;
    case 1:
      file[at] = uint8_t(random());
      break;
    case 2: {
      uint64_t value = nasty[random() % (sizeof(nasty) / sizeof(nasty[0]))];
      size_t width = size_t(1) << (random() % 4);
      std::memcpy(file.data() + at, &value, std::min(width, file.size() - at));
      break;
    }
    case 3: // a piece lost
      if (file.size() > ATTNC_FILE_HEADER_BYTES + 64)
        file.erase(file.begin() + int64_t(at),
                   file.begin() +
                       int64_t(std::min(file.size(), at + 1 + random() % 16)));
      break;
    case 4: { // a piece of the file somewhere else
      size_t from = random() % file.size();
      size_t count = std::min<size_t>(
          {1 + random() % 32, file.size() - from, file.size() - at});
      std::memmove(file.data() + at, file.data() + from, count);
      break;
    }
    }
  }
  fixChecksum(file);
}

/// Everything that a caller may do with a kernel that did load, except run it.
void exercise(attnc_kernel *kernel, std::mt19937_64 &random) {
  attnc_kernel_info info = {};
  info.struct_size = sizeof(info);
  ASSERT_EQ(attnc_kernel_get_info(kernel, &info), ATTNC_OK);
  std::vector<Tensor> tensors(info.num_args);
  static char memory[64];
  for (uint32_t i = 0; i < info.num_args; ++i) {
    attnc_arg_info arg = {};
    arg.struct_size = sizeof(arg);
    ASSERT_EQ(attnc_kernel_get_arg(kernel, i, &arg), ATTNC_OK);
    EXPECT_LE(arg.rank, uint32_t(ATTNC_MAX_RANK));
    tensors[i].dtype = arg.dtype;
    // Never read or written, since nothing runs.
    tensors[i].data = memory;
    for (uint32_t d = 0; d < arg.rank; ++d)
      tensors[i].shape.push_back(
          arg.dims[d] >= 0 ? arg.dims[d]
                           : int64_t(random() >> (1 + random() % 63)));
  }
  std::vector<attnc_tensor> list = views(tensors);
  size_t bytes = 0;
  attnc_workspace_size(kernel, list.data(), list.size(), 3, &bytes, nullptr);
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.parallel_for = refuseToRun;
  attnc_error error = ATTNC_ERROR_INIT;
  if (bytes < (size_t(1) << 24))
    attnc_launch(kernel, list.data(), list.size(), &options, &error);
}

TEST(Corruption, FuzzWithValidChecksums) {
  uint64_t seed = 20240607;
  if (const char *text = std::getenv("ATTNC_TEST_SEED"))
    seed = std::strtoull(text, nullptr, 10);
  int rounds = 20000;
  if (const char *text = std::getenv("ATTNC_TEST_ROUNDS"))
    rounds = std::atoi(text);
  std::printf("seed %llu, %d files (ATTNC_TEST_SEED, ATTNC_TEST_ROUNDS)\n",
              static_cast<unsigned long long>(seed), rounds);
  std::mt19937_64 random(seed);
  const std::vector<uint8_t> sources[] = {serialize(richDesc()),
                                          serialize(incrementDesc())};
  int loaded = 0, refused = 0;
  for (int round = 0; round < rounds; ++round) {
    bool withImages = round % 2;
    std::vector<uint8_t> file = sources[withImages];
    mutate(file, random);
    // Exactly as long as it is, for the sanitizers.
    auto exact = std::make_unique<uint8_t[]>(file.size());
    std::copy(file.begin(), file.end(), exact.get());
    attnc_kernel *kernel = nullptr;
    attnc_workgroup_fn functions[] = {noWork, noWork};
    attnc_error error = ATTNC_ERROR_INIT;
    attnc_result result =
        withImages ? attnc_kernel_load_memory(exact.get(), file.size(), nullptr,
                                              &kernel, &error)
                   : attnc_kernel_create(exact.get(), file.size(), functions, 2,
                                         nullptr, nullptr, &kernel, &error);
    ASSERT_EQ(result == ATTNC_OK, kernel != nullptr) << "round " << round;
    ASSERT_EQ(result == ATTNC_OK, error.message[0] == '\0');
    ASSERT_NE(result, ATTNC_ERROR_CHECKSUM) << "round " << round;
    exact.reset();
    if (kernel)
      exercise(kernel, random);
    kernel ? ++loaded : ++refused;
    attnc_kernel_destroy(kernel);
  }
  // Both sides of the reader must have been seen, or this tests nothing.
  EXPECT_GT(loaded, rounds / 50);
  EXPECT_GT(refused, rounds / 50);
}

} // namespace
