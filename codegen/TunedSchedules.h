// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Schedules that measurements found best, kept for later compiles: one file a
// spec, target and version, in a private directory of the user's cache. What is
// read is checked; a file that is not as it was written is an error.

#ifndef ATTNC_CODEGEN_TUNEDSCHEDULES_H
#define ATTNC_CODEGEN_TUNEDSCHEDULES_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>
#include <string>
#include <vector>

namespace attnc {

/// What schedules are kept for.
struct TuneKey {
  std::string version; ///< of attnc
  std::string target;  ///< its name and features
  std::string spec;    ///< in normal form
};

struct TunedSchedule {
  std::string shapes; ///< the class of sizes that it was measured with
  std::string fields; ///< as ScheduleFields
  double seconds = 0, defaultSeconds = 0;
};

class TunedSchedules {
public:
  explicit TunedSchedules(std::string directory)
      : directory(std::move(directory)) {}

  /// Where the user's are: under XDG_CACHE_HOME, else ~/.cache. Empty where
  /// there is neither.
  static std::string defaultDirectory();
  /// Whether the environment asks for none: ATTNC_TUNE=0.
  static bool isDisabled();

  const std::string &getDirectory() const { return directory; }
  std::string pathOf(const TuneKey &key) const;
  /// Whether anything may be kept at all; costs one look at the directory.
  bool exists() const;

  /// Those of a key, the last kept at the end; none if there is no file.
  llvm::Expected<std::vector<TunedSchedule>> load(const TuneKey &key) const;
  /// The one for this class of sizes, or without one the last.
  llvm::Expected<std::optional<TunedSchedule>>
  find(const TuneKey &key, llvm::StringRef shapes) const;
  /// Keeps a schedule in place of the one with the same sizes.
  llvm::Error keep(const TuneKey &key, const TunedSchedule &schedule) const;
  /// Removes the file of a key, or all; the number of files that are gone.
  llvm::Expected<unsigned> reset(const TuneKey *key) const;

private:
  std::string directory;
};

} // namespace attnc

#endif // ATTNC_CODEGEN_TUNEDSCHEDULES_H
