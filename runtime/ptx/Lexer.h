// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// PTX text to tokens. Comments and white space vanish; a token points into the
// text.

#ifndef ATTNC_RUNTIME_PTX_LEXER_H
#define ATTNC_RUNTIME_PTX_LEXER_H

#include <cstdint>
#include <string_view>

namespace attnc {
namespace ptx {

struct Token {
  enum Kind {
    End,
    Word,    ///< identifier, register or opcode's first part
    DotWord, ///< `.name`, with its dot and any `::`
    Integer,
    Float32,
    Float64,
    String,
    Punctuation,
  };
  Kind kind = End;
  unsigned line = 1;
  std::string_view text;
  uint64_t value = 0; ///< of Integer; the bits of Float32 and Float64
  bool spaceBefore = false;

  bool is(char c) const {
    return kind == Punctuation && text.size() == 1 && text[0] == c;
  }
};

class Lexer {
public:
  explicit Lexer(std::string_view text) : text(text) {}
  /// Throws Error at what is no token.
  Token next();

private:
  bool skipSpace();
  Token lexNumber();
  Token lexHexFloat(unsigned digits);
  Token make(Token::Kind kind, size_t size);
  char peek(size_t ahead = 0) const {
    return at + ahead < text.size() ? text[at + ahead] : '\0';
  }

  std::string_view text;
  size_t at = 0;
  unsigned line = 1;
};

} // namespace ptx
} // namespace attnc

#endif // ATTNC_RUNTIME_PTX_LEXER_H
