// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Operands as base64 of the smallest type that holds them.

#include "tools/attnc/view/OperandScript.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Base64.h"
#include "llvm/Support/Endian.h"

using namespace attnc;
using namespace mlir;

namespace {
struct Encoding {
  const char *type; // as in sets.js
  int64_t bits;
};
} // namespace

static Encoding chooseEncoding(const HostTensor &tensor) {
  Type element = tensor.getElementType();
  if (tensor.isFloat())
    return element.isF64() ? Encoding{"f64", 64} : Encoding{"f32", 32};
  if (element.isInteger(1))
    return {"bit", 1};
  int64_t low = 0, high = 0;
  for (Scalar value : tensor.values()) {
    low = std::min(low, value.i);
    high = std::max(high, value.i);
  }
  for (Encoding encoding :
       {Encoding{"i8", 8}, Encoding{"i16", 16}, Encoding{"i32", 32}})
    if (low >= -(int64_t(1) << (encoding.bits - 1)) &&
        high < int64_t(1) << (encoding.bits - 1))
      return encoding;
  return {"f64", 64}; // exact up to 2^53, beyond all positions
}

template <typename T>
static void append(std::string &bytes, T value) {
  char buffer[sizeof(T)];
  llvm::support::endian::write<T>(buffer, value, llvm::endianness::little);
  bytes.append(buffer, sizeof(T));
}

static std::string encode(const HostTensor &tensor, const Encoding &encoding) {
  std::string bytes;
  StringRef type = encoding.type;
  if (type == "bit") {
    bytes.resize((tensor.getNumElements() + 7) / 8);
    for (auto [n, value] : llvm::enumerate(tensor.values()))
      if (value.i)
        bytes[n / 8] |= static_cast<char>(1 << n % 8);
    return bytes;
  }
  for (Scalar value : tensor.values()) {
    if (type == "f64")
      append(bytes, llvm::bit_cast<uint64_t>(
                        tensor.isFloat() ? value.f : double(value.i)));
    else if (type == "f32")
      append(bytes, llvm::bit_cast<uint32_t>(static_cast<float>(value.f)));
    else if (type == "i32")
      append(bytes, static_cast<int32_t>(value.i));
    else if (type == "i16")
      append(bytes, static_cast<int16_t>(value.i));
    else
      append(bytes, static_cast<int8_t>(value.i));
  }
  return bytes;
}

std::optional<unsigned> OperandScript::embed(Value value) {
  const auto *known = llvm::find(values, value);
  if (known != values.end())
    return known - values.begin();
  HostTensor tensor = attention.interpreter->asTensor(value);
  Encoding encoding = chooseEncoding(tensor);
  int64_t size = llvm::divideCeil(tensor.getNumElements() * encoding.bits, 8);
  if (size > budget)
    return std::nullopt;
  budget -= size;
  std::string shape =
      llvm::join(llvm::map_range(tensor.getShape(),
                                 [](int64_t d) { return std::to_string(d); }),
                 ",");
  entries.push_back("{shape: [" + shape +
                    "], count: " + std::to_string(tensor.getNumElements()) +
                    ", type: '" + encoding.type + "', data: '" +
                    llvm::encodeBase64(encode(tensor, encoding)) + "'}");
  values.push_back(value);
  return values.size() - 1;
}

std::string OperandScript::print() const {
  return "[" + llvm::join(entries, ",\n      ") + "]";
}
