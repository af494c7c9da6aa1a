// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Nothing here writes outside the context, so a launch that fails a check has
// touched nothing of the caller's.

#include "LaunchCheck.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

using namespace attnc;

const attnc_tensor &attnc::tensorAt(const attnc_tensor *tensors, size_t index) {
  return *reinterpret_cast<const attnc_tensor *>(
      reinterpret_cast<const char *>(tensors) + index * tensors[0].struct_size);
}

namespace {

/// Scratch of two threads never shares a cache line, nor a pair of lines that
/// are fetched together.
constexpr uint64_t scratchPadding = 128;

/// What formulas read sizes from.
struct Sizes {
  const KernelModel &model;
  const LaunchContext &context;
};

int lookupDim(const void *sizes, uint32_t tensor, uint32_t dim,
              int64_t *value) {
  const Sizes &from = *static_cast<const Sizes *>(sizes);
  // The reader has checked both numbers.
  *value = from.context.sizes[from.model.args[tensor].firstDim + dim];
  return 1;
}

attnc_formula_result evaluate(const FormulaProgram &program, const Sizes &sizes,
                              int64_t &value) {
  return attnc_formula_eval(program.data(), program.size(), lookupDim, &sizes,
                            &value);
}

/// "q.dim1 = 7, k.dim1 = 8": the sizes that a formula reads, each once.
void describeSizes(const FormulaProgram &program, const Sizes &sizes,
                   char *text, size_t capacity) {
  size_t used = 0;
  text[0] = '\0';
  for (size_t i = 0; i < program.size(); ++i) {
    const attnc_formula_op &op = program[i];
    auto sameDim = [&](const attnc_formula_op &other) {
      return other.opcode == ATTNC_OP_DIM && other.tensor == op.tensor &&
             other.dim == op.dim;
    };
    if (op.opcode != ATTNC_OP_DIM ||
        std::any_of(program.begin(), program.begin() + i, sameDim))
      continue;
    int64_t size = 0;
    lookupDim(&sizes, op.tensor, op.dim, &size);
    int written = snprintf(
        text + used, capacity - used, "%s%s.dim%u = %" PRId64, used ? ", " : "",
        sizes.model.args[op.tensor].name.c_str(), unsigned(op.dim), size);
    if (written < 0 || size_t(written) >= capacity - used)
      return;
    used += size_t(written);
  }
}

attnc_result failFormula(const FormulaProgram &program, const Sizes &sizes,
                         attnc_formula_result why, const char *what,
                         const char *name, Error &error) {
  char text[400];
  describeSizes(program, sizes, text, sizeof(text));
  return error.fail(ATTNC_ERROR_OVERFLOW, "%s %s cannot be computed: %s%s%s%s",
                    what, name, attnc_formula_result_text(why),
                    text[0] ? " (" : "", text, text[0] ? ")" : "");
}

//===----------------------------------------------------------------------===//
// One tensor
//===----------------------------------------------------------------------===//

attnc_result checkShape(const ArgModel &arg, const attnc_tensor &tensor,
                        int64_t *sizes, Error &error) {
  const char *name = arg.name.c_str();
  if (tensor.dtype != arg.dtype)
    return error.fail(ATTNC_ERROR_DTYPE,
                      "argument '%s' has element type %s (%" PRIu32
                      "); the kernel takes %s",
                      name, attnc_dtype_name(tensor.dtype), tensor.dtype,
                      attnc_dtype_name(arg.dtype));
  if (tensor.rank != arg.dims.size())
    return error.fail(ATTNC_ERROR_RANK,
                      "argument '%s' has %" PRIu32
                      " dimensions; the kernel takes %zu",
                      name, tensor.rank, arg.dims.size());
  if (tensor.rank > 0 && !tensor.shape)
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                      "argument '%s' has no shape (NULL)", name);
  for (uint32_t d = 0; d < tensor.rank; ++d) {
    int64_t size = tensor.shape[d];
    if (size < 0)
      return error.fail(ATTNC_ERROR_SHAPE,
                        "argument '%s': dimension %" PRIu32
                        " has the negative size %" PRId64,
                        name, d, size);
    if (arg.dims[d] >= 0 && size != arg.dims[d])
      return error.fail(ATTNC_ERROR_SHAPE,
                        "argument '%s': dimension %" PRIu32 " has size %" PRId64
                        "; the kernel takes %" PRId64,
                        name, d, size, arg.dims[d]);
    sizes[d] = size;
  }
  return ATTNC_OK;
}

/// Strides as the kernel will see them: the caller's, or dense where there are
/// none and where a dimension has a single element.
attnc_result checkStrides(const ArgModel &arg, const attnc_tensor &tensor,
                          const int64_t *sizes, int64_t *strides,
                          Error &error) {
  const char *name = arg.name.c_str();
  int64_t dense = 1;
  for (uint32_t d = tensor.rank; d-- > 0;) {
    bool given = tensor.strides && sizes[d] > 1;
    strides[d] = given ? tensor.strides[d] : dense;
    if (given && d + 1 == tensor.rank && strides[d] != 1)
      return error.fail(ATTNC_ERROR_STRIDE,
                        "argument '%s': the last dimension has stride %" PRId64
                        "; it must be contiguous (stride 1)",
                        name, strides[d]);
    if (strides[d] < 0)
      return error.fail(ATTNC_ERROR_STRIDE,
                        "argument '%s': dimension %" PRIu32
                        " has the negative stride %" PRId64,
                        name, d, strides[d]);
    if (__builtin_mul_overflow(dense, std::max<int64_t>(sizes[d], 1), &dense))
      return error.fail(ATTNC_ERROR_OVERFLOW,
                        "argument '%s': its number of elements exceeds 64 bits",
                        name);
  }
  return ATTNC_OK;
}

/// Bytes from the first element to past the last; 0 without elements.
attnc_result computeExtent(const ArgModel &arg, const int64_t *sizes,
                           const int64_t *strides, uint64_t &extent,
                           Error &error) {
  int64_t last = 0;
  bool overflow = false, empty = false;
  for (size_t d = 0; d < arg.dims.size(); ++d) {
    int64_t span = 0;
    empty |= sizes[d] == 0;
    if (sizes[d] <= 1)
      continue;
    overflow |= __builtin_mul_overflow(sizes[d] - 1, strides[d], &span);
    overflow |= __builtin_add_overflow(last, span, &last);
  }
  int64_t elementBytes = int64_t(attnc_dtype_size(arg.dtype)), bytes = 0;
  overflow |= __builtin_add_overflow(last, int64_t(1), &last);
  overflow |= __builtin_mul_overflow(last, elementBytes, &bytes);
  extent = empty ? 0 : uint64_t(bytes);
  if (overflow && !empty)
    return error.fail(ATTNC_ERROR_OVERFLOW,
                      "argument '%s': its extent exceeds 64 bits of bytes",
                      arg.name.c_str());
  return ATTNC_OK;
}

/// Orders the dimensions by stride and asks that each step over all that the
/// smaller ones span. Sufficient for any layout, exact for slices and
/// transpositions of dense ones.
bool elementsAreDistinct(size_t rank, const int64_t *sizes,
                         const int64_t *strides) {
  uint32_t order[ATTNC_MAX_RANK + 1];
  size_t count = 0;
  for (uint32_t d = 0; d < rank; ++d) {
    if (sizes[d] == 0)
      return true;
    if (sizes[d] > 1)
      order[count++] = d;
  }
  std::sort(order, order + count,
            [&](uint32_t a, uint32_t b) { return strides[a] < strides[b]; });
  // computeExtent has shown that these sums fit.
  int64_t spanned = 0;
  for (size_t i = 0; i < count; ++i) {
    if (strides[order[i]] <= spanned)
      return false;
    spanned += (sizes[order[i]] - 1) * strides[order[i]];
  }
  return true;
}

/// Where code reads whole groups of elements at once, rows begin with a group.
attnc_result checkRowAlignment(const ArgModel &arg, const int64_t *sizes,
                               const int64_t *strides, Error &error) {
  int64_t bytes = int64_t(attnc_dtype_size(arg.dtype));
  int64_t elements = int64_t(arg.alignment) / bytes;
  for (size_t d = 0; elements > 1 && d + 1 < arg.dims.size(); ++d)
    if (sizes[d] > 1 && strides[d] % elements != 0)
      return error.fail(ATTNC_ERROR_DATA,
                        "argument '%s': stride %" PRId64
                        " of dim %zu is not a multiple of %" PRId64
                        " elements: rows must be aligned to %" PRIu64 " bytes",
                        arg.name.c_str(), strides[d], d, elements,
                        arg.alignment);
  return ATTNC_OK;
}

attnc_result checkData(const ArgModel &arg, void *data, uint64_t extent,
                       Error &error) {
  uint64_t address = reinterpret_cast<uintptr_t>(data), end;
  if (extent == 0)
    return ATTNC_OK;
  if (!data)
    return error.fail(ATTNC_ERROR_DATA, "argument '%s' has no data (NULL)",
                      arg.name.c_str());
  if (address % arg.alignment != 0)
    return error.fail(ATTNC_ERROR_DATA,
                      "argument '%s': its data at %p is not aligned to %" PRIu64
                      " bytes",
                      arg.name.c_str(), data, arg.alignment);
  if (__builtin_add_overflow(address, extent, &end))
    return error.fail(ATTNC_ERROR_OVERFLOW,
                      "argument '%s': its %" PRIu64
                      " bytes run past the end of memory",
                      arg.name.c_str(), extent);
  return ATTNC_OK;
}

//===----------------------------------------------------------------------===//
// All tensors together
//===----------------------------------------------------------------------===//

bool overlap(const void *a, uint64_t aBytes, const void *b, uint64_t bBytes) {
  uintptr_t aStart = reinterpret_cast<uintptr_t>(a);
  uintptr_t bStart = reinterpret_cast<uintptr_t>(b);
  return aBytes > 0 && bBytes > 0 && aStart < bStart + bBytes &&
         bStart < aStart + aBytes;
}

bool isWritten(const ArgModel &arg) { return arg.role != ATTNC_ROLE_INPUT; }

const char *roleName(const ArgModel &arg) {
  return arg.role == ATTNC_ROLE_INPUT    ? "input"
         : arg.role == ATTNC_ROLE_OUTPUT ? "output"
                                         : "updated argument";
}

/// Whether two tensors that overlap lie in each other's gaps, as K and V of one
/// allocation do: together they are one tensor with a dimension of size 2 more.
/// Sufficient, for tensors of one layout.
bool interleave(const KernelModel &model, const LaunchContext &context,
                size_t a, size_t b) {
  const ArgModel &x = model.args[a], &y = model.args[b];
  size_t rank = x.dims.size(), bytes = attnc_dtype_size(x.dtype);
  if (rank != y.dims.size() || bytes != attnc_dtype_size(y.dtype))
    return false;
  int64_t sizes[ATTNC_MAX_RANK + 1], strides[ATTNC_MAX_RANK + 1];
  for (size_t d = 0; d < rank; ++d) {
    sizes[d] =
        std::max(context.sizes[x.firstDim + d], context.sizes[y.firstDim + d]);
    strides[d] = context.strides[x.firstDim + d];
    if (sizes[d] > 1 && strides[d] != context.strides[y.firstDim + d])
      return false;
  }
  uintptr_t from = reinterpret_cast<uintptr_t>(context.data[a]),
            to = reinterpret_cast<uintptr_t>(context.data[b]);
  uintptr_t distance = from < to ? to - from : from - to;
  if (distance % bytes != 0)
    return false;
  sizes[rank] = 2;
  strides[rank] = int64_t(distance / bytes);
  return elementsAreDistinct(rank + 1, sizes, strides);
}

attnc_result checkAliases(const KernelModel &model,
                          const LaunchContext &context, Error &error) {
  for (size_t out = 0; out < model.args.size(); ++out) {
    if (!isWritten(model.args[out]))
      continue;
    for (size_t other = 0; other < model.args.size(); ++other) {
      bool seen = other <= out && isWritten(model.args[other]);
      if (seen ||
          !overlap(context.data[out], context.extents[out], context.data[other],
                   context.extents[other]) ||
          interleave(model, context, out, other))
        continue;
      return error.fail(
          ATTNC_ERROR_ALIAS, "%s '%s' and %s '%s' overlap in memory",
          roleName(model.args[out]), model.args[out].name.c_str(),
          roleName(model.args[other]), model.args[other].name.c_str());
    }
  }
  return ATTNC_OK;
}

attnc_result checkConstraints(const KernelModel &model,
                              const LaunchContext &context, Error &error) {
  Sizes sizes = {model, context};
  for (const ConstraintModel &constraint : model.constraints) {
    int64_t value = 0;
    attnc_formula_result why = evaluate(constraint.mustBeZero, sizes, value);
    if (why != ATTNC_FORMULA_OK)
      return failFormula(constraint.mustBeZero, sizes, why, "the condition",
                         constraint.message.c_str(), error);
    if (value == 0)
      continue;
    char text[400];
    describeSizes(constraint.mustBeZero, sizes, text, sizeof(text));
    return error.fail(ATTNC_ERROR_SHAPE, "%s (%s)", constraint.message.c_str(),
                      text);
  }
  return ATTNC_OK;
}

attnc_result checkTensor(const ArgModel &arg, const attnc_tensor &tensor,
                         bool withData, size_t index, LaunchContext &context,
                         Error &error) {
  int64_t *sizes = context.sizes.data() + arg.firstDim;
  int64_t *strides = context.strides.data() + arg.firstDim;
  uint64_t &extent = context.extents[index];
  if (attnc_result result = checkShape(arg, tensor, sizes, error))
    return result;
  if (attnc_result result = checkStrides(arg, tensor, sizes, strides, error))
    return result;
  if (attnc_result result = computeExtent(arg, sizes, strides, extent, error))
    return result;
  if (isWritten(arg) && !elementsAreDistinct(arg.dims.size(), sizes, strides))
    return error.fail(ATTNC_ERROR_STRIDE,
                      "%s '%s': its strides let elements share memory",
                      roleName(arg), arg.name.c_str());
  if (extent > 0)
    if (attnc_result result = checkRowAlignment(arg, sizes, strides, error))
      return result;
  context.data[index] = static_cast<uint8_t *>(tensor.data);
  return withData ? checkData(arg, tensor.data, extent, error) : ATTNC_OK;
}

} // namespace

attnc_result attnc::checkTensors(const KernelModel &model,
                                 const attnc_tensor *tensors, size_t numTensors,
                                 bool withData, LaunchContext &context,
                                 Error &error) {
  size_t expected = model.args.size();
  if (numTensors != expected)
    return error.fail(ATTNC_ERROR_RANK,
                      "%zu tensors given; kernel '%s' takes %zu", numTensors,
                      model.name.c_str(), expected);
  if (numTensors > 0 && !tensors)
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT, "tensors is NULL");
  if (numTensors > 0 && (tensors[0].struct_size < ATTNC_TENSOR_MIN_SIZE ||
                         tensors[0].struct_size % alignof(attnc_tensor) != 0))
    return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                      "argument '%s': struct_size of its attnc_tensor is %zu, "
                      "not %zu",
                      model.args[0].name.c_str(), tensors[0].struct_size,
                      sizeof(attnc_tensor));
  for (size_t i = 0; i < numTensors; ++i) {
    const attnc_tensor &tensor = tensorAt(tensors, i);
    if (tensor.struct_size != tensors[0].struct_size)
      return error.fail(ATTNC_ERROR_INVALID_ARGUMENT,
                        "argument '%s': struct_size differs from the first "
                        "tensor's",
                        model.args[i].name.c_str());
    if (attnc_result result =
            checkTensor(model.args[i], tensor, withData, i, context, error))
      return result;
  }
  if (attnc_result result = checkConstraints(model, context, error))
    return result;
  return withData ? checkAliases(model, context, error) : ATTNC_OK;
}

//===----------------------------------------------------------------------===//
// Grids and workspace
//===----------------------------------------------------------------------===//

namespace {

/// A grid's size, or the bytes of a temporary: never negative.
attnc_result evaluateCount(const FormulaProgram &program, const Sizes &sizes,
                           const char *what, const char *name, int64_t &value,
                           Error &error) {
  attnc_formula_result why = evaluate(program, sizes, value);
  if (why != ATTNC_FORMULA_OK)
    return failFormula(program, sizes, why, what, name, error);
  if (value >= 0)
    return ATTNC_OK;
  char text[400];
  describeSizes(program, sizes, text, sizeof(text));
  return error.fail(ATTNC_ERROR_SHAPE, "%s %s is negative: %" PRId64 " (%s)",
                    what, name, value, text);
}

attnc_result planGrid(const LaunchModel &launch, const Sizes &sizes,
                      uint64_t &workgroups, Error &error) {
  int64_t product = 1;
  bool overflow = false, empty = false;
  for (const FormulaProgram &program : launch.grid) {
    int64_t size = 0;
    if (attnc_result result =
            evaluateCount(program, sizes, "the grid of launch",
                          launch.name.c_str(), size, error))
      return result;
    empty |= size == 0;
    overflow |=
        __builtin_mul_overflow(product, std::max<int64_t>(size, 1), &product);
  }
  if (overflow && !empty)
    return error.fail(ATTNC_ERROR_OVERFLOW,
                      "the grid of launch %s exceeds 64 bits",
                      launch.name.c_str());
  workgroups = empty ? 0 : uint64_t(product);
  return ATTNC_OK;
}

/// Rounds up and adds; true on overflow of what a size can be.
bool appendBytes(uint64_t bytes, uint64_t alignment, uint64_t &total) {
  uint64_t padded;
  return __builtin_add_overflow(bytes, alignment - 1, &padded) ||
         __builtin_add_overflow(total, padded & ~(alignment - 1), &total) ||
         total > uint64_t(INT64_MAX);
}

} // namespace

attnc_result attnc::planLaunches(const KernelModel &model, uint32_t threads,
                                 LaunchContext &context, Error &error) {
  Sizes sizes = {model, context};
  uint64_t mostWorkgroups = 1, scratch = 0, total = 0;
  for (size_t l = 0; l < model.launches.size(); ++l) {
    if (attnc_result result =
            planGrid(model.launches[l], sizes, context.workgroups[l], error))
      return result;
    mostWorkgroups = std::max(mostWorkgroups, context.workgroups[l]);
    if (context.workgroups[l] > 0)
      scratch = std::max(scratch, model.launches[l].scratchBytes);
  }
  bool overflow = false;
  for (size_t t = 0; t < model.temps.size() && !overflow; ++t) {
    int64_t bytes = 0;
    char name[32];
    snprintf(name, sizeof(name), "temp%zu", t);
    if (attnc_result result = evaluateCount(
            model.temps[t], sizes, "the size of temporary", name, bytes, error))
      return result;
    context.tempOffsets[t] = total;
    overflow = appendBytes(uint64_t(bytes), ATTNC_SCRATCH_ALIGNMENT, total);
  }
  context.threads = uint32_t(std::min<uint64_t>(threads, mostWorkgroups));
  context.scratchOffset = total;
  context.scratchBytes =
      (scratch + scratchPadding - 1) / scratchPadding * scratchPadding;
  uint64_t allScratch = 0;
  overflow = overflow ||
             __builtin_mul_overflow(context.scratchBytes,
                                    uint64_t(context.threads), &allScratch) ||
             appendBytes(allScratch, ATTNC_SCRATCH_ALIGNMENT, total);
  if (overflow)
    return error.fail(ATTNC_ERROR_OVERFLOW,
                      "the workspace of kernel '%s' exceeds 64 bits of bytes",
                      model.name.c_str());
  context.workspaceBytes = total;
  return ATTNC_OK;
}

attnc_result attnc::fillWords(const KernelModel &model, uint8_t *workspace,
                              LaunchContext &context, Error &error) {
  Sizes sizes = {model, context};
  uint64_t *out = context.words.data();
  for (const LaunchModel &launch : model.launches) {
    for (const WordModel &word : launch.words) {
      bool isArg = word.tensor < model.args.size();
      int64_t value = 0;
      if (word.kind == ATTNC_WORD_VALUE) {
        attnc_formula_result why = evaluate(word.value, sizes, value);
        if (why != ATTNC_FORMULA_OK)
          return failFormula(word.value, sizes, why, "a value for launch",
                             launch.name.c_str(), error);
      } else if (word.kind == ATTNC_WORD_TENSOR_BASE) {
        uint8_t *base =
            isArg ? context.data[word.tensor]
                  : workspace +
                        context.tempOffsets[word.tensor - model.args.size()];
        value = int64_t(reinterpret_cast<uintptr_t>(base));
      } else {
        size_t dim = model.args[word.tensor].firstDim + word.dim;
        value = word.kind == ATTNC_WORD_TENSOR_SIZE ? context.sizes[dim]
                                                    : context.strides[dim];
      }
      *out++ = uint64_t(value);
    }
  }
  return ATTNC_OK;
}

attnc_result attnc::checkWorkspaceOverlap(const KernelModel &model,
                                          const void *start, size_t bytes,
                                          const LaunchContext &context,
                                          Error &error) {
  for (size_t i = 0; i < model.args.size(); ++i)
    if (overlap(start, bytes, context.data[i], context.extents[i]))
      return error.fail(ATTNC_ERROR_ALIAS,
                        "the workspace and argument '%s' overlap in memory",
                        model.args[i].name.c_str());
  return ATTNC_OK;
}
