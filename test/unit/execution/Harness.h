// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles, evaluates and launches problems, with operands at guard pages.

#ifndef ATTNC_TEST_UNIT_EXECUTION_HARNESS_H
#define ATTNC_TEST_UNIT_EXECUTION_HARNESS_H

#include "Problem.h"
#include "attnc/runtime.h"
#include "codegen/kernelfile/KernelDesc.h"
#include "passes/PlanCost.h"

#include <memory>
#include <optional>

namespace attnc::test {

struct CompileChoices {
  std::string micro = "auto";
  std::string producers = "auto";
  std::string schedule; ///< fields to set
  /// Results more: what each launch computes, [batch..., heads, n] of i64.
  bool countPairs = false;
};

/// What the plan of a problem's one attention says of its operands.
struct PlannedWork {
  PlanCost cost; // of all batches and heads
  /// Whether blocks of pairs are left out because none of them is kept.
  bool hasTests = false;
};

using Kernel = std::shared_ptr<attnc_kernel>;
/// One vector of row-major values for each result.
using Values = std::vector<std::vector<double>>;

/// What a launch did.
struct RunResult {
  attnc_error error = ATTNC_ERROR_INIT;
  uint32_t status = 0;
  Values outputs;
  /// Set when bytes were written that are no element of an output.
  std::string damage;

  bool ok() const { return error.code == ATTNC_OK && damage.empty(); }
  std::string message() const {
    return damage.empty() ? std::string(error.message) : damage;
  }
};

/// Where operands lie between their two guard pages.
enum class Place { AtEnd, AtBegin };

/// A compiler and an evaluator with a context of their own, for one thread.
class Engine {
public:
  Engine();
  ~Engine();

  /// A kernel in this process for this machine; null on errors.
  Kernel jit(const Problem &problem, const CompileChoices &choices = {});
  /// A kernel description with one image for each target ("native", ...).
  std::optional<KernelDesc> compile(const Problem &problem,
                                    const std::vector<std::string> &targets,
                                    const CompileChoices &choices = {});
  /// Writes a kernel file and loads its image for `target` back.
  static Kernel load(const KernelDesc &kernel, const std::string &target,
                     std::string &error);
  /// The reference: exact, or naive at the operands' precision.
  std::optional<Values> evaluate(const Problem &problem, bool exact);

  /// The plan's cost for this machine; nothing where it has none.
  std::optional<PlannedWork> plan(const Problem &problem,
                                  const CompileChoices &choices = {});

  RunResult run(const Kernel &kernel, const Problem &problem, Place place,
                uint32_t threads);
  /// Bytes of workspace for the problem's shapes; nothing if it is refused.
  std::optional<size_t> workspace(const Kernel &kernel, const Problem &problem);

  /// Diagnostics since the last call.
  std::string takeDiagnostics();

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// Target names that this machine runs.
std::vector<std::string> runnableLevels();

/// A fault at a guard page prints this problem before the process dies.
void setFaultReport(const Problem *problem, const std::string *title);

/// The largest finite difference.
double largestError(const std::vector<double> &a, const std::vector<double> &b);

struct Comparison {
  std::string failure; ///< empty if the promise is kept
  double error = 0;    ///< largest |result - exact|
  double bound = 0;
};

/// The error promise, for each result.
Comparison compare(const Problem &problem, const Values &results,
                   const Values &exact, const Values &naive);

/// The same bits in every element.
bool sameBits(const Values &a, const Values &b);

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_EXECUTION_HARNESS_H
