// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The compiler as one object: takes a module at whatever stage it is, goes on
// from there, and stops where it is told. Errors are diagnostics of the
// module's context. Compiles may run in parallel, each with an unthreaded
// context of its own; nothing is shared.

#ifndef ATTNC_CODEGEN_COMPILER_H
#define ATTNC_CODEGEN_COMPILER_H

#include "codegen/Target.h"
#include "codegen/TunedSchedules.h"
#include "codegen/kernelfile/KernelDesc.h"
#include "codegen/llvm/Backend.h"
#include "codegen/llvm/Jit.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace attnc {

/// Where a module is, and where a compile may stop.
enum class Stage {
  Spec,     ///< stage 1
  Stage2,   ///< normal form
  Stage3,   ///< scheduled
  Stage4,   ///< tiled: attn.fold
  Stage5,   ///< loops over memrefs and vectors
  LLVM,     ///< optimised LLVM IR
  Assembly, ///< for people
  Object,   ///< an ELF object
  Ptx,      ///< a GPU's assembly
  Cubin,    ///< a GPU's machine code
  Kernel    ///< a kernel file
};

/// The stage that `--emit` calls "stage2" ... "stage5", "llvm", "asm",
/// "object", "ptx", "cubin", "kernel"; nothing for another name.
std::optional<Stage> parseStage(llvm::StringRef name);
llvm::StringRef stageName(Stage stage);
/// The names that parseStage knows, in order.
llvm::ArrayRef<llvm::StringLiteral> stageNames();

struct CompilerOptions {
  /// What kernel files call their producer.
  std::string producer = "attnc";
  /// Which function of the module, where there are several.
  std::string function;
  /// As in PipelineOptions.
  std::string micro = "auto";
  std::string producers = "auto";
  std::string schedule;
  std::string scheduleFrom = "asked for";
  bool countPairs = false;
  /// Use a schedule that attnc tune has kept, where no field is asked for: of
  /// this class of sizes, or without one the last that was kept.
  bool useTuned = false;
  std::string tunedShapes;
  /// GPU targets: PTX alone in kernels, for which nothing but LLVM is needed.
  bool ptxOnly = false;
  /// Run MLIR's verifier after every pass, not only at the stages' borders.
  bool verifyEachPass = false;
  BackendOptions backend;
};

/// How much machine code a launch became.
struct LaunchCode {
  std::string target, launch;
  uint64_t bytes = 0;
};

/// Seconds by phase; a compile for several targets adds them up.
struct PhaseTimes {
  double passes = 0; ///< to stage 4
  double stage5 = 0;
  double toLLVMDialect = 0;
  double translate = 0;
  double llvmPasses = 0;
  double codeGeneration = 0;
  double link = 0; ///< into the process or into an image
  /// Machine code and constants.
  uint64_t codeBytes = 0;
  std::vector<LaunchCode> code;

  double total() const {
    return passes + stage5 + toLLVMDialect + translate + llvmPasses +
           codeGeneration + link;
  }
};

class Compiler {
public:
  explicit Compiler(CompilerOptions options) : options(std::move(options)) {}

  const CompilerOptions &getOptions() const { return options; }

  /// The stage of a module: the furthest of its operations. An error if it
  /// holds no attention of any stage.
  static mlir::FailureOr<Stage> detectStage(mlir::ModuleOp module);

  /// A copy of `input`, brought to `stage` (Stage2 ... Stage5).
  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
  lowerTo(Stage stage, mlir::ModuleOp input, const Target &target);

  /// The text, or for Object and Cubin the bytes, of `input` at `stage` (Stage2
  /// ... Cubin). Ptx and Cubin are of GPUs, Object of CPUs, Assembly of both.
  mlir::FailureOr<std::string> emit(Stage stage, mlir::ModuleOp input,
                                    const Target &target);

  /// A kernel with one image for each target, the best (last named level)
  /// first. The targets' launches must agree but for scratch.
  mlir::FailureOr<KernelDesc> compile(mlir::ModuleOp input,
                                      llvm::ArrayRef<Target> targets);

  /// A kernel that is ready to be launched in this process.
  mlir::FailureOr<KernelHandle> jit(mlir::ModuleOp input, const Target &target);

  /// What schedules for `input` are kept under.
  mlir::FailureOr<TuneKey> tuneKey(mlir::ModuleOp input, const Target &target);
  /// The kept schedule that the last lowering used, and its file.
  struct UsedSchedule {
    TunedSchedule schedule;
    std::string path;
  };
  const std::optional<UsedSchedule> &getTuned() const { return tuned; }

  /// Of all that was compiled so far.
  const PhaseTimes &getTimes() const { return times; }

private:
  CompilerOptions options;
  PhaseTimes times;
  std::optional<UsedSchedule> tuned;

  mlir::LogicalResult runPipeline(Stage stage, mlir::ModuleOp module,
                                  const Target &target);
  mlir::LogicalResult runPasses(Stage stage, mlir::ModuleOp module,
                                const Target &target, llvm::StringRef schedule,
                                llvm::StringRef scheduleFrom);
  mlir::LogicalResult runTuned(Stage stage, mlir::ModuleOp module,
                               const Target &target);
  mlir::FailureOr<mlir::func::FuncOp> selectFunction(mlir::ModuleOp module);
  mlir::FailureOr<LLVMModule> toLLVM(mlir::ModuleOp stage5,
                                     const Target &target);
  /// The object, or a GPU's PTX, and the description that belongs to it.
  struct Code {
    KernelDesc description;
    llvm::SmallVector<char, 0> object;
    std::vector<GpuLaunchDesc> geometry; ///< of a GPU
  };
  mlir::FailureOr<Code> toObject(mlir::ModuleOp input, const Target &target);
  mlir::LogicalResult addImages(mlir::ModuleOp input, const Target &target,
                                const Code &code, KernelDesc &kernel);
  mlir::FailureOr<std::string> emitMachineCode(Stage stage,
                                               mlir::ModuleOp module,
                                               LLVMModule &llvm,
                                               const Target &target);
  void countCode(const Code &code, const KernelDesc &kernel,
                 const Target &target);
};

} // namespace attnc

#endif // ATTNC_CODEGEN_COMPILER_H
