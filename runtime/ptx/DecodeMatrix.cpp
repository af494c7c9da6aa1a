// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrices: ldmatrix, stmatrix, mma.sync and wgmma.

#include "Decoder.h"
#include "Execute.h"

#include <cstdio>

using namespace attnc::ptx;

static unsigned takeMatrices(Reader &r) {
  int number = r.takeOneOf({"x1", "x2", "x4"});
  if (number < 0)
    r.fail(".x1, .x2 or .x4 expected");
  return 1u << number;
}

static void takeShared(Reader &r) {
  if (r.takeOneOf({"shared", "shared::cta"}) < 0)
    r.fail(".shared expected");
}

static void matrixModifiers(Reader &r, unsigned sm) {
  r.needTarget(sm);
  r.require("sync");
  r.require("aligned");
  r.require("m8n8");
  r.inst.count = static_cast<uint8_t>(takeMatrices(r));
  r.inst.transpose = r.take("trans");
  takeShared(r);
  r.require("b16");
  r.inst.space = Space::Shared;
}

static std::vector<Slot> registers(Reader &r, const Operand &operand,
                                   size_t count, Type type, bool results) {
  std::vector<Operand> elements = r.vector(operand);
  if (elements.size() != count)
    r.fail(format("%zu registers expected, not %zu", count, elements.size()));
  std::vector<Slot> slots;
  for (const Operand &element : elements)
    slots.push_back(results ? r.destination(type, element)
                            : r.source(type, element));
  return slots;
}

static void decodeLdmatrix(Reader &r) {
  matrixModifiers(r, 75);
  r.inst.run = runLdmatrix;
  r.inst.list = r.addSlots(
      registers(r, r.operand(), r.inst.count, Type::B32, /*results=*/true));
  r.addressOperand(Space::Shared);
  r.finish();
}

static void decodeStmatrix(Reader &r) {
  matrixModifiers(r, 90);
  r.inst.run = runStmatrix;
  r.addressOperand(Space::Shared);
  r.inst.list = r.addSlots(
      registers(r, r.operand(), r.inst.count, Type::B32, /*results=*/false));
  r.finish();
}

static void decodeMovmatrix(Reader &r) {
  r.fail("not supported; use shfl or ldmatrix.trans");
}

namespace {
struct MmaShape {
  unsigned m, n, k;
};
} // namespace

static MmaShape parseShape(Reader &r) {
  MmaShape shape{};
  std::string text(r.peek().substr(0, 20));
  int end = 0;
  if (sscanf(text.c_str(), "m%3un%3uk%3u%n", &shape.m, &shape.n, &shape.k,
             &end) != 3 ||
      static_cast<size_t>(end) != text.size())
    r.fail("a shape expected");
  r.take(r.peek());
  return shape;
}

static Type takeMmaType(Reader &r) {
  Type type = r.type();
  return type;
}

static bool isMmaInput(Type type) {
  return type == Type::F16 || type == Type::BF16 || type == Type::TF32 ||
         type == Type::S8 || type == Type::U8 || type == Type::E4M3 ||
         type == Type::E5M2;
}

static void decodeMma(Reader &r) {
  r.require("sync");
  r.require("aligned");
  MmaShape shape = parseShape(r);
  r.require("row");
  r.require("col");
  bool satFinite = r.take("satfinite");
  Type d = takeMmaType(r), a = takeMmaType(r), b = takeMmaType(r),
       c = takeMmaType(r);
  bool whole = a == Type::S8 || a == Type::U8;
  bool small = a == Type::E4M3 || a == Type::E5M2;
  bool sameInput = a == b || (whole && (b == Type::S8 || b == Type::U8)) ||
                   (small && (b == Type::E4M3 || b == Type::E5M2));
  bool results =
      d == c && (whole ? d == Type::S32
                       : d == Type::F32 || (d == Type::F16 && a == Type::F16));
  unsigned bytes = a == Type::TF32 ? 4 : bytesOf(a);
  // Rows of 16 or 32 bytes along k.
  bool fits = shape.m == 16 && shape.n == 8 && bytes &&
              (shape.k * bytes == 16 || shape.k * bytes == 32);
  if (!isMmaInput(a) || !sameInput || !results || !fits ||
      (satFinite && !whole))
    r.fail("this combination of shape and types is not supported");
  r.needTarget(small ? 89 : 80);
  r.inst.op = Op::Other;
  r.inst.type = a;
  r.inst.type2 = d;
  r.inst.mode = static_cast<uint8_t>(b);
  r.inst.count = static_cast<uint8_t>(shape.k);
  r.inst.saturate = satFinite;
  r.inst.extra = true; // tells selectMatrix that this is an mma
  size_t perRow = shape.k * bytes / 16;
  size_t accumulators = d == Type::F16 ? 2 : 4;
  std::vector<Slot> slots =
      registers(r, r.operand(), accumulators, Type::B32, true);
  for (size_t count : {perRow * 2, perRow, accumulators}) {
    std::vector<Slot> more = registers(r, r.operand(), count, Type::B32, false);
    slots.insert(slots.end(), more.begin(), more.end());
  }
  r.inst.list = r.addSlots(slots);
  r.finish();
}

/// wgmma.mma_async: SS or RS by the second operand.
static void decodeWgmmaMma(Reader &r) {
  r.require("sync");
  r.require("aligned");
  MmaShape shape = parseShape(r);
  bool satFinite = r.take("satfinite");
  Type d = takeMmaType(r), a = takeMmaType(r), b = takeMmaType(r);
  bool whole = a == Type::S8 || a == Type::U8;
  bool small = a == Type::E4M3 || a == Type::E5M2;
  bool sameInput = a == b || (whole && (b == Type::S8 || b == Type::U8)) ||
                   (small && (b == Type::E4M3 || b == Type::E5M2));
  bool results =
      whole ? d == Type::S32
            : d == Type::F32 || (d == Type::F16 && (a == Type::F16 || small));
  unsigned bytes = a == Type::TF32 ? 4 : bytesOf(a);
  if (!isMmaInput(a) || !sameInput || !results || shape.m != 64 ||
      shape.n % 8 || !shape.n || shape.n > 256 || shape.k * bytes != 32 ||
      (satFinite && !whole))
    r.fail("this combination of shape and types is not supported");
  r.inst.run = runWgmma;
  r.inst.type = a;
  r.inst.type2 = d;
  r.inst.mode = static_cast<uint8_t>(b);
  r.inst.count = static_cast<uint8_t>(shape.n / 8);
  r.inst.saturate = satFinite;
  size_t accumulators = d == Type::F16 ? shape.n / 4 : shape.n / 2;
  std::vector<Slot> slots =
      registers(r, r.operand(), accumulators, Type::B32, true);
  const Operand &left = r.operand();
  r.inst.extra = left.kind == Operand::Vector; // RS
  std::vector<Slot> aSlots = r.inst.extra
                                 ? registers(r, left, 4, Type::B32, false)
                                 : std::vector<Slot>{r.source(Type::B64, left)};
  slots.insert(slots.end(), aSlots.begin(), aSlots.end());
  r.inst.list = r.addSlots(slots);
  r.inst.b = r.source(Type::B64).at;
  // Scale of D: a predicate or a constant.
  r.inst.c = r.predicate(r.inst.negate);
  // imm: bit 0 negates A, bit 1 negates B, bit 2 transposes A, bit 3 B.
  int64_t flags = 0;
  if (!whole) {
    for (int bit = 0; bit < 2; ++bit) {
      int64_t scale = r.integer(-1, 1, "a scale");
      if (!scale)
        r.fail("a scale is 1 or -1");
      flags |= (scale < 0) << bit;
    }
    if (a == Type::F16 || a == Type::BF16) {
      if (!r.inst.extra)
        flags |= r.integer(0, 1, "a transposition") << 2;
      flags |= r.integer(0, 1, "a transposition") << 3;
    }
  }
  r.inst.imm = flags;
  r.finish();
}

static void decodeWgmma(Reader &r) {
  r.needTarget(90);
  int which = r.takeOneOf({"mma_async", "fence", "commit_group", "wait_group"});
  if (which == 0)
    return decodeWgmmaMma(r);
  if (which < 0)
    r.fail("an operation expected");
  r.require("sync");
  r.require("aligned");
  static const Handler handlers[] = {runWgmma, runWgmmaFence, runWgmmaCommit,
                                     runWgmmaWait};
  r.inst.run = handlers[which];
  if (which == 3)
    r.inst.imm = r.integer(0, 7, "the number of groups");
  r.finish();
}

void attnc::ptx::addMatrixDecoders(DecodeTable &table) {
  table["ldmatrix"] = decodeLdmatrix;
  table["stmatrix"] = decodeStmatrix;
  table["movmatrix"] = decodeMovmatrix;
  table["mma"] = decodeMma;
  table["wgmma"] = decodeWgmma;
}
