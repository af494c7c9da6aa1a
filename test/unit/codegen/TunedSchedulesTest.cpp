// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Kept schedules: what is written comes back, anything else is refused.

#include "codegen/TunedSchedules.h"
#include "TestKernels.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

using namespace attnc;
using namespace attnc::test;
namespace fs = llvm::sys::fs;

namespace {
class Tuned : public ::testing::Test {
protected:
  llvm::SmallString<128> root;
  TuneKey key{"attnc 1.2.3", "znver4 avx,avx2", "func.func @f() {\n}\n"};
  TunedSchedule schedule{"1x8x2048x64", "query_tile = 48, order = down", 0.001,
                         0.0015};

  void SetUp() override {
    ASSERT_FALSE(fs::createUniqueDirectory("attnc-tuned", root));
  }
  void TearDown() override { fs::remove_directories(root); }

  TunedSchedules store() { return TunedSchedules((root + "/a/tune").str()); }
  std::string path() { return store().pathOf(key); }
  void keep() {
    llvm::Error error = store().keep(key, schedule);
    ASSERT_FALSE(error) << llvm::toString(std::move(error));
  }
  /// The error of loading, empty if there is none.
  std::string problem() {
    auto schedules = store().load(key);
    return schedules ? "" : llvm::toString(schedules.takeError());
  }
  std::string read() {
    auto buffer = llvm::MemoryBuffer::getFile(path());
    return buffer ? (*buffer)->getBuffer().str() : "";
  }
  void write(const std::string &text) {
    std::error_code error;
    llvm::raw_fd_ostream os(path(), error);
    ASSERT_FALSE(error);
    os << text;
  }
  void expectRefused(const char *reason) {
    EXPECT_NE(problem().find(reason), std::string::npos) << problem();
  }
};
} // namespace

TEST_F(Tuned, WhatIsKeptComesBack) {
  EXPECT_FALSE(store().exists());
  EXPECT_EQ(problem(), "");
  keep();
  TunedSchedule other = schedule;
  other.shapes = "1x8x4096x64";
  other.fields = "key_block = 64";
  ASSERT_FALSE(store().keep(key, other));
  auto all = store().load(key);
  ASSERT_TRUE(bool(all));
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ(all->front().fields, schedule.fields);
  EXPECT_EQ(all->front().seconds, schedule.seconds);
  EXPECT_EQ(all->front().defaultSeconds, schedule.defaultSeconds);

  // By the class of sizes, or the last.
  auto find = [&](llvm::StringRef shapes) -> std::string {
    auto found = store().find(key, shapes);
    EXPECT_TRUE(bool(found));
    return *found ? (**found).fields : "none";
  };
  EXPECT_EQ(find("1x8x2048x64"), schedule.fields);
  EXPECT_EQ(find(""), "key_block = 64");
  EXPECT_EQ(find("1x8x512x64"), "none");
  keep(); // again: it replaces its own and is the last now
  EXPECT_EQ(find(""), schedule.fields);
  EXPECT_EQ(store().load(key)->size(), 2u);

  // Nothing is shared with other specs, targets and versions.
  for (std::string TuneKey::*part :
       {&TuneKey::version, &TuneKey::target, &TuneKey::spec}) {
    TuneKey another = key;
    another.*part += "x";
    EXPECT_NE(store().pathOf(another), path());
    EXPECT_TRUE(store().load(another)->empty());
  }
}

TEST_F(Tuned, FilesAreTheUsersAlone) {
  keep();
  struct stat info;
  ASSERT_EQ(stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(store().getDirectory().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(Tuned, AlteredFilesAreRefused) {
  keep();
  std::string good = read();
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 1;
    write(bad);
    EXPECT_NE(problem(), "") << "byte " << i;
    write(good.substr(0, i));
    EXPECT_NE(problem(), "") << "cut after " << i;
  }
  write(good + "more");
  expectRefused("was altered or cut short");
  write("");
  expectRefused("is no file of kept schedules");
  // What is no good is replaced by the next measurement.
  keep();
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(read(), good);
}

TEST_F(Tuned, FilesOfOthersAreRefused) {
  keep();
  std::string good = read();
  chmod(path().c_str(), 0666);
  expectRefused("can be written by others");
  chmod(path().c_str(), 0600);
  EXPECT_EQ(problem(), "");
  chmod(store().getDirectory().c_str(), 0777);
  expectRefused("can be written by others");
  llvm::Error error = store().keep(key, schedule);
  EXPECT_TRUE(bool(error));
  llvm::consumeError(std::move(error));
  chmod(store().getDirectory().c_str(), 0700);

  std::string elsewhere = (root + "/elsewhere").str();
  ASSERT_FALSE(fs::rename(path(), elsewhere));
  ASSERT_FALSE(fs::create_link(elsewhere, path()));
  expectRefused("cannot be opened");
  ASSERT_FALSE(fs::remove(path()));
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  expectRefused("is not a regular file");
  ASSERT_EQ(unlink(path().c_str()), 0);
  ASSERT_FALSE(fs::create_directory(path()));
  expectRefused("is not a regular file");
  ASSERT_FALSE(fs::remove(path()));
  // A whole file in the place of another one.
  TuneKey another = key;
  another.spec += "// x\n";
  ASSERT_FALSE(store().keep(another, schedule));
  ASSERT_FALSE(fs::rename(store().pathOf(another), path()));
  expectRefused("is about another spec, target or version");
}

TEST_F(Tuned, ResetRemovesOneOrAll) {
  EXPECT_EQ(*store().reset(nullptr), 0u);
  keep();
  TuneKey another = key;
  another.spec += "x";
  ASSERT_FALSE(store().keep(another, schedule));
  EXPECT_EQ(*store().reset(&key), 1u);
  EXPECT_EQ(*store().reset(&key), 0u);
  EXPECT_EQ(store().load(another)->size(), 1u);
  keep();
  write("garbage");
  EXPECT_EQ(*store().reset(nullptr), 2u);
  EXPECT_TRUE(fs::exists(store().getDirectory()));
}

TEST_F(Tuned, NoPlaceIsAnError) {
  TunedSchedules nowhere("");
  EXPECT_FALSE(nowhere.exists());
  llvm::Error error = nowhere.keep(key, schedule);
  EXPECT_EQ(llvm::toString(std::move(error)),
            "there is no place to keep schedules: neither XDG_CACHE_HOME nor "
            "HOME is set");
}

//===----------------------------------------------------------------------===//
// In the compiler
//===----------------------------------------------------------------------===//

namespace {
const char kSpec[] = R"mlir(
func.func @attend(%query: tensor<?x8xf32> {attn.name = "query"},
                  %k: tensor<?x8xf32>, %v: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %o = attn.attention %query, %k, %v
      : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %o : tensor<?x8xf32>
}
)mlir";

/// A compiler that uses what is kept under `root`.
class TunedCompiler : public Tuned {
protected:
  Session session{kSpec};
  Target target = targetNamed("x86-64-v3");
  std::string before;

  void SetUp() override {
    Tuned::SetUp();
    if (const char *cache = std::getenv("XDG_CACHE_HOME"))
      before = cache;
    setenv("XDG_CACHE_HOME", root.c_str(), 1);
    unsetenv("ATTNC_TUNE");
  }
  void TearDown() override {
    unsetenv("ATTNC_TUNE");
    if (before.empty())
      unsetenv("XDG_CACHE_HOME");
    else
      setenv("XDG_CACHE_HOME", before.c_str(), 1);
    Tuned::TearDown();
  }
  void keepFields(const char *fields) {
    Compiler compiler({});
    auto key = compiler.tuneKey(session.module(), target);
    ASSERT_TRUE(succeeded(key));
    TunedSchedule kept{"?", fields, 1, 2};
    ASSERT_FALSE(
        TunedSchedules(TunedSchedules::defaultDirectory()).keep(*key, kept));
  }
  /// The text of stage 3.
  std::string lower(CompilerOptions options = {}) {
    options.useTuned = true;
    Compiler compiler(options);
    auto text = compiler.emit(Stage::Stage3, session.module(), target);
    used = compiler.getTuned() ? compiler.getTuned()->schedule.fields : "";
    return succeeded(text) ? *text : session.errors();
  }
  std::string used;
};
} // namespace

TEST_F(TunedCompiler, UsesWhatIsKept) {
  lower();
  EXPECT_EQ(used, "");
  keepFields("query_tile = 48");
  EXPECT_NE(lower().find("query_tile = 48"), std::string::npos);
  EXPECT_EQ(used, "query_tile = 48");
  CompilerOptions other;
  other.tunedShapes = "another class";
  lower(other);
  EXPECT_EQ(used, "");
  CompilerOptions asked;
  asked.schedule = "query_tile = 72";
  EXPECT_NE(lower(asked).find("query_tile = 72"), std::string::npos);
  EXPECT_EQ(used, "");
  setenv("ATTNC_TUNE", "0", 1);
  lower();
  EXPECT_EQ(used, "");
}

/// A schedule that another build could compile is no reason to fail.
TEST_F(TunedCompiler, LeavesOutWhatMakesNoKernel) {
  keepFields("query_tile = 33");
  EXPECT_NE(lower().find("query_tile = 96"), std::string::npos);
  EXPECT_EQ(used, "");
  EXPECT_NE(session.warnings().find(
                "a kept schedule is not used: attn-schedule: query_tile must "
                "be a multiple of lanes * register_vectors"),
            std::string::npos)
      << session.warnings();
}
