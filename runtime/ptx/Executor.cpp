// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The public interface: checks of what the caller gives, and errors as values.

#include "Error.h"
#include "Launch.h"
#include "Parser.h"

#include <algorithm>
#include <cstring>
#include <new>

using namespace attnc::ptx;

struct Executor::Impl {
  std::unique_ptr<Module> module;
  std::vector<std::unique_ptr<Program>> programs;
  DeviceMemory memory;
  std::map<const Variable *, uint64_t> globals;

  void placeGlobals();
};

Executor::Executor() : impl(std::make_unique<Impl>()) {}
Executor::~Executor() = default;

/// Every variable of global and constant memory gets its region.
void Executor::Impl::placeGlobals() {
  for (const Variable &variable : module->variables) {
    if (variable.space != Space::Global && variable.space != Space::Const)
      continue;
    if (variable.isExtern)
      continue;
    uint64_t address = memory.allocate(variable.size);
    if (!address)
      throw Error(variable.line, "no memory for '" + variable.name + "'");
    globals[&variable] = address;
    uint8_t *data = memory.find(address, variable.size, true);
    memset(data, 0, variable.size);
    if (!variable.initial.empty())
      memcpy(data, variable.initial.data(), variable.initial.size());
  }
  for (auto [variable, address] : globals)
    for (const Variable::Relocation &relocation : variable->relocations) {
      auto target = globals.find(relocation.target);
      if (target == globals.end())
        throw Error(variable->line,
                    "'" + relocation.target->name + "' has no address yet");
      uint64_t value =
          target->second + static_cast<uint64_t>(relocation.addend);
      memcpy(memory.find(address + relocation.offset, relocation.bytes, true),
             &value, std::min(relocation.bytes, 8u));
    }
}

bool Executor::load(std::string_view text, Diagnostic &error) {
  try {
    auto next = std::make_unique<Impl>();
    std::swap(next->memory, impl->memory);
    std::unique_ptr<Impl> old = std::move(impl);
    impl = std::move(next);
    impl->module = parseModule(text);
    for (const Function &f : impl->module->functions)
      if (f.isEntry && f.hasBody)
        impl->programs.push_back(
            std::make_unique<Program>(decodeProgram(*impl->module, f)));
    impl->placeGlobals();
    for (const auto &program : impl->programs)
      for (const Program::AddressSlot &slot : program->addresses)
        if (slot.variable->space != Space::Shared &&
            !impl->globals.count(slot.variable))
          throw Error(slot.variable->line,
                      "'" + slot.variable->name + "' is defined nowhere");
    return true;
  } catch (const Error &caught) {
    error = caught.diagnostic;
  } catch (const std::bad_alloc &) {
    error = {0, "out of memory"};
  }
  impl->module.reset();
  impl->programs.clear();
  return false;
}

std::vector<EntryInfo> Executor::entries() const {
  std::vector<EntryInfo> list;
  for (const auto &program : impl->programs) {
    EntryInfo info;
    info.name = program->name;
    info.parameters = program->parameters;
    info.staticShared = program->staticShared;
    info.requiredBlock = program->requiredBlock;
    info.instructions = program->code.size();
    list.push_back(info);
  }
  return list;
}

uint64_t Executor::allocate(size_t size) { return impl->memory.allocate(size); }
uint64_t Executor::map(void *data, size_t size, bool writable) {
  return impl->memory.map(data, size, writable);
}
bool Executor::free(uint64_t address) { return impl->memory.free(address); }

bool Executor::write(uint64_t address, const void *data, size_t size) {
  uint8_t *to = impl->memory.find(address, size, true);
  if (to && size)
    memcpy(to, data, size);
  return to;
}

bool Executor::read(uint64_t address, void *data, size_t size) const {
  const uint8_t *from = impl->memory.find(address, size, false);
  if (from && size)
    memcpy(data, from, size);
  return from;
}

static void checkBlock(const Program &program, const LaunchOptions &options) {
  const Dim3 &grid = options.grid, &block = options.block;
  if (!grid.x || !grid.y || !grid.z || grid.y > 65535 || grid.z > 65535 ||
      grid.x > 0x7fffffff)
    throw Error(0, "a grid has 1 to 2147483647 × 65535 × 65535 blocks");
  if (!block.x || !block.y || !block.z || block.x > 1024 || block.y > 1024 ||
      block.z > 64 || block.count() > 1024)
    throw Error(0, "a block has 1 to 1024 threads, at most 64 in z");
  const Dim3 &need = program.requiredBlock, &most = program.maxBlock;
  if (need.x && (need.x != block.x || need.y != block.y || need.z != block.z))
    throw Error(0,
                format("'%.200s' needs blocks of %u×%u×%u threads (.reqntid)",
                       program.name.c_str(), need.x, need.y, need.z));
  if (most.x && block.count() > most.count())
    throw Error(0, format("'%.200s' allows %u threads a block (.maxntid)",
                          program.name.c_str(),
                          static_cast<unsigned>(most.count())));
}

/// What a block may have, by the target that the module is for.
static uint32_t sharedLimit(unsigned target) {
  switch (target) {
  case 75:
    return 64 << 10;
  case 80:
  case 87:
    return 163 << 10;
  case 86:
  case 89:
  case 120:
  case 121:
    return 99 << 10;
  default:
    return 227 << 10;
  }
}

LaunchResult
Executor::launch(std::string_view entry,
                 const std::vector<std::vector<uint8_t>> &arguments,
                 const LaunchOptions &options) {
  LaunchResult result;
  try {
    const Program *program = nullptr;
    for (const auto &candidate : impl->programs)
      if (candidate->name == entry)
        program = candidate.get();
    if (!program)
      throw Error(0, "no entry function '" + std::string(entry.substr(0, 200)) +
                         "'");
    checkBlock(*program, options);
    uint32_t limit = sharedLimit(impl->module->target);
    if (uint64_t(program->staticShared) + options.dynamicShared > limit)
      throw Error(0, format("%u + %u bytes of shared memory are more than the "
                            "%u of sm_%u",
                            program->staticShared, options.dynamicShared, limit,
                            impl->module->target));
    if (arguments.size() != program->parameters.size())
      throw Error(0, format("'%.200s' has %zu parameters, not %zu",
                            program->name.c_str(), program->parameters.size(),
                            arguments.size()));
    Launch launch(*program, impl->memory, options);
    launch.globals = impl->globals;
    launch.parameters.resize(program->parameterBytes);
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (arguments[i].size() != program->parameters[i].size)
        throw Error(0,
                    format("parameter %zu has %u bytes, not %zu", i,
                           program->parameters[i].size, arguments[i].size()));
      std::copy(arguments[i].begin(), arguments[i].end(),
                launch.parameters.begin() + program->parameterOffsets[i]);
    }
    launch.run(result);
  } catch (const Error &error) {
    result.error = error.diagnostic;
  } catch (const std::bad_alloc &) {
    result.error.message = "out of memory";
  }
  return result;
}
