// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn-schedule: the only home of heuristics. Every choice becomes a field of
// #attn.schedule and a sentence in its `why`. Fields that are asked for steer
// the choice of the others.

#include "dialect/Attn.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/Pass.h"
#include "passes/LaunchGroups.h"
#include "passes/Passes.h"
#include "passes/PlanTrend.h"
#include "passes/PlanWalk.h"
#include "passes/RowProducers.h"
#include "passes/ScheduleFields.h"
#include "passes/ScheduleTiles.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

namespace attnc {
#define GEN_PASS_DEF_SCHEDULEPASS
#include "passes/Passes.h.inc"
} // namespace attnc

using namespace mlir;
using namespace mlir::attn;

namespace {
/// Query rows times heads up to which lanes along the head size win: fewer
/// queries than that leave most lanes of the block micro-kernel idle.
constexpr int64_t kRowKernelQueries = 8;
constexpr int64_t kQueryTile = 96;
constexpr int64_t kKeyBlock = 128;
/// Keys of a block of the row micro-kernel, and the bytes of keys and values
/// that it should have.
constexpr int64_t kFewestKeys = 8, kMostKeys = 64, kRowBlockBytes = 8 << 10;
/// Keys that a split has, and the bytes of keys and values that it should have:
/// some ten microseconds of reading.
constexpr int64_t kFewestSplitKeys = 256, kMostSplitKeys = 8192,
                  kSplitBytes = 2 << 20;

/// "1 producer", "2 producers".
std::string countText(int64_t count, StringRef noun) {
  return llvm::formatv("{0} {1}{2}", count, noun, count == 1 ? "" : "s").str();
}

class Scheduler {
public:
  Scheduler(AttentionOp op, const attnc::SchedulePassOptions &options,
            const attnc::ScheduleFields &asked)
      : op(op), options(options), asked(asked), b(op.getContext()) {}

  LogicalResult run() {
    if (ScheduleAttr written = op.getScheduleAttr())
      return keep(written);
    lanes = pick("lanes",
                 std::max<int64_t>(options.vectorBytes /
                                       (op.getComputeType().getWidth() / 8),
                                   1));
    if (failed(chooseMicroKernel()))
      return failure();
    chooseProducts();
    chooseTiles();
    chooseStrip();
    chooseOrder();
    chooseSplit();
    if (failed(chooseLoads()))
      return failure();
    if (failed(chooseFew()))
      return failure();
    explainAsked();
    return attach();
  }

private:
  AttentionOp op;
  const attnc::SchedulePassOptions &options;
  const attnc::ScheduleFields &asked;
  Builder b;
  SmallVector<std::string> why;
  MicroKernel micro = MicroKernel::Block;
  Products products = Products::Fma;
  int64_t lanes = 0, heads = 1, queryTile = 0, keyBlock = 0;
  int64_t registerKeys = 0, registerVectors = 0;
  LoadMode q = LoadMode::Direct, k = LoadMode::Direct, v = LoadMode::Direct;
  GridOrder order = GridOrder::Up;
  int64_t strip = 1, split = 0;
  ScheduleAttr lists, few;

  SmallVector<StringRef> whyRefs() {
    return SmallVector<StringRef>(why.begin(), why.end());
  }
  template <typename... Args>
  void because(const char *format, Args &&...args) {
    why.push_back(llvm::formatv(format, std::forward<Args>(args)...).str());
  }

  /// What is asked for, or else what is chosen.
  int64_t pick(StringRef field, int64_t chosen) const {
    return asked.number(field).value_or(chosen);
  }
  void explainAsked() {
    if (!asked.empty())
      because("{0}: {1}", asked.text(), options.fieldsFrom);
  }

  /// A written schedule stays, but for the fields that are asked for.
  LogicalResult keep(ScheduleAttr written) {
    if (asked.empty())
      return check(written);
    micro = asked.micro().value_or(written.getMicro());
    queryTile = pick("query_tile", written.getQueryTile());
    heads = pick("heads", written.getHeads());
    keyBlock = pick("key_block", written.getKeyBlock());
    lanes = pick("lanes", written.getLanes());
    registerKeys = pick("register_keys", written.getRegisterKeys());
    registerVectors = pick("register_vectors", written.getRegisterVectors());
    q = asked.load("q").value_or(written.getQ());
    k = asked.load("k").value_or(written.getK());
    v = asked.load("v").value_or(written.getV());
    products = asked.products().value_or(written.getProducts());
    order = asked.order().value_or(written.getOrder());
    strip = pick("strip", written.getStrip());
    split = pick("split", written.getSplit());
    if (written.getLists())
      lists = listSchedule(written.getListSchedule());
    few = written.getFewSchedule();
    if (written.getWhy())
      for (auto reason : written.getWhy().getAsRange<StringAttr>())
        why.push_back(reason.str());
    explainAsked();
    return attach();
  }

  InFlightDiagnostic refuse() {
    InFlightDiagnostic error = op.emitError("attn-schedule: ");
    if (!asked.empty())
      error.attachNote() << options.fieldsFrom << ": " << asked.text();
    return error;
  }

  LogicalResult attach() {
    ScheduleAttr schedule = ScheduleAttr::getChecked(
        [&] { return refuse(); }, op.getContext(), micro, queryTile, heads,
        keyBlock, lanes, registerKeys, registerVectors, q, k, v, products,
        order, strip, split, Attribute(lists), Attribute(few),
        b.getStrArrayAttr(whyRefs()));
    if (!schedule || failed(check(schedule)))
      return failure();
    op.setScheduleAttr(schedule);
    return mlir::verify(op);
  }

  /// What of a schedule depends on the plan and on what computes q, k and v;
  /// the verifiers know the rest.
  LogicalResult check(ScheduleAttr schedule) {
    PlanAttr plan = op.getPlanAttr();
    bool hasLists = plan && attnc::hasLists(plan);
    if (!hasLists && !asked.ofLists().empty())
      return refuse()
             << "there is no list of keys that 'lists.' could be about";
    ScheduleAttr ofLists = schedule.getListSchedule();
    if (hasLists &&
        (ofLists.getMicro() != MicroKernel::Row || ofLists.getQueryTile() != 1))
      return refuse() << "lists of keys need a schedule of their own: lists = "
                         "#attn.schedule<micro = row, query_tile = 1, ...>";
    if ((schedule.getHeads() != 1 || (hasLists && ofLists.getHeads() != 1)) &&
        dependsOnHead())
      return refuse() << "heads must be 1: keys of a row depend on its head";
    if (schedule.getProducts() == Products::DotBf16 && !fitsBf16Dot())
      return refuse() << "products must be fma: dot_bf16 takes q, k and v of "
                         "bf16, and a machine that has it";
    for (auto [name, value, mode] :
         {std::tuple("q", op.getQuery(), schedule.getQ()),
          std::tuple("k", op.getKey(), schedule.getK()),
          std::tuple("v", op.getValue(), schedule.getV())}) {
      bool computed = !attnc::analyzeRowProducers(value).chain.empty();
      if (computed == (mode == LoadMode::Direct))
        return refuse() << name << " must be "
                        << (computed ? "fuse or materialize: producers compute "
                                       "it"
                                     : "direct: nothing computes it")
                        << ", got " << stringifyLoadMode(mode);
    }
    return success();
  }

  bool fitsBf16Dot() {
    return options.bf16Dot &&
           llvm::all_of(ValueRange{op.getQuery(), op.getKey(), op.getValue()},
                        [](Value x) {
                          return cast<RankedTensorType>(x.getType())
                              .getElementType()
                              .isBF16();
                        });
  }

  /// Query heads of one key head, or 1 where that is unknown.
  int64_t headGroup() {
    int64_t q = op.getQueryHeads(), k = op.getKeyHeads();
    if (ShapedType::isDynamic(q) || ShapedType::isDynamic(k) || k == 0)
      return 1;
    return q / k;
  }

  /// Whether bounds of the plan, or a list it walks, depend on the query head:
  /// then each head is a tile of its own.
  bool dependsOnHead() {
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

  /// The schedule of lists with the fields that are asked for.
  ScheduleAttr listSchedule(ScheduleAttr chosen) {
    attnc::ScheduleFields fields = asked.ofLists();
    auto pickOf = [&](StringRef field, int64_t value) {
      return fields.number(field).value_or(value);
    };
    return ScheduleAttr::getChecked(
        [&] { return refuse() << "lists: "; }, op.getContext(),
        chosen.getMicro(), chosen.getQueryTile(),
        pickOf("heads", chosen.getHeads()),
        pickOf("key_block", chosen.getKeyBlock()), chosen.getLanes(),
        pickOf("register_keys", chosen.getRegisterKeys()),
        pickOf("register_vectors", chosen.getRegisterVectors()), chosen.getQ(),
        chosen.getK(), chosen.getV(), chosen.getProducts(), chosen.getOrder(),
        /*strip=*/int64_t(1), /*split=*/int64_t(0), Attribute(), Attribute(),
        ArrayAttr());
  }

  /// Lists are of one row: query heads that share keys share its list.
  ScheduleAttr scheduleLists() {
    int64_t group = dependsOnHead() ? 1 : headGroup();
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
        ArrayAttr()));
  }

  LogicalResult chooseMicroKernel() {
    int64_t n = op.getQueryRows(), group = headGroup();
    if (asked.micro()) {
      micro = *asked.micro();
    } else if (options.micro == "block" || options.micro == "row") {
      micro = options.micro == "row" ? MicroKernel::Row : MicroKernel::Block;
      because("micro-kernel {0}: asked for", options.micro);
    } else if (options.micro != "auto") {
      return op.emitError("attn-schedule: micro must be auto, block or row, "
                          "got '")
             << options.micro << "'";
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
      int64_t rows = pick("query_tile",
                          ShapedType::isDynamic(n)
                              ? 1
                              : std::clamp<int64_t>(n, 1, kRowKernelQueries));
      if (dependsOnHead())
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

  /// Half types are multiplied as they are, or converted into the first-level
  /// cache once a key block.
  void chooseProducts() {
    auto elementOf = [](Value x) {
      return cast<RankedTensorType>(x.getType()).getElementType();
    };
    Type type = elementOf(op.getKey());
    if (std::optional<Products> wanted = asked.products()) {
      products = *wanted;
      return;
    }
    if (!(type.isBF16() || type.isF16()))
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

  /// Vectors that a row of values is summed into, or that hold queries.
  int64_t rowAccumulators() const {
    return options.vectorRegisters >= 32 ? 16 : 8;
  }

  /// Keys and values are read row by row, and a block of both stays in half of
  /// the first-level cache for the other groups of queries.
  void chooseRowTile() {
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

  void chooseTiles() {
    if (micro == MicroKernel::Row) {
      chooseRowTile();
      registerKeys = pick("register_keys", registerKeys);
      registerVectors = pick("register_vectors", registerVectors);
      keyBlock = pick("key_block", keyBlock);
      return;
    }
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

  /// Accumulators fill the register file but for the operands in flight.
  void chooseBlockTile() {
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

  /// Windows and chunks on a grid keep few columns of each grid row: queries
  /// that share most of them lie in few columns, too.
  void chooseStrip() {
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

  /// Positions of a block of the list of key blocks that the plan walks; 0:
  /// there is none, or only a launch knows.
  int64_t listedBlock() {
    if (PlanAttr plan = op.getPlanAttr())
      for (ComponentAttr component : plan.getComponents())
        if (attnc::walkKindOf(plan, component) == attnc::WalkKind::Blocks)
          return attnc::walkedAtom(plan, component).getParams()[0].value;
    return 0;
  }

  /// A panel that several lists share computes the keys of each for all its
  /// rows: panels, and tiles, end where lists do.
  void alignWithLists(int64_t &panel) {
    int64_t block = listedBlock(), n = op.getQueryRows();
    if (block == 0 || asked.number("register_vectors"))
      return;
    int64_t vectors =
        attnc::vectorsForLists(block, lanes, registerVectors,
                               ShapedType::isDynamic(n) ? INT64_MAX : n);
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

  /// Threads take tiles one by one: the longest go first, so that none of them
  /// is left when the others have ended.
  void chooseOrder() {
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

  /// Whether some tiles may turn out to have few rows that exist: the number of
  /// rows is a run-time one.
  bool mayBeFew() {
    return micro == MicroKernel::Block && options.micro == "auto" &&
           !asked.micro() && ShapedType::isDynamic(op.getQueryRows());
  }
  /// Query heads that share each key and value row in such tiles.
  int64_t fewHeads() {
    int64_t group = dependsOnHead() ? 1 : headGroup();
    int64_t heads = std::min<int64_t>(group, kRowKernelQueries);
    while (group % heads != 0)
      --heads;
    return heads;
  }

  /// A batch may have sequences of one new query beside long ones.
  LogicalResult chooseFew() {
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
        kRowKernelQueries, heads, keyBlock, lanes, registerKeys,
        registerVectors, q, k, v, products, order, /*strip=*/int64_t(1),
        /*split=*/int64_t(0), Attribute(), Attribute(), ArrayAttr());
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

  /// Few queries make few tiles, and their keys keep several threads busy. A
  /// constant, so that splits depend on the key rows alone.
  void chooseSplit() {
    split = asked.number("split").value_or(0);
    if (asked.number("split") || micro != MicroKernel::Row || strip != 1)
      return;
    PlanAttr plan = op.getPlanAttr();
    auto bytesOf = [](RankedTensorType type) {
      return type.getShape().back() * type.getElementTypeBitWidth() / 8;
    };
    int64_t row = bytesOf(op.getKeyType()) + bytesOf(op.getValueType());
    row *= std::max<int64_t>(heads / headGroup(), 1);
    int64_t wanted = std::clamp<int64_t>(llvm::PowerOf2Ceil(kSplitBytes / row),
                                         kFewestSplitKeys, kMostSplitKeys);
    wanted = llvm::alignTo(wanted, keyBlock);
    int64_t m = op.getKeyRows();
    if (!ShapedType::isDynamic(m) && m <= wanted)
      return;
    if (plan && !attnc::canSplit(plan))
      return because("keys of a row stay in one tile: its launches are chained "
                     "by states, or walk lists");
    if (op.getPageIndptr())
      return because(
          "keys of a row stay in one tile: sequences share one table "
          "of pages, any of them could have all");
    split = wanted;
    because("keys of a row in tiles of {0}, merged by one more launch: several "
            "threads share a row, and any number gives the same bits",
            split);
  }

  LogicalResult chooseLoads() {
    for (auto [name, value, mode] :
         {std::tuple("q", op.getQuery(), &q), std::tuple("k", op.getKey(), &k),
          std::tuple("v", op.getValue(), &v)}) {
      FailureOr<LoadMode> chosen = chooseLoad(value, name);
      if (failed(chosen))
        return failure();
      *mode = *chosen;
    }
    if (PlanAttr plan = op.getPlanAttr(); plan && attnc::hasLists(plan)) {
      lists = scheduleLists();
      return success(lists != nullptr);
    }
    return success();
  }

  /// direct, fuse or materialize for one of q, k, v.
  FailureOr<LoadMode> chooseLoad(Value value, StringRef name) {
    attnc::RowProducers producers = attnc::analyzeRowProducers(value);
    if (producers.offender) {
      producers.offender->emitError("is not row-local work in front of "
                                    "attention and is not compiled yet");
      return failure();
    }
    if (std::optional<LoadMode> mode = asked.load(name))
      return *mode;
    if (producers.chain.empty())
      return LoadMode::Direct;
    if (options.producers == "fuse" || options.producers == "materialize") {
      because("{0}: producers {1}d: asked for", name, options.producers);
      return options.producers == "fuse" ? LoadMode::Fuse
                                         : LoadMode::Materialize;
    }
    std::string chain = countText(producers.chain.size(), "producer");
    std::string operations = countText(producers.scalarOps, "operation");
    if (op.getPages() && value != op.getQuery()) {
      because("{0}: {1} fused into the loader: of the pool of pages only those "
              "of the table are read",
              name, chain);
      return LoadMode::Fuse;
    }
    if (value == op.getQuery()) {
      because("{0}: {1} fused into the loader: each query row is loaded once",
              name, chain);
      return LoadMode::Fuse;
    }
    int64_t loads = loadsOfKeyRow();
    if (loads == 1) {
      because("{0}: {1} fused into the loader: one query tile reads each row "
              "once",
              name, chain);
      return LoadMode::Fuse;
    }
    if (!producers.mixesRow && producers.scalarOps <= 4) {
      because("{0}: {1} fused into the loader: {2} an element {3} less than a "
              "second buffer",
              name, chain, operations,
              producers.scalarOps == 1 ? "costs" : "cost");
      return LoadMode::Fuse;
    }
    because("{0}: {1} materialized once in O(m d): {2} would recompute {3} an "
            "element",
            name, chain,
            loads < 0 ? std::string("every query tile")
                      : "each of " + countText(loads, "query tile"),
            operations);
    return LoadMode::Materialize;
  }

  /// How often a fused loader computes each key row; -1 when unknown.
  int64_t loadsOfKeyRow() {
    int64_t n = op.getQueryRows();
    if (ShapedType::isDynamic(n) || ShapedType::isDynamic(op.getQueryHeads()) ||
        ShapedType::isDynamic(op.getKeyHeads()))
      return -1;
    return llvm::divideCeil(n, queryTile) *
           std::max<int64_t>(headGroup() / heads, 1);
  }
};

struct SchedulePass : public attnc::impl::SchedulePassBase<SchedulePass> {
  using SchedulePassBase::SchedulePassBase;

  void runOnOperation() override {
    attnc::SchedulePassOptions options;
    options.vectorBytes = vectorBytes;
    options.vectorRegisters = vectorRegisters;
    options.bf16Dot = bf16Dot;
    options.micro = micro;
    options.producers = producers;
    options.fieldsFrom = fieldsFrom;
    llvm::Expected<attnc::ScheduleFields> asked =
        attnc::ScheduleFields::parse(fields);
    if (!asked) {
      getOperation().emitError("attn-schedule: ")
          << llvm::toString(asked.takeError());
      return signalPassFailure();
    }
    WalkResult walk = getOperation()->walk([&](AttentionOp op) {
      return failed(Scheduler(op, options, *asked).run())
                 ? WalkResult::interrupt()
                 : WalkResult::advance();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }
};
} // namespace
