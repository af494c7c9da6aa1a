// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Components by launch: classes of lattices and strips first, then lists, then
// what contiguous tiles walk, which finishes the rows.

#include "passes/LaunchGroups.h"
#include "passes/PlanRestriction.h"
#include "passes/PlanStrips.h"
#include "passes/PlanWalk.h"
#include "llvm/ADT/MapVector.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

/// The launches of a plan whose keys stay together.
static SmallVector<LaunchGroup> groupWhole(PlanAttr plan,
                                           ScheduleAttr schedule) {
  using Components = SmallVector<ComponentAttr>;
  llvm::MapVector<int64_t, Components> lattices;
  // A launch enumerates one list: regions of its fold say which.
  llvm::MapVector<Attribute, Components> lists, blocks;
  llvm::MapVector<int64_t, Components> strips; // by the grid's columns
  Components contiguous;
  for (ComponentAttr component : plan.getComponents()) {
    if (auto columns = stripOf(plan, component, schedule.getStrip())) {
      strips[columns->getExtent()].push_back(component);
      continue;
    }
    PairsAttr atom = walkedAtom(plan, component);
    switch (walkKindOf(plan, component)) {
    case WalkKind::Lattice:
      lattices[atom.getParams()[0].value].push_back(component);
      break;
    case WalkKind::List:
      lists[atom].push_back(component);
      break;
    case WalkKind::Blocks:
      blocks[atom].push_back(component);
      break;
    case WalkKind::Columns:
    case WalkKind::None:
      contiguous.push_back(component);
    }
  }
  SmallVector<LaunchGroup> groups;
  auto add = [&](ArrayRef<ComponentAttr> components, ScheduleAttr own,
                 int64_t step, int64_t run = 1) {
    groups.push_back({restrictPlan(plan, components), own, step, run});
  };
  for (auto &[step, components] : lattices)
    add(components, schedule, step);
  for (auto &[extent, components] : strips)
    add(components, schedule, extent, schedule.getStrip());
  for (auto &[atom, components] : lists)
    add(components, schedule.getListSchedule(), 1);
  for (auto &[atom, components] : blocks) {
    if (atom == blocks.back().first)
      contiguous.append(components);
    else
      add(components, schedule, 1);
  }
  if (!contiguous.empty() || groups.empty())
    add(contiguous, schedule, 1);
  return groups;
}

bool attnc::canSplit(PlanAttr plan) {
  return llvm::all_of(plan.getComponents(), [&](ComponentAttr component) {
    WalkKind kind = walkKindOf(plan, component);
    return kind == WalkKind::None || kind == WalkKind::Columns;
  });
}

SmallVector<LaunchGroup>
attnc::groupLaunches(PlanAttr plan, ScheduleAttr schedule, bool mayNotSplit) {
  SmallVector<LaunchGroup> groups = groupWhole(plan, schedule);
  if (mayNotSplit || schedule.getSplit() == 0 || !canSplit(plan))
    return groups;
  LaunchGroup merging = groups.front();
  groups.front().split = merging.merges = schedule.getSplit();
  merging.plan = restrictPlan(plan, {});
  groups.push_back(merging);
  return groups;
}
