// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tools' one way to the compiler: a spec brought to a stage, or compiled
// for this machine.

#ifndef ATTNC_TOOLS_ATTNC_ENGINE_H
#define ATTNC_TOOLS_ATTNC_ENGINE_H

#include "codegen/Compiler.h"
#include "tools/attnc/Kernel.h"
#include "tools/attnc/Options.h"
#include "tools/attnc/Spec.h"
#include "tools/attnc/Timing.h"

namespace attnc {

/// A context with every dialect of the tools, unthreaded.
std::unique_ptr<mlir::MLIRContext> createContext();

/// The targets asked for, this machine if none. Prints an error and returns an
/// exit code for a name that does not exist.
int chooseTargets(const SpecOptions &options, std::vector<Target> &targets);

/// Checks the values of --micro, --producers and --schedule; returns an exit
/// code.
int checkScheduleOptions(const SpecOptions &options,
                         const char *scheduleOption = "--schedule");

/// Checks the value of --threads; returns an exit code.
int checkThreads(unsigned threads);

CompilerOptions compilerOptions(const SpecOptions &options);

/// The class of sizes that schedules are kept for: sizes that the signature
/// leaves open, rounded up to powers of two. Empty where one is not known.
std::string shapeClass(const Signature &signature,
                       llvm::ArrayRef<std::vector<int64_t>> shapes);

/// Says on stderr that a kept schedule was used, if one was.
void noteTuned(const CompileReport &report);

/// Removes kept schedules: all, or those of a spec. Returns an exit code.
int resetTuned(const TuneKey *key);

/// A copy of the spec's module with the chosen function alone: what is wrong
/// with its neighbours does not matter to it.
mlir::OwningOpRef<mlir::ModuleOp> isolateFunction(Spec &spec);

/// Compiles the spec for this machine and links it into this process. Errors
/// have been printed.
mlir::FailureOr<Kernel> compileInProcess(Spec &spec, const SpecOptions &options,
                                         const Target &target,
                                         CompileReport &report);

} // namespace attnc

#endif // ATTNC_TOOLS_ATTNC_ENGINE_H
