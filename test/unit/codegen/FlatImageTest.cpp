// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The flat linker on objects made from LLVM IR: what it resolves, and what it
// refuses by name.

#include "codegen/llvm/FlatImage.h"
#include "codegen/llvm/Backend.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <gtest/gtest.h>

#include <cstring>
#include <sys/mman.h>

using namespace attnc;

namespace {

/// The flat image of IR text, or the error's text in `error`.
struct Linked {
  ImageDesc image;
  std::string error;
};

Linked link(const char *ir, std::vector<std::string> entries = {"entry"},
            llvm::Reloc::Model relocations = llvm::Reloc::PIC_) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  Target target = llvm::cantFail(Target::parse("x86-64"));
  LLVMModule module;
  module.context = std::make_unique<llvm::LLVMContext>();
  llvm::Triple triple(target.triple);
  std::string problem;
  module.machine.reset(
      llvm::TargetRegistry::lookupTarget(triple, problem)
          ->createTargetMachine(triple, target.cpu, target.featureString, {},
                                relocations, llvm::CodeModel::Small));
  llvm::SMDiagnostic diagnostic;
  module.module = llvm::parseAssemblyString(ir, diagnostic, *module.context);
  if (!module.module)
    return {{}, diagnostic.getMessage().str()};
  module.module->setDataLayout(module.machine->createDataLayout());
  module.module->setTargetTriple(triple);
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  auto op = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  mlir::OwningOpRef<mlir::ModuleOp> owner(op);
  llvm::SmallVector<char, 0> object;
  if (mlir::failed(
          emitCode(op, module, llvm::CodeGenFileType::ObjectFile, object)))
    return {{}, "no code"};
  auto image =
      makeFlatImage({{object.data(), object.size()}, "test"}, entries, target);
  if (!image)
    return {{}, llvm::toString(image.takeError())};
  return {*image, ""};
}

/// The image at an address of the kernel's choice, executable.
class Mapped {
public:
  explicit Mapped(const ImageDesc &image)
      : image(image), size(image.code.size()) {
    memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memcpy(memory, image.code.data(), size);
    mprotect(memory, size, PROT_READ | PROT_EXEC);
  }
  ~Mapped() { munmap(memory, size); }
  template <typename Function>
  Function *entry(size_t number) const {
    return reinterpret_cast<Function *>(static_cast<char *>(memory) +
                                        image.entries.at(number));
  }

private:
  const ImageDesc &image;
  size_t size;
  void *memory;
};

} // namespace

TEST(FlatImage, ResolvesConstantsAndCalls) {
  Linked linked = link(R"ir(
    @table = internal constant [4 x i64] [i64 11, i64 22, i64 33, i64 44]
    define internal i64 @lookup(i64 %i) noinline nounwind {
      %p = getelementptr [4 x i64], ptr @table, i64 0, i64 %i
      %v = load i64, ptr %p
      ret i64 %v
    }
    define dso_local i64 @first(i64 %i) nounwind {
      %v = call i64 @lookup(i64 %i)
      ret i64 %v
    }
    define dso_local double @second(double %x) nounwind {
      %y = fmul double %x, 2.5
      ret double %y
    })ir",
                       {"second", "first"});
  ASSERT_EQ(linked.error, "");
  Mapped mapped(linked.image);
  EXPECT_EQ(mapped.entry<double(double)>(0)(4.0), 10.0);
  for (int64_t i = 0; i < 4; ++i)
    EXPECT_EQ(mapped.entry<int64_t(int64_t)>(1)(i), 11 * (i + 1));
}

TEST(FlatImage, ResolvesJumpTables) {
  Linked linked = link(R"ir(
    define dso_local i32 @entry(i32 %x, ptr %out) nounwind {
      switch i32 %x, label %none [ i32 0, label %a i32 1, label %b
        i32 2, label %c i32 3, label %d i32 4, label %e i32 5, label %f ]
    a: store volatile i32 7, ptr %out
       ret i32 70
    b: store volatile i32 1, ptr %out
       ret i32 13
    c: store volatile i32 9, ptr %out
       ret i32 22
    d: store volatile i32 4, ptr %out
       ret i32 48
    e: store volatile i32 2, ptr %out
       ret i32 5
    f: store volatile i32 3, ptr %out
       ret i32 91
    none: ret i32 -1
    })ir");
  ASSERT_EQ(linked.error, "");
  Mapped mapped(linked.image);
  int expected[] = {70, 13, 22, 48, 5, 91, -1};
  for (int i = 0; i < 7; ++i) {
    int32_t out = 0;
    EXPECT_EQ(mapped.entry<int32_t(int32_t, int32_t *)>(0)(i, &out),
              expected[i]);
  }
}

TEST(FlatImage, NamesExternalSymbols) {
  Linked linked = link(R"ir(
    declare float @expf(float)
    declare void @other()
    define dso_local float @entry(float %x) nounwind {
      call void @other()
      %y = call float @expf(float %x)
      ret float %y
    })ir");
  EXPECT_EQ(linked.error, "the code needs the external symbols expf, other, "
                          "and kernels are self-contained");
}

TEST(FlatImage, RefusesWritableData) {
  Linked linked = link(R"ir(
    @counter = internal global i32 0
    define dso_local i32 @entry() nounwind {
      %v = load i32, ptr @counter
      %w = add i32 %v, 1
      store i32 %w, ptr @counter
      ret i32 %w
    })ir");
  EXPECT_EQ(linked.error,
            "cannot make a flat image: section .bss is writable data");
}

TEST(FlatImage, RefusesTablesOfPointers) {
  Linked linked = link(R"ir(
    @a = internal constant i32 1
    @b = internal constant i32 2
    @table = internal constant [2 x ptr] [ptr @a, ptr @b]
    define dso_local i32 @entry(i64 %i) nounwind {
      %p = getelementptr [2 x ptr], ptr @table, i64 0, i64 %i
      %q = load ptr, ptr %p
      %v = load i32, ptr %q
      ret i32 %v
    })ir");
  EXPECT_EQ(linked.error, "cannot make a flat image: section .data.rel.ro is "
                          "writable data");
}

TEST(FlatImage, RefusesAbsoluteAddresses) {
  Linked linked = link(R"ir(
    @table = internal constant [4 x i64] [i64 11, i64 22, i64 33, i64 44]
    define dso_local i64 @entry(i64 %i) nounwind {
      %p = getelementptr [4 x i64], ptr @table, i64 0, i64 %i
      %v = load i64, ptr %p
      ret i64 %v
    })ir",
                       {"entry"}, llvm::Reloc::Static);
  EXPECT_NE(linked.error.find("depends on the load address"), std::string::npos)
      << linked.error;
  EXPECT_NE(linked.error.find("R_X86_64_32S"), std::string::npos)
      << linked.error;
}

TEST(FlatImage, MissesEntries) {
  Linked linked = link(R"ir(
    define internal void @hidden() nounwind { ret void }
    define dso_local void @entry() nounwind { ret void })ir",
                       {"entry", "hidden"});
  EXPECT_EQ(linked.error,
            "cannot make a flat image: the entry point hidden is missing");
}

TEST(FlatImage, RefusesWhatIsNoObject) {
  Target target = llvm::cantFail(Target::parse("x86-64"));
  auto image = makeFlatImage({"\177ELF\2\1\1 and so on", "test"}, {}, target);
  ASSERT_FALSE(static_cast<bool>(image));
  llvm::consumeError(image.takeError());
}
