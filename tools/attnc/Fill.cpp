// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Values for arguments that nobody gave.

#include "tools/attnc/Fill.h"

#include <algorithm>
#include <numeric>

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// What an argument means
//===----------------------------------------------------------------------===//

namespace {

enum class Role {
  Unknown,
  Lengths,    // valid key rows
  QLengths,   // valid query rows
  QStart,     // position of query row 0
  KStart,     // position of key row 0
  Pages,      // page table
  PageEnds,   // offsets of batches in a packed page table
  Decay,      // factors of a linear state
  Documents,  // rising offsets of documents
  RowOffsets, // rising offsets into an index operand
  RangeBegin, // first position of a range
  RangeEnd,   // end of a range
  Columns,    // key positions
  Blocks,     // key blocks
  Parameter   // window sizes and the like
};

/// The first attention (or append) that reads an argument as more than numbers.
struct Use {
  Role role = Role::Unknown;
  AttentionOp op;
  PairsAttr set;
  AppendOp append; // instead of op
};

} // namespace

static Role roleInSet(PairsAttr set, unsigned position) {
  switch (set.getKind()) {
  case PairKind::Documents:
  case PairKind::PerDocument:
    return Role::Documents;
  case PairKind::Csr:
    return position == 0 ? Role::RowOffsets : Role::Columns;
  case PairKind::Bsr:
    return position == 0 ? Role::RowOffsets : Role::Blocks;
  case PairKind::Ranges:
    return position == 0 ? Role::RangeBegin : Role::RangeEnd;
  case PairKind::TopK:
    return Role::Columns;
  default:
    return Role::Unknown;
  }
}

static std::optional<Use> findInSet(AttentionOp op, PairsAttr set,
                                    Value value) {
  std::optional<Use> found;
  if (!set)
    return found;
  set.visit([&](PairsAttr node) {
    for (auto [position, number] : llvm::enumerate(node.getOperands()))
      if (!found && op.getSetOperands()[number] == value)
        found = Use{roleInSet(node, position), op, node, {}};
    for (PairParam param : node.getParams())
      if (!found && param.isOperand &&
          op.getSetOperands()[param.value] == value)
        found = Use{Role::Parameter, op, node, {}};
  });
  return found;
}

static Role roleIn(AppendOp op, Value value) {
  std::pair<Value, Role> operands[] = {{op.getLengths(), Role::Lengths},
                                       {op.getRowLengths(), Role::QLengths},
                                       {op.getPages(), Role::Pages},
                                       {op.getPageIndptr(), Role::PageEnds}};
  for (auto [operand, role] : operands)
    if (operand == value)
      return role;
  return Role::Unknown;
}

static Use findUse(BlockArgument argument) {
  for (Operation *user : argument.getUsers()) {
    if (auto append = dyn_cast<AppendOp>(user))
      if (Role role = roleIn(append, argument); role != Role::Unknown)
        return {role, {}, {}, append};
    auto op = dyn_cast<AttentionOp>(user);
    if (!op)
      continue;
    std::pair<Value, Role> operands[] = {
        {op.getLengths(), Role::Lengths}, {op.getQLengths(), Role::QLengths},
        {op.getQStart(), Role::QStart},   {op.getKStart(), Role::KStart},
        {op.getPages(), Role::Pages},     {op.getPageIndptr(), Role::PageEnds},
        {op.getDecay(), Role::Decay}};
    for (auto [value, role] : operands)
      if (value == argument)
        return {role, op, {}, {}};
    for (PairsAttr set : {op.getMaskAttr(), op.getSparsityAttr()})
      if (std::optional<Use> use = findInSet(op, set, argument))
        return *use;
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

namespace {

/// Fills one integer argument whose role is known.
class Filler {
public:
  Filler(Tensor &tensor, const Use &use, ShapeSolver &sizes,
         const Random &random)
      : tensor(tensor), op(use.op), set(use.set), sizes(sizes), random(random) {
    AppendOp append = use.append;
    Value rows = append ? append.getRows() : op.getQuery();
    Value keys = append ? append.getCache() : op.getKey();
    Value pages = append ? append.getPages() : op.getPages();
    int64_t rank = cast<RankedTensorType>(rows.getType()).getRank();
    n = sizes.getSize(rows, rank - 2).value_or(0);
    m = (append ? sizes.getKeyRows(append) : sizes.getKeyRows(op)).value_or(0);
    pool = sizes.getSize(keys, 0).value_or(0);
    if (pages)
      pageEntries = sizes.getSize(pages, 0).value_or(0);
  }

  std::string fill(Role role);

private:
  Tensor &tensor;
  AttentionOp op;
  PairsAttr set;
  ShapeSolver &sizes;
  const Random &random;
  int64_t n = 0, m = 0;              // query rows, key rows
  int64_t pool = 0, pageEntries = 0; // pages; of a packed table

  template <typename Fn>
  void each(Fn value) {
    for (int64_t i = 0, e = tensor.getNumElements(); i < e; ++i)
      tensor.setInteger(i, value(i));
  }
  std::string constant(int64_t value, const char *what) {
    each([&](int64_t) { return value; });
    return what + (" (" + std::to_string(value)) + ")";
  }
  /// Random in [begin, begin + count).
  std::string uniform(int64_t begin, int64_t count) {
    count = std::max<int64_t>(count, 1);
    each([&](int64_t i) { return begin + random.below(i, count); });
    return "random in " + std::to_string(begin) + ".." +
           std::to_string(begin + count - 1);
  }
  /// Rising evenly from 0 to `end` along the last dimension.
  std::string steps(int64_t end) {
    int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    int64_t last = std::max<int64_t>(row - 1, 1);
    each([&](int64_t i) {
      return static_cast<int64_t>(static_cast<__int128>(end) * (i % row) /
                                  last);
    });
    return "even steps from 0 to " + std::to_string(end);
  }
  std::string pages();
  int64_t entries();
  int64_t keyBlocks();
};

} // namespace

/// Pages of the pool in a random order, none twice while they last.
std::string Filler::pages() {
  pool = std::max<int64_t>(pool, 1);
  std::vector<int64_t> order(pool);
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = pool - 1; i > 0; --i)
    std::swap(order[i], order[random.below(i, i + 1)]);
  each([&](int64_t i) { return order[i % pool]; });
  return "pages in random order";
}

/// Entries of the index operand beside this one.
int64_t Filler::entries() {
  Value index = op.getSetOperands()[set.getOperands()[1]];
  int64_t rank = cast<RankedTensorType>(index.getType()).getRank();
  return sizes.getSize(index, rank - 1).value_or(0);
}

int64_t Filler::keyBlocks() {
  int64_t block = set.getParams().empty() ? 0 : set.getParams()[0].value;
  if (block <= 0) {
    Value offsets = op.getSetOperands()[set.getOperands()[0]];
    int64_t rank = cast<RankedTensorType>(offsets.getType()).getRank();
    int64_t rows = sizes.getSize(offsets, rank - 1).value_or(2) - 1;
    block = (n + std::max<int64_t>(rows, 1) - 1) / std::max<int64_t>(rows, 1);
  }
  block = std::max<int64_t>(block, 1);
  return (m + block - 1) / block;
}

std::string Filler::fill(Role role) {
  int64_t positions = std::max(n, m);
  switch (role) {
  case Role::Lengths:
    return constant(m, "full length");
  case Role::QLengths:
    return constant(n, "full length");
  case Role::QStart:
    return constant(m - n, "last query on last key");
  case Role::KStart:
    return constant(0, "start");
  case Role::Pages:
    return pages();
  case Role::PageEnds:
    return steps(pageEntries);
  case Role::Documents:
    return steps(positions);
  case Role::RowOffsets:
    return steps(entries());
  // The two halves, so that no range ends before it begins.
  case Role::RangeBegin:
    return uniform(0, positions / 2);
  case Role::RangeEnd:
    return uniform(positions / 2, positions - positions / 2 + 1);
  case Role::Columns:
    return uniform(0, m);
  case Role::Blocks:
    return uniform(0, keyBlocks());
  default:
    return uniform(1, m);
  }
}

/// Numbers without a meaning; false for integers that might be indices.
static std::optional<std::string> fillNumbers(Tensor &tensor,
                                              const Random &random) {
  int64_t size = tensor.getNumElements();
  if (isFloat(tensor.dtype)) {
    for (int64_t i = 0; i < size; ++i)
      tensor.setNumber(i, random.normal(i));
    return "random, normal(0, 1)";
  }
  if (tensor.dtype == ATTNC_DTYPE_BOOL) {
    for (int64_t i = 0; i < size; ++i)
      tensor.setInteger(i, random.below(i, 4) != 0);
    return "random, 3 of 4 true";
  }
  if (tensor.dtype != ATTNC_DTYPE_I8 && tensor.dtype != ATTNC_DTYPE_U8)
    return std::nullopt;
  // Quantised data. Small, because its scale is likely random too, and scores
  // in the hundreds would make a softmax of one key.
  int64_t smallest = tensor.dtype == ATTNC_DTYPE_I8 ? -8 : 0;
  for (int64_t i = 0; i < size; ++i)
    tensor.setInteger(i, smallest + random.below(i, 17));
  return "random in " + std::to_string(smallest) + ".." +
         std::to_string(smallest + 16);
}

static llvm::Error unknownMeaning() {
  return llvm::createStringError(
      "it holds integers whose meaning is unknown, so there is no random value "
      "for it: give a file");
}

llvm::Expected<std::string> attnc::fillArgument(Tensor &tensor,
                                                BlockArgument argument,
                                                ShapeSolver &sizes,
                                                const Random &random) {
  Use use = findUse(argument);
  if (use.role == Role::Decay) {
    // Above 1 a state would grow without limit.
    for (int64_t i = 0, e = tensor.getNumElements(); i < e; ++i)
      tensor.setNumber(i, 1 - random.below(i, 1024) / 10240.0);
    return "random in 0.9..1";
  }
  if (use.role != Role::Unknown)
    return Filler(tensor, use, sizes, random).fill(use.role);
  return fillUnknown(tensor, random);
}

llvm::Expected<std::string> attnc::fillUnknown(Tensor &tensor,
                                               const Random &random) {
  if (std::optional<std::string> done = fillNumbers(tensor, random))
    return *done;
  return unknownMeaning();
}
