// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A linker for the one kind of object that kernels are: text and read-only data
// that refer to each other relative to the instruction pointer.

#include "codegen/llvm/FlatImage.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/TargetParser/Triple.h"

using namespace attnc;
using namespace llvm;
using object::ELF64LEObjectFile;
using object::ELFSectionRef;
using object::ELFSymbolRef;
using object::RelocationRef;
using object::SectionRef;

static Error fail(const Twine &message) {
  return createStringError("cannot make a flat image: " + message);
}

static Expected<std::unique_ptr<ELF64LEObjectFile>>
openObject(MemoryBufferRef buffer) {
  Expected<ELF64LEObjectFile> file = ELF64LEObjectFile::create(buffer);
  if (!file)
    return file.takeError();
  if (file->getArch() != Triple::x86_64)
    return fail("the object is not for x86-64");
  return std::make_unique<ELF64LEObjectFile>(std::move(*file));
}

Error attnc::checkNoExternalSymbols(MemoryBufferRef buffer) {
  auto file = openObject(buffer);
  if (!file)
    return file.takeError();
  std::vector<std::string> names;
  for (const ELFSymbolRef &symbol : (*file)->symbols()) {
    Expected<uint32_t> flags = symbol.getFlags();
    if (!flags)
      return flags.takeError();
    Expected<StringRef> name = symbol.getName();
    if (!name)
      return name.takeError();
    if ((*flags & object::SymbolRef::SF_Undefined) && !name->empty())
      names.push_back(name->str());
  }
  if (names.empty())
    return Error::success();
  sort(names);
  return createStringError("the code needs the external symbol" +
                           Twine(names.size() > 1 ? "s " : " ") +
                           join(names, ", ") +
                           ", and kernels are self-contained");
}

namespace {

class FlatLinker {
public:
  FlatLinker(ELF64LEObjectFile &file, ImageDesc &image)
      : file(file), image(image) {}

  Error run(ArrayRef<std::string> entries) {
    if (Error error = layOut())
      return error;
    for (const SectionRef &section : file.sections())
      if (Error error = relocate(section))
        return error;
    return findEntries(entries);
  }

private:
  ELF64LEObjectFile &file;
  ImageDesc &image;
  DenseMap<uint64_t, uint64_t> offsets; // by section index

  Error layOut();
  Error place(const ELFSectionRef &section);
  Error relocate(const SectionRef &relocations);
  Error apply(const RelocationRef &relocation, uint64_t base, uint64_t size);
  Expected<uint64_t> address(const object::SymbolRef &symbol);
  Error findEntries(ArrayRef<std::string> entries);
};

} // namespace

/// Unwinding and address-significance tables are for linkers and debuggers.
static bool isDropped(const ELFSectionRef &section, StringRef name) {
  return !(section.getFlags() & ELF::SHF_ALLOC) || name == ".eh_frame" ||
         section.getType() == ELF::SHT_X86_64_UNWIND;
}

uint64_t attnc::loadedBytes(MemoryBufferRef buffer) {
  auto file = openObject(buffer);
  if (!file) {
    consumeError(file.takeError());
    return 0;
  }
  uint64_t bytes = 0;
  for (const ELFSectionRef section : (*file)->sections()) {
    Expected<StringRef> name = section.getName();
    if (!name)
      consumeError(name.takeError());
    else if (!isDropped(section, *name))
      bytes += section.getSize();
  }
  return bytes;
}

uint64_t attnc::functionBytes(MemoryBufferRef buffer,
                              ArrayRef<std::string> names) {
  auto file = openObject(buffer);
  if (!file) {
    consumeError(file.takeError());
    return 0;
  }
  uint64_t bytes = 0;
  for (const ELFSymbolRef symbol : (*file)->symbols()) {
    Expected<StringRef> name = symbol.getName();
    if (!name)
      consumeError(name.takeError());
    else if (symbol.getELFType() == ELF::STT_FUNC &&
             is_contained(names, name->str()))
      bytes += symbol.getSize();
  }
  return bytes;
}

/// Code first, then constants: what runs together stays together.
Error FlatLinker::layOut() {
  std::vector<ELFSectionRef> constants;
  for (const ELFSectionRef section : file.sections()) {
    Expected<StringRef> name = section.getName();
    if (!name)
      return name.takeError();
    if (isDropped(section, *name) || section.getSize() == 0)
      continue;
    if ((section.getFlags() & ELF::SHF_WRITE) ||
        section.getType() != ELF::SHT_PROGBITS)
      return fail("section " + *name + " is writable data");
    if (!(section.getFlags() & ELF::SHF_EXECINSTR))
      constants.push_back(section);
    else if (Error error = place(section))
      return error;
  }
  for (const ELFSectionRef &section : constants)
    if (Error error = place(section))
      return error;
  return Error::success();
}

Error FlatLinker::place(const ELFSectionRef &section) {
  uint64_t alignment = section.getAlignment().value();
  if (alignment > ATTNC_MAX_ALIGNMENT)
    return fail("a section is aligned to " + Twine(alignment) + " bytes");
  Expected<StringRef> contents = section.getContents();
  if (!contents)
    return contents.takeError();
  image.alignment = std::max(image.alignment, alignment);
  uint64_t offset = alignTo(image.code.size(), alignment);
  // Whatever runs into the padding traps.
  image.code.resize(offset, 0xcc);
  image.code.insert(image.code.end(), contents->begin(), contents->end());
  offsets[section.getIndex()] = offset;
  return Error::success();
}

/// The symbol's offset in the image.
Expected<uint64_t> FlatLinker::address(const object::SymbolRef &symbol) {
  Expected<StringRef> name = symbol.getName();
  if (!name)
    return name.takeError();
  Expected<object::section_iterator> section = symbol.getSection();
  if (!section)
    return section.takeError();
  if (*section == file.section_end())
    return fail("symbol " + *name + " is not defined");
  auto found = offsets.find((*section)->getIndex());
  if (found == offsets.end())
    return fail("symbol " + *name + " is in a section that is not loaded");
  Expected<uint64_t> value = symbol.getValue();
  if (!value)
    return value.takeError();
  return found->second + *value;
}

Error FlatLinker::relocate(const SectionRef &relocations) {
  Expected<object::section_iterator> target = relocations.getRelocatedSection();
  if (!target)
    return target.takeError();
  if (*target == file.section_end())
    return Error::success();
  auto found = offsets.find((*target)->getIndex());
  if (found == offsets.end())
    return Error::success();
  for (const RelocationRef &relocation : relocations.relocations())
    if (Error error = apply(relocation, found->second, (*target)->getSize()))
      return error;
  return Error::success();
}

Error FlatLinker::apply(const RelocationRef &relocation, uint64_t base,
                        uint64_t size) {
  object::symbol_iterator symbol = relocation.getSymbol();
  SmallString<32> typeName;
  relocation.getTypeName(typeName);
  if (symbol == file.symbol_end())
    return fail("relocation " + typeName + " has no symbol");
  Expected<uint64_t> target = address(*symbol);
  if (!target)
    return target.takeError();
  Expected<int64_t> addend = object::ELFRelocationRef(relocation).getAddend();
  if (!addend)
    return addend.takeError();
  uint64_t type = relocation.getType();
  bool is32 = type == ELF::R_X86_64_PC32 || type == ELF::R_X86_64_PLT32;
  if (!is32 && type != ELF::R_X86_64_PC64) {
    Expected<StringRef> name = symbol->getName();
    if (!name)
      return name.takeError();
    return fail("relocation " + typeName + " against " +
                (name->empty() ? StringRef("a section") : *name) +
                " depends on the load address");
  }
  uint64_t offset = relocation.getOffset();
  if (offset > size || size - offset < (is32 ? 4 : 8))
    return fail("a relocation lies outside its section");
  uint8_t *place = image.code.data() + base + offset;
  int64_t value = static_cast<int64_t>(*target) + *addend -
                  static_cast<int64_t>(base + offset);
  if (!is32) {
    support::endian::write64le(place, static_cast<uint64_t>(value));
    return Error::success();
  }
  if (!isInt<32>(value))
    return fail("the image is too large");
  support::endian::write32le(place, static_cast<uint32_t>(value));
  return Error::success();
}

Error FlatLinker::findEntries(ArrayRef<std::string> entries) {
  StringMap<uint64_t> found;
  for (const ELFSymbolRef symbol : file.symbols()) {
    if (symbol.getBinding() != ELF::STB_GLOBAL)
      continue;
    Expected<StringRef> name = symbol.getName();
    if (!name)
      return name.takeError();
    Expected<uint64_t> offset = address(symbol);
    if (!offset)
      return offset.takeError();
    found[*name] = *offset;
  }
  for (const std::string &entry : entries) {
    auto it = found.find(entry);
    if (it == found.end())
      return fail("the entry point " + entry + " is missing");
    image.entries.push_back(it->second);
  }
  return Error::success();
}

Expected<ImageDesc> attnc::makeFlatImage(MemoryBufferRef object,
                                         ArrayRef<std::string> entries,
                                         const attnc::Target &target) {
  if (Error error = checkNoExternalSymbols(object))
    return std::move(error);
  auto file = openObject(object);
  if (!file)
    return file.takeError();
  ImageDesc image;
  image.arch = ATTNC_ARCH_X86_64;
  image.target = target.name;
  image.features = target.features;
  if (Error error = FlatLinker(**file, image).run(entries))
    return std::move(error);
  return image;
}
