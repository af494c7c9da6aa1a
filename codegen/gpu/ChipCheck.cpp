// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// NVVM intrinsics by the chip that brought them.

#include "codegen/gpu/ChipCheck.h"

#include "llvm/IR/Function.h"

using namespace mlir;
using namespace attnc;

namespace {
struct Since {
  StringLiteral prefix; ///< behind "llvm.nvvm."
  unsigned sm;
  char suffix = 0; ///< 'a': on this chip alone
};
} // namespace

// The first prefix that fits counts: the special before the general.
static constexpr Since kSince[] = {
    {"barrier", 75},
    {"bar.", 75},
    {"cp.async.bulk", 90},
    {"cp.async.mbarrier", 80},
    {"cp.async", 80},
    {"ex2.approx.ftz.bf16", 90},
    {"ex2.approx.bf16", 90},
    {"ex2.approx", 75},
    {"elect.sync", 90},
    {"f2bf16", 80},
    {"f2tf32", 80},
    {"ff2bf16x2", 80},
    {"ff2f16x2", 80},
    {"ff.to.e", 89},
    {"fence.proxy", 90},
    {"fma.rn.bf16", 80},
    {"fma.rn", 75},
    {"fmax.bf16", 80},
    {"fmin.bf16", 80},
    {"fmax.f16", 80},
    {"fmin.f16", 80},
    {"fmax", 75},
    {"fmin", 75},
    {"ldmatrix", 75},
    {"lg2.approx", 75},
    {"mapa", 90},
    {"mbarrier.arrive.expect.tx", 90},
    {"mbarrier.try.wait", 90},
    {"mbarrier", 80},
    {"mma.m16n8k4", 80},
    {"mma.m16n8k8.row.col.f16", 75},
    {"mma.m16n8k8.row.col.f32.f32", 75},
    {"mma.m16n8k", 80},
    {"mma.m8n8k", 75},
    {"rcp.", 75},
    {"read.ptx.sreg.clusterid", 90},
    {"read.ptx.sreg", 75},
    {"redux.sync.f", 100, 'a'},
    {"redux.sync", 80},
    {"rsqrt.approx", 75},
    {"setmaxnreg", 90, 'a'},
    {"shfl.sync", 75},
    {"sqrt.", 75},
    {"stmatrix", 90},
    {"tcgen05", 100, 'a'},
    {"vote", 75},
    {"wgmma", 90, 'a'},
};

std::string attnc::gpu::chipProblem(StringRef intrinsic, const Target &target) {
  StringRef name = intrinsic;
  if (!name.consume_front("llvm.nvvm."))
    return "";
  for (const Since &since : kSince) {
    if (!name.starts_with(since.prefix))
      continue;
    bool has = since.suffix ? target.sm == since.sm && target.smSuffix
                            : target.sm >= since.sm;
    if (has)
      return "";
    std::string chip = "sm_" + std::to_string(since.sm);
    return (intrinsic + " needs " + chip +
            (since.suffix ? std::string(1, since.suffix) : " or newer") +
            ", which " + target.name + " is not")
        .str();
  }
  return (intrinsic + ": it is not known which chips have it").str();
}

LogicalResult attnc::gpu::checkChip(ModuleOp module, const llvm::Module &llvm,
                                    const Target &target) {
  LogicalResult result = success();
  for (const llvm::Function &function : llvm) {
    if (!function.isIntrinsic() || function.use_empty())
      continue;
    std::string problem = chipProblem(function.getName(), target);
    if (problem.empty())
      continue;
    emitError(module.getLoc()) << problem;
    result = failure();
  }
  return result;
}
