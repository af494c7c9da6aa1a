// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layout of a kernel file (.attnc). Little-endian throughout; numbers are
// unaligned and read byte by byte.
//
//   header       64 bytes
//     0   magic           8 bytes, ATTNC_FILE_MAGIC
//     8   checksum        u64, XXH3-64 of the whole file but these 8 bytes
//     16  format version  u32, ATTNC_FORMAT_VERSION
//     20  ABI version     u32, ATTNC_ABI_VERSION
//     24  file size       u64
//     32  section count   u32
//     36  zero            28 bytes
//   section table: 24 bytes each
//     0   kind            u32, ATTNC_SECTION_*
//     4   zero            u32
//     8   offset          u64, from the start of the file
//     16  size            u64
//   sections
//
// Magic, versions and file size keep their places in every format version.
//
// The description section is a stream of
//   text     u32 bytes, then the bytes
//   list(x)  u32 count, then the elements
//   formula  list(op), op = u16 opcode, u16 dim, u32 tensor, i64 imm
//   word     u32 kind, then u32 tensor, u32 dim, or for a value a formula
// in this order:
//   text name, text producer
//   list(argument):   text name, u32 role, u32 dtype, u64 alignment,
//                     list(i64) sizes, -1 for dynamic
//   list(constraint): formula, text message
//   list(temporary):  formula
//   list(launch):     text name, u32 flags, u64 scratch bytes,
//                     list(formula) grid, list(word)
//   list(image):      u32 architecture, text target, list(text) features,
//                     u64 alignment, u32 section, and then for a CPU a u64
//                     entry a launch; for a GPU u32 chip number, u32 suffix
//                     ('a', 'f' or 0), and a launch u32 threads, u32 shared
//                     bytes, u32 blocks
//   list(metadata):   text key, text value
// An image's section is of kind code and holds its bytes.
//
// Version 2 has images for GPUs, which a reader of version 1 could not pass
// over: their entries have another size.

#ifndef ATTNC_KERNEL_FORMAT_H
#define ATTNC_KERNEL_FORMAT_H

#include "attnc/kernel_abi.h"

/// Eight bytes; the first is not text and the last two show a file that went
/// through a text-mode copy.
#define ATTNC_FILE_MAGIC                                                       \
  "\x89"                                                                       \
  "ATTNC\r\n"

#define ATTNC_FORMAT_VERSION 2

enum {
  ATTNC_FILE_MAGIC_BYTES = 8,
  ATTNC_FILE_CHECKSUM_OFFSET = 8,
  ATTNC_FILE_FORMAT_VERSION_OFFSET = 16,
  ATTNC_FILE_ABI_VERSION_OFFSET = 20,
  ATTNC_FILE_SIZE_OFFSET = 24,
  ATTNC_FILE_SECTION_COUNT_OFFSET = 32,
  ATTNC_FILE_HEADER_BYTES = 64,
  ATTNC_FILE_SECTION_BYTES = 24,
  ATTNC_FILE_FORMULA_OP_BYTES = 16
};

enum { ATTNC_SECTION_DESCRIPTION = 1, ATTNC_SECTION_CODE = 2 };

/// The largest file that is read at all.
#define ATTNC_MAX_FILE_BYTES ((uint64_t)1 << 30)

#endif // ATTNC_KERNEL_FORMAT_H
