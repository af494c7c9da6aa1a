// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reader and writer of .npy files.

#include "tools/support/Npy.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

#include <algorithm>
#include <cstring>

using namespace attnc;
using llvm::createStringError;
using llvm::StringRef;

namespace {

constexpr StringRef magic("\x93NUMPY", 6);
/// NumPy itself refuses longer headers; a shape needs a fraction of it.
constexpr size_t maxHeaderBytes = 1 << 16;
constexpr size_t maxRank = ATTNC_MAX_RANK;

struct NpyType {
  attnc_dtype dtype;
  StringRef descr;
};
constexpr NpyType npyTypes[] = {
    {ATTNC_DTYPE_F64, "<f8"},
    {ATTNC_DTYPE_F32, "<f4"},
    {ATTNC_DTYPE_F16, "<f2"},
    {ATTNC_DTYPE_I64, "<i8"},
    {ATTNC_DTYPE_I32, "<i4"},
    {ATTNC_DTYPE_I16, "<i2"},
    {ATTNC_DTYPE_I8, "|i1"},
    {ATTNC_DTYPE_U8, "|u1"},
    {ATTNC_DTYPE_BOOL, "|b1"},
    {ATTNC_DTYPE_BF16, "|V2"},
    // Files do not tell the two kinds apart: readers take them for either.
    {ATTNC_DTYPE_F8E4M3, "|V1"},
    {ATTNC_DTYPE_F8E5M2, "|V1"}};

//===----------------------------------------------------------------------===//
// The header's dictionary
//===----------------------------------------------------------------------===//

/// Reads the one Python literal that a header may be: a dictionary with the
/// keys descr, fortran_order and shape, each once, in any order.
class HeaderParser {
public:
  explicit HeaderParser(StringRef text) : rest(text) {}

  llvm::Expected<NpyHeader> parse() {
    if (!accept("{"))
      return malformed("it does not begin with '{'");
    while (!accept("}")) {
      if (llvm::Error error = parseEntry())
        return std::move(error);
      if (accept(","))
        continue;
      if (accept("}"))
        break;
      return malformed("',' or '}' expected");
    }
    if (!rest.trim(" \n").empty())
      return malformed("text after the dictionary");
    if (!haveDescr || !haveOrder || !haveShape)
      return malformed(llvm::Twine("'") +
                       (!haveDescr   ? "descr"
                        : !haveOrder ? "fortran_order"
                                     : "shape") +
                       "' is missing");
    if (fortranOrder && header.shape.size() > 1)
      return createStringError(
          "the array is stored in Fortran order; save it with "
          "np.save(file, np.ascontiguousarray(a))");
    return header;
  }

private:
  llvm::Error malformed(const llvm::Twine &what) const {
    return createStringError("malformed header: " + what);
  }

  bool accept(StringRef token) {
    rest = rest.ltrim(' ');
    return rest.consume_front(token);
  }

  std::optional<StringRef> parseString() {
    rest = rest.ltrim(' ');
    if (rest.empty() || (rest[0] != '\'' && rest[0] != '"'))
      return std::nullopt;
    size_t end = rest.find(rest[0], 1);
    if (end == StringRef::npos)
      return std::nullopt;
    StringRef text = rest.slice(1, end);
    rest = rest.drop_front(end + 1);
    if (text.contains('\\'))
      return std::nullopt;
    return text;
  }

  llvm::Error parseEntry() {
    std::optional<StringRef> key = parseString();
    if (!key || !accept(":"))
      return malformed("a key and ':' expected");
    bool *seen = llvm::StringSwitch<bool *>(*key)
                     .Case("descr", &haveDescr)
                     .Case("fortran_order", &haveOrder)
                     .Case("shape", &haveShape)
                     .Default(nullptr);
    if (!seen)
      return malformed("unknown key");
    if (*seen)
      return malformed("'" + *key + "' occurs twice");
    *seen = true;
    if (seen == &haveDescr)
      return parseDescr();
    return seen == &haveOrder ? parseOrder() : parseShape();
  }

  llvm::Error parseDescr() {
    rest = rest.ltrim(' ');
    if (rest.starts_with("["))
      return createStringError("it holds a structured array; only plain "
                               "numbers are supported");
    std::optional<StringRef> descr = parseString();
    if (!descr)
      return malformed("'descr' is no string");
    if (*descr == "<V2")
      descr = "|V2";
    if (*descr == "<V1" || *descr == "<f1" || *descr == "|f1")
      descr = "|V1";
    for (const NpyType &type : npyTypes)
      if (type.descr == *descr) {
        header.dtype = type.dtype;
        return llvm::Error::success();
      }
    if (descr->size() > 16 || !llvm::all_of(*descr, llvm::isPrint))
      return malformed("'descr' is no element type");
    std::string known = llvm::join(
        llvm::map_range(npyTypes, [](const NpyType &t) { return t.descr; }),
        " ");
    if (descr->starts_with(">"))
      return createStringError("element type '" + *descr +
                               "' is big-endian; save a.astype('<" +
                               descr->drop_front() + "')");
    return createStringError("element type '" + *descr +
                             "' is not supported; known are " + known);
  }

  llvm::Error parseOrder() {
    if (accept("False"))
      return llvm::Error::success();
    if (!accept("True"))
      return malformed("'fortran_order' is neither True nor False");
    fortranOrder = true;
    return llvm::Error::success();
  }

  llvm::Error parseShape() {
    if (!accept("("))
      return malformed("'shape' is no tuple");
    bool comma = true;
    while (!accept(")")) {
      rest = rest.ltrim(' ');
      StringRef digits = rest.take_while(llvm::isDigit);
      int64_t size = 0;
      if (!comma || digits.empty() || digits.getAsInteger(10, size))
        return malformed("'shape' holds something else than sizes");
      rest = rest.drop_front(digits.size());
      header.shape.push_back(size);
      if (header.shape.size() > maxRank)
        return createStringError("it has more than %zu dimensions", maxRank);
      comma = accept(",");
    }
    // (3) is a number in Python, not a tuple.
    if (header.shape.size() == 1 && !comma)
      return malformed("'shape' is no tuple");
    return llvm::Error::success();
  }

  StringRef rest;
  NpyHeader header;
  bool haveDescr = false, haveOrder = false, haveShape = false;
  bool fortranOrder = false;
};

} // namespace

llvm::Expected<NpyHeader> attnc::parseNpyHeader(StringRef bytes) {
  if (!bytes.starts_with(magic)) {
    if (bytes.starts_with("PK"))
      return createStringError("it is an archive (.npz), not one array; save "
                               "each array with np.save");
    return createStringError("it is not a .npy file");
  }
  if (bytes.size() < 8)
    return createStringError("it ends within its header");
  unsigned major = static_cast<uint8_t>(bytes[6]),
           minor = static_cast<uint8_t>(bytes[7]);
  if (major < 1 || major > 3 || minor != 0)
    return createStringError("format version %u.%u is not supported", major,
                             minor);
  size_t lengthBytes = major == 1 ? 2 : 4, start = 8 + lengthBytes;
  if (bytes.size() < start)
    return createStringError("it ends within its header");
  size_t length = 0;
  for (size_t i = 0; i < lengthBytes; ++i)
    length |= static_cast<size_t>(static_cast<uint8_t>(bytes[8 + i])) << 8 * i;
  if (length > maxHeaderBytes)
    return createStringError("its header has %zu bytes, more than any array "
                             "needs",
                             length);
  if (bytes.size() - start < length)
    return createStringError("it ends within its header");
  llvm::Expected<NpyHeader> header =
      HeaderParser(bytes.substr(start, length)).parse();
  if (header)
    header->dataOffset = start + length;
  return header;
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

/// Reads exactly `size` bytes at `offset`, fewer only at the end of the file.
static llvm::Expected<size_t> readAt(llvm::sys::fs::file_t file, uint8_t *to,
                                     size_t size, size_t offset) {
  size_t done = 0;
  // The kernel moves at most 2 GiB a call.
  constexpr size_t most = size_t(1) << 30;
  while (done < size) {
    llvm::Expected<size_t> count = llvm::sys::fs::readNativeFileSlice(
        file,
        {reinterpret_cast<char *>(to) + done, std::min(size - done, most)},
        offset + done);
    if (!count)
      return count.takeError();
    if (*count == 0)
      break;
    done += *count;
  }
  return done;
}

static llvm::Expected<Tensor> readOpenFile(llvm::sys::fs::file_t file,
                                           uint64_t fileSize) {
  std::vector<uint8_t> head(std::min<uint64_t>(fileSize, 12 + maxHeaderBytes));
  llvm::Expected<size_t> headSize = readAt(file, head.data(), head.size(), 0);
  if (!headSize)
    return headSize.takeError();
  llvm::Expected<NpyHeader> header = parseNpyHeader(
      StringRef(reinterpret_cast<char *>(head.data()), *headSize));
  if (!header)
    return header.takeError();
  std::optional<int64_t> bytes = checkedProduct(
      header->shape, static_cast<int64_t>(attnc_dtype_size(header->dtype)));
  if (!bytes)
    return createStringError("shape " + shapeText(header->shape) +
                             " has more bytes than 64 bits can count");
  // Before anything is allocated: a header alone must not take memory.
  uint64_t present = fileSize - header->dataOffset;
  if (present != static_cast<uint64_t>(*bytes))
    return createStringError(
        typeText(header->dtype, header->shape) + " needs " +
        llvm::Twine(*bytes) + " bytes of elements, the file has " +
        llvm::Twine(present) +
        (present < static_cast<uint64_t>(*bytes) ? " (truncated?)" : ""));
  llvm::Expected<Tensor> tensor = Tensor::create(header->dtype, header->shape);
  if (!tensor)
    return tensor.takeError();
  llvm::Expected<size_t> count = readAt(
      file, tensor->getData(), tensor->getNumBytes(), header->dataOffset);
  if (!count)
    return count.takeError();
  if (*count != tensor->getNumBytes())
    return createStringError("it became shorter while it was read");
  // Any non-zero byte is true for NumPy; kernels want 0 and 1.
  if (tensor->dtype == ATTNC_DTYPE_BOOL)
    for (uint8_t &value : tensor->getAs<uint8_t>())
      value = value != 0;
  return tensor;
}

llvm::Expected<Tensor> attnc::readNpy(StringRef path) {
  auto describe = [&](llvm::Error error) {
    return createStringError(path + ": " + llvm::toString(std::move(error)));
  };
  llvm::sys::fs::file_status status;
  if (std::error_code error = llvm::sys::fs::status(path, status))
    return createStringError(path + ": " + error.message());
  if (!llvm::sys::fs::is_regular_file(status))
    return createStringError(path + ": it is not a regular file");
  llvm::Expected<llvm::sys::fs::file_t> file =
      llvm::sys::fs::openNativeFileForRead(path);
  if (!file)
    return describe(file.takeError());
  llvm::scope_exit close([&] { (void)llvm::sys::fs::closeFile(*file); });
  llvm::Expected<Tensor> tensor = readOpenFile(*file, status.getSize());
  if (!tensor)
    return describe(tensor.takeError());
  return tensor;
}

void attnc::writeNpy(llvm::raw_ostream &os, const Tensor &tensor) {
  const NpyType *type = llvm::find_if(
      npyTypes, [&](const NpyType &t) { return t.dtype == tensor.dtype; });
  std::string header = "{'descr': '" + type->descr.str() +
                       "', 'fortran_order': False, 'shape': (";
  for (int64_t size : tensor.shape)
    header += std::to_string(size) + ", ";
  if (tensor.shape.size() > 1)
    header.resize(header.size() - 2);
  else if (tensor.shape.size() == 1)
    header.pop_back();
  header += "), }";
  // Elements begin at a multiple of 64 bytes, for those who map the file.
  size_t unpadded = 10 + header.size() + 1;
  header.append((64 - unpadded % 64) % 64, ' ');
  header += '\n';
  os << magic << '\x01' << '\0' << static_cast<char>(header.size() & 0xff)
     << static_cast<char>(header.size() >> 8) << header;
  os.write(reinterpret_cast<const char *>(tensor.getData()),
           tensor.getNumBytes());
}
