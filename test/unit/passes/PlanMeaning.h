// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What plans keep, straight from the documentation of their attributes.

#ifndef ATTNC_TEST_UNIT_PASSES_PLANMEANING_H
#define ATTNC_TEST_UNIT_PASSES_PLANMEANING_H

#include "PairSets.h"

namespace attnc::test::pairs {

/// Arguments of the function are named %x0, %x1, ... by `moduleText`; passes
/// renumber set operands, so values are found by position in the type list.
std::vector<int64_t> operandNumbers(mlir::attn::AttentionOp op,
                                    const std::string &text);

/// The symbols of the plan at these values.
std::vector<int64_t> symbolsOf(mlir::attn::PlanAttr plan, const Values &values,
                               const std::vector<int64_t> &numbers);

/// The symbols of row i: the plan's values follow the symbols of the launch.
std::vector<int64_t> symbolsOfRow(mlir::attn::PlanAttr plan,
                                  const Values &values,
                                  const std::vector<int64_t> &numbers,
                                  std::vector<int64_t> symbols, int64_t i);

/// Whether the bounds of a component hold (i, j); `symbols` are those of row i.
bool boundsKeep(mlir::attn::ComponentAttr component,
                const std::vector<int64_t> &symbols, int64_t i, int64_t j);

/// Whether all its tests hold.
bool testsKeep(mlir::attn::ComponentAttr component, mlir::attn::PlanAttr plan,
               const Values &values, const std::vector<int64_t> &numbers,
               int64_t i, int64_t j);

} // namespace attnc::test::pairs

#endif // ATTNC_TEST_UNIT_PASSES_PLANMEANING_H
