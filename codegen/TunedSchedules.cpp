// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Files of kept schedules. A file is lines of text:
//
//   attnc tune 1
//   checksum 0123456789abcdef      of all that follows
//   version attnc 0.1.0
//   target znver4 avx,avx2,...
//   schedule 0.00123 0.00150 q=1x8x2048x64 | query_tile = 48
//   spec 420                       bytes that follow, the spec

#include "codegen/TunedSchedules.h"

#include "passes/ScheduleFields.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace attnc;
using llvm::StringRef;

static constexpr llvm::StringLiteral kMagic("attnc tune 1\n");
static constexpr llvm::StringLiteral kSuffix(".tune");
static constexpr size_t kLargestFile = size_t(1) << 24;
static constexpr size_t kMostSchedules = 256;

static uint64_t checksum(StringRef text) {
  return llvm::xxh3_64bits(llvm::arrayRefFromStringRef(text));
}
static std::string hex(uint64_t number) {
  return llvm::utohexstr(number, /*LowerCase=*/true, /*Width=*/16);
}

std::string TunedSchedules::defaultDirectory() {
  llvm::SmallString<128> path;
  const char *cache = std::getenv("XDG_CACHE_HOME");
  const char *home = std::getenv("HOME");
  // A relative path is no place of the user's.
  if (cache && cache[0] == '/')
    path = cache;
  else if (home && home[0] == '/')
    llvm::sys::path::append(path, home, ".cache");
  else
    return "";
  llvm::sys::path::append(path, "attnc", "tune");
  return std::string(path);
}

bool TunedSchedules::isDisabled() {
  const char *value = std::getenv("ATTNC_TUNE");
  return value && StringRef(value) == "0";
}

bool TunedSchedules::exists() const {
  return !directory.empty() && llvm::sys::fs::is_directory(directory);
}

std::string TunedSchedules::pathOf(const TuneKey &key) const {
  std::string text = key.version + '\0' + key.target + '\0' + key.spec;
  llvm::SmallString<128> path(directory);
  llvm::sys::path::append(path, hex(checksum(text)) +
                                    hex(checksum(text + "\1")) + kSuffix.str());
  return std::string(path);
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static llvm::Error refuse(StringRef path, const llvm::Twine &why) {
  return llvm::createStringError("'" + path + "' " + why);
}

/// Only what this user, and nobody else, may have written.
static llvm::Error checkOwner(StringRef path, const struct stat &info) {
  if (info.st_uid != geteuid())
    return refuse(path, "belongs to another user");
  if (info.st_mode & (S_IWGRP | S_IWOTH))
    return refuse(path, "can be written by others");
  return llvm::Error::success();
}

static llvm::Error checkDirectory(const std::string &path) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0)
    return refuse(path,
                  "cannot be looked at: " + llvm::Twine(std::strerror(errno)));
  if (!S_ISDIR(info.st_mode))
    return refuse(path, "is not a directory");
  return checkOwner(path, info);
}

/// The whole file; nothing if there is none.
static llvm::Expected<std::optional<std::string>>
readFile(const std::string &path) {
  // A pipe must not block, nor a link lead elsewhere.
  int fd = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT)
    return std::nullopt;
  if (fd < 0)
    return refuse(path,
                  "cannot be opened: " + llvm::Twine(std::strerror(errno)));
  auto read = [&]() -> llvm::Expected<std::optional<std::string>> {
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
      return refuse(path, "is not a regular file");
    if (llvm::Error error = checkOwner(path, info))
      return std::move(error);
    if (static_cast<uint64_t>(info.st_size) > kLargestFile)
      return refuse(path, "is too large");
    std::string text(static_cast<size_t>(info.st_size), '\0');
    size_t done = 0;
    while (done < text.size()) {
      ssize_t n = ::read(fd, text.data() + done, text.size() - done);
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        break;
      done += static_cast<size_t>(n);
    }
    text.resize(done);
    return text;
  };
  auto result = read();
  close(fd);
  return result;
}

/// Takes "NAME VALUE\n" off the text.
static std::optional<StringRef> takeLine(StringRef &text, StringRef name) {
  auto [line, rest] = text.split('\n');
  if (line.size() == text.size() || !line.consume_front(name) ||
      !line.consume_front(" "))
    return std::nullopt;
  text = rest;
  return line;
}

static std::optional<TunedSchedule> parseSchedule(StringRef line) {
  TunedSchedule result;
  auto [numbers, fields] = line.split(" | ");
  llvm::SmallVector<StringRef> words;
  numbers.split(words, ' ');
  if (words.size() != 3 || words[0].getAsDouble(result.seconds) ||
      words[1].getAsDouble(result.defaultSeconds) ||
      !std::isfinite(result.seconds) || !std::isfinite(result.defaultSeconds))
    return std::nullopt;
  result.shapes = words[2].str();
  llvm::Expected<ScheduleFields> parsed = ScheduleFields::parse(fields);
  if (!parsed) {
    llvm::consumeError(parsed.takeError());
    return std::nullopt;
  }
  if (parsed->empty())
    return std::nullopt;
  result.fields = parsed->text();
  return result;
}

static llvm::Expected<std::vector<TunedSchedule>>
parseFile(StringRef path, StringRef text, const TuneKey &key) {
  if (!text.consume_front(kMagic))
    return refuse(path, "is no file of kept schedules");
  std::optional<StringRef> sum = takeLine(text, "checksum");
  if (!sum || *sum != hex(checksum(text)))
    return refuse(path, "was altered or cut short");
  std::optional<StringRef> version = takeLine(text, "version");
  std::optional<StringRef> target = takeLine(text, "target");
  if (!version || !target)
    return refuse(path, "is malformed");
  std::vector<TunedSchedule> schedules;
  while (std::optional<StringRef> line = takeLine(text, "schedule")) {
    std::optional<TunedSchedule> schedule = parseSchedule(*line);
    if (!schedule || schedules.size() == kMostSchedules)
      return refuse(path, "is malformed");
    schedules.push_back(std::move(*schedule));
  }
  std::optional<StringRef> size = takeLine(text, "spec");
  size_t bytes = 0;
  if (!size || size->getAsInteger(10, bytes) || bytes != text.size())
    return refuse(path, "is malformed");
  if (*version != key.version || *target != key.target || text != key.spec)
    return refuse(path, "is about another spec, target or version");
  return schedules;
}

llvm::Expected<std::vector<TunedSchedule>>
TunedSchedules::load(const TuneKey &key) const {
  if (!exists())
    return std::vector<TunedSchedule>();
  if (llvm::Error error = checkDirectory(directory))
    return std::move(error);
  std::string path = pathOf(key);
  llvm::Expected<std::optional<std::string>> text = readFile(path);
  if (!text)
    return text.takeError();
  if (!*text)
    return std::vector<TunedSchedule>();
  return parseFile(path, **text, key);
}

llvm::Expected<std::optional<TunedSchedule>>
TunedSchedules::find(const TuneKey &key, StringRef shapes) const {
  llvm::Expected<std::vector<TunedSchedule>> schedules = load(key);
  if (!schedules)
    return schedules.takeError();
  for (TunedSchedule &schedule : llvm::reverse(*schedules))
    if (shapes.empty() || schedule.shapes == shapes)
      return std::move(schedule);
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static std::string fileText(const TuneKey &key,
                            const std::vector<TunedSchedule> &schedules) {
  std::string body;
  llvm::raw_string_ostream os(body);
  os << "version " << key.version << "\ntarget " << key.target << '\n';
  for (const TunedSchedule &s : schedules)
    os << llvm::format("schedule %.9g %.9g ", s.seconds, s.defaultSeconds)
       << s.shapes << " | " << s.fields << '\n';
  os << "spec " << key.spec.size() << '\n' << key.spec;
  return kMagic.str() + "checksum " + hex(checksum(body)) + "\n" + body;
}

llvm::Error TunedSchedules::keep(const TuneKey &key,
                                 const TunedSchedule &schedule) const {
  namespace fs = llvm::sys::fs;
  if (directory.empty())
    return llvm::createStringError("there is no place to keep schedules: "
                                   "neither XDG_CACHE_HOME nor HOME is set");
  if (std::error_code error = fs::create_directories(
          directory, /*IgnoreExisting=*/true, fs::owner_all))
    return refuse(directory, "cannot be made: " + error.message());
  if (llvm::Error error = checkDirectory(directory))
    return error;
  std::vector<TunedSchedule> schedules;
  llvm::Expected<std::vector<TunedSchedule>> before = load(key);
  // What is there and no good is replaced.
  if (before)
    schedules = std::move(*before);
  else
    llvm::consumeError(before.takeError());
  llvm::erase_if(schedules, [&](const TunedSchedule &other) {
    return other.shapes == schedule.shapes;
  });
  if (schedules.size() == kMostSchedules)
    schedules.erase(schedules.begin());
  schedules.push_back(schedule);

  std::string path = pathOf(key);
  llvm::Expected<fs::TempFile> file = fs::TempFile::create(
      path + ".tmp-%%%%%%%%", fs::owner_read | fs::owner_write);
  if (!file)
    return refuse(path,
                  "cannot be written: " + llvm::toString(file.takeError()));
  llvm::raw_fd_ostream os(file->FD, /*shouldClose=*/false);
  os << fileText(key, schedules);
  os.flush();
  if (std::error_code error = os.error()) {
    os.clear_error();
    llvm::consumeError(file->discard());
    return refuse(path, "cannot be written: " + error.message());
  }
  return file->keep(path);
}

llvm::Expected<unsigned> TunedSchedules::reset(const TuneKey *key) const {
  namespace fs = llvm::sys::fs;
  unsigned removed = 0;
  if (!exists())
    return removed;
  auto remove = [&](const std::string &path) -> llvm::Error {
    struct stat info;
    if (lstat(path.c_str(), &info) != 0)
      return llvm::Error::success();
    if (unlink(path.c_str()) != 0)
      return refuse(path,
                    "cannot be removed: " + llvm::Twine(std::strerror(errno)));
    ++removed;
    return llvm::Error::success();
  };
  if (key) {
    if (llvm::Error error = remove(pathOf(*key)))
      return std::move(error);
    return removed;
  }
  std::error_code error;
  for (fs::directory_iterator it(directory, error, /*follow_symlinks=*/false),
       end;
       !error && it != end; it.increment(error))
    // Files that a killed process left half-written go, too.
    if (StringRef(it->path()).contains(kSuffix))
      if (llvm::Error failed = remove(it->path()))
        return std::move(failed);
  if (error)
    return refuse(directory, "cannot be listed: " + error.message());
  return removed;
}
