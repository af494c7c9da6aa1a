// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention with a linear accumulator: features, decay, state.

#include "dialect/reference/AttentionEvaluator.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;
using namespace attnc::reference;

/// f(k) of every key row that exists, once for all rows of a key head.
void AttentionEvaluator::computeFeatures() {
  int64_t wanted = batch * sizes.keyHeads + keyHead();
  if (featuresOf == wanted)
    return;
  featuresOf = wanted;
  features.assign(sizes.m * sizes.d, 0.0);
  Feature feature = cast<LinearAttr>(kernel).getFeature();
  for (int64_t c = 0; c < binding->getKeyLength(); ++c) {
    if (!binding->hasPage(c))
      continue;
    const Scalar *key = keyRow(c);
    for (int64_t x = 0; x < sizes.d; ++x)
      features[c * sizes.d + x] = math.feature(feature, key[x].f);
  }
}

/// Decay is [heads], [batch..., heads, keys] or [batch..., heads, keys, d].
double AttentionEvaluator::decayAt(int64_t c, int64_t channel) const {
  int64_t outer = batch * sizes.heads + head;
  int64_t leading = sizes.batchShape.size() + (op.hasHeads() ? 1 : 0);
  if (decay.getRank() == leading + 2)
    return decay.getFloat((outer * sizes.m + c) * sizes.d + channel);
  if (decay.getRank() == 1 && (op.hasHeads() || decay.getNumElements() == 1))
    return decay.getFloat(head);
  return decay.getFloat(outer * sizes.m + c);
}

LogicalResult AttentionEvaluator::runLinearRow() {
  auto linear = cast<LinearAttr>(kernel);
  computeFeatures();
  SmallVector<double> query;
  for (int64_t x = 0; x < sizes.d; ++x)
    query.push_back(
        math.feature(linear.getFeature(),
                     math.toOperand(queryRow()[x].f * math.toSum(scale))));
  auto key = [&](size_t n) { return features.data() + keys[n] * sizes.d; };
  auto value = [&](size_t n) { return valueRow(keys[n]); };
  auto decayOf = [&](size_t n, int64_t x) { return decayAt(keys[n], x); };
  LinearRow fold{linear, math, query, key, value, {}, nullptr};
  if (decay)
    fold.decay = decayOf;
  if (state && keys.front() == 0)
    fold.state = state.values().data() +
                 (batch * sizes.heads + head) * sizes.d * sizes.dv;
  fold.run(keys.size(), out);
  MutableArrayRef<Scalar> values =
      output.mutableValues().slice(queryOffset() * sizes.dv, sizes.dv);
  for (auto [to, from] : llvm::zip(values, out))
    to.f = from;
  return success();
}

/// The state after the last key: S = decay S + f(k) v^T, zero again where a
/// document begins (after the first key) and outside documents.
void AttentionEvaluator::computeState() {
  computeFeatures();
  int64_t base = (batch * sizes.heads + head) * sizes.d * sizes.dv;
  SmallVector<double> s(sizes.d * sizes.dv, 0.0);
  if (state)
    for (auto [e, value] : llvm::enumerate(s))
      value = state.getFloat(base + e);
  PairContext &context = binding->getContext();
  PairsAttr mask = op.getMaskSet();
  bool byDocument = mask.getKind() == PairKind::PerDocument;
  std::optional<int64_t> document;
  for (int64_t c = 0; c < binding->getKeyLength(); ++c) {
    if (!binding->hasPage(c))
      continue;
    if (byDocument) {
      std::optional<int64_t> own = documentOf(
          context.view(mask.getOperands()[0], 1), binding->keyPosition(c));
      if (!own || (c > 0 && own != document))
        std::fill(s.begin(), s.end(), 0.0);
      document = own;
      if (!own)
        continue;
    }
    const Scalar *value = valueRow(c);
    for (int64_t x = 0; x < sizes.d; ++x)
      for (int64_t y = 0; y < sizes.dv; ++y) {
        double &e = s[x * sizes.dv + y];
        if (decay)
          e = math.toSum(e * decayAt(c, x));
        e = math.toSum(e + math.toSum(features[c * sizes.d + x] * value[y].f));
      }
  }
  for (auto [e, value] : llvm::enumerate(s))
    results.state.mutableValues()[base + e].f = value;
}
