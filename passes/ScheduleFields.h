// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fields of #attn.schedule that a user, or a measurement, asks for by text.

#ifndef ATTNC_PASSES_SCHEDULEFIELDS_H
#define ATTNC_PASSES_SCHEDULEFIELDS_H

#include "dialect/Attn.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace attnc {

/// "query_tile = 48, k = fuse": some fields, as the attribute writes them.
/// Those of the schedule of lists have `lists.` in front. Whether values are in
/// range is the attribute's own business.
class ScheduleFields {
public:
  /// The error names the field and what may stand there.
  static llvm::Expected<ScheduleFields> parse(llvm::StringRef text);

  bool empty() const { return entries.empty(); }
  std::optional<int64_t> number(llvm::StringRef field) const;
  std::optional<mlir::attn::MicroKernel> micro() const;
  std::optional<mlir::attn::LoadMode> load(llvm::StringRef operand) const;
  std::optional<mlir::attn::Products> products() const;
  std::optional<mlir::attn::GridOrder> order() const;
  /// The fields that begin with `lists.`, without it.
  ScheduleFields ofLists() const;
  /// Sets a known field to a value that it may have.
  void set(llvm::StringRef field, const llvm::Twine &value);
  void erase(llvm::StringRef field);
  /// In the attribute's order; equal for equal fields.
  std::string text() const;

private:
  struct Entry {
    size_t rank; // place in the order of `text`
    std::string name, value;
  };
  std::vector<Entry> entries;

  const std::string *find(llvm::StringRef field) const;
  void insert(Entry entry);
};

} // namespace attnc

#endif // ATTNC_PASSES_SCHEDULEFIELDS_H
