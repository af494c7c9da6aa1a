// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Values and lists of a plan from bound operands.

#include "tools/support/BoundValues.h"

using namespace attnc;
using namespace mlir::attn;

static std::optional<ListedKeys> listOf(reference::AttentionBinding &binding,
                                        PairsAttr atom, int64_t i) {
  reference::PairContext &context = binding.getContext();
  ListedKeys list;
  if (atom.getKind() == PairKind::Bsr) {
    std::optional<int64_t> block = reference::bsrBlock(atom, context);
    if (!block)
      return std::nullopt;
    list.block = *block;
  }
  for (reference::Interval keys :
       reference::keysOf(atom, context, i, binding.existingKeys()))
    list.spans.push_back({keys.begin, keys.end - 1});
  if (context.problem)
    return std::nullopt;
  return list;
}

RowValues attnc::boundValues(reference::AttentionBinding &binding,
                             int64_t head) {
  RowValues values;
  values.head = head;
  values.read = [&binding](ValueAttr value, int64_t x) {
    return reference::readValue(value, x, binding.getContext());
  };
  values.list = [&binding](PairsAttr atom, int64_t i) {
    return listOf(binding, atom, i);
  };
  return values;
}
