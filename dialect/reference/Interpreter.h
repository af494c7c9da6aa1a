// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The interpreter behind evaluate(): a frame of slots, one an SSA value, and
// one handler an operation.

#ifndef ATTNC_DIALECT_REFERENCE_INTERPRETER_H
#define ATTNC_DIALECT_REFERENCE_INTERPRETER_H

#include "dialect/reference/Evaluator.h"
#include "dialect/reference/ScalarOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace attnc::reference {

class Interpreter;
struct Instruction;
using Handler = mlir::LogicalResult (*)(Interpreter &, const Instruction &);
using HandlerTable = llvm::StringMap<Handler>;

/// An operation with its slots looked up.
struct Instruction {
  mlir::Operation *op = nullptr;
  Handler handler = nullptr;
  llvm::SmallVector<unsigned, 4> in;
  llvm::SmallVector<unsigned, 2> out;
  ScalarOp scalar;
};

class Interpreter {
public:
  Interpreter(mlir::func::FuncOp function, const EvaluateOptions &options,
              int depth = 0);

  mlir::FailureOr<llvm::SmallVector<HostTensor>>
  run(llvm::ArrayRef<HostTensor> args);
  /// Checks the arguments against the signature and puts them into the frame.
  mlir::LogicalResult bindArguments(llvm::ArrayRef<HostTensor> args);
  /// Runs what `values` depend on, in the function's entry block.
  mlir::LogicalResult evaluateSlice(llvm::ArrayRef<mlir::Value> values);
  mlir::LogicalResult runBlock(mlir::Block &block);

  const EvaluateOptions &getOptions() const { return options; }
  bool roundsOperations() const {
    return options.precision == Precision::Operand;
  }
  int getDepth() const { return depth; }

  unsigned slot(mlir::Value value) const { return slots.lookup(value); }
  Scalar &scalar(unsigned slot) { return frame[slot].scalar; }
  HostTensor &tensor(unsigned slot) { return frame[slot].tensor; }
  Scalar &scalar(mlir::Value value) { return scalar(slot(value)); }
  HostTensor &tensor(mlir::Value value) { return tensor(slot(value)); }
  int64_t getInt(mlir::Value value) { return scalar(value).i; }
  int64_t getInt(mlir::OpFoldResult value);
  llvm::SmallVector<int64_t> getInts(llvm::ArrayRef<mlir::OpFoldResult> values);
  /// A scalar as a rank-0 tensor, a tensor as it is.
  HostTensor asTensor(mlir::Value value);
  void assign(mlir::Value to, const HostTensor &value);
  /// Copies a value, whichever it is. `user` is the operation that reads it: a
  /// value nothing else can read any more gives up its tensor, which can then
  /// be updated in place.
  void move(mlir::Value from, mlir::Value to, mlir::Operation *user);
  HostTensor take(mlir::Value value, mlir::Operation *user);

  /// Zeros, or an error at the location when the size is out of range.
  mlir::FailureOr<HostTensor> allocate(mlir::Location loc, mlir::Type element,
                                       llvm::ArrayRef<int64_t> shape);
  /// Sets a tensor result after comparing it with the static type.
  mlir::LogicalResult setResult(const Instruction &ins, unsigned number,
                                HostTensor value);

  /// Iteration indices of the linalg operation being run.
  llvm::ArrayRef<int64_t> linalgIndices;

private:
  struct Slot {
    Scalar scalar = intScalar(0);
    HostTensor tensor;
  };

  mlir::func::FuncOp function;
  const EvaluateOptions &options;
  int depth;
  llvm::DenseMap<mlir::Value, unsigned> slots;
  std::vector<Slot> frame;
  llvm::DenseMap<mlir::Block *, std::unique_ptr<std::vector<Instruction>>> code;

  const std::vector<Instruction> &getCode(mlir::Block &block);
  Instruction decode(mlir::Operation *op);
};

/// Runs one single-block region again and again on new arguments.
class RegionRunner {
public:
  RegionRunner(Interpreter &interpreter, mlir::Region &region);
  void setScalar(unsigned argument, Scalar value) {
    interpreter.scalar(arguments[argument]) = value;
  }
  void setInt(unsigned argument, int64_t value) {
    setScalar(argument, intScalar(value));
  }
  void setTensor(unsigned argument, HostTensor value) {
    interpreter.tensor(arguments[argument]) = std::move(value);
  }
  mlir::LogicalResult run() { return interpreter.runBlock(*block); }
  Scalar getScalar(unsigned yielded) {
    return interpreter.scalar(yields[yielded]);
  }
  const HostTensor &getTensor(unsigned yielded) {
    return interpreter.tensor(yields[yielded]);
  }
  unsigned getNumArguments() const { return arguments.size(); }

private:
  Interpreter &interpreter;
  mlir::Block *block;
  llvm::SmallVector<unsigned> arguments, yields;
};

/// Affine expressions; nothing on division by zero or 64-bit overflow.
std::optional<int64_t> evaluateAffine(mlir::AffineExpr expr,
                                      llvm::ArrayRef<int64_t> dims,
                                      llvm::ArrayRef<int64_t> symbols);

/// "2x3" or "scalar".
std::string shapeText(llvm::ArrayRef<int64_t> shape);
/// Whether a run-time shape is one of the type's.
bool shapeFits(llvm::ArrayRef<int64_t> shape, mlir::RankedTensorType type);

void registerScalarHandlers(HandlerTable &table);
void registerTensorHandlers(HandlerTable &table);
void registerReshapeHandlers(HandlerTable &table);
void registerControlHandlers(HandlerTable &table);
void registerLinalgHandlers(HandlerTable &table);
void registerAttnHandlers(HandlerTable &table);
void registerPairHandlers(HandlerTable &table);
/// Linalg operations go by their interface, not by name.
mlir::LogicalResult runLinalg(Interpreter &interpreter, const Instruction &ins);
mlir::LogicalResult runAttention(Interpreter &interpreter,
                                 const Instruction &ins);
mlir::LogicalResult runAppend(Interpreter &interpreter, const Instruction &ins);

} // namespace attnc::reference

#endif // ATTNC_DIALECT_REFERENCE_INTERPRETER_H
