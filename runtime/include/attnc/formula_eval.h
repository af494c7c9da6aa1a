// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Checking and evaluating formulas, in one place for the compiler and the
// runtime, so that both agree on every rounding and every error. Plain C.

#ifndef ATTNC_FORMULA_EVAL_H
#define ATTNC_FORMULA_EVAL_H

#include "attnc/kernel_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct attnc_formula_op {
  uint16_t opcode; ///< ATTNC_OP_*
  uint16_t dim;    ///< ATTNC_OP_DIM only
  uint32_t tensor; ///< ATTNC_OP_DIM only
  int64_t imm;     ///< ATTNC_OP_CONST only
} attnc_formula_op;

typedef enum attnc_formula_result {
  ATTNC_FORMULA_OK = 0,
  ATTNC_FORMULA_OVERFLOW,
  ATTNC_FORMULA_DIVISION_BY_ZERO,
  ATTNC_FORMULA_UNKNOWN_DIM,
  ATTNC_FORMULA_MALFORMED
} attnc_formula_result;

static inline const char *
attnc_formula_result_text(attnc_formula_result result) {
  switch (result) {
  case ATTNC_FORMULA_OK:
    return "no error";
  case ATTNC_FORMULA_OVERFLOW:
    return "the value exceeds 64 bits";
  case ATTNC_FORMULA_DIVISION_BY_ZERO:
    return "division by zero";
  case ATTNC_FORMULA_UNKNOWN_DIM:
    return "no such dimension";
  default:
    return "malformed formula";
  }
}

/// Whether the steps form a program: known opcodes, operands present at each
/// step, one value left, and the stack within its limit.
static inline attnc_formula_result
attnc_formula_check(const attnc_formula_op *ops, size_t count) {
  size_t depth = 0;
  if (count == 0 || count > ATTNC_MAX_FORMULA_OPS)
    return ATTNC_FORMULA_MALFORMED;
  for (size_t i = 0; i < count; ++i) {
    if (ops[i].opcode == ATTNC_OP_CONST || ops[i].opcode == ATTNC_OP_DIM) {
      if (++depth > ATTNC_MAX_FORMULA_STACK)
        return ATTNC_FORMULA_MALFORMED;
      continue;
    }
    if (ops[i].opcode < ATTNC_OP_ADD || ops[i].opcode > ATTNC_OP_MAX ||
        depth < 2)
      return ATTNC_FORMULA_MALFORMED;
    --depth;
  }
  return depth == 1 ? ATTNC_FORMULA_OK : ATTNC_FORMULA_MALFORMED;
}

/// floor(a / b), or with `up` ceil(a / b).
static inline attnc_formula_result
attnc_formula_divide(int64_t a, int64_t b, int up, int64_t *result) {
  if (b == 0)
    return ATTNC_FORMULA_DIVISION_BY_ZERO;
  if (a == INT64_MIN && b == -1)
    return ATTNC_FORMULA_OVERFLOW;
  int64_t quotient = a / b;
  int inexact = a % b != 0;
  int negative = (a < 0) != (b < 0);
  if (inexact && negative && !up)
    --quotient;
  if (inexact && !negative && up)
    ++quotient;
  *result = quotient;
  return ATTNC_FORMULA_OK;
}

/// One binary step. Never undefined, whatever the operands.
static inline attnc_formula_result
attnc_formula_apply(uint16_t opcode, int64_t a, int64_t b, int64_t *result) {
  int overflow = 0;
  switch (opcode) {
  case ATTNC_OP_ADD:
    overflow = __builtin_add_overflow(a, b, result);
    break;
  case ATTNC_OP_SUB:
    overflow = __builtin_sub_overflow(a, b, result);
    break;
  case ATTNC_OP_MUL:
    overflow = __builtin_mul_overflow(a, b, result);
    break;
  case ATTNC_OP_FLOORDIV:
    return attnc_formula_divide(a, b, 0, result);
  case ATTNC_OP_CEILDIV:
    return attnc_formula_divide(a, b, 1, result);
  case ATTNC_OP_MOD:
    if (b == 0)
      return ATTNC_FORMULA_DIVISION_BY_ZERO;
    // INT64_MIN % -1 traps, and is 0.
    *result = b == -1 ? 0 : a % b;
    if (*result != 0 && (*result < 0) != (b < 0))
      *result += b;
    break;
  case ATTNC_OP_MIN:
    *result = a < b ? a : b;
    break;
  case ATTNC_OP_MAX:
    *result = a > b ? a : b;
    break;
  default:
    return ATTNC_FORMULA_MALFORMED;
  }
  return overflow ? ATTNC_FORMULA_OVERFLOW : ATTNC_FORMULA_OK;
}

/// Puts the size of a tensor's dimension into *size; 0 if there is none.
typedef int (*attnc_dim_lookup)(const void *context, uint32_t tensor,
                                uint32_t dim, int64_t *size);

/// Evaluates; safe for any steps, checked before or not.
static inline attnc_formula_result
attnc_formula_eval(const attnc_formula_op *ops, size_t count,
                   attnc_dim_lookup lookup, const void *context,
                   int64_t *result) {
  int64_t stack[ATTNC_MAX_FORMULA_STACK];
  size_t depth = 0;
  for (size_t i = 0; i < count; ++i) {
    const attnc_formula_op *op = &ops[i];
    if (op->opcode == ATTNC_OP_CONST || op->opcode == ATTNC_OP_DIM) {
      if (depth == ATTNC_MAX_FORMULA_STACK)
        return ATTNC_FORMULA_MALFORMED;
      stack[depth] = op->imm;
      if (op->opcode == ATTNC_OP_DIM &&
          !lookup(context, op->tensor, op->dim, &stack[depth]))
        return ATTNC_FORMULA_UNKNOWN_DIM;
      ++depth;
      continue;
    }
    if (depth < 2)
      return ATTNC_FORMULA_MALFORMED;
    --depth;
    attnc_formula_result step = attnc_formula_apply(
        op->opcode, stack[depth - 1], stack[depth], &stack[depth - 1]);
    if (step != ATTNC_FORMULA_OK)
      return step;
  }
  if (depth != 1)
    return ATTNC_FORMULA_MALFORMED;
  *result = stack[0];
  return ATTNC_FORMULA_OK;
}

#ifdef __cplusplus
} // extern "C"
#endif

#endif // ATTNC_FORMULA_EVAL_H
