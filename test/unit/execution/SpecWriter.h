// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes the MLIR text of a case piece by piece.

#ifndef ATTNC_TEST_UNIT_EXECUTION_SPECWRITER_H
#define ATTNC_TEST_UNIT_EXECUTION_SPECWRITER_H

#include "Case.h"

namespace attnc::test {

struct Dim {
  int64_t size;
  bool dynamic = false;
};
using Dims = std::vector<Dim>;

/// A tensor value of the function that is being written.
struct Tensor {
  std::string name; // %q
  Dims dims;
  attnc_dtype dtype;
};

std::string typeOf(const Dims &dims, attnc_dtype dtype);
inline std::string typeOf(const Tensor &t) { return typeOf(t.dims, t.dtype); }
std::string elementType(attnc_dtype dtype);

class SpecWriter {
public:
  SpecWriter(const Case &c, uint64_t seed, bool shapesOnly);
  Problem write();

private:
  const Case &c;
  Random random;
  bool shapesOnly;
  Problem problem;
  std::string body;
  int64_t rank;
  Dims batch, queryLead, keyLead; // batch, and with heads
  Dim n, m;
  attnc_dtype compute;                           // of scores and regions
  std::vector<int64_t> keyLengths, queryLengths; // per batch
  std::vector<double> keyMask; // keys(): what every row may keep, if known

  // Arguments (SpecArguments.cpp)
  enum class Kind { Plain, Rows };
  Tensor argument(const std::string &name, const Dims &dims, attnc_dtype dtype,
                  std::vector<double> values, Kind kind = Kind::Plain);
  std::vector<double> uniform(const Dims &dims, double limit);
  std::vector<double> integers(const Dims &dims, int64_t low, int64_t high);
  std::vector<double> bits(const Dims &dims, int64_t percent);
  std::vector<int64_t> stridesOf(const std::vector<int64_t> &shape, Kind kind);
  void addOutput(const Tensor &t);
  int64_t batches() const;
  Dims with(const Dims &lead, std::initializer_list<Dim> tail) const;
  Dims perBatch() const;
  void poisonRows(std::vector<double> &values, const Dims &dims,
                  const std::vector<int64_t> &lengths, bool isKey);

  // Clauses (SpecClauses.cpp)
  struct Clauses {
    std::string text;
    std::vector<Tensor> lengths, queryLengths, queryStart, keyStart, bias, sets;
  };
  Clauses clauses;
  void addClause(const std::string &name, std::vector<Tensor> &slot,
                 std::vector<double> values, bool uniform = false);
  void addPositions();
  std::string addMask();
  void addSet(const Tensor &t) { clauses.sets.push_back(t); }
  void addScore();
  void addBias();
  void addScoreMod();
  std::string scoreModBody(std::string &captures);

  // Producers and consumers (SpecProducers.cpp)
  int nextValue = 0;
  std::string fresh() { return "%x" + std::to_string(nextValue++); }
  std::string emptyLike(const Tensor &source, const Dims &dims,
                        attnc_dtype dtype);
  Tensor generic(const std::vector<std::pair<Tensor, std::string>> &ins,
                 const Tensor &shape, attnc_dtype dtype,
                 const std::string &region, const std::string &result);
  Tensor operandRows(const std::string &name, const Dims &lead, Dim rows,
                     int64_t d);
  Tensor produce(const std::string &name, Tensor x, bool isValue);
  Tensor scaled(const Tensor &x);
  Tensor castRows(const Tensor &x);
  Tensor dequantized(const std::string &name, const Tensor &x);
  Tensor rotated(const std::string &name, const Tensor &x);
  Tensor normalized(const std::string &name, const Tensor &x);
  Tensor consume(Tensor o);
  void attention(const Tensor &q, const Tensor &k, const Tensor &v);
};

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_EXECUTION_SPECWRITER_H
