// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Header, sections and description of a kernel file. Nothing read from the
// file is used as a count, an index or an offset before it has been checked.

#include "KernelReader.h"

#include "attnc/kernel_checksum.h"
#include "attnc/kernel_format.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <set>

using namespace attnc;

namespace {

template <typename T>
T loadLittleEndian(const uint8_t *bytes) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
                "big-endian machines need a byte swap here");
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

struct Section {
  uint32_t kind;
  uint64_t offset;
  uint64_t size;
};

/// Walks the description. The first failure sticks: later reads give zeros, so
/// callers test once an element.
class DescriptionReader {
public:
  DescriptionReader(const uint8_t *data, uint64_t size,
                    const std::vector<Section> &sections, KernelModel &model,
                    Error &error)
      : cursor(data), left(size), sections(sections), model(model),
        error(error) {}

  attnc_result read();

private:
  const uint8_t *cursor;
  uint64_t left;
  const std::vector<Section> &sections;
  KernelModel &model;
  Error &error;
  attnc_result result = ATTNC_OK;

  bool ok() const { return result == ATTNC_OK; }
  /// Records the first failure only. `what` is static text, `name` may be the
  /// file's.
  void fail(const char *what, const std::string &name = std::string()) {
    if (ok())
      result =
          error.fail(ATTNC_ERROR_MALFORMED, "malformed kernel file: %s%s%s",
                     what, name.empty() ? "" : " of ", name.c_str());
  }

  template <typename T>
  T number() {
    if (!ok() || left < sizeof(T)) {
      fail("the description ends early");
      return T(0);
    }
    T value = loadLittleEndian<T>(cursor);
    cursor += sizeof(T);
    left -= sizeof(T);
    return value;
  }

  /// A count of elements that take `elementBytes` each at least, so that a
  /// count can never make the reader reserve more than the file holds.
  uint32_t count(uint64_t limit, uint64_t elementBytes, const char *what) {
    uint32_t n = number<uint32_t>();
    if (ok() && (n > limit || n > left / elementBytes))
      fail(what);
    return ok() ? n : 0;
  }

  std::string text(uint64_t limit, const char *what, bool mayHoldZero = false) {
    uint32_t n = count(limit, 1, what);
    std::string value(reinterpret_cast<const char *>(cursor), n);
    cursor += n;
    left -= n;
    if (!mayHoldZero && value.find('\0') != std::string::npos)
      fail(what);
    return ok() ? value : std::string();
  }

  bool dimExists(uint32_t tensor, uint32_t dim) const {
    return tensor < model.args.size() && dim < model.args[tensor].dims.size();
  }

  FormulaProgram formula();
  void readArgs();
  void readConstraints();
  void readTemps();
  void readLaunches();
  WordModel readWord();
  void readImages();
  void readImageCode(ImageModel &image);
  void readGpuLaunches(ImageModel &image);
  void readMetadata();
};

FormulaProgram DescriptionReader::formula() {
  uint32_t n = count(ATTNC_MAX_FORMULA_OPS, ATTNC_FILE_FORMULA_OP_BYTES,
                     "a formula is too long");
  FormulaProgram program(n);
  for (attnc_formula_op &op : program) {
    op.opcode = number<uint16_t>();
    op.dim = number<uint16_t>();
    op.tensor = number<uint32_t>();
    op.imm = number<int64_t>();
    if (ok() && op.opcode == ATTNC_OP_DIM && !dimExists(op.tensor, op.dim))
      fail("a formula reads a dimension that does not exist");
  }
  if (ok() &&
      attnc_formula_check(program.data(), program.size()) != ATTNC_FORMULA_OK)
    fail("a formula is not a program");
  return program;
}

void DescriptionReader::readArgs() {
  uint32_t n = count(ATTNC_MAX_TENSORS, 24, "too many arguments");
  std::set<std::string> names;
  for (uint32_t i = 0; i < n && ok(); ++i) {
    ArgModel arg;
    arg.name = text(ATTNC_MAX_NAME, "an argument's name");
    arg.role = number<uint32_t>();
    arg.dtype = number<uint32_t>();
    arg.alignment = number<uint64_t>();
    uint32_t rank = count(ATTNC_MAX_RANK, 8, "the rank of an argument");
    for (uint32_t d = 0; d < rank && ok(); ++d) {
      arg.dims.push_back(number<int64_t>());
      if (arg.dims.back() < -1)
        fail("a negative size", arg.name);
    }
    if (!ok())
      return;
    if (arg.name.empty() || !names.insert(arg.name).second)
      fail("an argument without a name of its own");
    if (arg.role != ATTNC_ROLE_INPUT && arg.role != ATTNC_ROLE_OUTPUT &&
        arg.role != ATTNC_ROLE_INOUT)
      fail("unknown role", arg.name);
    if (attnc_dtype_size(arg.dtype) == 0)
      fail("unknown element type", arg.name);
    if (arg.alignment == 0 || arg.alignment > ATTNC_MAX_ALIGNMENT ||
        (arg.alignment & (arg.alignment - 1)) != 0)
      fail("alignment", arg.name);
    arg.firstDim = model.totalDims;
    model.totalDims += rank;
    model.args.push_back(std::move(arg));
  }
}

void DescriptionReader::readConstraints() {
  uint32_t n = count(ATTNC_MAX_CONSTRAINTS, 8, "too many constraints");
  for (uint32_t i = 0; i < n && ok(); ++i) {
    ConstraintModel constraint;
    constraint.mustBeZero = formula();
    constraint.message = text(ATTNC_MAX_MESSAGE, "a constraint's message");
    model.constraints.push_back(std::move(constraint));
  }
}

void DescriptionReader::readTemps() {
  uint32_t n =
      count(ATTNC_MAX_TENSORS - model.args.size(), 4, "too many temporaries");
  for (uint32_t i = 0; i < n && ok(); ++i)
    model.temps.push_back(formula());
}

WordModel DescriptionReader::readWord() {
  WordModel word = {number<uint32_t>(), 0, 0, {}};
  if (word.kind == ATTNC_WORD_VALUE) {
    word.value = formula();
    return word;
  }
  word.tensor = number<uint32_t>();
  word.dim = number<uint32_t>();
  if (!ok())
    return word;
  if (word.kind == ATTNC_WORD_TENSOR_BASE) {
    if (word.tensor >= model.args.size() + model.temps.size())
      fail("a word names a tensor that does not exist");
  } else if (word.kind == ATTNC_WORD_TENSOR_SIZE ||
             word.kind == ATTNC_WORD_TENSOR_STRIDE) {
    if (!dimExists(word.tensor, word.dim))
      fail("a word names a dimension that does not exist");
  } else {
    fail("a word of unknown kind");
  }
  return word;
}

void DescriptionReader::readLaunches() {
  uint32_t n = count(ATTNC_MAX_LAUNCHES, 24, "too many launches");
  for (uint32_t i = 0; i < n && ok(); ++i) {
    LaunchModel launch;
    launch.name = text(ATTNC_MAX_NAME, "a launch's name");
    if (number<uint32_t>() != 0)
      fail("unknown flags", launch.name);
    launch.scratchBytes = number<uint64_t>();
    if (launch.scratchBytes > ATTNC_MAX_SCRATCH_BYTES)
      fail("scratch size", launch.name);
    uint32_t rank = count(ATTNC_MAX_GRID_RANK, 4, "a grid's rank");
    for (uint32_t d = 0; d < rank && ok(); ++d)
      launch.grid.push_back(formula());
    uint32_t words = count(ATTNC_MAX_WORDS, 8, "too many words");
    for (uint32_t w = 0; w < words && ok(); ++w)
      launch.words.push_back(readWord());
    model.totalWords += words;
    model.launches.push_back(std::move(launch));
  }
}

void DescriptionReader::readImageCode(ImageModel &image) {
  uint32_t section = number<uint32_t>();
  if (!ok())
    return;
  if (section >= sections.size() ||
      sections[section].kind != ATTNC_SECTION_CODE)
    return fail("no code section", image.target);
  image.codeOffset = sections[section].offset;
  image.codeSize = sections[section].size;
  if (image.isGpu())
    return readGpuLaunches(image);
  for (size_t l = 0; l < model.launches.size() && ok(); ++l) {
    image.entries.push_back(number<uint64_t>());
    if (ok() && image.entries.back() >= image.codeSize)
      fail("an entry outside the code", image.target);
  }
}

void DescriptionReader::readGpuLaunches(ImageModel &image) {
  if (image.codeSize == 0)
    return fail("no code", image.target);
  image.sm = number<uint32_t>();
  image.smSuffix = number<uint32_t>();
  if (ok() && (image.sm == 0 || image.sm > ATTNC_MAX_GPU_SM))
    fail("the chip", image.target);
  if (ok() && image.smSuffix != 0 && image.smSuffix != 'a' &&
      image.smSuffix != 'f')
    fail("the suffix of the chip", image.target);
  for (size_t l = 0; l < model.launches.size() && ok(); ++l) {
    GpuLaunchModel launch;
    launch.threads = number<uint32_t>();
    launch.sharedBytes = number<uint32_t>();
    launch.blocks = number<uint32_t>();
    if (ok() && (launch.threads == 0 || launch.threads > ATTNC_MAX_GPU_THREADS))
      fail("the number of threads", image.target);
    if (ok() && launch.sharedBytes > ATTNC_MAX_GPU_SHARED)
      fail("the shared memory", image.target);
    if (ok() && launch.blocks > ATTNC_MAX_GPU_BLOCKS)
      fail("the number of blocks", image.target);
    if (ok() && model.launches[l].words.size() > ATTNC_MAX_GPU_WORDS)
      fail("too many words for the parameters", image.target);
    image.geometry.push_back(launch);
  }
}

void DescriptionReader::readImages() {
  uint32_t n = count(ATTNC_MAX_IMAGES, 24, "too many images");
  for (uint32_t i = 0; i < n && ok(); ++i) {
    ImageModel image;
    image.arch = number<uint32_t>();
    image.target = text(ATTNC_MAX_NAME, "an image's target");
    uint32_t features = count(ATTNC_MAX_FEATURES, 4, "too many features");
    for (uint32_t f = 0; f < features && ok(); ++f)
      image.features.push_back(text(ATTNC_MAX_NAME, "a feature's name"));
    image.alignment = number<uint64_t>();
    if (ok() &&
        (image.alignment == 0 || image.alignment > ATTNC_MAX_ALIGNMENT ||
         (image.alignment & (image.alignment - 1)) != 0))
      fail("alignment", image.target);
    readImageCode(image);
    model.images.push_back(std::move(image));
  }
}

void DescriptionReader::readMetadata() {
  uint32_t n = count(ATTNC_MAX_METADATA, 8, "too many metadata entries");
  std::set<std::string> keys;
  for (uint32_t i = 0; i < n && ok(); ++i) {
    std::string key = text(ATTNC_MAX_NAME, "a metadata key");
    std::string value = text(ATTNC_MAX_TEXT, "a metadata value", true);
    if (!keys.insert(key).second)
      fail("a metadata key that occurs twice");
    model.metadata.emplace_back(std::move(key), std::move(value));
  }
}

attnc_result DescriptionReader::read() {
  model.name = text(ATTNC_MAX_NAME, "the kernel's name");
  model.producer = text(ATTNC_MAX_NAME, "the producer's name");
  readArgs();
  readConstraints();
  readTemps();
  readLaunches();
  readImages();
  readMetadata();
  if (ok() && left != 0)
    fail("bytes after the description");
  return result;
}

attnc_result checkHeader(const uint8_t *file, size_t size, Error &error) {
  size_t seen = std::min<size_t>(size, ATTNC_FILE_MAGIC_BYTES);
  if (size == 0 || std::memcmp(file, ATTNC_FILE_MAGIC, seen) != 0)
    return error.fail(ATTNC_ERROR_NOT_A_KERNEL,
                      "not an attnc kernel file: it does not begin like one");
  if (size < ATTNC_FILE_HEADER_BYTES)
    return error.fail(ATTNC_ERROR_TRUNCATED,
                      "truncated kernel file: %zu bytes do not hold its header",
                      size);
  uint32_t format =
      loadLittleEndian<uint32_t>(file + ATTNC_FILE_FORMAT_VERSION_OFFSET);
  if (format != ATTNC_FORMAT_VERSION)
    return error.fail(ATTNC_ERROR_FORMAT_VERSION,
                      "kernel file of format version %" PRIu32
                      "; this runtime reads version %d",
                      format, ATTNC_FORMAT_VERSION);
  uint32_t abi =
      loadLittleEndian<uint32_t>(file + ATTNC_FILE_ABI_VERSION_OFFSET);
  if (abi != ATTNC_ABI_VERSION)
    return error.fail(ATTNC_ERROR_ABI_VERSION,
                      "kernel file for ABI version %" PRIu32
                      "; this runtime has version %d: compile it again",
                      abi, ATTNC_ABI_VERSION);
  uint64_t expected = loadLittleEndian<uint64_t>(file + ATTNC_FILE_SIZE_OFFSET);
  if (size < expected)
    return error.fail(ATTNC_ERROR_TRUNCATED,
                      "truncated kernel file: %zu bytes of %" PRIu64, size,
                      expected);
  if (size > expected)
    return error.fail(ATTNC_ERROR_MALFORMED,
                      "malformed kernel file: %" PRIu64 " bytes follow its end",
                      uint64_t(size) - expected);
  if (loadLittleEndian<uint64_t>(file + ATTNC_FILE_CHECKSUM_OFFSET) !=
      kernelFileChecksum(file, size))
    return error.fail(ATTNC_ERROR_CHECKSUM,
                      "damaged kernel file: its checksum does not match");
  return ATTNC_OK;
}

attnc_result readSections(const uint8_t *file, size_t size,
                          std::vector<Section> &sections, Error &error) {
  uint32_t n =
      loadLittleEndian<uint32_t>(file + ATTNC_FILE_SECTION_COUNT_OFFSET);
  if (n > (size - ATTNC_FILE_HEADER_BYTES) / ATTNC_FILE_SECTION_BYTES)
    return error.fail(ATTNC_ERROR_MALFORMED,
                      "malformed kernel file: its section table does not fit");
  const uint8_t *entry = file + ATTNC_FILE_HEADER_BYTES;
  for (uint32_t i = 0; i < n; ++i, entry += ATTNC_FILE_SECTION_BYTES) {
    Section section = {loadLittleEndian<uint32_t>(entry),
                       loadLittleEndian<uint64_t>(entry + 8),
                       loadLittleEndian<uint64_t>(entry + 16)};
    if (section.offset > size || section.size > size - section.offset)
      return error.fail(ATTNC_ERROR_MALFORMED,
                        "malformed kernel file: section %" PRIu32
                        " lies outside the file",
                        i);
    sections.push_back(section);
  }
  return ATTNC_OK;
}

} // namespace

attnc_result attnc::readKernel(const uint8_t *file, size_t size,
                               KernelModel &model, Error &error) {
  if (attnc_result result = checkHeader(file, size, error))
    return result;
  std::vector<Section> sections;
  if (attnc_result result = readSections(file, size, sections, error))
    return result;
  const Section *description = nullptr;
  for (const Section &section : sections) {
    if (section.kind != ATTNC_SECTION_DESCRIPTION)
      continue;
    if (description)
      return error.fail(ATTNC_ERROR_MALFORMED,
                        "malformed kernel file: two descriptions");
    description = &section;
  }
  if (!description)
    return error.fail(ATTNC_ERROR_MALFORMED,
                      "malformed kernel file: no description");
  return DescriptionReader(file + description->offset, description->size,
                           sections, model, error)
      .read();
}
