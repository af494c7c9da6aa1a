// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Numbers follow the PTX manual: 0x, 0b and octal integers with an optional U,
// 0f and 0d for the bits of floats, and decimal doubles.

#include "Lexer.h"
#include "Error.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace attnc::ptx;

std::string attnc::ptx::format(const char *pattern, ...) {
  char buffer[512];
  va_list list;
  va_start(list, pattern);
  vsnprintf(buffer, sizeof buffer, pattern, list);
  va_end(list);
  return buffer;
}

static bool isDigit(char c) { return c >= '0' && c <= '9'; }
static bool isLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool isFollow(char c) {
  return isLetter(c) || isDigit(c) || c == '_' || c == '$';
}

/// The value of a hexadecimal digit, -1 for anything else.
static int hexValue(char c) {
  if (isDigit(c))
    return c - '0';
  char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool Lexer::skipSpace() {
  bool any = false;
  for (;; any = true) {
    char c = peek();
    if (at >= text.size())
      return any;
    if (c == '\n')
      ++line;
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      ++at;
    } else if (c == '/' && peek(1) == '/') {
      while (at < text.size() && text[at] != '\n')
        ++at;
    } else if (c == '/' && peek(1) == '*') {
      unsigned start = line;
      size_t end = text.find("*/", at + 2);
      if (end == std::string_view::npos)
        throw Error(start, "this comment has no end");
      for (; at < end + 2; ++at)
        line += text[at] == '\n';
    } else {
      return any;
    }
  }
}

Token Lexer::make(Token::Kind kind, size_t size) {
  Token token;
  token.kind = kind;
  token.line = line;
  token.text = text.substr(at, size);
  at += size;
  return token;
}

Token Lexer::lexHexFloat(unsigned digits) {
  uint64_t bits = 0;
  for (unsigned i = 0; i < digits; ++i) {
    int value = hexValue(peek(2 + i));
    if (value < 0)
      throw Error(line, format("%u hexadecimal digits expected after '0%c'",
                               digits, peek(1)));
    bits = bits << 4 | static_cast<unsigned>(value);
  }
  if (isFollow(peek(2 + digits)))
    throw Error(line, "this floating-point constant is too long");
  Token token = make(digits == 8 ? Token::Float32 : Token::Float64, 2 + digits);
  token.value = bits;
  return token;
}

Token Lexer::lexNumber() {
  char second = static_cast<char>(peek(1) | 0x20);
  bool leadingZero = peek() == '0';
  if (leadingZero && second == 'f')
    return lexHexFloat(8);
  if (leadingZero && second == 'd')
    return lexHexFloat(16);
  unsigned base = 10;
  size_t skip = 0;
  if (leadingZero && (second == 'x' || second == 'b')) {
    base = second == 'x' ? 16 : 2;
    skip = 2;
  } else if (leadingZero && isDigit(peek(1))) {
    base = 8;
    skip = 1;
  }
  size_t size = skip;
  uint64_t value = 0;
  for (int digit; (digit = hexValue(peek(size))) >= 0 &&
                  static_cast<unsigned>(digit) < base;
       ++size)
    if (__builtin_mul_overflow(value, uint64_t(base), &value) ||
        __builtin_add_overflow(value, uint64_t(digit), &value))
      throw Error(line, "this integer needs more than 64 bits");
  if (base == 10 && peek(size) == '.' && isDigit(peek(size + 1))) {
    char digits[64];
    while (isDigit(peek(size)) || peek(size) == '.' || peek(size) == 'e' ||
           peek(size) == 'E' ||
           ((peek(size) == '-' || peek(size) == '+') &&
            (peek(size - 1) | 0x20) == 'e'))
      ++size;
    if (size >= sizeof digits)
      throw Error(line, "this floating-point constant is too long");
    memcpy(digits, text.data() + at, size);
    digits[size] = '\0';
    char *end = nullptr;
    double number = strtod(digits, &end);
    if (end != digits + size)
      throw Error(line, "malformed floating-point constant");
    Token token = make(Token::Float64, size);
    memcpy(&token.value, &number, sizeof number);
    return token;
  }
  if (size == skip && skip == 2)
    throw Error(line, "digits expected");
  if (peek(size) == 'U' || peek(size) == 'u')
    ++size;
  if (isFollow(peek(size)))
    throw Error(line, "malformed number");
  Token token = make(Token::Integer, size);
  token.value = value;
  return token;
}

Token Lexer::next() {
  bool space = skipSpace();
  char c = peek();
  Token token;
  if (at >= text.size()) {
    token.line = line;
  } else if (isDigit(c)) {
    token = lexNumber();
  } else if (isLetter(c) || c == '_' || c == '$' || c == '%') {
    size_t size = 1;
    while (isFollow(peek(size)))
      ++size;
    token = make(Token::Word, size);
  } else if (c == '.' && isFollow(peek(1))) {
    size_t size = 2;
    while (isFollow(peek(size)) ||
           (peek(size) == ':' && peek(size + 1) == ':' &&
            isFollow(peek(size + 2))) ||
           (peek(size) == ':' && peek(size - 1) == ':'))
      ++size;
    token = make(Token::DotWord, size);
  } else if (c == '"') {
    size_t end = text.find('"', at + 1);
    if (end == std::string_view::npos)
      throw Error(line, "this string has no end");
    token = make(Token::String, end + 1 - at);
    for (char character : token.text)
      line += character == '\n';
  } else if (c != '\0' && strchr("{}[]()<>,;:=+-!@|&*/~?", c)) {
    token = make(Token::Punctuation, 1);
  } else {
    throw Error(line, format("character 0x%02x is not part of PTX",
                             static_cast<unsigned char>(c)));
  }
  token.spaceBefore = space;
  return token;
}
