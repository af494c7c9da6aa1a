// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The blocks of a launch, in an order drawn from the seed, and its report.

#include "Launch.h"
#include "Block.h"
#include "Error.h"

#include <algorithm>
#include <deque>
#include <new>
#include <numeric>

using namespace attnc::ptx;

constexpr size_t mostFindings = 1000;
constexpr uint64_t mostBlockMemory = uint64_t(2) << 30;
/// Instructions after which another block may run.
constexpr uint64_t slice = 4 << 20;

const char *attnc::ptx::nameOf(Finding::Kind kind) {
  switch (kind) {
  case Finding::Race:
    return "race";
  case Finding::InFlight:
    return "in flight";
  case Finding::Uninitialized:
    return "uninitialised";
  case Finding::MissingFence:
    return "missing fence";
  case Finding::Protocol:
    return "protocol";
  }
  return "";
}

uint64_t LaunchResult::extraWavefronts() const {
  uint64_t extra = 0;
  for (const BankUse &use : banks)
    extra += use.wavefronts - use.ideal;
  return extra;
}

Finding *Launch::note(Finding::Kind kind, unsigned line, unsigned other) {
  auto key = std::make_tuple(static_cast<int>(kind), line, other);
  auto found = findings.find(key);
  if (found == findings.end()) {
    if (findings.size() >= mostFindings)
      return nullptr;
    found = findings.emplace(key, Finding()).first;
    found->second.kind = kind;
    found->second.line = line;
    found->second.otherLine = other;
  }
  ++found->second.count;
  return &found->second;
}

/// Bytes that one block keeps, more or less.
uint64_t Launch::blockMemory(unsigned threads) const {
  uint64_t warps = (threads + 31) / 32;
  uint64_t shared = program.staticShared + options.dynamicShared + 4096;
  uint64_t granules = shared >> program.granuleShift;
  return warps * (program.registerWords * 4 + program.localBytes * 32 + 4096) +
         shared + granules * (20 + 4 * warps);
}

/// Blocks run one after another; one that gets nowhere makes room for others.
void Launch::runBlocks() {
  const Dim3 &grid = options.grid;
  uint64_t total = grid.count(), started = 0, finished = 0;
  unsigned threads = static_cast<unsigned>(options.block.count());
  if (blockMemory(threads) > mostBlockMemory)
    throw Error(0, "a block's registers and local memory need more than 2 GiB");
  uint64_t resident = std::min<uint64_t>(
      options.residentBlocks, mostBlockMemory / blockMemory(threads));
  std::deque<std::unique_ptr<Block>> running;
  std::unique_ptr<Block> spare;
  // An order of a huge grid is drawn by a step that shares no factor with it.
  uint64_t step = total > 1 ? 1 + random.next() % (total - 1) : 1;
  while (std::gcd(step, total) != 1)
    ++step;
  uint64_t next = random.next() % total;
  while (finished < total) {
    if (options.progress && !options.progress(finished, total))
      throw Error(0, "the launch was interrupted");
    if (running.empty() || (running.front() == nullptr)) {
      std::unique_ptr<Block> block = std::move(spare);
      if (!block)
        block = std::make_unique<Block>(*this, threads);
      next = (next + step) % total;
      ++started;
      block->start({static_cast<uint32_t>(next % grid.x),
                    static_cast<uint32_t>(next / grid.x % grid.y),
                    static_cast<uint32_t>(next / grid.x / grid.y)});
      if (!running.empty())
        running.pop_front();
      running.push_front(std::move(block));
    }
    std::unique_ptr<Block> block = std::move(running.front());
    running.pop_front();
    uint64_t left = options.maxWarpInstructions > warpInstructions
                        ? options.maxWarpInstructions - warpInstructions
                        : 0;
    if (block->run(std::min(slice, left + 1)) == Block::Finished) {
      ++finished;
      spare = std::move(block);
    } else {
      if (warpInstructions > options.maxWarpInstructions)
        throw Error(0, "the launch did not end within its limit of "
                       "instructions");
      running.push_back(std::move(block));
      // A null stands for a block that has not begun.
      bool room = running.size() < resident && started < total;
      if (room)
        running.push_front(nullptr);
    }
  }
}

void Launch::collect(LaunchResult &result) {
  for (auto &[key, finding] : findings)
    result.findings.push_back(finding);
  std::map<unsigned, BankUse> byLine;
  for (size_t i = 0; i < bankUse.size(); ++i) {
    if (!bankUse[i].executions)
      continue;
    BankUse &use = byLine[program.code[i].line];
    use.line = program.code[i].line;
    use.executions += bankUse[i].executions;
    use.wavefronts += bankUse[i].wavefronts;
    use.ideal += bankUse[i].ideal;
  }
  for (auto &[line, use] : byLine)
    result.banks.push_back(use);
  std::sort(result.banks.begin(), result.banks.end(),
            [](const BankUse &a, const BankUse &b) {
              uint64_t extraA = a.wavefronts - a.ideal;
              uint64_t extraB = b.wavefronts - b.ideal;
              return extraA != extraB ? extraA > extraB : a.line < b.line;
            });
  result.warpInstructions = warpInstructions;
  result.threadInstructions = threadInstructions;
}

void Launch::run(LaunchResult &result) {
  try {
    runBlocks();
    result.completed = true;
  } catch (const Error &error) {
    result.error = error.diagnostic;
  } catch (const std::bad_alloc &) {
    result.error.message = "out of memory";
  }
  collect(result);
}
