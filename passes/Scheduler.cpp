// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The micro-kernel, its tiles, their order, which keys go together, and what
// walks lists.

#include "passes/Scheduler.h"
#include "passes/LaunchGroups.h"
#include "passes/PlanTrend.h"
#include "passes/PlanWalk.h"
#include "passes/ScheduleTiles.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace attnc;

/// Query rows times heads up to which lanes along the head size win: fewer
/// queries than that leave most lanes of the block micro-kernel idle.
static constexpr int64_t kRowKernelQueries = 8;
static constexpr int64_t kQueryTile = 96;
static constexpr int64_t kKeyBlock = 128;
/// Keys of a block of the row micro-kernel, and the bytes of keys and values
/// that it should have.
static constexpr int64_t kFewestKeys = 8, kMostKeys = 64,
                         kRowBlockBytes = 8 << 10;
/// Keys that a split has, and the bytes of keys and values that it should have:
/// some ten microseconds of reading.
static constexpr int64_t kFewestSplitKeys = 256, kMostSplitKeys = 8192,
                         kSplitBytes = 2 << 20;

bool Scheduler::fitsBf16Dot() {
  return options.bf16Dot &&
         llvm::all_of(ValueRange{op.getQuery(), op.getKey(), op.getValue()},
                      [](Value x) {
                        return cast<RankedTensorType>(x.getType())
                            .getElementType()
                            .isBF16();
                      });
}

bool Scheduler::dependsOnHead() {
  PlanAttr plan = op.getPlanAttr();
  if (!plan)
    return false;
  auto hasHeads = [&](int64_t operand, int64_t tailRank) {
    auto type =
        dyn_cast<RankedTensorType>(op.getSetOperands()[operand].getType());
    int64_t headDim = op.getBatchRank();
    return type && type.getRank() - tailRank > headDim &&
           type.getDimSize(headDim) != 1;
  };
  for (ValueAttr value : plan.getValues())
    if (value.getKind() == ValueKind::Head ||
        (value.getOperand() >= 0 && hasHeads(value.getOperand(), 1)))
      return true;
  for (ComponentAttr component : plan.getComponents()) {
    PairsAttr atom = attnc::walkedAtom(plan, component);
    if (!atom)
      continue;
    if (atom.getKind() == PairKind::Random)
      return true;
    int64_t tailRank = atom.getKind() == PairKind::TopK ? 2 : 1;
    for (int64_t operand : atom.getOperands())
      if (hasHeads(operand, tailRank))
        return true;
  }
  return false;
}

LogicalResult Scheduler::chooseMicroKernel() {
  int64_t n = op.getQueryRows(), group = headGroup();
  if (asked.micro()) {
    micro = *asked.micro();
  } else if (std::optional<MicroKernel> kind =
                 symbolizeMicroKernel(options.micro)) {
    micro = *kind;
    because("micro-kernel {0}: asked for", options.micro);
  } else if (options.micro != "auto") {
    return op.emitError("attn-schedule: micro must be auto, block, row, "
                        "mma or wgmma, got '")
           << options.micro << "'";
  } else if (options.sm != 0) {
    std::optional<std::string> refusal = attnc::refusesMma(op, options.sm);
    micro = refusal ? MicroKernel::Row : MicroKernel::Mma;
    std::optional<std::string> noGroups =
        attnc::refusesWgmma(op, options.wgmma);
    if (!refusal && !noGroups && attnc::fillsWgmma(op))
      micro = MicroKernel::Wgmma;
    if (micro == MicroKernel::Wgmma)
      because("wgmma micro-kernel: tensor cores multiply the rows of four "
              "warps by keys and values that they read in shared memory");
    else if (refusal)
      because("row micro-kernel, one query row and head a GPU thread: tensor "
              "cores do not take this, since {0}",
              *refusal);
    else
      because("mma micro-kernel: tensor cores, scores and sums in registers, "
              "keys and values copied into shared memory ahead of use");
  } else if (!ShapedType::isDynamic(n) && n <= kRowKernelQueries) {
    micro = MicroKernel::Row;
    because("row micro-kernel: {0} query rows leave lanes idle when queries "
            "lie in lanes",
            n);
  } else {
    because("block micro-kernel: queries in lanes, keys and values read as "
            "broadcasts in place");
  }
  if (micro == MicroKernel::Row) {
    int64_t rows =
        pick("query_tile", ShapedType::isDynamic(n) || options.sm != 0
                               ? 1
                               : std::clamp<int64_t>(n, 1, kRowKernelQueries));
    if (dependsOnHead() || options.sm != 0)
      group = 1;
    while (group > 1 &&
           (group * rows > 2 * kRowKernelQueries || headGroup() % group != 0))
      --group;
    heads = pick("heads", std::max<int64_t>(group, 1));
    queryTile = rows;
    if (heads > 1)
      because("{0} query heads of a key head share each key and value row",
              heads);
  }
  return success();
}

void Scheduler::chooseProducts() {
  auto elementOf = [](Value x) {
    return cast<RankedTensorType>(x.getType()).getElementType();
  };
  Type type = elementOf(op.getKey());
  if (std::optional<Products> wanted = asked.products()) {
    products = *wanted;
    return;
  }
  if (!(type.isBF16() || type.isF16()) || isOnTensorCores())
    return;
  bool isRow = micro == MicroKernel::Row;
  // Where a row is read in place, or copied.
  StringRef when = isRow ? "on the way" : "once a key block";
  bool same =
      elementOf(op.getQuery()) == type && elementOf(op.getValue()) == type;
  // The row micro-kernel takes whole vectors of pairs.
  int64_t unit = isRow ? 2 * lanes : 1;
  bool fills = op.getHeadDim() >= unit && op.getValueDim() >= unit;
  if (!type.isBF16() || !options.bf16Dot)
    because("{0} keys and values converted to f32 {1}: this machine "
            "multiplies f32 only",
            type.isBF16() ? "bf16" : "f16", when);
  else if (!same || !fills)
    because("bf16 keys and values converted to f32 {0}: {1}", when,
            same ? "pairs of elements do not fill the head size"
                 : "q, k and v have different types");
  else if (pick("key_block", 2) % 2 || pick("register_keys", 2) % 2 ||
           lanes < 4 || lanes > 16)
    because("bf16 keys and values converted to f32 once a key block: blocks "
            "and tiles as they are asked for hold no pairs");
  else {
    products = Products::DotBf16;
    because("dot products of bf16 pairs: twice the rate of f32");
  }
}

int64_t Scheduler::rowAccumulators() const {
  return options.vectorRegisters >= 32 ? 16 : 8;
}

void Scheduler::chooseRowTile() {
  registerKeys = 1;
  registerVectors = rowAccumulators();
  auto bytesOf = [](RankedTensorType type) {
    return type.getShape().back() * type.getElementTypeBitWidth() / 8;
  };
  int64_t row = bytesOf(op.getKeyType()) + bytesOf(op.getValueType());
  keyBlock = std::clamp<int64_t>(llvm::PowerOf2Ceil(kRowBlockBytes / row),
                                 kFewestKeys, kMostKeys);
  if (heads > headGroup() && op.getPages()) // asked for: blocks are pages
    keyBlock = std::clamp<int64_t>(op.getPageSize(), kFewestKeys, kMostKeys);
  because("keys and values are read row after row as they lie in memory, by "
          "blocks of {0}: those of both have {1} KiB",
          keyBlock, llvm::divideCeil(keyBlock * row, 1024));
}

void Scheduler::chooseTiles() {
  if (micro == MicroKernel::Row) {
    chooseRowTile();
    registerKeys = pick("register_keys", registerKeys);
    registerVectors = pick("register_vectors", registerVectors);
    keyBlock = pick("key_block", keyBlock);
    return;
  }
  if (isOnTensorCores())
    return chooseMmaTile();
  chooseBlockTile();
  int64_t m = op.getKeyRows(), chosen = kKeyBlock;
  if (!ShapedType::isDynamic(m))
    chosen = std::clamp<int64_t>(llvm::alignTo(m, lanes * registerKeys),
                                 lanes * registerKeys, kKeyBlock);
  keyBlock = pick("key_block", chosen);
  because("tiles of {0} query rows, keys in blocks of {1}: scores and sums "
          "stay in the first-level cache",
          queryTile, keyBlock);
}

void Scheduler::chooseMmaTile() {
  attnc::MmaTiles tiles =
      micro == MicroKernel::Wgmma
          ? attnc::chooseWgmmaTiles(op)
          : attnc::chooseMmaTiles(op, options.sm,
                                  dependsOnHead() ? 1 : headGroup());
  heads = pick("heads", tiles.heads);
  if (heads > 1)
    because("{0} query heads of a key head share a tile: one has too few rows "
            "for a fragment",
            heads);
  registerKeys = pick("register_keys", 1);
  registerVectors = pick("register_vectors", 1);
  queryTile = pick("query_tile", tiles.queryTile);
  keyBlock = pick("key_block", tiles.keyBlock);
  chooseMma(tiles);
  if (mma)
    because("{0} warps share tiles of {1} query rows, keys in blocks of {2}, "
            "{3} of them in shared memory",
            mma.getWarps(), queryTile, keyBlock, mma.getStages());
}

void Scheduler::chooseMma(attnc::MmaTiles tiles) {
  mma = MmaAttr::getChecked(
      [&] { return refuse(); }, op.getContext(), pick("warps", tiles.warps),
      pick("stages", tiles.stages), pick("query_steps", tiles.querySteps),
      pick("lookahead", tiles.lookahead), pick("fence", tiles.fence),
      pick("lazy", tiles.lazy));
}

void Scheduler::chooseBlockTile() {
  heads = pick("heads", mayBeFew() ? fewHeads() : 1);
  bool wide = options.vectorRegisters >= 32;
  int64_t n = op.getQueryRows();
  registerKeys = pick("register_keys", wide ? 8 : 4);
  registerVectors = pick("register_vectors", 3);
  int64_t panel = lanes * registerVectors;
  std::optional<int64_t> tile = asked.number("query_tile");
  // Fewer vectors where few rows, or the tile that is asked for, want that.
  auto isWasted = [&] {
    return tile ? *tile % panel != 0
                : !ShapedType::isDynamic(n) && n <= panel - lanes;
  };
  while (registerVectors > 1 && !asked.number("register_vectors") &&
         isWasted()) {
    --registerVectors;
    panel = lanes * registerVectors;
  }
  queryTile = std::max(panel, kQueryTile / panel * panel);
  if (!tile)
    alignWithLists(panel);
  if (!ShapedType::isDynamic(n))
    queryTile = std::min<int64_t>(queryTile, llvm::alignTo(n, panel));
  queryTile = tile.value_or(queryTile);
  because("register tile {0} keys x {1} queries: {2} of {3} vector "
          "registers accumulate",
          registerKeys, panel, registerKeys * registerVectors,
          options.vectorRegisters);
}

void Scheduler::chooseStrip() {
  PlanAttr plan = op.getPlanAttr();
  if (plan && micro == MicroKernel::Block && !op.getPages())
    for (ComponentAttr component : plan.getComponents())
      if (auto columns = attnc::GridColumns::of(plan, component)) {
        int64_t panel = lanes * registerVectors;
        attnc::StripChoice chosen = attnc::chooseStrip(*columns, panel);
        if (chosen.columns > 1 && chosen.columns <= queryTile) {
          strip = chosen.columns;
          because("strips of {0} of a grid's {1} columns: {2} queries visit "
                  "about {3} keys, not {4}",
                  strip, columns->getExtent(), panel, chosen.keys,
                  chosen.keysOfRows);
        }
        break;
      }
  strip = pick("strip", strip);
}

int64_t Scheduler::listedBlock() {
  if (PlanAttr plan = op.getPlanAttr())
    for (ComponentAttr component : plan.getComponents())
      if (attnc::walkKindOf(plan, component) == attnc::WalkKind::Blocks)
        return attnc::walkedAtom(plan, component).getParams()[0].value;
  return 0;
}

void Scheduler::alignWithLists(int64_t &panel) {
  int64_t block = listedBlock(), n = op.getQueryRows();
  if (block == 0 || asked.number("register_vectors"))
    return;
  int64_t vectors = attnc::vectorsForLists(
      block, lanes, registerVectors, ShapedType::isDynamic(n) ? INT64_MAX : n);
  bool isChanged = vectors != registerVectors;
  registerVectors = vectors;
  panel = lanes * vectors;
  queryTile = attnc::tileForLists(block, panel, kQueryTile);
  if (!isChanged)
    return;
  int64_t accumulators = options.vectorRegisters >= 32 ? 24 : 12;
  registerKeys =
      pick("register_keys", std::min<int64_t>(accumulators / vectors, 8));
  because("panels of {0} queries, tiles of {1}: they end where blocks of {2} "
          "do, whose rows share a list",
          panel, queryTile, block);
}

void Scheduler::chooseOrder() {
  PlanAttr plan = op.getPlanAttr();
  int64_t n = op.getQueryRows();
  bool isOneTile = !ShapedType::isDynamic(n) && n <= queryTile;
  int trend = plan && !isOneTile ? attnc::keysTrend(plan) : 0;
  if (trend > 0) {
    order = GridOrder::Down;
    because("tiles of a head from its last rows on: those keep the most "
            "keys, and begin first");
  }
  order = asked.order().value_or(order);
}

bool Scheduler::mayBeFew() {
  return micro == MicroKernel::Block && options.micro == "auto" &&
         !asked.micro() && ShapedType::isDynamic(op.getQueryRows());
}

int64_t Scheduler::fewHeads() {
  int64_t group = dependsOnHead() ? 1 : headGroup();
  int64_t heads = std::min<int64_t>(group, kRowKernelQueries);
  while (group % heads != 0)
    --heads;
  return heads;
}

LogicalResult Scheduler::chooseFew() {
  if (!mayBeFew() || queryTile <= kRowKernelQueries)
    return success();
  const int64_t sizes[] = {keyBlock, registerKeys, registerVectors};
  const Products blockProducts = products;
  const size_t reasons = why.size();
  micro = MicroKernel::Row;
  chooseProducts();
  chooseRowTile();
  few = ScheduleAttr::getChecked(
      [&] { return refuse() << "few: "; }, op.getContext(), micro,
      kRowKernelQueries, heads, keyBlock, lanes, registerKeys, registerVectors,
      q, k, v, products, order, /*strip=*/int64_t(1),
      /*split=*/int64_t(0), Attribute(), Attribute(), MmaAttr(), ArrayAttr());
  micro = MicroKernel::Block;
  products = blockProducts;
  std::tie(keyBlock, registerKeys, registerVectors) =
      std::tuple(sizes[0], sizes[1], sizes[2]);
  why.resize(reasons);
  because("a tile of up to {0} rows that exist takes the row micro-kernel, "
          "{1} at a time: batches mix sequences of one new query with long "
          "ones",
          kRowKernelQueries, countText(heads, "head"));
  return success(few != nullptr);
}

void Scheduler::chooseSplit() {
  split = asked.number("split").value_or(0);
  if (asked.number("split") || micro == MicroKernel::Block || strip != 1)
    return;
  // On a GPU rows are many wherever their number is not known to be small.
  int64_t n = op.getQueryRows();
  if (options.sm != 0 && (ShapedType::isDynamic(n) || n > attnc::kFewMmaRows))
    return;
  PlanAttr plan = op.getPlanAttr();
  auto bytesOf = [](RankedTensorType type) {
    return type.getShape().back() * type.getElementTypeBitWidth() / 8;
  };
  int64_t row = bytesOf(op.getKeyType()) + bytesOf(op.getValueType());
  row *= std::max<int64_t>(heads / headGroup(), 1);
  // A hundred multiprocessors want more of them than a few threads.
  int64_t bytes = options.sm != 0 ? kSplitBytes / 8 : kSplitBytes;
  int64_t wanted = std::clamp<int64_t>(llvm::PowerOf2Ceil(bytes / row),
                                       kFewestSplitKeys, kMostSplitKeys);
  wanted = llvm::alignTo(wanted, keyBlock);
  int64_t m = op.getKeyRows();
  if (!ShapedType::isDynamic(m) && m <= wanted)
    return;
  if (plan && !attnc::canSplit(plan))
    return because("keys of a row stay in one tile: its launches are chained "
                   "by states, or walk lists");
  if (op.getPageIndptr())
    return because("keys of a row stay in one tile: sequences share one table "
                   "of pages, any of them could have all");
  split = wanted;
  because("keys of a row in tiles of {0}, merged by one more launch: several "
          "threads share a row, and any number gives the same bits",
          split);
}

int64_t Scheduler::headGroup() {
  int64_t q = op.getQueryHeads(), k = op.getKeyHeads();
  if (ShapedType::isDynamic(q) || ShapedType::isDynamic(k) || k == 0)
    return 1;
  return q / k;
}

ScheduleAttr Scheduler::listSchedule(ScheduleAttr chosen) {
  attnc::ScheduleFields fields = asked.ofLists();
  auto pickOf = [&](StringRef field, int64_t value) {
    return fields.number(field).value_or(value);
  };
  return ScheduleAttr::getChecked(
      [&] { return refuse() << "lists: "; }, op.getContext(), chosen.getMicro(),
      chosen.getQueryTile(), pickOf("heads", chosen.getHeads()),
      pickOf("key_block", chosen.getKeyBlock()), chosen.getLanes(),
      pickOf("register_keys", chosen.getRegisterKeys()),
      pickOf("register_vectors", chosen.getRegisterVectors()), chosen.getQ(),
      chosen.getK(), chosen.getV(), chosen.getProducts(), chosen.getOrder(),
      /*strip=*/int64_t(1), /*split=*/int64_t(0), Attribute(), Attribute(),
      MmaAttr(), ArrayAttr());
}

ScheduleAttr Scheduler::scheduleLists() {
  int64_t group = dependsOnHead() || options.sm != 0 ? 1 : headGroup();
  while (group > 2 * kRowKernelQueries || headGroup() % group != 0)
    --group;
  // A key is read by every row that lists it.
  auto once = [](LoadMode mode) {
    return mode == LoadMode::Fuse ? LoadMode::Materialize : mode;
  };
  because("lists of keys: row micro-kernel, a query row of {0} at a time",
          countText(group, "head"));
  return listSchedule(ScheduleAttr::get(
      op.getContext(), MicroKernel::Row, 1, group, kKeyBlock, lanes, 1,
      rowAccumulators(), q, once(k), once(v), Products::Fma, GridOrder::Up,
      /*strip=*/int64_t(1), /*split=*/int64_t(0), Attribute(), Attribute(),
      MmaAttr(), ArrayAttr()));
}
