// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loops of a grid in the order of its dimensions.

#include "codegen/cpu/GridLoops.h"
#include "dialect/Attn.h"

#include <optional>

using namespace mlir;
using namespace mlir::attn;
using namespace attnc::cpu;

FailureOr<SmallVector<GridLoop>> attnc::cpu::gridLoops(scf::ForallOp op) {
  unsigned rank = op.getRank();
  SmallVector<std::optional<GridLoop>> byDim(rank);
  ArrayAttr mapping = op.getMapping().value_or(ArrayAttr());
  for (unsigned number = 0; number < rank; ++number) {
    auto grid = mapping ? dyn_cast<GridAttr>(mapping[number]) : GridAttr();
    int64_t dim = grid ? grid.getDim() : number;
    if ((mapping && !grid) || dim < 0 || dim >= rank || byDim[dim])
      return op.emitError("a grid maps its loops to #attn.grid, each to a "
                          "dimension of its own");
    byDim[dim] =
        GridLoop{number, grid && grid.getDirection() == GridDirection::Down};
  }
  SmallVector<GridLoop> loops;
  for (std::optional<GridLoop> loop : byDim)
    loops.push_back(*loop);
  return loops;
}
