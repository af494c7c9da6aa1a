// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The bytes of a kernel file, as attnc/kernel_format.h lays them out.

#include "codegen/kernelfile/KernelWriter.h"

#include "attnc/kernel_checksum.h"
#include "attnc/kernel_format.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace attnc;

namespace {

/// Appends little-endian numbers.
class ByteStream {
public:
  std::vector<uint8_t> bytes;

  template <typename T>
  void number(T value) {
    for (size_t i = 0; i < sizeof(T); ++i)
      bytes.push_back(
          static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i)));
  }
  void count(size_t n) { number(static_cast<uint32_t>(n)); }
  void text(const std::string &value) {
    count(value.size());
    bytes.insert(bytes.end(), value.begin(), value.end());
  }
  void padTo(size_t alignment) {
    while (bytes.size() % alignment != 0)
      bytes.push_back(0);
  }
  template <typename T>
  void patch(size_t offset, T value) {
    for (size_t i = 0; i < sizeof(T); ++i)
      bytes[offset + i] =
          static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i));
  }
};

void writeFormula(ByteStream &out, const Formula &formula) {
  out.count(formula.ops.size());
  for (const FormulaOp &op : formula.ops) {
    out.number(static_cast<uint16_t>(op.opcode));
    out.number(static_cast<uint16_t>(op.dim));
    out.number(op.tensor);
    out.number(op.imm);
  }
}

void writeArg(ByteStream &out, const ArgDesc &arg) {
  out.text(arg.name);
  out.number(static_cast<uint32_t>(arg.role));
  out.number(arg.dtype);
  out.number(arg.alignment ? arg.alignment
                           : uint64_t(attnc_dtype_size(arg.dtype)));
  out.count(arg.dims.size());
  for (int64_t size : arg.dims)
    out.number(size);
}

void writeLaunch(ByteStream &out, const LaunchDesc &launch) {
  out.text(launch.name);
  out.number(launch.flags);
  out.number(launch.scratchBytes);
  out.count(launch.grid.size());
  for (const Formula &size : launch.grid)
    writeFormula(out, size);
  out.count(launch.words.size());
  for (const WordDesc &word : launch.words) {
    out.number(static_cast<uint32_t>(word.kind));
    if (word.kind == WordDesc::Kind::Value) {
      writeFormula(out, word.value);
      continue;
    }
    out.number(word.tensor);
    out.number(word.dim);
  }
}

void writeImage(ByteStream &out, const ImageDesc &image, uint32_t section) {
  out.number(image.arch);
  out.text(image.target);
  out.count(image.features.size());
  for (const std::string &feature : image.features)
    out.text(feature);
  out.number(image.alignment);
  out.number(section);
  if (!isGpuArch(image.arch)) {
    for (uint64_t entry : image.entries)
      out.number(entry);
    return;
  }
  out.number(image.sm);
  out.number(image.smSuffix);
  for (const GpuLaunchDesc &launch : image.geometry) {
    out.number(launch.threads);
    out.number(launch.sharedBytes);
    out.number(launch.blocks);
  }
}

/// Section 0 is the description; image i's code is section i + 1.
std::vector<uint8_t> writeDescription(const KernelDesc &kernel) {
  ByteStream out;
  out.text(kernel.name);
  out.text(kernel.producer);
  out.count(kernel.args.size());
  for (const ArgDesc &arg : kernel.args)
    writeArg(out, arg);
  out.count(kernel.constraints.size());
  for (const ConstraintDesc &constraint : kernel.constraints) {
    writeFormula(out, constraint.mustBeZero);
    out.text(constraint.message);
  }
  out.count(kernel.temps.size());
  for (const TempDesc &temp : kernel.temps)
    writeFormula(out, temp.bytes);
  out.count(kernel.launches.size());
  for (const LaunchDesc &launch : kernel.launches)
    writeLaunch(out, launch);
  out.count(kernel.images.size());
  for (size_t i = 0; i < kernel.images.size(); ++i)
    writeImage(out, kernel.images[i], static_cast<uint32_t>(i + 1));
  out.count(kernel.metadata.size());
  for (const auto &entry : kernel.metadata) {
    out.text(entry.first);
    out.text(entry.second);
  }
  return std::move(out.bytes);
}

void writeHeader(ByteStream &out, size_t sections) {
  for (int i = 0; i < ATTNC_FILE_MAGIC_BYTES; ++i)
    out.number(static_cast<uint8_t>(ATTNC_FILE_MAGIC[i]));
  out.number(uint64_t(0)); // checksum, known at the end
  out.number(uint32_t(ATTNC_FORMAT_VERSION));
  out.number(uint32_t(ATTNC_ABI_VERSION));
  out.number(uint64_t(0)); // file size, known at the end
  out.count(sections);
  out.padTo(ATTNC_FILE_HEADER_BYTES);
  out.bytes.resize(ATTNC_FILE_HEADER_BYTES +
                   sections * ATTNC_FILE_SECTION_BYTES);
}

void appendSection(ByteStream &out, size_t index, uint32_t kind,
                   const std::vector<uint8_t> &content) {
  out.padTo(64);
  size_t entry = ATTNC_FILE_HEADER_BYTES + index * ATTNC_FILE_SECTION_BYTES;
  out.patch(entry, kind);
  out.patch(entry + 8, uint64_t(out.bytes.size()));
  out.patch(entry + 16, uint64_t(content.size()));
  out.bytes.insert(out.bytes.end(), content.begin(), content.end());
}

} // namespace

std::optional<std::vector<uint8_t>> attnc::writeKernel(const KernelDesc &kernel,
                                                       std::string &error) {
  if (!verifyKernel(kernel, error))
    return std::nullopt;
  ByteStream out;
  writeHeader(out, kernel.images.size() + 1);
  appendSection(out, 0, ATTNC_SECTION_DESCRIPTION, writeDescription(kernel));
  for (size_t i = 0; i < kernel.images.size(); ++i)
    appendSection(out, i + 1, ATTNC_SECTION_CODE, kernel.images[i].code);
  if (out.bytes.size() > ATTNC_MAX_FILE_BYTES) {
    error = "the kernel file would have " + std::to_string(out.bytes.size()) +
            " bytes, more than any reader takes";
    return std::nullopt;
  }
  out.patch(ATTNC_FILE_SIZE_OFFSET, uint64_t(out.bytes.size()));
  out.patch(ATTNC_FILE_CHECKSUM_OFFSET,
            kernelFileChecksum(out.bytes.data(), out.bytes.size()));
  return std::move(out.bytes);
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

namespace {

/// A file beside `path` that disappears unless it is moved into its place.
class TemporaryFile {
public:
  explicit TemporaryFile(const std::string &path) : destination(path) {
    static std::atomic<unsigned> serial{0};
    // Names that another process left behind are passed over.
    for (int attempt = 0; attempt < 100 && fd < 0; ++attempt) {
      name = path + ".tmp-" + std::to_string(getpid()) + "-" +
             std::to_string(serial++);
      fd = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (fd < 0 && errno != EEXIST)
        break;
    }
    exists = fd >= 0;
  }
  ~TemporaryFile() {
    if (fd >= 0)
      close(fd);
    if (exists)
      unlink(name.c_str());
  }

  bool isOpen() const { return fd >= 0; }

  bool write(const std::vector<uint8_t> &bytes) {
    size_t done = 0;
    while (done < bytes.size()) {
      ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return false;
      done += static_cast<size_t>(n);
    }
    return true;
  }

  /// Closing tells of a full disk on some file systems, so it comes first.
  bool moveIntoPlace() {
    int closed = close(fd);
    fd = -1;
    if (closed != 0 || rename(name.c_str(), destination.c_str()) != 0)
      return false;
    exists = false;
    return true;
  }

private:
  std::string destination;
  std::string name;
  int fd = -1;
  bool exists = false;
};

} // namespace

bool attnc::writeFileAtomically(const std::vector<uint8_t> &bytes,
                                const std::string &path, std::string &error) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    error = "cannot write '" + path + "': it exists and is not a regular file";
    return false;
  }
  TemporaryFile file(path);
  if (file.isOpen() && file.write(bytes) && file.moveIntoPlace())
    return true;
  error = "cannot write '" + path + "': " + strerror(errno);
  return false;
}

bool attnc::writeKernelFile(const KernelDesc &kernel, const std::string &path,
                            std::string &error) {
  std::optional<std::vector<uint8_t>> bytes = writeKernel(kernel, error);
  return bytes && writeFileAtomically(*bytes, path, error);
}
