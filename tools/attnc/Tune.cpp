// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attnc tune: measures schedules of a spec and keeps the best.

#include "tools/attnc/Engine.h"
#include "tools/attnc/Inputs.h"
#include "tools/attnc/ShapeSolver.h"
#include "tools/attnc/TuneSearch.h"
#include "tools/support/Terminal.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Format.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>

using namespace attnc;
using namespace mlir;
using namespace mlir::attn;

namespace {
using Clock = std::chrono::steady_clock;

/// A schedule with its kernel, and what was measured of it.
struct Candidate {
  ScheduleFields fields;
  std::optional<Kernel> kernel;
  std::vector<double> seconds, ratios; ///< of rounds; to the default's
  bool isWrong = false;

  double best() const {
    return *std::min_element(seconds.begin(), seconds.end());
  }
  double ratio() const {
    std::vector<double> sorted = ratios;
    llvm::sort(sorted);
    return sorted[sorted.size() / 2];
  }
  std::string name() const {
    return fields.empty() ? "as chosen" : fields.text();
  }
};

class Tuner {
public:
  explicit Tuner(const TuneOptions &options)
      : options(options), start(Clock::now()), progress("tuning") {}

  int run();

private:
  const TuneOptions &options;
  Clock::time_point start;
  Progress progress;
  std::unique_ptr<MLIRContext> context = createContext();
  std::unique_ptr<Spec> spec;
  std::vector<Target> targets;
  Inputs inputs;
  std::vector<Tensor> expected; ///< the default's results
  int64_t queryRows = 0;
  unsigned repeats = 1; ///< launches of a sample, so that it can be timed
  Candidate initial;
  std::deque<Candidate> tried;
  llvm::StringSet<> known;
  unsigned notCompiled = 0;
  std::string failure;

  const Target &target() const { return targets.front(); }
  double elapsed() const {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }
  bool isOver() const { return elapsed() >= options.budget; }

  int prepare();
  int measureInitial();
  bool compile(Candidate &candidate);
  std::optional<std::vector<Tensor>> makeOutputs();
  bool launch(const Candidate &candidate, std::vector<Tensor> &outputs);
  bool sample(Candidate &candidate, std::vector<Tensor> &outputs);
  bool isRight(const std::vector<Tensor> &outputs);
  void measure(ArrayRef<Candidate *> candidates, unsigned rounds);
  Candidate *search();
  Candidate *takeGiven();
  Candidate *improve(Candidate *best, const TuneCoordinate &coordinate);
  std::vector<TuneCoordinate> coordinates(const ScheduleFields &fields);
  void printTable(const Candidate *best);
  int finish(Candidate *best);
};
} // namespace

static int fail(const llvm::Twine &message) {
  printError(message);
  return ExitError;
}

//===----------------------------------------------------------------------===//
// Preparation
//===----------------------------------------------------------------------===//

/// The most query rows that the inputs have.
static int64_t queryRowsOf(Spec &spec, const Inputs &inputs) {
  ShapeSolver sizes(spec.getFunction());
  for (auto [argument, shape] :
       llvm::zip(spec.getFunction().getArguments(), inputs.inputShapes))
    sizes.bindChecked(argument, shape);
  int64_t rows = 0;
  spec.getFunction().walk([&](AttentionOp op) {
    int64_t dim = op.getQueryType().getRank() - 2;
    rows = std::max(rows, sizes.getSize(op.getQuery(), dim).value_or(0));
  });
  return rows;
}

int Tuner::prepare() {
  if (int code = chooseTargets(options.spec, targets))
    return code;
  spec = Spec::load(*context, options.spec.path, options.spec.function);
  if (!spec)
    return ExitError;
  bool hasAttention = false;
  if (spec->getFunction())
    spec->getFunction().walk([&](AttentionOp) { hasAttention = true; });
  if (!hasAttention)
    return fail(options.spec.path + ": there is no attn.attention to choose a "
                                    "schedule for");
  if (options.reset)
    return ExitOk;
  if (int code = resolveInputs(spec->getSignature(), spec.get(), options.inputs,
                               inputs))
    return code;
  queryRows = queryRowsOf(*spec, inputs);
  return ExitOk;
}

std::optional<std::vector<Tensor>> Tuner::makeOutputs() {
  std::vector<Tensor> outputs;
  for (auto [argument, shape] :
       llvm::zip(spec->getSignature().outputs, inputs.outputShapes)) {
    llvm::Expected<Tensor> tensor =
        argument.updates ? inputs.inputs[*argument.updates].copy()
                         : Tensor::create(argument.dtype, shape);
    if (!tensor) {
      printError(tensor.takeError());
      return std::nullopt;
    }
    outputs.push_back(std::move(*tensor));
  }
  return outputs;
}

/// Without a message where a schedule makes no kernel: the search tries what
/// may not exist.
bool Tuner::compile(Candidate &candidate) {
  SpecOptions own = options.spec;
  own.schedule = candidate.fields.text();
  own.useTuned = false;
  std::optional<ScopedDiagnosticHandler> quiet;
  if (&candidate != &initial && options.keep.empty())
    quiet.emplace(context.get(), [](Diagnostic &) { return success(); });
  CompileReport report;
  FailureOr<Kernel> kernel = compileInProcess(*spec, own, target(), report);
  if (failed(kernel))
    return false;
  candidate.kernel.emplace(std::move(*kernel));
  return true;
}

//===----------------------------------------------------------------------===//
// Measurement
//===----------------------------------------------------------------------===//

bool Tuner::launch(const Candidate &candidate, std::vector<Tensor> &outputs) {
  llvm::Expected<double> seconds = candidate.kernel->launch(
      spec->getSignature(), inputs.inputs, outputs, options.threads);
  if (seconds)
    return true;
  failure = llvm::toString(seconds.takeError());
  return false;
}

bool Tuner::sample(Candidate &candidate, std::vector<Tensor> &outputs) {
  Clock::time_point begin = Clock::now();
  for (unsigned i = 0; i < repeats; ++i)
    if (!launch(candidate, outputs))
      return false;
  std::chrono::duration<double> time = Clock::now() - begin;
  candidate.seconds.push_back(time.count() / repeats);
  progress.update(static_cast<int64_t>(1000 * elapsed()),
                  static_cast<int64_t>(1000 * options.budget));
  return true;
}

/// Whether results are the default's but for rounding.
bool Tuner::isRight(const std::vector<Tensor> &outputs) {
  for (auto [output, truth] : llvm::zip(outputs, expected)) {
    double largest = 0, error = 0;
    for (int64_t i = 0, e = truth.getNumElements(); i < e; ++i) {
      double a = output.getNumber(i), b = truth.getNumber(i);
      if (a == b || (std::isnan(a) && std::isnan(b)))
        continue;
      if (!std::isfinite(a) || !std::isfinite(b))
        return false;
      error = std::max(error, std::abs(a - b));
    }
    for (int64_t i = 0, e = truth.getNumElements(); i < e; ++i)
      if (double b = std::abs(truth.getNumber(i)); std::isfinite(b))
        largest = std::max(largest, b);
    double allowed = truth.dtype == ATTNC_DTYPE_F64    ? 1e-12
                     : truth.dtype == ATTNC_DTYPE_F32  ? 2e-5
                     : truth.dtype == ATTNC_DTYPE_F16  ? 4e-3
                     : truth.dtype == ATTNC_DTYPE_BF16 ? 3e-2
                                                       : 0;
    if (error > allowed * largest)
      return false;
  }
  return true;
}

int Tuner::measureInitial() {
  if (!compile(initial))
    return ExitError;
  std::optional<std::vector<Tensor>> outputs = makeOutputs();
  if (!outputs)
    return ExitError;
  // The first run brings memory in.
  if (!launch(initial, *outputs) || !sample(initial, *outputs))
    return fail(failure);
  constexpr double shortestSample = 1e-3;
  repeats = static_cast<unsigned>(std::clamp(
      std::ceil(shortestSample / std::max(initial.best(), 1e-9)), 1.0, 1e4));
  initial.seconds.clear();
  expected = std::move(*outputs);
  known.insert("");
  return ExitOk;
}

/// Rounds in which the default and every candidate run once, each time from
/// another one on. Those that are far behind are given up early.
void Tuner::measure(ArrayRef<Candidate *> candidates, unsigned rounds) {
  std::optional<std::vector<Tensor>> outputs = makeOutputs();
  if (!outputs)
    return;
  SmallVector<Candidate *> alive(candidates);
  constexpr double hopeless = 1.25;
  for (unsigned round = 0; round < rounds && !alive.empty(); ++round) {
    if (!sample(initial, *outputs))
      return;
    double base = initial.seconds.back();
    for (size_t i = 0; i < alive.size(); ++i) {
      Candidate *candidate = alive[(i + round) % alive.size()];
      if (!sample(*candidate, *outputs))
        return;
      candidate->ratios.push_back(candidate->seconds.back() / base);
    }
    if (round > 0)
      llvm::erase_if(alive, [](Candidate *c) {
        return *std::min_element(c->ratios.begin(), c->ratios.end()) > hopeless;
      });
    if (isOver() && round > 1)
      return;
  }
}

//===----------------------------------------------------------------------===//
// Search
//===----------------------------------------------------------------------===//

std::vector<TuneCoordinate> Tuner::coordinates(const ScheduleFields &fields) {
  SpecOptions own = options.spec;
  own.schedule = fields.text();
  own.useTuned = false;
  OwningOpRef<ModuleOp> module = isolateFunction(*spec);
  Compiler compiler(compilerOptions(own));
  auto lowered = compiler.lowerTo(Stage::Stage3, *module, target());
  if (failed(lowered))
    return {};
  AttentionOp first;
  (*lowered)->walk([&](AttentionOp op) { first = first ? first : op; });
  if (!first || !first.getScheduleAttr())
    return {};
  return tuneCoordinates(first, fields, queryRows, target().machineModel());
}

/// The best after trying the coordinate's candidates beside it.
Candidate *Tuner::improve(Candidate *best, const TuneCoordinate &coordinate) {
  SmallVector<Candidate *> round;
  std::optional<std::vector<Tensor>> outputs = makeOutputs();
  for (const ScheduleFields &fields : coordinate.candidates) {
    if (isOver() || !outputs)
      break;
    if (!known.insert(fields.text()).second)
      continue;
    Candidate candidate;
    candidate.fields = fields;
    progress.update(static_cast<int64_t>(1000 * elapsed()),
                    static_cast<int64_t>(1000 * options.budget));
    if (!compile(candidate)) {
      ++notCompiled;
      continue;
    }
    if (!launch(candidate, *outputs))
      return best;
    candidate.isWrong = !isRight(*outputs);
    tried.push_back(std::move(candidate));
    if (!tried.back().isWrong)
      round.push_back(&tried.back());
  }
  if (round.empty())
    return best;
  if (best != &initial)
    round.push_back(best);
  constexpr unsigned rounds = 9;
  constexpr double worthwhile = 0.98;
  if (best != &initial)
    best->ratios.clear(); // compared within these rounds
  measure(round, rounds);
  double limit = worthwhile * (best == &initial ? 1 : best->ratio());
  for (Candidate *candidate : round)
    if (candidate != best && candidate->ratios.size() > 1 &&
        candidate->ratio() < limit) {
      best = candidate;
      limit = candidate->ratio();
    }
  return best;
}

Candidate *Tuner::search() {
  Candidate *best = &initial;
  for (bool improved = true; improved && !isOver();) {
    improved = false;
    std::vector<TuneCoordinate> all = coordinates(best->fields);
    for (size_t i = 0; i < all.size() && !isOver() && failure.empty(); ++i) {
      Candidate *next = improve(best, all[i]);
      improved |= next != best;
      if (next == best)
        continue;
      best = next;
      // Later coordinates start from the new best.
      std::string name = all[i].name;
      all = coordinates(best->fields);
      i = llvm::find_if(
              all, [&](const TuneCoordinate &c) { return c.name == name; }) -
          all.begin();
    }
  }
  return best;
}

/// The schedule that is to be kept; null after an error.
Candidate *Tuner::takeGiven() {
  Candidate candidate;
  candidate.fields = llvm::cantFail(ScheduleFields::parse(options.keep));
  std::optional<std::vector<Tensor>> outputs = makeOutputs();
  if (!outputs || !compile(candidate))
    return nullptr;
  if (!launch(candidate, *outputs)) {
    printError(failure);
    return nullptr;
  }
  candidate.isWrong = !isRight(*outputs);
  tried.push_back(std::move(candidate));
  return &tried.back();
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

void Tuner::printTable(const Candidate *best) {
  SmallVector<const Candidate *> rows;
  for (const Candidate &candidate : tried)
    if (!candidate.ratios.empty())
      rows.push_back(&candidate);
  llvm::sort(rows, [](const Candidate *a, const Candidate *b) {
    return a->ratio() < b->ratio();
  });
  constexpr size_t shown = 12;
  auto print = [](const std::string &time, const std::string &ratio,
                  const std::string &name) {
    llvm::outs() << llvm::format("%10s  %6s  ", time.c_str(), ratio.c_str())
                 << name << '\n';
  };
  auto ratioText = [](double ratio) {
    std::string text;
    llvm::raw_string_ostream(text) << llvm::format("%.3f", ratio);
    return text;
  };
  print("best time", "ratio", "schedule");
  print(durationText(initial.best()), "1.000", "as chosen");
  for (size_t i = 0; i < std::min(shown, rows.size()); ++i)
    print(durationText(rows[i]->best()), ratioText(rows[i]->ratio()),
          rows[i]->name());
  if (rows.size() > shown)
    llvm::outs() << rows.size() - shown << " more were no faster\n";
  for (const Candidate &candidate : tried)
    if (candidate.isWrong)
      printError("a schedule changes results, which is a bug of attnc: " +
                 candidate.name());
  if (notCompiled)
    llvm::outs() << notCompiled << " combinations make no kernel here\n";
}

int Tuner::finish(Candidate *best) {
  // Once more, the best and the default in turns.
  constexpr unsigned rounds = 15;
  if (best != &initial) {
    best->ratios.clear();
    measure({best}, rounds);
  }
  if (!failure.empty())
    return fail(failure);
  printTable(best);
  TunedSchedules kept(TunedSchedules::defaultDirectory());
  Compiler compiler(compilerOptions(options.spec));
  OwningOpRef<ModuleOp> module = isolateFunction(*spec);
  FailureOr<TuneKey> key = compiler.tuneKey(*module, target());
  if (failed(key))
    return ExitError;
  bool isWrong =
      llvm::any_of(tried, [](const Candidate &c) { return c.isWrong; });
  constexpr double worthwhile = 0.99;
  if (isWrong)
    return ExitCheckFailed;
  if (best == &initial ||
      (options.keep.empty() && best->ratio() > worthwhile)) {
    llvm::outs() << "nothing is faster than what is chosen anyway; nothing "
                    "is kept\n";
    return ExitOk;
  }
  TunedSchedule schedule{shapeClass(spec->getSignature(), inputs.inputShapes),
                         best->fields.text(), best->best(), initial.best()};
  if (llvm::Error error = kept.keep(*key, schedule)) {
    printError(std::move(error));
    return ExitError;
  }
  llvm::outs() << "kept: " << best->name()
               << llvm::format(", %.3f of the time, in\n  ", best->ratio())
               << kept.pathOf(*key)
               << "\nrun, compile and explain use it for this spec on "
               << target().name << ".\n'attnc tune --reset "
               << options.spec.path
               << "' removes it, 'attnc tune --reset' all that is kept;\n"
                  "--no-tuned or ATTNC_TUNE=0 leaves it out.\n";
  return ExitOk;
}

int Tuner::run() {
  if (int code = prepare())
    return code;
  if (options.reset) {
    Compiler compiler(compilerOptions(options.spec));
    OwningOpRef<ModuleOp> module = isolateFunction(*spec);
    FailureOr<TuneKey> key = compiler.tuneKey(*module, target());
    return failed(key) ? ExitError : resetTuned(&*key);
  }
  if (int code = measureInitial())
    return code;
  Candidate *best = options.keep.empty() ? search() : takeGiven();
  return best ? finish(best) : ExitError;
}

int attnc::resetTuned(const TuneKey *key) {
  TunedSchedules kept(TunedSchedules::defaultDirectory());
  llvm::Expected<unsigned> removed = kept.reset(key);
  if (!removed) {
    printError(removed.takeError());
    return ExitError;
  }
  llvm::outs() << *removed << (*removed == 1 ? " file" : " files")
               << " of kept schedules removed from " << kept.getDirectory()
               << '\n';
  return ExitOk;
}

int attnc::tuneCommand(const TuneOptions &options) {
  if (options.spec.path.empty())
    return resetTuned(nullptr);
  return Tuner(options).run();
}
