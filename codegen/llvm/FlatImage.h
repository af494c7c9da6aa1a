// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From an object file to a flat image: code and constants in one block that can
// be mapped anywhere, with nothing left to resolve.

#ifndef ATTNC_CODEGEN_LLVM_FLATIMAGE_H
#define ATTNC_CODEGEN_LLVM_FLATIMAGE_H

#include "codegen/Target.h"
#include "codegen/kernelfile/KernelDesc.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBufferRef.h"

namespace attnc {

/// Lays out an x86-64 ELF object and resolves its relative relocations.
/// `entries` are the symbols of the launches, in order. An undefined symbol,
/// writable data, or a relocation that depends on the load address is an error
/// that names it.
llvm::Expected<ImageDesc> makeFlatImage(llvm::MemoryBufferRef object,
                                        llvm::ArrayRef<std::string> entries,
                                        const Target &target);

/// The object's undefined symbols as an error: kernels have none.
llvm::Error checkNoExternalSymbols(llvm::MemoryBufferRef object);

/// Bytes of code and constants in an object; 0 if it cannot be read.
uint64_t loadedBytes(llvm::MemoryBufferRef object);

/// Bytes of the functions with these names; 0 if the object cannot be read.
uint64_t functionBytes(llvm::MemoryBufferRef object,
                       llvm::ArrayRef<std::string> names);

} // namespace attnc

#endif // ATTNC_CODEGEN_LLVM_FLATIMAGE_H
