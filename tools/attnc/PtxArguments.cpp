// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arguments of a simulated launch.

#include "tools/attnc/PtxArguments.h"
#include "tools/support/Files.h"
#include "tools/support/Npy.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace attnc;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;

static Error error(const Twine &message) {
  return llvm::createStringError(message);
}

static attnc_dtype typeNamed(StringRef name) {
  return llvm::StringSwitch<attnc_dtype>(name)
      .Case("f64", ATTNC_DTYPE_F64)
      .Case("f32", ATTNC_DTYPE_F32)
      .Case("f16", ATTNC_DTYPE_F16)
      .Case("bf16", ATTNC_DTYPE_BF16)
      .Case("i64", ATTNC_DTYPE_I64)
      .Case("i32", ATTNC_DTYPE_I32)
      .Case("i16", ATTNC_DTYPE_I16)
      .Case("i8", ATTNC_DTYPE_I8)
      .Case("u8", ATTNC_DTYPE_U8)
      .Default(ATTNC_DTYPE_INVALID);
}

template <typename T>
static std::vector<uint8_t> bytesOf(T value) {
  return ptx::argument(value);
}

Expected<std::vector<uint8_t>> PtxArguments::scalar(StringRef type,
                                                    StringRef value) {
  if (type == "f32" || type == "f64") {
    double number = 0;
    if (value.getAsDouble(number))
      return error("'" + value + "' is no number");
    return type == "f32" ? bytesOf(static_cast<float>(number))
                         : bytesOf(number);
  }
  int64_t number = 0;
  unsigned bits = type == "i16" ? 16 : type == "i32" ? 32 : 64;
  if (value.getAsInteger(0, number) ||
      !(llvm::isIntN(bits, number) ||
        llvm::isUIntN(bits, static_cast<uint64_t>(number))))
    return error("'" + value + "' is no integer of " + Twine(bits) + " bits");
  if (bits == 16)
    return bytesOf(static_cast<int16_t>(number));
  if (bits == 32)
    return bytesOf(static_cast<int32_t>(number));
  return bytesOf(number);
}

Expected<PtxArguments::Buffer *> PtxArguments::keep(Tensor tensor,
                                                    StringRef output) {
  buffers.emplace_back();
  Buffer &buffer = buffers.back();
  buffer.tensor = std::move(tensor);
  buffer.output = output;
  buffer.address =
      executor.map(buffer.tensor->getData(), buffer.tensor->getNumBytes());
  return &buffer;
}

/// in:FILE, inout:FILE:RESULT, out:RESULT:TYPE[SHAPE], bytes:N
Expected<PtxArguments::Buffer *> PtxArguments::addBuffer(StringRef text) {
  auto [kind, rest] = text.split(':');
  if (kind == "bytes") {
    uint64_t size = 0;
    if (rest.getAsInteger(0, size))
      return error("'" + rest + "' is no number of bytes");
    buffers.emplace_back();
    buffers.back().address = executor.allocate(size);
    if (!buffers.back().address)
      return error("no memory for " + Twine(size) + " bytes");
    return &buffers.back();
  }
  if (kind == "in" || kind == "inout") {
    auto [path, output] =
        kind == "in" ? std::make_pair(rest, StringRef()) : rest.rsplit(':');
    if (kind == "inout" && output.empty())
      return error("inout:FILE.npy:RESULT.npy expected");
    Expected<Tensor> tensor = readNpy(path);
    if (!tensor)
      return tensor.takeError();
    return keep(std::move(*tensor), output);
  }
  if (kind != "out")
    return error("'" + kind + "' is no kind of argument");
  auto [path, type] = rest.rsplit(':');
  auto [name, shape] = type.split('[');
  std::optional<std::vector<int64_t>> sizes =
      shape.consume_back("]") ? parseShape(shape) : std::nullopt;
  if (!sizes || typeNamed(name) == ATTNC_DTYPE_INVALID ||
      llvm::is_contained(*sizes, -1))
    return error("out:RESULT.npy:TYPE[SHAPE] expected, like f16[2x512x64]");
  Expected<Tensor> tensor = Tensor::create(typeNamed(name), *sizes);
  if (!tensor)
    return tensor.takeError();
  // What the kernel does not write must not look right.
  memset(tensor->getData(), 0xff, tensor->getNumBytes());
  return keep(std::move(*tensor), path);
}

static std::optional<ptx::TensorMapSpec::ElementType>
mapType(attnc_dtype type) {
  switch (type) {
  case ATTNC_DTYPE_F16:
    return ptx::TensorMapSpec::F16;
  case ATTNC_DTYPE_BF16:
    return ptx::TensorMapSpec::BF16;
  case ATTNC_DTYPE_F32:
    return ptx::TensorMapSpec::F32;
  case ATTNC_DTYPE_F64:
    return ptx::TensorMapSpec::F64;
  case ATTNC_DTYPE_I32:
    return ptx::TensorMapSpec::S32;
  case ATTNC_DTYPE_I64:
    return ptx::TensorMapSpec::S64;
  case ATTNC_DTYPE_I8:
  case ATTNC_DTYPE_U8:
    return ptx::TensorMapSpec::U8;
  default:
    return std::nullopt;
  }
}

/// The array as a tensor of the box's rank: outer dimensions are joined.
static Error describe(const Tensor &tensor, llvm::ArrayRef<int64_t> box,
                      ptx::TensorMapSpec &spec) {
  size_t rank = box.size(), own = tensor.shape.size();
  std::optional<ptx::TensorMapSpec::ElementType> type = mapType(tensor.dtype);
  if (!type || rank < 1 || rank > 5 || rank > own)
    return error("a box of " + Twine(rank) + " dimensions does not fit " +
                 typeText(tensor.dtype, tensor.shape));
  spec.type = *type;
  spec.rank = static_cast<uint32_t>(rank);
  uint64_t stride = attnc_dtype_size(tensor.dtype);
  for (size_t i = 0; i < rank; ++i) {
    uint64_t size = static_cast<uint64_t>(tensor.shape[own - 1 - i]);
    if (i + 1 == rank)
      for (size_t outer = 0; outer < own - rank; ++outer)
        size *= static_cast<uint64_t>(tensor.shape[outer]);
    spec.sizes[i] = size;
    spec.box[i] = static_cast<uint32_t>(box[rank - 1 - i]);
    if (i)
      spec.strides[i - 1] = stride;
    stride *= size;
  }
  return Error::success();
}

/// tma:BUFFER,box=64x64[,swizzle=128][,fill=nan]; BUFFER may be %N.
Error PtxArguments::addTensorMap(StringRef text) {
  llvm::SmallVector<StringRef> parts;
  text.split(parts, ',');
  Buffer *buffer = nullptr;
  StringRef source = parts[0];
  if (source.consume_front("%")) {
    size_t number = 0;
    if (source.getAsInteger(10, number) || number >= byArgument.size() ||
        !byArgument[number])
      return error("there is no buffer %" + source + " before this argument");
    buffer = byArgument[number];
  } else {
    Expected<Buffer *> added = addBuffer(source);
    if (!added)
      return added.takeError();
    buffer = *added;
  }
  if (!buffer->tensor)
    return error("a tensor map needs an array with a shape");
  ptx::TensorMapSpec spec;
  std::optional<std::vector<int64_t>> box;
  for (StringRef part : llvm::drop_begin(parts)) {
    auto [key, value] = part.split('=');
    int swizzle = llvm::StringSwitch<int>(value)
                      .Case("0", 0)
                      .Case("32", 1)
                      .Case("64", 2)
                      .Case("128", 3)
                      .Default(-1);
    if (key == "box" && (box = parseShape(value)))
      continue;
    if (key == "swizzle" && swizzle >= 0)
      spec.swizzle = static_cast<ptx::TensorMapSpec::Swizzle>(swizzle);
    else if (key == "fill" && (value == "nan" || value == "zero"))
      spec.fillNaN = value == "nan";
    else
      return error("'" + part +
                   "': box=64x64, swizzle=0|32|64|128 or "
                   "fill=zero|nan expected");
  }
  if (!box)
    return error("a tensor map needs box=…");
  if (Error wrong = describe(*buffer->tensor, *box, spec))
    return wrong;
  spec.address = buffer->address;
  ptx::TensorMap map;
  std::string message;
  if (!ptx::encodeTensorMap(spec, map, message))
    return error("no tensor map: " + message);
  bytes.emplace_back(map.bytes.begin(), map.bytes.end());
  byArgument.push_back(nullptr);
  return Error::success();
}

Error PtxArguments::add(StringRef text) {
  auto [kind, rest] = text.split(':');
  bool isScalar = llvm::StringSwitch<bool>(kind)
                      .Cases({"i16", "i32", "i64", "f32", "f64"}, true)
                      .Default(false);
  if (kind == "tma")
    return addTensorMap(rest);
  if (isScalar) {
    Expected<std::vector<uint8_t>> value = scalar(kind, rest);
    if (!value)
      return value.takeError();
    bytes.push_back(*value);
    byArgument.push_back(nullptr);
    return Error::success();
  }
  if (text == "null") {
    bytes.push_back(bytesOf(uint64_t(0)));
    byArgument.push_back(nullptr);
    return Error::success();
  }
  Expected<Buffer *> buffer = addBuffer(text);
  if (!buffer)
    return buffer.takeError();
  bytes.push_back(bytesOf((*buffer)->address));
  byArgument.push_back(*buffer);
  return Error::success();
}

Error PtxArguments::writeOutputs() const {
  for (const Buffer &buffer : buffers) {
    if (buffer.output.empty())
      continue;
    Expected<OutputFile> file = OutputFile::open(buffer.output);
    if (!file)
      return file.takeError();
    writeNpy(file->os(), *buffer.tensor);
    if (Error wrong = file->commit())
      return wrong;
  }
  return Error::success();
}
