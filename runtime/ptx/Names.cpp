// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Registers, variables and labels by scope. A range `%r<N>` costs nothing until
// its members are used, so that a huge N allocates nothing.

#include "Error.h"
#include "Parser.h"

using namespace attnc::ptx;

constexpr uint32_t mostRegisters = 1 << 20;
constexpr size_t deepestScope = 200;
constexpr size_t mostScopes = 1 << 20;

static std::string quoted(std::string_view name) {
  return "'" + std::string(name.substr(0, 200)) + "'";
}

void Names::enterFunction(Function &f) {
  function = &f;
  frames.clear();
  frames.emplace_back();
  f.scopes.emplace_back();
}

void Names::push(unsigned line) {
  if (frames.size() >= deepestScope)
    throw Error(line, "scopes are nested too deeply");
  if (function->scopes.size() >= mostScopes)
    throw Error(line, "too many scopes");
  Scope scope;
  scope.parent = current();
  function->scopes.push_back(scope);
  frames.emplace_back();
  frames.back().id = static_cast<uint32_t>(function->scopes.size() - 1);
}

bool Names::pop() {
  if (frames.size() == 1)
    return false;
  frames.pop_back();
  return true;
}

uint32_t Names::newRegister(Type type, unsigned line) {
  if (function->registers.size() >= mostRegisters)
    throw Error(line, "too many registers");
  function->registers.push_back({type});
  return static_cast<uint32_t>(function->registers.size() - 1);
}

void Names::declareRegister(std::string_view name, Type type, unsigned line) {
  Frame &frame = frames.back();
  if (frame.variables.count(name) ||
      !frame.registers.emplace(name, newRegister(type, line)).second)
    throw Error(line, quoted(name) + " is declared twice");
}

void Names::declareRange(std::string_view prefix, uint64_t count, Type type,
                         unsigned line) {
  if (!frames.back().ranges.emplace(prefix, Range{type, count}).second)
    throw Error(line, quoted(prefix) + " is declared twice");
}

void Names::declareVariable(const Variable *variable, unsigned line) {
  Frame &frame = frames.back();
  // Parameters of calls are declared again and again under one name, each in a
  // scope of its own; within one scope that is an error.
  if (frame.registers.count(variable->name) ||
      !frame.variables.emplace(variable->name, variable).second)
    throw Error(line, quoted(variable->name) + " is declared twice");
}

void Names::declareLabel(std::string_view name, unsigned line) {
  Scope &scope = function->scopes[current()];
  uint32_t at = static_cast<uint32_t>(function->body.size());
  if (!scope.labels.emplace(name, at).second)
    throw Error(line, "label " + quoted(name) + " is defined twice");
}

int64_t Names::findRegister(std::string_view name) {
  size_t digits = name.size();
  while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
    --digits;
  std::string_view prefix = name.substr(0, digits);
  std::string_view suffix = name.substr(digits);
  // %r<N> declares %r0 to %r(N-1), without leading zeros.
  bool canBeInRange = !suffix.empty() && suffix.size() <= 18 &&
                      (suffix.size() == 1 || suffix[0] != '0');
  uint64_t number = 0;
  for (char c : canBeInRange ? suffix : std::string_view())
    number = number * 10 + static_cast<uint64_t>(c - '0');
  for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
    auto found = frame->registers.find(name);
    if (found != frame->registers.end())
      return found->second;
    if (frame->variables.count(name))
      return -1;
    auto range = frame->ranges.find(prefix);
    if (!canBeInRange || range == frame->ranges.end() ||
        number >= range->second.count)
      continue;
    uint32_t id = newRegister(range->second.type, function->line);
    frame->registers.emplace(name, id);
    return id;
  }
  return -1;
}

const Variable *Names::findVariable(std::string_view name) const {
  for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
    auto found = frame->variables.find(name);
    if (found != frame->variables.end())
      return found->second;
  }
  auto found = module.globals.find(name);
  return found == module.globals.end() ? nullptr : found->second;
}
