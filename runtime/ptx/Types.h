// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Scalar types and state spaces of PTX.

#ifndef ATTNC_RUNTIME_PTX_TYPES_H
#define ATTNC_RUNTIME_PTX_TYPES_H

#include <cstdint>
#include <string_view>

namespace attnc {
namespace ptx {

enum class Type : uint8_t {
  None,
  Pred,
  B8,
  B16,
  B32,
  B64,
  B128,
  U8,
  U16,
  U32,
  U64,
  S8,
  S16,
  S32,
  S64,
  F16,
  F16x2,
  BF16,
  BF16x2,
  F32,
  F64,
  TF32,
  E4M3,
  E5M2,
  E4M3x2,
  E5M2x2,
};

enum class Space : uint8_t {
  Generic,
  Global,
  Shared,
  Local,
  Param,
  Const,
  Register
};

/// The type of a modifier without its dot; None if it is no type.
Type typeOf(std::string_view name);
const char *nameOf(Type type);
/// In bits; 1 for Pred, 0 for None.
unsigned bitsOf(Type type);

inline unsigned bytesOf(Type type) { return (bitsOf(type) + 7) / 8; }
inline bool isSigned(Type type) {
  return type >= Type::S8 && type <= Type::S64;
}
inline bool isUnsigned(Type type) {
  return type >= Type::U8 && type <= Type::U64;
}
inline bool isBits(Type type) { return type >= Type::B8 && type <= Type::B128; }
inline bool isInteger(Type type) { return isSigned(type) || isUnsigned(type); }
inline bool isFloat(Type type) { return type >= Type::F16; }
/// bN, uN or sN.
inline bool isIntegerOrBits(Type type) {
  return type >= Type::B8 && type <= Type::S64;
}

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_TYPES_H
