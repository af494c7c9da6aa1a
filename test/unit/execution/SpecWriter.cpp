// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arguments of a case: lengths, masks, values, places in memory.

#include "SpecWriter.h"

#include <algorithm>
#include <limits>

using namespace attnc::test;

//===----------------------------------------------------------------------===//
// Cases
//===----------------------------------------------------------------------===//

int64_t Case::queryHeads() const {
  return heads == Heads::One ? 1 : heads == Heads::SixOnOne ? 6 : 4;
}
int64_t Case::keyHeads() const {
  return heads == Heads::Four ? 4 : heads == Heads::FourOnTwo ? 2 : 1;
}
std::vector<int64_t> Case::batch() const {
  if (rank == 4)
    return {3};
  if (rank == 5)
    return {2, 2};
  return {};
}
int64_t Case::work() const {
  int64_t batches = 1;
  for (int64_t b : batch())
    batches *= b;
  int64_t perPair = d + dv + (score == Score::Dot ? 20 : 150);
  // Producers and consumers are interpreted one element after another.
  int64_t perElement = 10;
  int64_t queryElements = queryHeads() * n * (d + dv),
          keyElements = keyHeads() * m * (d + dv);
  if (producer != Producer::None || epilogue != Epilogue::None)
    perElement = 150;
  return batches * (queryHeads() * n * m * perPair +
                    (queryElements + keyElements) * perElement);
}

std::string Case::describe() const {
  auto number = [](auto x) { return std::to_string(static_cast<int>(x)); };
  return std::string(attnc_dtype_name(dtype)) + " n=" + std::to_string(n) +
         " m=" + std::to_string(m) + " d=" + std::to_string(d) +
         " dv=" + std::to_string(dv) + " rank=" + std::to_string(rank) +
         " heads=" + std::to_string(queryHeads()) + "/" +
         std::to_string(keyHeads()) + " micro=" + micro +
         " producers=" + producers + " mask=" + number(mask) +
         " positions=" + number(positions) + " score=" + number(score) +
         " producer=" + number(producer) + " epilogue=" + number(epilogue) +
         " layout=" + number(layout) + " dynamic=" + number(dynamic) +
         (lse ? " lse" : "") + (poison ? " poison" : "");
}

Problem attnc::test::makeProblem(const Case &c, uint64_t seed,
                                 bool shapesOnly) {
  return SpecWriter(c, seed, shapesOnly).write();
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

std::string attnc::test::elementType(attnc_dtype dtype) {
  return dtype == ATTNC_DTYPE_BOOL ? "i1" : attnc_dtype_name(dtype);
}

std::string attnc::test::typeOf(const Dims &dims, attnc_dtype dtype) {
  std::string text = "tensor<";
  for (Dim d : dims)
    text += (d.dynamic ? "?" : std::to_string(d.size)) + "x";
  return text + elementType(dtype) + ">";
}

//===----------------------------------------------------------------------===//
// The writer
//===----------------------------------------------------------------------===//

SpecWriter::SpecWriter(const Case &c, uint64_t seed, bool shapesOnly)
    : c(c), random(seed), shapesOnly(shapesOnly), rank(c.rank) {
  bool all = c.dynamic == Dynamic::All;
  n = {c.n, all || c.dynamic == Dynamic::Rows};
  m = {c.m, n.dynamic || c.dynamic == Dynamic::Keys};
  for (int64_t b : c.batch())
    batch.push_back({b, all});
  queryLead = keyLead = batch;
  if (rank >= 3) {
    queryLead.push_back({c.queryHeads(), all});
    keyLead.push_back({c.keyHeads(), all});
  }
  compute = c.dtype == ATTNC_DTYPE_F64 ? ATTNC_DTYPE_F64 : ATTNC_DTYPE_F32;
  problem.operand = c.dtype;

  bool hasLengths = c.positions == Positions::Lengths ||
                    c.positions == Positions::BothLengths ||
                    c.positions == Positions::UniformLengths ||
                    c.positions == Positions::LengthsAndStarts;
  bool hasQueryLengths = c.positions == Positions::BothLengths ||
                         c.positions == Positions::UniformLengths ||
                         c.positions == Positions::QueryLengthsAndKeyStart;
  keyLengths.assign(batches(), c.m);
  queryLengths.assign(batches(), c.n);
  for (int64_t b = 0; b < batches(); ++b) {
    if (hasLengths) // one whole, one empty now and then
      keyLengths[b] =
          b == 1 ? random.below(c.m + 1) : c.m - random.below(c.m / 2 + 1);
    if (hasQueryLengths)
      queryLengths[b] = c.n - random.below(c.n / 2 + 1);
  }
  if (c.positions == Positions::UniformLengths) {
    std::fill(keyLengths.begin(), keyLengths.end(), keyLengths[0]);
    std::fill(queryLengths.begin(), queryLengths.end(), queryLengths[0]);
  }
  if (c.mask == Mask::Keys || c.mask == Mask::CausalAndKeys ||
      c.mask == Mask::WindowAndKeys)
    keyMask = bits(with(batch, {m}), 60);
}

Problem SpecWriter::write() {
  Tensor q = operandRows("q", queryLead, n, c.d);
  Tensor k = operandRows("k", keyLead, m, c.d);
  Tensor v = operandRows("v", keyLead, m, c.dv);
  q = produce("q", q, /*isValue=*/false);
  k = produce("k", k, false);
  v = produce("v", v, true);
  attention(q, k, v);
  Tensor o{"%o", with(queryLead, {n, {c.dv}}), c.dtype};
  o = consume(o);
  addOutput(o);
  std::string values = o.name, types = typeOf(o);
  if (c.lse) {
    Tensor lse{"%lse", with(queryLead, {n}), ATTNC_DTYPE_F32};
    addOutput(lse);
    values += ", %lse";
    types += ", " + typeOf(lse);
  }
  std::string maps, arguments;
  for (const TensorSpec &input : problem.inputs)
    arguments += (arguments.empty() ? "" : ", ") + input.name;
  for (int64_t i = 0; i < rank; ++i)
    maps += (i ? ", x" : "x") + std::to_string(i);
  std::string row = "x" + std::to_string(rank - 2),
              column = "x" + std::to_string(rank - 1);
  std::string lead = maps.substr(0, maps.rfind(','));
  problem.text =
      "#x = affine_map<(" + maps + ") -> (" + maps + ")>\n#row = affine_map<(" +
      maps + ") -> (" + lead + ")>\n#table = affine_map<(" + maps + ") -> (" +
      row + ", " + column + ")>\n#gain = affine_map<(" + maps + ") -> (" +
      column + ")>\nfunc.func @spec(" + arguments + ") -> (" + types + ") {\n" +
      body + "  return " + values + " : " + types + "\n}\n";
  for (TensorSpec &input : problem.inputs) // "%q: tensor<...>"
    input.name = input.name.substr(1, input.name.find(':') - 1);
  return std::move(problem);
}

int64_t SpecWriter::batches() const {
  int64_t count = 1;
  for (Dim b : batch)
    count *= b.size;
  return count;
}

Dims SpecWriter::with(const Dims &lead, std::initializer_list<Dim> tail) const {
  Dims dims(lead);
  dims.insert(dims.end(), tail);
  return dims;
}

/// A per-batch operand has the batch dims, or is a scalar where there are none.
Dims SpecWriter::perBatch() const { return batch; }

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

static int64_t countOf(const Dims &dims) {
  int64_t count = 1;
  for (Dim d : dims)
    count *= d.size;
  return count;
}

std::vector<double> SpecWriter::uniform(const Dims &dims, double limit) {
  if (shapesOnly)
    return {};
  std::vector<double> values(countOf(dims));
  for (double &x : values)
    x = random.uniform(limit);
  return values;
}

std::vector<double> SpecWriter::integers(const Dims &dims, int64_t low,
                                         int64_t high) {
  if (shapesOnly)
    return {};
  std::vector<double> values(countOf(dims));
  for (double &x : values)
    x = static_cast<double>(low + random.below(high - low + 1));
  return values;
}

std::vector<double> SpecWriter::bits(const Dims &dims, int64_t percent) {
  std::vector<double> values = integers(dims, 0, 99);
  for (double &x : values)
    x = x < static_cast<double>(percent);
  return values;
}

/// Rows that no pair keeps, of values [batch..., ..., rows, columns...], become
/// NaN and infinite.
void SpecWriter::poisonRows(std::vector<double> &values, const Dims &dims,
                            const std::vector<int64_t> &lengths, bool isKey) {
  if (!c.poison || values.empty())
    return;
  int64_t rows = isKey ? c.m : c.n;
  size_t rowDim = rank - 2;
  int64_t columns = countOf(Dims(dims.begin() + rowDim + 1, dims.end()));
  int64_t perBatchRows =
      countOf(Dims(dims.begin() + batch.size(), dims.begin() + rowDim + 1));
  for (int64_t r = 0, e = static_cast<int64_t>(values.size()) / columns; r < e;
       ++r) {
    int64_t b = r / perBatchRows, row = r % rows;
    bool kept = row < lengths[b];
    if (isKey && !keyMask.empty())
      kept = kept && keyMask[b * c.m + row] != 0;
    for (int64_t x = 0; x < columns && !kept; ++x)
      values[r * columns + x] =
          x % 2 ? std::numeric_limits<double>::infinity() : std::nan("");
  }
}

//===----------------------------------------------------------------------===//
// Places in memory
//===----------------------------------------------------------------------===//

/// What a stride that nobody may look at holds.
static constexpr int64_t kNonsense = int64_t(1) << 40;

std::vector<int64_t> SpecWriter::stridesOf(const std::vector<int64_t> &shape,
                                           Kind kind) {
  int64_t r = static_cast<int64_t>(shape.size());
  std::vector<int64_t> strides(r);
  int64_t stride = 1;
  bool padded = c.layout == Layout::Padded && r >= 2;
  for (int64_t d = r - 1; d >= 0; --d) {
    strides[d] = stride;
    stride = stride * shape[d] + (padded ? 3 + d : 0);
  }
  if (padded)
    for (int64_t d = 0; d < r; ++d)
      if (shape[d] == 1)
        strides[d] = kNonsense;
  if (kind != Kind::Rows || r < 3)
    return strides;
  if (c.layout == Layout::Transposed) {
    strides[r - 3] = shape[r - 1];
    strides[r - 2] = shape[r - 1] * shape[r - 3];
  }
  return strides;
}

Tensor SpecWriter::argument(const std::string &name, const Dims &dims,
                            attnc_dtype dtype, std::vector<double> values,
                            Kind kind) {
  TensorSpec spec;
  spec.name = "%" + name + ": " + typeOf(dims, dtype);
  spec.dtype = dtype;
  for (Dim d : dims)
    spec.shape.push_back(d.size);
  spec.strides = stridesOf(spec.shape, kind);
  if (kind == Kind::Rows && c.layout == Layout::Broadcast && dims.size() >= 2) {
    spec.strides[0] = 0;
    size_t part = values.size() / dims[0].size;
    for (size_t i = part; i < values.size(); ++i)
      values[i] = values[i - part];
  }
  spec.values = std::move(values);
  problem.inputs.push_back(std::move(spec));
  return {"%" + name, dims, dtype};
}

void SpecWriter::addOutput(const Tensor &t) {
  TensorSpec spec;
  spec.name = t.name;
  spec.dtype = t.dtype;
  for (Dim d : t.dims)
    spec.shape.push_back(d.size);
  bool isRows = static_cast<int64_t>(t.dims.size()) == rank;
  spec.strides = stridesOf(spec.shape, isRows ? Kind::Rows : Kind::Plain);
  problem.outputs.push_back(std::move(spec));
}
