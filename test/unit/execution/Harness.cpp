// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The engine behind the execution tests.

#include "Harness.h"

#include "GuardedBuffer.h"
#include "codegen/Compiler.h"
#include "codegen/kernelfile/KernelWriter.h"
#include "dialect/Attn.h"
#include "dialect/reference/AttentionBinding.h"
#include "dialect/reference/Evaluator.h"
#include "tools/support/BoundValues.h"
#include "tools/support/Dialects.h"

#include "mlir/IR/Builders.h"
#include "mlir/Parser/Parser.h"

#include <atomic>
#include <csignal>
#include <cstring>
#include <unistd.h>

using namespace attnc;
using namespace attnc::test;

//===----------------------------------------------------------------------===//
// Engine
//===----------------------------------------------------------------------===//

static mlir::DialectRegistry makeRegistry() {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  return registry;
}

struct Engine::Impl {
  mlir::MLIRContext context;
  std::string diagnostics;

  Impl() : context(makeRegistry(), mlir::MLIRContext::Threading::DISABLED) {
    context.getDiagEngine().registerHandler(
        [this](mlir::Diagnostic &d) { diagnostics += d.str() + "\n"; });
  }
  mlir::OwningOpRef<mlir::ModuleOp> parse(const Problem &problem) {
    return mlir::parseSourceString<mlir::ModuleOp>(
        problem.text, mlir::ParserConfig(&context));
  }
  Compiler compiler(const CompileChoices &choices) {
    CompilerOptions options;
    options.micro = choices.micro;
    options.producers = choices.producers;
    options.countPairs = choices.countPairs;
    options.schedule = choices.schedule;
    return Compiler(options);
  }
  mlir::Type typeOf(attnc_dtype dtype) {
    mlir::Builder b(&context);
    switch (dtype) {
    case ATTNC_DTYPE_F64:
      return b.getF64Type();
    case ATTNC_DTYPE_F32:
      return b.getF32Type();
    case ATTNC_DTYPE_F16:
      return b.getF16Type();
    case ATTNC_DTYPE_BF16:
      return b.getBF16Type();
    case ATTNC_DTYPE_F8E4M3:
      return mlir::Float8E4M3FNType::get(&context);
    case ATTNC_DTYPE_F8E5M2:
      return mlir::Float8E5M2Type::get(&context);
    case ATTNC_DTYPE_BOOL:
      return b.getI1Type();
    default:
      return b.getIntegerType(8 * attnc_dtype_size(dtype));
    }
  }
  HostTensor hostTensor(const TensorSpec &spec) {
    mlir::Type type = typeOf(spec.dtype);
    if (llvm::isa<mlir::FloatType>(type))
      return HostTensor::fromFloats(type, spec.shape, spec.values);
    std::vector<int64_t> values(spec.values.begin(), spec.values.end());
    return HostTensor::fromInts(type, spec.shape, values);
  }
};

Engine::Engine() : impl(std::make_unique<Impl>()) {}
Engine::~Engine() = default;

std::string Engine::takeDiagnostics() {
  return std::exchange(impl->diagnostics, {});
}

Kernel Engine::jit(const Problem &problem, const CompileChoices &choices) {
  auto module = impl->parse(problem);
  if (!module)
    return {};
  llvm::Expected<Target> host = Target::host();
  if (!host) {
    impl->diagnostics += llvm::toString(host.takeError());
    return {};
  }
  auto kernel = impl->compiler(choices).jit(*module, *host);
  if (failed(kernel))
    return {};
  return Kernel(kernel->release(), attnc_kernel_destroy);
}

std::optional<KernelDesc> Engine::compile(const Problem &problem,
                                          const std::vector<std::string> &names,
                                          const CompileChoices &choices) {
  auto module = impl->parse(problem);
  if (!module)
    return std::nullopt;
  std::vector<Target> targets;
  for (const std::string &name : names) {
    llvm::Expected<Target> target = Target::parse(name);
    if (!target) {
      impl->diagnostics += llvm::toString(target.takeError());
      return std::nullopt;
    }
    targets.push_back(*target);
  }
  auto kernel = impl->compiler(choices).compile(*module, targets);
  if (failed(kernel))
    return std::nullopt;
  return std::move(*kernel);
}

static std::vector<double> valuesOf(const HostTensor &tensor) {
  std::vector<double> values(tensor.getNumElements());
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = tensor.isFloat() ? tensor.getFloat(i)
                                 : static_cast<double>(tensor.getInt(i));
  return values;
}

std::optional<Values> Engine::evaluate(const Problem &problem, bool exact) {
  auto module = impl->parse(problem);
  if (!module)
    return std::nullopt;
  std::vector<HostTensor> inputs;
  for (const TensorSpec &spec : problem.inputs)
    inputs.push_back(impl->hostTensor(spec));
  EvaluateOptions options;
  options.precision = exact ? Precision::Exact : Precision::Operand;
  auto function = *module->getOps<mlir::func::FuncOp>().begin();
  auto results = attnc::evaluate(function, inputs, options);
  if (failed(results))
    return std::nullopt;
  Values values;
  for (const HostTensor &result : *results)
    values.push_back(valuesOf(result));
  return values;
}

/// The symbols of a plan before its values, for the batch and head that the
/// binding is at.
static std::vector<int64_t> symbolsOf(mlir::attn::PlanAttr plan,
                                      reference::AttentionBinding &binding) {
  const reference::PairContext &context = binding.getContext();
  std::vector<int64_t> symbols{context.kBegin, context.kEnd, context.qBegin,
                               context.qEnd};
  for (int64_t operand : plan.getParameters())
    symbols.push_back(
        reference::paramValue(mlir::attn::PairParam::operand(operand), context,
                              reference::PairScope::top(context)));
  return symbols;
}

std::optional<PlannedWork> Engine::plan(const Problem &problem,
                                        const CompileChoices &choices) {
  auto module = impl->parse(problem);
  llvm::Expected<Target> host = Target::host();
  if (!module || !host)
    return std::nullopt;
  auto planned = impl->compiler(choices).lowerTo(Stage::Stage3, *module, *host);
  if (failed(planned))
    return std::nullopt;
  auto function = *(*planned)->getOps<mlir::func::FuncOp>().begin();
  mlir::attn::AttentionOp op;
  function.walk([&](mlir::attn::AttentionOp found) { op = found; });
  EvaluateOptions options;
  reference::Interpreter interpreter(function, options);
  for (auto [argument, spec] :
       llvm::zip(function.getArguments(), problem.inputs))
    interpreter.assign(argument, impl->hostTensor(spec));
  auto binding = reference::AttentionBinding::create(op, interpreter, false);
  if (failed(binding))
    return std::nullopt;
  PlannedWork work;
  for (mlir::attn::ComponentAttr c : op.getPlanAttr().getComponents())
    work.hasTests |= c.getTestNumbers().size() > (c.getWalk() ? 1 : 0);
  const reference::AttentionSizes &sizes = (*binding)->getSizes();
  TileShape shape = TileShape::of(op.getScheduleAttr());
  shape.rows = sizes.n;
  for (int64_t batch = 0; batch < sizes.batches; ++batch)
    for (int64_t head = 0; head < sizes.heads; ++head) {
      (*binding)->setBatchAndHead(batch, head);
      std::optional<PlanCost> cost =
          costOf(op.getPlanAttr(), symbolsOf(op.getPlanAttr(), **binding),
                 shape, boundValues(**binding, head));
      if (!cost || (*binding)->getContext().problem)
        return std::nullopt;
      work.cost += *cost;
    }
  return work;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// Elements from the first to the last that a tensor reaches.
static int64_t extentOf(const TensorSpec &spec) {
  int64_t extent = 1, dense = 1;
  for (size_t d = spec.shape.size(); d-- > 0;) {
    if (spec.shape[d] == 0)
      return 0;
    int64_t stride = spec.strides.empty() ? dense : spec.strides[d];
    if (spec.shape[d] > 1)
      extent += (spec.shape[d] - 1) * stride;
    dense *= spec.shape[d];
  }
  return extent;
}

static std::vector<int64_t> byteStrides(const TensorSpec &spec) {
  std::vector<int64_t> strides(spec.shape.size());
  int64_t dense = attnc_dtype_size(spec.dtype);
  for (size_t d = spec.shape.size(); d-- > 0;) {
    bool looked = spec.shape[d] > 1 && !spec.strides.empty();
    strides[d] = looked ? spec.strides[d] *
                              static_cast<int64_t>(attnc_dtype_size(spec.dtype))
                        : dense;
    dense *= spec.shape[d];
  }
  return strides;
}

static attnc_tensor viewOf(const TensorSpec &spec, void *data) {
  return {sizeof(attnc_tensor),
          spec.dtype,
          static_cast<uint32_t>(spec.shape.size()),
          data,
          spec.shape.data(),
          spec.strides.empty() ? nullptr : spec.strides.data()};
}

RunResult Engine::run(const Kernel &kernel, const Problem &problem, Place place,
                      uint32_t threads) {
  RunResult result;
  std::vector<GuardedBuffer> buffers;
  std::vector<attnc_tensor> tensors;
  auto add = [&](const TensorSpec &spec) -> GuardedBuffer & {
    size_t bytes = extentOf(spec) * attnc_dtype_size(spec.dtype);
    buffers.emplace_back(bytes, place == Place::AtEnd);
    tensors.push_back(viewOf(spec, buffers.back().data()));
    return buffers.back();
  };
  for (const TensorSpec &spec : problem.inputs) {
    if (spec.aliasOf >= 0) {
      buffers.emplace_back(0, true);
      tensors.push_back(viewOf(spec, buffers[spec.aliasOf].data()));
      continue;
    }
    GuardedBuffer &buffer = add(spec);
    if (spec.size())
      impl->hostTensor(spec).toBytes(buffer.data(), byteStrides(spec));
    auto number = static_cast<int>(buffers.size()) - 1;
    bool isUpdated = false;
    for (const TensorSpec &output : problem.outputs)
      isUpdated |= output.updates == number;
    if (!isUpdated)
      buffer.protect(); // a kernel that writes to an input faults
  }
  std::vector<size_t> places; // of the outputs
  for (const TensorSpec &spec : problem.outputs) {
    places.push_back(spec.updates < 0 ? buffers.size()
                                      : static_cast<size_t>(spec.updates));
    if (spec.updates < 0)
      add(spec);
  }
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.threads = threads;
  options.status_out = &result.status;
  attnc_launch(kernel.get(), tensors.data(), tensors.size(), &options,
               &result.error);
  for (size_t i = 0; i < problem.outputs.size(); ++i) {
    const TensorSpec &spec = problem.outputs[i];
    GuardedBuffer &buffer = buffers[places[i]];
    auto tensor = HostTensor::fromBytes(impl->typeOf(spec.dtype), spec.shape,
                                        buffer.data(), byteStrides(spec));
    result.outputs.push_back(valuesOf(*tensor));
    // With its elements back at the pattern, all of the buffer is the pattern.
    buffer.fillElements(spec.shape, byteStrides(spec),
                        attnc_dtype_size(spec.dtype));
    if (!buffer.isUntouched())
      result.damage = "result " + std::to_string(i) +
                      ": bytes outside its elements were written";
  }
  return result;
}

Kernel Engine::load(const KernelDesc &kernel, const std::string &target,
                    std::string &error) {
  std::optional<std::vector<uint8_t>> bytes = writeKernel(kernel, error);
  if (!bytes)
    return {};
  attnc_load_options options = ATTNC_LOAD_OPTIONS_INIT;
  options.target = target.c_str();
  attnc_kernel *loaded = nullptr;
  attnc_error e = ATTNC_ERROR_INIT;
  if (attnc_kernel_load_memory(bytes->data(), bytes->size(), &options, &loaded,
                               &e) != ATTNC_OK) {
    error = e.message;
    return {};
  }
  return Kernel(loaded, attnc_kernel_destroy);
}

std::optional<size_t> Engine::workspace(const Kernel &kernel,
                                        const Problem &problem) {
  std::vector<attnc_tensor> tensors;
  for (const TensorSpec &spec : problem.inputs)
    tensors.push_back(viewOf(spec, nullptr));
  for (const TensorSpec &spec : problem.outputs)
    tensors.push_back(viewOf(spec, nullptr));
  size_t bytes = 0;
  attnc_error error = ATTNC_ERROR_INIT;
  if (attnc_workspace_size(kernel.get(), tensors.data(), tensors.size(), 1,
                           &bytes, &error) == ATTNC_OK)
    return bytes;
  impl->diagnostics += error.message;
  return std::nullopt;
}

std::vector<std::string> attnc::test::runnableLevels() {
  std::vector<std::string> levels;
  for (const char *name :
       {"x86-64-v2", "x86-64-v3", "x86-64-v4", "x86-64-v4+avx512bf16"}) {
    llvm::Expected<Target> target = Target::parse(name);
    if (!target) {
      llvm::consumeError(target.takeError());
      continue;
    }
    if (target->missingOnHost().empty())
      levels.push_back(name);
  }
  return levels;
}

//===----------------------------------------------------------------------===//
// Faults
//===----------------------------------------------------------------------===//

/// Of all threads: workers of the runtime fault too.
static std::atomic<const Problem *> faultProblem[8];
static std::atomic<const std::string *> faultTitle[8];
static std::atomic<int> faultSlots;

static void print(const std::string &text) {
  (void)!write(STDERR_FILENO, text.data(), text.size());
}

static void onFault(int signal, siginfo_t *, void *) {
  print("\na kernel read or wrote outside its operands; running were:\n");
  for (int slot = 0; slot < 8; ++slot)
    if (const Problem *problem = faultProblem[slot]) {
      print("---- " + *faultTitle[slot].load() + "\n" + problem->text);
    }
  std::signal(signal, SIG_DFL);
}

void attnc::test::setFaultReport(const Problem *problem,
                                 const std::string *title) {
  thread_local int slot = faultSlots++ % 8;
  static bool installed = [] {
    struct sigaction action = {};
    action.sa_sigaction = onFault;
    action.sa_flags = SA_SIGINFO;
    return sigaction(SIGSEGV, &action, nullptr) == 0;
  }();
  (void)installed;
  faultTitle[slot] = title;
  faultProblem[slot] = problem;
}
