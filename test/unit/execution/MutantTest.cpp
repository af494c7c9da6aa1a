// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tensor-core kernel's PTX with one defect after another: a barrier less, a
// wait that leaves one more copy in flight, a copy that is in no group, a
// swizzle that is off. The executor must see each, or the result must be wrong.

#include "Case.h"
#include "Harness.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstdlib>
#include <sstream>

using namespace attnc;
using namespace attnc::test;

namespace {
struct Mutant {
  size_t line; ///< from 1
  std::string was, is;
};

std::vector<std::string> linesOf(const std::string &text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  return lines;
}

/// What can be wrong with a line, if it is of the kinds above.
std::optional<std::string> damaged(const std::string &line) {
  auto has = [&](const char *text) {
    return line.find(text) != std::string::npos;
  };
  if (has("bar.sync") || has("barrier.sync") || has("cp.async.commit_group"))
    return "";
  size_t wait = line.find("cp.async.wait_group");
  if (wait != std::string::npos) {
    size_t digits = line.find_first_of("0123456789", wait);
    int groups = std::atoi(line.c_str() + digits);
    return line.substr(0, digits) + std::to_string(groups + 1) + ";";
  }
  // Offsets of 16-byte chunks that a swizzle moves: the chunk beside it.
  size_t comma = line.rfind(", ");
  if (has("xor.b32") && comma != std::string::npos) {
    int offset = std::atoi(line.c_str() + comma + 2);
    if (offset > 0 && offset < 256 && offset % 16 == 0)
      return line.substr(0, comma + 2) + std::to_string(offset ^ 16) + ";";
  }
  return std::nullopt;
}

class Mutants : public ::testing::Test {
protected:
  Engine engine;

  /// Launches the kernel with changed PTX; whether anything is wrong.
  bool isCaught(KernelDesc kernel, const std::string &text) {
    kernel.images.front().code.assign(text.begin(), text.end());
    for (const Expected &e : expected) {
      Kernel loaded = engine.loadIntoSimulator(kernel, /*seed=*/1);
      if (!loaded) {
        ADD_FAILURE() << "does not load: " << engine.takeDiagnostics();
        return true;
      }
      RunResult result = engine.run(loaded, e.problem, Place::AtEnd, 0);
      if (!result.ok() ||
          !compare(e.problem, result.outputs, e.exact, e.naive).failure.empty())
        return true;
    }
    return false;
  }

  struct Expected {
    Problem problem;
    Values exact, naive;
  };
  /// Of one spec, with values that are finite and with some that are not.
  std::vector<Expected> expected;

  /// Mutants that nothing shows, of `all`.
  std::vector<Mutant> survivors(Case c, size_t &all) {
    expected.clear();
    for (bool hasNaN : {false, true}) {
      Problem problem = makeProblem(c, 7);
      // The last key is kept by the last query alone: others of its block take
      // the guarded product. Every second 16 bytes, so that none stand for
      // others.
      std::vector<double> &v = problem.inputs[2].values;
      for (size_t x = 0; x < static_cast<size_t>(c.dv) && hasNaN; ++x)
        if (x / 8 % 2 == 0)
          v[v.size() - static_cast<size_t>(c.dv) + x] = NAN;
      auto exact = engine.evaluate(problem, true);
      auto naive = engine.evaluate(problem, false);
      if (exact && naive)
        expected.push_back({problem, *exact, *naive});
    }
    std::vector<Mutant> left;
    if (expected.size() != 2) {
      ADD_FAILURE() << engine.takeDiagnostics();
      return left;
    }
    auto kernel = engine.compileForSimulator(expected[0].problem, "sm_80");
    if (!kernel) {
      ADD_FAILURE() << engine.takeDiagnostics();
      return left;
    }
    const std::vector<uint8_t> &code = kernel->images.front().code;
    std::string text(code.begin(), code.end());
    EXPECT_NE(text.find("mma.sync"), std::string::npos) << text;
    EXPECT_FALSE(isCaught(*kernel, text)) << "without a defect";
    std::vector<std::string> lines = linesOf(text);
    // Behind the last use of shared memory waits and barriers order nothing.
    size_t end = lines.size();
    while (end > 0 && lines[end - 1].find(".shared") == std::string::npos)
      --end;
    for (size_t i = 0; i < end; ++i) {
      std::optional<std::string> wrong = damaged(lines[i]);
      if (!wrong)
        continue;
      ++all;
      std::string changed;
      for (size_t j = 0; j < lines.size(); ++j)
        changed += (j == i ? *wrong : lines[j]) + "\n";
      if (!isCaught(*kernel, changed))
        left.push_back({i + 1, lines[i], *wrong});
    }
    return left;
  }
};
} // namespace

TEST_F(Mutants, AreCaught) {
  Case c;
  c.dtype = ATTNC_DTYPE_F16;
  c.n = c.m = 200;
  c.d = c.dv = 64;
  c.mask = Mask::Causal;
  size_t all = 0;
  std::vector<Mutant> left = survivors(c, all);
  std::printf("%zu mutants, %zu not caught\n", all, left.size());
  EXPECT_GE(all, 20u);
  for (const Mutant &mutant : left)
    ADD_FAILURE() << "line " << mutant.line << ": '" << mutant.was << "' as '"
                  << mutant.is << "' is not caught";
}
