// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Candidates of attnc tune.

#include "tools/attnc/TuneSearch.h"
#include "llvm/ADT/StringExtras.h"

#include <algorithm>

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

namespace {
class Coordinates {
public:
  Coordinates(AttentionOp op, const ScheduleFields &best, int64_t queryRows,
              const MachineModel &machine)
      : op(op), schedule(op.getScheduleAttr()), best(best),
        queryRows(queryRows), machine(machine) {}

  std::vector<TuneCoordinate> run() {
    if (schedule.getMicro() == MicroKernel::Block)
      block();
    else
      row();
    if (schedule.getLists())
      lists();
    loads();
    microKernel();
    llvm::erase_if(result, [](const TuneCoordinate &coordinate) {
      return coordinate.candidates.empty();
    });
    return std::move(result);
  }

private:
  AttentionOp op;
  ScheduleAttr schedule;
  const ScheduleFields &best;
  int64_t queryRows;
  const MachineModel &machine;
  std::vector<TuneCoordinate> result;

  void begin(const char *name) { result.push_back({name, {}}); }
  void add(ScheduleFields fields) {
    if (fields.text() != best.text())
      result.back().candidates.push_back(std::move(fields));
  }
  /// One field with each of these values but the present one.
  void vary(const std::string &field, int64_t present,
            ArrayRef<int64_t> values) {
    begin(field.c_str());
    for (int64_t value : values) {
      if (value == present)
        continue;
      ScheduleFields fields = best;
      fields.set(field, Twine(value));
      add(fields);
    }
  }

  /// Divisors of the query heads of a key head, few enough for one tile.
  SmallVector<int64_t> headTiles() {
    int64_t q = op.getQueryHeads(), k = op.getKeyHeads();
    if (ShapedType::isDynamic(q) || ShapedType::isDynamic(k) || k == 0)
      return {1};
    SmallVector<int64_t> tiles;
    for (int64_t tile = 1; tile <= std::min<int64_t>(q / k, 32); ++tile)
      if (q / k % tile == 0)
        tiles.push_back(tile);
    return tiles;
  }

  void registerTiles(const std::string &prefix, ScheduleAttr present,
                     ArrayRef<std::pair<int64_t, int64_t>> tiles) {
    begin("register tile");
    for (auto [keys, vectors] : tiles) {
      if (keys == present.getRegisterKeys() &&
          vectors == present.getRegisterVectors())
        continue;
      ScheduleFields fields = best;
      fields.set(prefix + "register_keys", Twine(keys));
      fields.set(prefix + "register_vectors", Twine(vectors));
      if (present.getMicro() == MicroKernel::Block) {
        // The nearest tile that whole panels make.
        int64_t panel = vectors * present.getLanes();
        int64_t panels =
            std::max<int64_t>(1, (present.getQueryTile() + panel / 2) / panel);
        fields.set("query_tile", Twine(panels * panel));
      }
      add(fields);
    }
  }

  void block() {
    using Tiles = SmallVector<std::pair<int64_t, int64_t>>;
    int64_t panel = schedule.getLanes() * schedule.getRegisterVectors();
    SmallVector<int64_t> tiles;
    for (int64_t panels : {1, 2, 3, 4, 6, 8, 12})
      if (panels * panel <= 384)
        tiles.push_back(panels * panel);
    vary("query_tile", schedule.getQueryTile(), tiles);
    vary("key_block", schedule.getKeyBlock(),
         {32, 48, 64, 96, 128, 192, 256, 384, 512});
    registerTiles(
        "", schedule,
        machine.vectorRegisters >= 32
            ? Tiles{{8, 3},
                    {6, 4},
                    {4, 6},
                    {12, 2},
                    {8, 2},
                    {6, 3},
                    {4, 4},
                    {4, 3},
                    {8, 1}}
            : Tiles{{4, 3}, {3, 4}, {6, 2}, {5, 2}, {4, 2}, {2, 3}, {8, 1}});
    order();
  }

  void row() {
    vary("heads", schedule.getHeads(), headTiles());
    SmallVector<int64_t> tiles;
    for (int64_t tile : {1, 2, 4, 8, 16})
      if (tile == 1 || tile / 2 < queryRows)
        tiles.push_back(tile);
    vary("query_tile", schedule.getQueryTile(), tiles);
    vary("key_block", schedule.getKeyBlock(),
         {8, 16, 32, 64, 128, 256, 512, 1024});
    registerTiles("", schedule, rowTiles());
    order();
  }

  static ArrayRef<std::pair<int64_t, int64_t>> rowTiles() {
    static const std::pair<int64_t, int64_t> tiles[] = {
        {1, 1}, {1, 2}, {2, 1}, {2, 2}, {2, 4}, {4, 1}, {4, 2}, {8, 1}};
    return tiles;
  }

  void lists() {
    ScheduleAttr own = schedule.getListSchedule();
    vary("lists.heads", own.getHeads(), headTiles());
    vary("lists.key_block", own.getKeyBlock(), {16, 32, 64, 128, 256, 512});
    registerTiles("lists.", own, rowTiles());
  }

  void order() {
    begin("order");
    for (GridOrder order : {GridOrder::Up, GridOrder::Down, GridOrder::UpAcross,
                            GridOrder::DownAcross}) {
      if (order == schedule.getOrder())
        continue;
      ScheduleFields fields = best;
      fields.set("order", stringifyGridOrder(order));
      add(fields);
    }
  }

  /// Producers fused or materialized.
  void loads() {
    begin("loads");
    for (auto [name, mode] : {std::pair("q", schedule.getQ()),
                              {"k", schedule.getK()},
                              {"v", schedule.getV()}}) {
      if (mode == LoadMode::Direct)
        continue;
      ScheduleFields fields = best;
      fields.set(name, mode == LoadMode::Fuse ? "materialize" : "fuse");
      add(fields);
    }
  }

  /// The other micro-kernel, where queries are few enough for it to matter. It
  /// has other tiles.
  void microKernel() {
    constexpr int64_t fewRows = 64;
    if (queryRows > fewRows)
      return;
    begin("micro");
    ScheduleFields fields = best;
    for (const char *field : {"query_tile", "heads", "key_block",
                              "register_keys", "register_vectors"})
      fields.erase(field);
    fields.set("micro",
               schedule.getMicro() == MicroKernel::Block ? "row" : "block");
    add(fields);
  }
};
} // namespace

std::vector<TuneCoordinate>
attnc::tuneCoordinates(AttentionOp op, const ScheduleFields &best,
                       int64_t queryRows, const MachineModel &machine) {
  return Coordinates(op, best, queryRows, machine).run();
}
