// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the command line to one tensor an argument.

#include "tools/attnc/Inputs.h"
#include "tools/attnc/Fill.h"
#include "tools/support/Npy.h"
#include "llvm/ADT/StringExtras.h"

using namespace attnc;
using llvm::StringRef;
using llvm::Twine;

static std::string namesOf(const std::vector<Argument> &arguments) {
  return llvm::join(
      llvm::map_range(arguments, [](const Argument &a) { return a.name; }),
      ", ");
}

static int usageError(const Twine &message) {
  printError(message);
  return ExitUsage;
}

static std::optional<size_t> indexOf(const std::vector<Argument> &arguments,
                                     StringRef name) {
  for (auto [number, argument] : llvm::enumerate(arguments))
    if (argument.name == name)
      return number;
  return std::nullopt;
}

int attnc::assignByName(const std::vector<Argument> &arguments,
                        const std::vector<std::string> &given,
                        const char *option,
                        std::vector<std::optional<std::string>> &result) {
  result.assign(arguments.size(), std::nullopt);
  std::vector<StringRef> unnamed;
  for (StringRef entry : given) {
    auto [name, value] = entry.split('=');
    if (name.size() == entry.size()) {
      unnamed.push_back(entry);
      continue;
    }
    std::optional<size_t> number = indexOf(arguments, name);
    if (!number)
      return usageError(Twine(option) + " " + entry + ": there is no '" + name +
                        "'; there are " + namesOf(arguments));
    if (result[*number])
      return usageError(Twine(option) + " " + entry + ": '" + name +
                        "' is given twice");
    if (value.empty())
      return usageError(Twine(option) + " " + entry + ": nothing after '='");
    result[*number] = value.str();
  }
  size_t next = 0;
  for (StringRef entry : unnamed) {
    while (next < result.size() && result[next])
      ++next;
    if (next == result.size())
      return usageError(Twine(option) + " " + entry +
                        ": more than there are; there are " +
                        namesOf(arguments));
    result[next] = entry.str();
  }
  return ExitOk;
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

static StringRef numpyName(attnc_dtype dtype) {
  switch (dtype) {
  case ATTNC_DTYPE_F64:
    return "np.float64";
  case ATTNC_DTYPE_F32:
    return "np.float32";
  case ATTNC_DTYPE_F16:
    return "np.float16";
  case ATTNC_DTYPE_BF16:
    return "ml_dtypes.bfloat16";
  case ATTNC_DTYPE_F8E4M3:
    return "ml_dtypes.float8_e4m3fn";
  case ATTNC_DTYPE_F8E5M2:
    return "ml_dtypes.float8_e5m2";
  case ATTNC_DTYPE_I64:
    return "np.int64";
  case ATTNC_DTYPE_I32:
    return "np.int32";
  case ATTNC_DTYPE_I16:
    return "np.int16";
  case ATTNC_DTYPE_I8:
    return "np.int8";
  case ATTNC_DTYPE_U8:
    return "np.uint8";
  default:
    return "np.bool_";
  }
}

static bool shapeFits(const std::vector<int64_t> &shape,
                      const std::vector<int64_t> &dims) {
  if (shape.size() != dims.size())
    return false;
  return llvm::all_of(llvm::zip(shape, dims), [](auto pair) {
    auto [size, dim] = pair;
    return dim < 0 || size < 0 || size == dim;
  });
}

/// Reads one argument's file and makes it what the argument wants.
static llvm::Expected<Tensor> readArgument(const Argument &argument,
                                           StringRef path, bool convert) {
  llvm::Expected<Tensor> tensor = readNpy(path);
  if (!tensor)
    return tensor;
  std::string wanted = typeText(argument.dtype, argument.dims);
  std::string found = typeText(tensor->dtype, tensor->shape);
  if (!shapeFits(tensor->shape, argument.dims))
    return llvm::createStringError(path + " holds " + found + ", but '" +
                                   argument.name + "' is " + wanted);
  // A file says that an element is one byte, not which kind of float it is.
  if (isFloat8(tensor->dtype) && isFloat8(argument.dtype))
    tensor->dtype = argument.dtype;
  if (tensor->dtype == argument.dtype)
    return tensor;
  bool toInteger = isFloat(tensor->dtype) && !isFloat(argument.dtype) &&
                   argument.dtype != ATTNC_DTYPE_BOOL;
  if (!convert || toInteger)
    return llvm::createStringError(
        path + " holds " + found + ", but '" + argument.name + "' is " +
        wanted + ": save a.astype(" + numpyName(argument.dtype) + ")" +
        (toInteger ? "" : ", or convert it with --convert"));
  llvm::Expected<Tensor> converted = convertTensor(*tensor, argument.dtype);
  if (!converted)
    return llvm::createStringError(path + " for '" + argument.name + "': " +
                                   llvm::toString(converted.takeError()));
  return converted;
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

namespace {

/// Collects what is known of every size of a signature.
class SizeTable {
public:
  SizeTable(const Signature &signature, Spec *spec)
      : signature(signature), spec(spec) {
    for (const Argument &argument : signature.inputs)
      shapes.inputs.push_back(argument.dims);
    for (const Argument &argument : signature.outputs)
      shapes.outputs.push_back(argument.dims);
    if (spec)
      solver.emplace(spec->getFunction());
  }

  /// The shape of an input, from a file or the command line.
  llvm::Error bindInput(size_t number, const std::vector<int64_t> &shape,
                        const std::string &who) {
    for (auto [dim, size] : llvm::enumerate(shape)) {
      if (size < 0)
        continue;
      int64_t &known = shapes.inputs[number][dim];
      if (known >= 0 && known != size)
        return llvm::createStringError("dimension " + Twine(dim) + " of " +
                                       who + " is " + Twine(size) +
                                       ", but must be " + Twine(known));
      known = size;
      mlir::Value value = inputValue(number);
      if (value && llvm::isa<mlir::RankedTensorType>(value.getType()))
        if (llvm::Error error = solver->bind(value, dim, size, who))
          return error;
    }
    return llvm::Error::success();
  }

  /// Works out every size that follows from those that were bound.
  const Shapes &solve() {
    if (!solver)
      return shapes;
    solver->applyDefaults();
    for (auto [number, shape] : llvm::enumerate(shapes.inputs))
      complete(shape, inputValue(number));
    mlir::Operation *end = spec->getFunction().getBody().back().getTerminator();
    for (auto [number, shape] : llvm::enumerate(shapes.outputs))
      complete(shape, end->getOperand(number));
    return shapes;
  }

  mlir::BlockArgument inputValue(size_t number) {
    return spec ? spec->getFunction().getArgument(number)
                : mlir::BlockArgument();
  }
  ShapeSolver *getSolver() { return solver ? &*solver : nullptr; }

  /// Applies --shape entries.
  int bindGiven(const std::vector<std::string> &given);

private:
  void complete(std::vector<int64_t> &shape, mlir::Value value) {
    for (auto [dim, size] : llvm::enumerate(shape))
      if (size < 0)
        size = solver->getSize(value, dim).value_or(-1);
  }

  const Signature &signature;
  Spec *spec;
  Shapes shapes;
  std::optional<ShapeSolver> solver;
};

} // namespace

int SizeTable::bindGiven(const std::vector<std::string> &given) {
  // Without a spec nothing tells the sizes of outputs, so they may be given.
  std::vector<Argument> arguments = signature.inputs;
  if (!spec)
    llvm::append_range(arguments, signature.outputs);
  std::vector<std::optional<std::string>> texts;
  for (StringRef entry : given)
    if (!entry.contains('='))
      return usageError("--shape " + entry + ": write name=1x8x64x32");
  if (int code = assignByName(arguments, given, "--shape", texts))
    return code;
  for (auto [number, text] : llvm::enumerate(texts)) {
    if (!text)
      continue;
    const Argument &argument = arguments[number];
    std::string entry = "--shape " + argument.name + "=" + *text;
    std::optional<std::vector<int64_t>> shape = parseShape(*text);
    if (!shape)
      return usageError(entry + ": sizes and 'x' expected, as in 1x8x64x32");
    if (!shapeFits(*shape, argument.dims)) {
      printError(entry + ": '" + argument.name + "' is " +
                 typeText(argument.dtype, argument.dims));
      return ExitError;
    }
    size_t inputs = signature.inputs.size();
    if (number >= inputs) {
      shapes.outputs[number - inputs] = *shape;
      continue;
    }
    if (llvm::Error error =
            bindInput(number, *shape, "'" + argument.name + "' (--shape)")) {
      printError(std::move(error));
      return ExitError;
    }
  }
  return ExitOk;
}

int attnc::resolveShapes(const Signature &signature, Spec *spec,
                         const std::vector<std::string> &given,
                         Shapes &result) {
  SizeTable sizes(signature, spec);
  if (int code = sizes.bindGiven(given))
    return code;
  result = sizes.solve();
  return ExitOk;
}

//===----------------------------------------------------------------------===//
// Everything together
//===----------------------------------------------------------------------===//

/// An error where a size is still unknown.
static int requireKnown(const Argument &argument,
                        const std::vector<int64_t> &shape, const char *remedy) {
  for (auto [dim, size] : llvm::enumerate(shape))
    if (size < 0) {
      printError("the size of dimension " + Twine(dim) + " of '" +
                 argument.name + "' (" +
                 typeText(argument.dtype, argument.dims) +
                 ") is not known: " + remedy + "--shape " + argument.name +
                 "=" + shapeText(shape) + " with numbers for '?'");
      return ExitError;
    }
  return ExitOk;
}

/// Makes and fills the inputs that came from no file.
static int fillMissing(const Signature &signature, SizeTable &sizes,
                       const Shapes &shapes, uint64_t seed,
                       const std::vector<bool> *needed, Inputs &result) {
  for (auto [number, argument] : llvm::enumerate(signature.inputs)) {
    Tensor &tensor = result.inputs[number];
    if (tensor.dtype != ATTNC_DTYPE_INVALID)
      continue;
    const std::vector<int64_t> &shape = shapes.inputs[number];
    if (int code = requireKnown(argument, shape, "give a file, or "))
      return code;
    if (needed && !(*needed)[number])
      continue;
    llvm::Expected<Tensor> made = Tensor::create(argument.dtype, shape);
    if (!made) {
      printError("'" + Twine(argument.name) +
                 "': " + llvm::toString(made.takeError()));
      return ExitError;
    }
    Random random(seed, number);
    llvm::Expected<std::string> filled =
        sizes.getSolver() ? fillArgument(*made, sizes.inputValue(number),
                                         *sizes.getSolver(), random)
                          : fillUnknown(*made, random);
    if (!filled) {
      printError("'" + Twine(argument.name) +
                 "': " + llvm::toString(filled.takeError()));
      return ExitError;
    }
    llvm::errs() << "attnc: " << argument.name << " = "
                 << typeText(made->dtype, made->shape) << ", " << *filled
                 << '\n';
    tensor = std::move(*made);
  }
  return ExitOk;
}

int attnc::resolveInputs(const Signature &signature, Spec *spec,
                         const InputOptions &options, Inputs &result,
                         const std::vector<bool> *needed) {
  std::vector<std::optional<std::string>> paths;
  if (int code =
          assignByName(signature.inputs, options.files, "--input", paths))
    return code;
  SizeTable sizes(signature, spec);
  if (int code = sizes.bindGiven(options.shapes))
    return code;
  result.inputs.resize(signature.inputs.size());
  for (auto [number, path] : llvm::enumerate(paths)) {
    if (!path)
      continue;
    const Argument &argument = signature.inputs[number];
    llvm::Expected<Tensor> tensor =
        readArgument(argument, *path, options.convert);
    if (!tensor) {
      printError(tensor.takeError());
      return ExitError;
    }
    if (llvm::Error error = sizes.bindInput(
            number, tensor->shape, "'" + argument.name + "' (" + *path + ")")) {
      printError(std::move(error));
      return ExitError;
    }
    result.inputs[number] = std::move(*tensor);
  }
  const Shapes &shapes = sizes.solve();
  result.inputShapes = shapes.inputs;
  result.outputShapes = shapes.outputs;
  if (int code =
          fillMissing(signature, sizes, shapes, options.seed, needed, result))
    return code;
  if (needed)
    return ExitOk;
  for (auto [argument, shape] :
       llvm::zip(signature.outputs, result.outputShapes))
    if (int code = requireKnown(argument, shape,
                                "the spec does not say; the kernel needs "))
      return code;
  return ExitOk;
}
