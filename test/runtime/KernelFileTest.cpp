// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What is written is what is read; what must not be written is refused; files
// appear whole or not at all.

#include "TestKernels.h"

#include "runtime/KernelReader.h"

#include <dirent.h>
#include <fstream>
#include <functional>
#include <iterator>
#include <sys/stat.h>
#include <unistd.h>

using namespace attnc;
using namespace attnc::test;

namespace {

/// An empty directory that goes away with what is in it.
class ScratchDir {
public:
  ScratchDir() {
    char name[] = "/tmp/attnc-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~ScratchDir() {
    for (const std::string &name : list())
      unlink((path + "/" + name).c_str());
    rmdir(path.c_str());
  }
  std::vector<std::string> list() const {
    std::vector<std::string> names;
    DIR *dir = opendir(path.c_str());
    while (dirent *entry = readdir(dir))
      if (entry->d_name[0] != '.')
        names.push_back(entry->d_name);
    closedir(dir);
    return names;
  }
  std::string path;
};

KernelModel readBack(const KernelDesc &desc) {
  std::vector<uint8_t> bytes = serialize(desc);
  KernelModel model;
  attnc_error error = ATTNC_ERROR_INIT;
  Error reporter(&error);
  EXPECT_EQ(readKernel(bytes.data(), bytes.size(), model, reporter), ATTNC_OK)
      << error.message;
  return model;
}

void expectSame(const FormulaProgram &got, const Formula &want) {
  ASSERT_EQ(got.size(), want.ops.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].opcode, static_cast<uint16_t>(want.ops[i].opcode));
    EXPECT_EQ(got[i].tensor, want.ops[i].tensor);
    EXPECT_EQ(got[i].dim, want.ops[i].dim);
    EXPECT_EQ(got[i].imm, want.ops[i].imm);
  }
}

void expectSame(const LaunchModel &got, const LaunchDesc &want) {
  EXPECT_EQ(got.name, want.name);
  EXPECT_EQ(got.scratchBytes, want.scratchBytes);
  ASSERT_EQ(got.grid.size(), want.grid.size());
  for (size_t i = 0; i < got.grid.size(); ++i)
    expectSame(got.grid[i], want.grid[i]);
  ASSERT_EQ(got.words.size(), want.words.size());
  for (size_t i = 0; i < got.words.size(); ++i) {
    EXPECT_EQ(got.words[i].kind, static_cast<uint32_t>(want.words[i].kind));
    EXPECT_EQ(got.words[i].tensor, want.words[i].tensor);
    EXPECT_EQ(got.words[i].dim, want.words[i].dim);
    expectSame(got.words[i].value, want.words[i].value);
  }
}

TEST(KernelFile, RoundTripsTheDescription) {
  KernelDesc desc = richDesc();
  KernelModel model = readBack(desc);
  EXPECT_EQ(model.name, desc.name);
  EXPECT_EQ(model.producer, desc.producer);
  ASSERT_EQ(model.args.size(), desc.args.size());
  for (size_t i = 0; i < model.args.size(); ++i) {
    EXPECT_EQ(model.args[i].name, desc.args[i].name);
    EXPECT_EQ(model.args[i].role, static_cast<uint32_t>(desc.args[i].role));
    EXPECT_EQ(model.args[i].dtype, desc.args[i].dtype);
    EXPECT_EQ(model.args[i].dims, desc.args[i].dims);
  }
  EXPECT_EQ(model.args[0].alignment, 4u) << "0 means the element size";
  EXPECT_EQ(model.args[2].alignment, 64u);
  ASSERT_EQ(model.constraints.size(), desc.constraints.size());
  for (size_t i = 0; i < model.constraints.size(); ++i) {
    EXPECT_EQ(model.constraints[i].message, desc.constraints[i].message);
    expectSame(model.constraints[i].mustBeZero, desc.constraints[i].mustBeZero);
  }
  ASSERT_EQ(model.temps.size(), desc.temps.size());
  for (size_t i = 0; i < model.temps.size(); ++i)
    expectSame(model.temps[i], desc.temps[i].bytes);
  ASSERT_EQ(model.launches.size(), desc.launches.size());
  for (size_t i = 0; i < model.launches.size(); ++i)
    expectSame(model.launches[i], desc.launches[i]);
  EXPECT_EQ(model.metadata, desc.metadata);
}

TEST(KernelFile, RoundTripsImages) {
  KernelDesc desc = incrementDesc();
  std::vector<uint8_t> bytes = serialize(desc);
  KernelModel model = readBack(desc);
  ASSERT_EQ(model.images.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    const ImageModel &got = model.images[i];
    EXPECT_EQ(got.arch, desc.images[i].arch);
    EXPECT_EQ(got.target, desc.images[i].target);
    EXPECT_EQ(got.features, desc.images[i].features);
    EXPECT_EQ(got.entries, desc.images[i].entries);
    ASSERT_EQ(got.codeSize, desc.images[i].code.size());
    EXPECT_TRUE(std::equal(desc.images[i].code.begin(),
                           desc.images[i].code.end(),
                           bytes.begin() + int64_t(got.codeOffset)));
  }
}

TEST(KernelFile, SameDescriptionSameBytes) {
  EXPECT_EQ(serialize(richDesc()), serialize(richDesc()));
  EXPECT_EQ(serialize(incrementDesc()), serialize(incrementDesc()));
}

TEST(KernelFile, EmptyKernelIsFine) {
  KernelModel model = readBack(KernelDesc());
  EXPECT_TRUE(model.args.empty());
  EXPECT_TRUE(model.launches.empty());
}

TEST(KernelFile, QueriesTellWhatIsThere) {
  KernelPtr kernel = createKernel(
      richDesc(), {[](const uint64_t *, uint64_t, void *, uint32_t *) {},
                   [](const uint64_t *, uint64_t, void *, uint32_t *) {}});
  attnc_kernel_info info = {};
  info.struct_size = sizeof(info);
  ASSERT_EQ(attnc_kernel_get_info(kernel.get(), &info), ATTNC_OK);
  EXPECT_STREQ(info.name, "rich");
  EXPECT_EQ(info.num_args, 3u);
  EXPECT_EQ(info.num_launches, 2u);
  EXPECT_EQ(info.num_images, 0u);
  EXPECT_EQ(info.num_metadata, 2u);
  EXPECT_EQ(info.image, -1);
  attnc_arg_info arg = {};
  arg.struct_size = sizeof(arg);
  ASSERT_EQ(attnc_kernel_get_arg(kernel.get(), 2, &arg), ATTNC_OK);
  EXPECT_STREQ(arg.name, "out");
  EXPECT_EQ(arg.role, uint32_t(ATTNC_ROLE_OUTPUT));
  EXPECT_EQ(arg.rank, 3u);
  EXPECT_EQ(arg.dims[1], -1);
  EXPECT_EQ(arg.dims[2], 64);
  EXPECT_EQ(arg.alignment, 64u);
  EXPECT_NE(attnc_kernel_get_arg(kernel.get(), 3, &arg), ATTNC_OK);
  attnc_launch_info launch = {};
  launch.struct_size = sizeof(launch);
  ASSERT_EQ(attnc_kernel_get_launch(kernel.get(), 0, &launch), ATTNC_OK);
  EXPECT_STREQ(launch.name, "scores");
  EXPECT_EQ(launch.scratch_bytes, 1000u);
  EXPECT_NE(attnc_kernel_get_launch(kernel.get(), 2, &launch), ATTNC_OK);
  attnc_metadata metadata = {};
  metadata.struct_size = sizeof(metadata);
  ASSERT_EQ(attnc_kernel_get_metadata(kernel.get(), 1, &metadata), ATTNC_OK);
  EXPECT_STREQ(metadata.key, "note");
  EXPECT_EQ(metadata.value_size, 11u);
  EXPECT_NE(attnc_kernel_get_metadata(kernel.get(), 2, &metadata), ATTNC_OK);
}

TEST(KernelFile, QueriesKnowOlderCallers) {
  KernelPtr kernel = createKernel(KernelDesc(), {});
  attnc_kernel_info info = {};
  info.struct_size = offsetof(attnc_kernel_info, producer);
  info.producer = "untouched";
  ASSERT_EQ(attnc_kernel_get_info(kernel.get(), &info), ATTNC_OK);
  EXPECT_STREQ(info.name, "");
  EXPECT_STREQ(info.producer, "untouched");
  info.struct_size = 0;
  EXPECT_NE(attnc_kernel_get_info(kernel.get(), &info), ATTNC_OK);
  EXPECT_NE(attnc_kernel_get_info(kernel.get(), nullptr), ATTNC_OK);
  EXPECT_NE(attnc_kernel_get_info(nullptr, &info), ATTNC_OK);
}

//===----------------------------------------------------------------------===//
// What the writer refuses
//===----------------------------------------------------------------------===//

using Change = std::function<void(KernelDesc &)>;

TEST(KernelFile, WriterRefusesWhatTheReaderWould) {
  Formula malformed, noDim = Formula::dim(0, 9);
  const std::pair<const char *, Change> cases[] = {
      {"too long", [](auto &d) { d.name.assign(300, 'x'); }},
      {"longer than 256", [](auto &d) { d.producer.assign(257, 'x'); }},
      {"zero byte", [](auto &d) { d.name = std::string("a\0b", 3); }},
      {"no name of its own", [](auto &d) { d.args[1].name = "q"; }},
      {"no name of its own", [](auto &d) { d.args[1].name = ""; }},
      {"unknown role", [](auto &d) { d.args[0].role = ArgRole(7); }},
      {"unknown element type", [](auto &d) { d.args[0].dtype = 99; }},
      {"too many dimensions", [](auto &d) { d.args[0].dims.assign(17, 1); }},
      {"negative size", [](auto &d) { d.args[0].dims[0] = -2; }},
      {"alignment 3", [](auto &d) { d.args[0].alignment = 3; }},
      {"alignment 8192", [](auto &d) { d.args[0].alignment = 8192; }},
      {"postfix program",
       [&](auto &d) { d.constraints[0].mustBeZero = malformed; }},
      {"does not exist", [&](auto &d) { d.constraints[0].mustBeZero = noDim; }},
      {"does not exist", [&](auto &d) { d.temps[0].bytes = noDim; }},
      {"postfix program", [&](auto &d) { d.temps[0].bytes = malformed; }},
      {"does not exist", [&](auto &d) { d.launches[0].grid[0] = noDim; }},
      {"grid dimensions",
       [](auto &d) { d.launches[0].grid.assign(17, Formula(1)); }},
      {"tensor 5", [](auto &d) { d.launches[0].words[0].tensor = 5; }},
      // Temporaries have a base and no sizes.
      {"does not exist", [](auto &d) { d.launches[0].words[3].tensor = 3; }},
      {"does not exist", [](auto &d) { d.launches[0].words[3].dim = 3; }},
      {"does not exist", [](auto &d) { d.launches[0].words[4].dim = 3; }},
      {"unknown kind",
       [](auto &d) { d.launches[0].words[0].kind = WordDesc::Kind(9); }},
      {"unknown flags", [](auto &d) { d.launches[0].flags = 1; }},
      {"too much scratch",
       [](auto &d) { d.launches[0].scratchBytes = uint64_t(1) << 40; }},
      {"occurs twice", [](auto &d) { d.metadata[1].first = "spec"; }},
      {"0 entries for 2 launches",
       [](auto &d) { d.images.emplace_back().code = {0xc3}; }},
      {"entry outside",
       [](auto &d) {
         ImageDesc &image = d.images.emplace_back();
         image.code = {0xc3};
         image.entries = {0, 1};
       }},
      {"has the alignment",
       [](auto &d) { d.images.emplace_back().alignment = 48; }},
      {"too many arguments",
       [](auto &d) {
         for (int i = 0; i < ATTNC_MAX_TENSORS; ++i)
           d.args.push_back({"a" + std::to_string(i),
                             ArgRole::Input,
                             ATTNC_DTYPE_F32,
                             {},
                             0});
       }},
  };
  for (const auto &[expected, change] : cases) {
    KernelDesc desc = richDesc();
    change(desc);
    std::string error;
    EXPECT_FALSE(writeKernel(desc, error).has_value()) << expected;
    if (std::string(expected) != "too long") {
      EXPECT_NE(error.find(expected), std::string::npos) << error;
    }
  }
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

TEST(KernelFile, WritesFilesWholeOrNotAtAll) {
  ScratchDir dir;
  std::string path = dir.path + "/k.attnc", error;
  ASSERT_TRUE(writeKernelFile(richDesc(), path, error)) << error;
  EXPECT_EQ(dir.list(), std::vector<std::string>{"k.attnc"});
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> read((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(read, serialize(richDesc()));
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0111, 0u);
  EXPECT_NE(info.st_mode & 0400, 0u);

  // A description that does not verify leaves the old file alone.
  KernelDesc bad = richDesc();
  bad.args[0].dtype = 99;
  EXPECT_FALSE(writeKernelFile(bad, path, error));
  EXPECT_EQ(dir.list(), std::vector<std::string>{"k.attnc"});
  // Over an existing file.
  ASSERT_TRUE(writeKernelFile(KernelDesc(), path, error)) << error;
  EXPECT_EQ(dir.list(), std::vector<std::string>{"k.attnc"});
}

TEST(KernelFile, UnwritablePathsAreErrors) {
  ScratchDir dir;
  std::string error;
  EXPECT_FALSE(writeKernelFile(KernelDesc(), dir.path + "/no/k.attnc", error));
  EXPECT_NE(error.find("/no/k.attnc"), std::string::npos) << error;
  EXPECT_FALSE(writeKernelFile(KernelDesc(), dir.path, error));
  EXPECT_NE(error.find("not a regular file"), std::string::npos) << error;
  EXPECT_TRUE(dir.list().empty());
}

TEST(KernelFile, LoadsFromDisk) {
  ScratchDir dir;
  std::string path = dir.path + "/k.attnc", message;
  ASSERT_TRUE(writeKernelFile(incrementDesc(), path, message)) << message;
  attnc_kernel *kernel = nullptr;
  attnc_error error = ATTNC_ERROR_INIT;
#if defined(__x86_64__)
  EXPECT_EQ(attnc_kernel_load_file(path.c_str(), nullptr, &kernel, &error),
            ATTNC_OK)
      << error.message;
  attnc_kernel_destroy(kernel);
#endif
  EXPECT_EQ(attnc_kernel_load_file((dir.path + "/none").c_str(), nullptr,
                                   &kernel, &error),
            ATTNC_ERROR_IO);
  EXPECT_NE(std::string(error.message).find("none"), std::string::npos);
  EXPECT_EQ(kernel, nullptr);
  EXPECT_EQ(attnc_kernel_load_file(dir.path.c_str(), nullptr, &kernel, &error),
            ATTNC_ERROR_IO);
  EXPECT_EQ(attnc_kernel_load_file(nullptr, nullptr, &kernel, &error),
            ATTNC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(attnc_kernel_load_file(path.c_str(), nullptr, nullptr, &error),
            ATTNC_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(attnc_kernel_load_file("/dev/null", nullptr, &kernel, nullptr),
            ATTNC_ERROR_IO);
}

TEST(KernelFile, NoImageSaysWhatIsMissing) {
  KernelDesc desc = incrementDesc();
  desc.images.pop_back();
  std::string message = failToLoad(serialize(desc), ATTNC_ERROR_NO_IMAGE);
  EXPECT_NE(message.find("x86-64-v99"), std::string::npos) << message;
  EXPECT_NE(message.find("lacks avx9000;"), std::string::npos) << message;
  EXPECT_NE(message.find("needs sse2 avx9000"), std::string::npos) << message;
  desc.images[0].arch = 77;
  message = failToLoad(serialize(desc), ATTNC_ERROR_NO_IMAGE);
  EXPECT_NE(message.find("architecture"), std::string::npos) << message;
  desc.images.clear();
  message = failToLoad(serialize(desc), ATTNC_ERROR_NO_IMAGE);
  EXPECT_NE(message.find("description only"), std::string::npos) << message;
}

} // namespace
