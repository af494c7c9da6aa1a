// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fields of a schedule as text.

#include "passes/ScheduleFields.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

namespace {
enum class Kind { Number, Count, Micro, Load, Products, Order };

struct Field {
  StringRef name;
  Kind kind;
  bool inLists; // a schedule of lists may differ in it
};

// In the attribute's order.
const Field kFields[] = {
    {"micro", Kind::Micro, false},
    {"query_tile", Kind::Number, false},
    {"heads", Kind::Number, true},
    {"key_block", Kind::Number, true},
    {"lanes", Kind::Number, false},
    {"register_keys", Kind::Number, true},
    {"register_vectors", Kind::Number, true},
    {"q", Kind::Load, false},
    {"k", Kind::Load, false},
    {"v", Kind::Load, false},
    {"products", Kind::Products, false},
    {"order", Kind::Order, false},
    {"strip", Kind::Number, false},
    {"split", Kind::Count, false},
};

constexpr llvm::StringLiteral kLists("lists.");
/// More than any field may be, and small enough to reckon with.
constexpr int64_t kLargest = 65536;

/// The field's place, those of lists last; nothing for an unknown name.
std::optional<size_t> rankOf(StringRef name, const Field *&field) {
  bool ofLists = name.consume_front(kLists);
  for (auto [number, known] : llvm::enumerate(kFields))
    if (known.name == name && (!ofLists || known.inLists)) {
      field = &known;
      return number + (ofLists ? std::size(kFields) : 0);
    }
  return std::nullopt;
}

std::string knownNames() {
  std::string names;
  for (const Field &field : kFields)
    names += (names.empty() ? "" : ", ") + field.name.str();
  for (const Field &field : kFields)
    if (field.inLists)
      names += (", " + kLists + field.name).str();
  return names;
}

/// What may stand there, if `value` may not.
std::optional<StringRef> wanted(Kind kind, StringRef value) {
  int64_t number;
  switch (kind) {
  case Kind::Number:
    if (value.getAsInteger(10, number) || number < 1 || number > kLargest)
      return "a whole number from 1 to 65536";
    return std::nullopt;
  case Kind::Count:
    if (value.getAsInteger(10, number) || number < 0 || number > kLargest)
      return "a whole number up to 65536, 0 for none";
    return std::nullopt;
  case Kind::Micro:
    if (!symbolizeMicroKernel(value))
      return "block or row";
    return std::nullopt;
  case Kind::Load:
    if (!symbolizeLoadMode(value))
      return "direct, fuse or materialize";
    return std::nullopt;
  case Kind::Products:
    if (!symbolizeProducts(value))
      return "fma or dot_bf16";
    return std::nullopt;
  case Kind::Order:
    if (!symbolizeGridOrder(value))
      return "up, down, up_across or down_across";
    return std::nullopt;
  }
  llvm_unreachable("all kinds are listed");
}
} // namespace

llvm::Expected<ScheduleFields> ScheduleFields::parse(StringRef text) {
  ScheduleFields result;
  if (text.trim().empty())
    return result;
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  for (StringRef part : parts) {
    auto [left, right] = part.split('=');
    std::string name = left.trim().str(), value = right.trim().str();
    const Field *field = nullptr;
    std::optional<size_t> rank = rankOf(name, field);
    if (!rank)
      return llvm::createStringError(
          "'" + part.trim() +
          "' sets no field of a schedule; 'FIELD = "
          "VALUE, ...' is expected, with the fields " +
          knownNames());
    if (std::optional<StringRef> expected = wanted(field->kind, value))
      return llvm::createStringError("'" + name + "' is " + *expected +
                                     ", got '" + value + "'");
    if (result.find(name))
      return llvm::createStringError("'" + name + "' is set more than once");
    result.insert({*rank, name, value});
  }
  return result;
}

void ScheduleFields::insert(Entry entry) {
  auto at = llvm::find_if(
      entries, [&](const Entry &other) { return other.rank >= entry.rank; });
  entries.insert(at, std::move(entry));
}

void ScheduleFields::set(StringRef name, const Twine &value) {
  const Field *field = nullptr;
  std::optional<size_t> rank = rankOf(name, field);
  assert(rank && !wanted(field->kind, value.str()) && "no such field or value");
  erase(name);
  insert({*rank, name.str(), value.str()});
}

void ScheduleFields::erase(StringRef name) {
  llvm::erase_if(entries, [&](const Entry &e) { return e.name == name; });
}

const std::string *ScheduleFields::find(StringRef field) const {
  for (const Entry &entry : entries)
    if (entry.name == field)
      return &entry.value;
  return nullptr;
}

std::optional<int64_t> ScheduleFields::number(StringRef field) const {
  const std::string *value = find(field);
  int64_t result;
  if (!value || StringRef(*value).getAsInteger(10, result))
    return std::nullopt;
  return result;
}

std::optional<MicroKernel> ScheduleFields::micro() const {
  const std::string *value = find("micro");
  return value ? symbolizeMicroKernel(*value) : std::nullopt;
}

std::optional<LoadMode> ScheduleFields::load(StringRef operand) const {
  const std::string *value = find(operand);
  return value ? symbolizeLoadMode(*value) : std::nullopt;
}

std::optional<Products> ScheduleFields::products() const {
  const std::string *value = find("products");
  return value ? symbolizeProducts(*value) : std::nullopt;
}

std::optional<GridOrder> ScheduleFields::order() const {
  const std::string *value = find("order");
  return value ? symbolizeGridOrder(*value) : std::nullopt;
}

ScheduleFields ScheduleFields::ofLists() const {
  ScheduleFields result;
  for (Entry entry : entries)
    if (StringRef name(entry.name); name.consume_front(kLists)) {
      entry.name = name.str();
      result.entries.push_back(entry);
    }
  return result;
}

std::string ScheduleFields::text() const {
  std::string result;
  for (const Entry &entry : entries)
    result += (result.empty() ? "" : ", ") + entry.name + " = " + entry.value;
  return result;
}
