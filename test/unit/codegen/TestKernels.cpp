// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The kernels' text, and the helpers.

#include "TestKernels.h"

#include "codegen/kernelfile/KernelWriter.h"
#include "codegen/llvm/LowerToLLVM.h"
#include "dialect/Attn.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"

#include <cstdlib>

using namespace attnc;
using namespace attnc::test;

const char *const attnc::test::kRowsKernel = R"mlir(
module attributes {attn.kernel = {name = "rows",
    args = [{name = "x", role = "input", type = tensor<?x?xf32>, alignment = 4 : i64},
            {name = "y", role = "output", type = tensor<?x?xf32>, alignment = 4 : i64}],
    constraints = [{formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [0, 0, 1, 0]>, message = "x and y need the same rows"},
                   {formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [0, 1, 1, 1]>, message = "x and y need the same columns"}],
    temps = []}} {
  memref.global "private" constant @offsets : memref<8xf32> = dense<[0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]>
  func.func @rows(%x: memref<?x?xf32, strided<[?, 1]>> {attn.tensor = 0 : i64},
                  %y: memref<?x?xf32, strided<[?, 1]>> {attn.tensor = 1 : i64},
                  %n: index {attn.value = #attn.formula<map = ()[s0] -> (s0), dims = [0, 1]>},
                  %row: index {attn.workgroup},
                  %scratch: memref<32xi8> {attn.scratch},
                  %status: memref<1xi32> {attn.status})
      attributes {attn.grid = [#attn.formula<map = ()[s0] -> (s0), dims = [0, 0]>]} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %two = arith.constant dense<2.0> : vector<8xf32>
    %zero = arith.constant 0.0 : f32
    %buffer = memref.view %scratch[%c0][] : memref<32xi8> to memref<8xf32>
    %table = memref.get_global @offsets : memref<8xf32>
    %offsets = vector.load %table[%c0] : memref<8xf32>, vector<8xf32>
    %whole = affine.apply affine_map<()[s0] -> ((s0 floordiv 8) * 8)>()[%n]
    scf.for %i = %c0 to %whole step %c8 {
      %v = vector.load %x[%row, %i] : memref<?x?xf32, strided<[?, 1]>>, vector<8xf32>
      %s = vector.fma %v, %two, %offsets : vector<8xf32>
      %t = math.tanh %s : vector<8xf32>
      vector.store %t, %y[%row, %i] : memref<?x?xf32, strided<[?, 1]>>, vector<8xf32>
    }
    %left = arith.subi %n, %whole : index
    %any = arith.cmpi sgt, %left, %c0 : index
    scf.if %any {
      %mask = vector.create_mask %left : vector<8xi1>
      %pad = arith.constant dense<0.0> : vector<8xf32>
      %v = vector.maskedload %x[%row, %whole], %mask, %pad : memref<?x?xf32, strided<[?, 1]>>, vector<8xi1>, vector<8xf32> into vector<8xf32>
      %s = vector.fma %v, %two, %offsets : vector<8xf32>
      %t = math.tanh %s : vector<8xf32>
      vector.store %t, %buffer[%c0] : memref<8xf32>, vector<8xf32>
      scf.for %i = %c0 to %left step %c1 {
        %e = memref.load %buffer[%i] : memref<8xf32>
        %at = arith.addi %whole, %i : index
        memref.store %e, %y[%row, %at] : memref<?x?xf32, strided<[?, 1]>>
        %bad = arith.cmpf uno, %e, %zero : f32
        scf.if %bad {
          %old = memref.load %status[%c0] : memref<1xi32>
          %bit = arith.constant 2 : i32
          %new = arith.ori %old, %bit : i32
          memref.store %new, %status[%c0] : memref<1xi32>
        }
      }
    }
    return
  }
}
)mlir";

const char *const attnc::test::kTwoLaunches = R"mlir(
module attributes {attn.kernel = {name = "normalize",
    args = [{name = "x", role = "input", type = tensor<?x16xf32>},
            {name = "y", role = "output", type = tensor<?x16xf32>}],
    constraints = [{formula = #attn.formula<map = ()[s0, s1] -> (s0 - s1), dims = [0, 0, 1, 0]>,
                    message = "x and y need the same rows"}],
    temps = [#attn.formula<map = ()[s0] -> (s0 * 4), dims = [0, 0]>]}} {
  func.func private @sum(%v: vector<16xf32>) -> f32 {
    %s = vector.reduction <add>, %v : vector<16xf32> into f32
    return %s : f32
  }
  func.func @sums(%x: memref<?x16xf32, strided<[?, 1]>> {attn.tensor = 0 : i64},
                  %sums: memref<?xf32> {attn.tensor = 2 : i64},
                  %row: index {attn.workgroup},
                  %scratch: memref<0xi8> {attn.scratch},
                  %status: memref<1xi32> {attn.status})
      attributes {attn.grid = [#attn.formula<map = ()[s0] -> (s0), dims = [0, 0]>]} {
    %c0 = arith.constant 0 : index
    %v = vector.load %x[%row, %c0] : memref<?x16xf32, strided<[?, 1]>>, vector<16xf32>
    %s = func.call @sum(%v) : (vector<16xf32>) -> f32
    // The temporary's first size is a word of its own: rows beyond it would be
    // written outside.
    %size = memref.dim %sums, %c0 : memref<?xf32>
    %inside = arith.cmpi ult, %row, %size : index
    scf.if %inside {
      memref.store %s, %sums[%row] : memref<?xf32>
    }
    return
  }
  func.func @divide(%x: memref<?x16xf32, strided<[?, 1]>> {attn.tensor = 0 : i64},
                    %y: memref<?x16xf32, strided<[?, 1]>> {attn.tensor = 1 : i64},
                    %sums: memref<?xf32> {attn.tensor = 2 : i64},
                    %rows: index {attn.value = #attn.formula<map = ()[s0] -> (s0), dims = [0, 0]>},
                    %tile: index {attn.workgroup},
                    %scratch: memref<0xi8> {attn.scratch},
                    %status: memref<1xi32> {attn.status})
      attributes {attn.grid = [#attn.formula<map = ()[s0] -> (s0 ceildiv 4), dims = [0, 0]>]} {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %first = affine.apply affine_map<()[s0] -> (s0 * 4)>()[%tile]
    %last = affine.min affine_map<()[s0, s1] -> (s0 * 4 + 4, s1)>()[%tile, %rows]
    scf.for %row = %first to %last step %c1 {
      %v = vector.load %x[%row, %c0] : memref<?x16xf32, strided<[?, 1]>>, vector<16xf32>
      %s = memref.load %sums[%row] : memref<?xf32>
      %b = vector.broadcast %s : f32 to vector<16xf32>
      %q = arith.divf %v, %b : vector<16xf32>
      vector.store %q, %y[%row, %c0] : memref<?x16xf32, strided<[?, 1]>>, vector<16xf32>
    }
    return
  }
}
)mlir";

std::string attnc::test::elementwiseKernel(const std::string &type,
                                           unsigned lanes,
                                           const std::string &body) {
  std::string memref = "memref<?x" + type + ">";
  std::string value =
      lanes ? "vector<" + std::to_string(lanes) + "x" + type + ">" : type;
  std::string load = lanes ? "vector.load %in[%i] : " + memref + ", " + value
                           : "memref.load %in[%i] : " + memref;
  std::string store =
      lanes ? "vector.store %y, %out[%i] : " + memref + ", " + value
            : "memref.store %y, %out[%i] : " + memref;
  std::string step = std::to_string(lanes ? lanes : 1);
  std::string arg = "type = tensor<?x" + type + ">}";
  return "module attributes {attn.kernel = {name = \"elementwise\", args = ["
         "{name = \"x\", role = \"input\", " +
         arg + ", {name = \"y\", role = \"output\", " + arg + R"mlir(]}} {
  func.func @all(%in: )mlir" +
         memref + R"mlir( {attn.tensor = 0 : i64},
                 %out: )mlir" +
         memref + R"mlir( {attn.tensor = 1 : i64},
                 %size: index {attn.value = #attn.formula<map = ()[s0] -> (s0), dims = [0, 0]>},
                 %workgroup: index {attn.workgroup},
                 %scratch: memref<0xi8> {attn.scratch},
                 %status: memref<1xi32> {attn.status})
      attributes {attn.grid = []} {
    %c0 = arith.constant 0 : index
    %step = arith.constant )mlir" +
         step + R"mlir( : index
    scf.for %i = %c0 to %size step %step {
      %x = )mlir" +
         load + "\n      " + body + "\n      " + store + R"mlir(
    }
    return
  }
}
)mlir";
}

Session::Session(const std::string &source) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::attn::AttnDialect, mlir::linalg::LinalgDialect,
                  mlir::tensor::TensorDialect>();
  registerCodegenDialects(registry);
  context = std::make_unique<mlir::MLIRContext>(
      registry, mlir::MLIRContext::Threading::DISABLED);
  context->getDiagEngine().registerHandler([this](mlir::Diagnostic &d) {
    if (d.getSeverity() == mlir::DiagnosticSeverity::Error)
      text += d.str() + "\n";
    else if (d.getSeverity() == mlir::DiagnosticSeverity::Warning)
      warningText += d.str() + "\n";
    return mlir::success();
  });
  parsed = mlir::parseSourceString<mlir::ModuleOp>(source, context.get());
}

Session::~Session() = default;

KernelHandle Session::jit(const Target &target) {
  if (!parsed)
    return nullptr;
  Compiler compiler(options);
  auto kernel = compiler.jit(*parsed, target);
  times = compiler.getTimes();
  return mlir::succeeded(kernel) ? std::move(*kernel) : nullptr;
}

KernelHandle Session::aot(llvm::ArrayRef<Target> targets, const char *image) {
  if (!parsed)
    return nullptr;
  Compiler compiler(options);
  auto description = compiler.compile(*parsed, targets);
  times = compiler.getTimes();
  if (mlir::failed(description))
    return nullptr;
  std::string problem;
  auto bytes = writeKernel(*description, problem);
  if (!bytes) {
    text += problem + "\n";
    return nullptr;
  }
  attnc_load_options options = ATTNC_LOAD_OPTIONS_INIT;
  options.target = image;
  attnc_error error = ATTNC_ERROR_INIT;
  attnc_kernel *kernel = nullptr;
  if (attnc_kernel_load_memory(bytes->data(), bytes->size(), &options, &kernel,
                               &error) != ATTNC_OK)
    text += std::string(error.message) + "\n";
  return KernelHandle(kernel);
}

Target attnc::test::targetNamed(const char *name) {
  llvm::Expected<Target> target = Target::parse(name);
  if (target)
    return *target;
  llvm::errs() << llvm::toString(target.takeError()) << "\n";
  abort();
}

attnc_result attnc::test::launch(const KernelHandle &kernel,
                                 const std::vector<View> &views,
                                 std::string *error, uint32_t *status) {
  std::vector<attnc_tensor> tensors;
  for (const View &view : views)
    tensors.push_back(view.get());
  attnc_launch_options options = ATTNC_LAUNCH_OPTIONS_INIT;
  options.status_out = status;
  attnc_error problem = ATTNC_ERROR_INIT;
  attnc_result result = attnc_launch(kernel.get(), tensors.data(),
                                     tensors.size(), &options, &problem);
  if (error)
    *error = problem.message;
  return result;
}
