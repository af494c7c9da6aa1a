// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The parameters of a pairwise execution test and the problem they stand for.

#ifndef ATTNC_TEST_UNIT_EXECUTION_CASE_H
#define ATTNC_TEST_UNIT_EXECUTION_CASE_H

#include "Problem.h"

namespace attnc::test {

enum class Dynamic { None, Keys, Rows, All, Count };
enum class Heads { One, Four, FourOnTwo, SixOnOne, Count };
enum class Mask {
  Full,
  Empty,
  Causal,
  NotCausal,
  Window,
  WideWindow,
  Local,
  WindowOperands,
  Prefix,
  PrefixOperand,
  First,
  Last,
  Global,
  FirstOrWindow,
  PrefixOrCausal,
  CausalNotWindow,
  CausalAndSinks,
  Keys,
  CausalAndKeys,
  KeysPerHead,
  Dense,
  DensePerHead,
  DenseOrFirst,
  Sparsity,
  WindowAndKeys,
  Count
};
enum class Positions {
  Default,
  Start,
  Lengths,
  BothLengths,
  UniformLengths,
  QueryStart,
  KeyStart,
  LengthsAndStarts,
  QueryLengthsAndKeyStart,
  Count
};
enum class Score {
  Dot,
  Scale,
  Softcap,
  Bias,
  BiasOfKeys,
  BiasOfRows,
  BiasOtherType,
  Alibi,
  Relative,
  Holes,
  Everything,
  Count
};
enum class Producer {
  None,
  Scale,
  Rotary,
  QKNorm,
  NormThenRotary,
  Cast,
  Dequantize,
  Float8, // E4M3 keys and E5M2 values, with a scale a row
  Count
};
enum class Epilogue { None, Gate, Residual, Cast, Everything, Count };
enum class Layout { Dense, Padded, Transposed, Broadcast, Count };

struct Case {
  attnc_dtype dtype = ATTNC_DTYPE_F32;
  int64_t n = 65, m = 65, d = 64, dv = 64;
  Dynamic dynamic = Dynamic::None;
  Heads heads = Heads::One;
  int rank = 4;
  Mask mask = Mask::Full;
  Positions positions = Positions::Default;
  Score score = Score::Dot;
  bool lse = false;
  std::string micro = "auto";
  Producer producer = Producer::None;
  std::string producers = "auto";
  Epilogue epilogue = Epilogue::None;
  Layout layout = Layout::Dense;
  /// NaN and infinity in rows and keys that no pair keeps.
  bool poison = false;

  int64_t queryHeads() const;
  int64_t keyHeads() const;
  /// Sizes before heads.
  std::vector<int64_t> batch() const;
  /// Rough multiply-adds of an evaluation.
  int64_t work() const;
  std::string describe() const;
};

class Engine;

/// Sets the naive errors of an f64 problem, whose naive evaluation is the
/// reference itself: those of the same problem in f32, 2^29 times smaller.
/// False if it cannot be evaluated; nothing to do for other types.
bool expectNaiveError(Engine &engine, Problem &problem, Case c, uint64_t seed);

/// Raises the naive errors to the largest of a few other values of the case: a
/// result of few elements may be naively right by luck.
bool sampleNaiveError(Engine &engine, Problem &problem, const Case &c,
                      uint64_t seed);

/// The spec and its tensors; without values if `shapesOnly`.
Problem makeProblem(const Case &c, uint64_t seed, bool shapesOnly = false);

} // namespace attnc::test

#endif // ATTNC_TEST_UNIT_EXECUTION_CASE_H
