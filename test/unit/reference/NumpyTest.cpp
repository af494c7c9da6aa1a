// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// attn.attention against values that NumPy computed (numpy_values.py).

#include "TestSupport.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>
#include <set>

using namespace mlir;
using namespace attnc;
using namespace attnc::test;

namespace {
class NumpyTest : public ReferenceTest {
protected:
  llvm::json::Value fixture = nullptr;
  llvm::StringMap<OwningOpRef<ModuleOp>> files;

  void SetUp() override {
    auto text = read("unit/reference/Inputs/numpy_values.json");
    llvm::Expected<llvm::json::Value> parsed = llvm::json::parse(text);
    ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
    fixture = std::move(*parsed);
    files["attention.mlir"] =
        parse(read("unit/reference/Inputs/attention.mlir"));
    files["design-examples.mlir"] = parse(read("dialect/design-examples.mlir"));
  }

  static std::string read(StringRef name) {
    auto buffer = llvm::MemoryBuffer::getFile(
        (StringRef(ATTNC_TEST_SOURCE_DIR "/") + name).str());
    EXPECT_TRUE(bool(buffer)) << name.str();
    return buffer ? (*buffer)->getBuffer().str() : "";
  }

  /// An argument as the fixture describes it, of the function's type.
  HostTensor argument(const llvm::json::Object &json, Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    Type element = tensor ? tensor.getElementType() : type;
    ArrayRef<int64_t> shape = tensor ? tensor.getShape() : ArrayRef<int64_t>();
    if (std::optional<int64_t> seed = json.getInteger("seed"))
      return random(shape, *seed, element, *json.getInteger("bits"),
                    *json.getNumber("scale"));
    HostTensor result(element, shape);
    const llvm::json::Array &values = *json.getArray("values");
    EXPECT_EQ(int64_t(values.size()), result.getNumElements());
    for (auto [to, from] : llvm::zip(result.mutableValues(), values))
      to = result.isFloat() ? floatScalar(*from.getAsNumber())
                            : intScalar(*from.getAsInteger());
    return result;
  }

  static std::vector<double> expected(const llvm::json::Array &json) {
    std::vector<double> values;
    for (const llvm::json::Value &value : json) {
      std::optional<StringRef> word = value.getAsString();
      values.push_back(!word            ? *value.getAsNumber()
                       : *word == "nan" ? NAN
                       : *word == "inf" ? INFINITY
                                        : -INFINITY);
    }
    return values;
  }

  void runCase(const llvm::json::Object &json) {
    ModuleOp module = *files[*json.getString("file")];
    auto function =
        module.lookupSymbol<func::FuncOp>(*json.getString("function"));
    ASSERT_TRUE(function);
    SmallVector<HostTensor> args;
    for (auto [arg, type] :
         llvm::zip_equal(*json.getArray("args"), function.getArgumentTypes()))
      args.push_back(argument(*arg.getAsObject(), type));
    EvaluateOptions options;
    if (json.getString("precision") == "operand")
      options.precision = Precision::Operand;
    FailureOr<SmallVector<HostTensor>> results =
        evaluate(function, args, options);
    ASSERT_TRUE(succeeded(results)) << messages;
    const llvm::json::Array &wanted = *json.getArray("results");
    ASSERT_EQ(results->size(), wanted.size());
    for (auto [n, result] : llvm::enumerate(*results))
      EXPECT_TRUE(close(result, expected(*wanted[n].getAsArray()),
                        *json.getNumber("tolerance")))
          << "result " << n;
  }
};

TEST_F(NumpyTest, EveryCase) {
  const llvm::json::Array &cases = *fixture.getAsArray();
  ASSERT_GE(cases.size(), 50u);
  for (const llvm::json::Value &value : cases) {
    SCOPED_TRACE(value.getAsObject()->getString("name")->str());
    runCase(*value.getAsObject());
  }
}

/// A function that no case names would be tested by nothing.
TEST_F(NumpyTest, EveryFunctionHasACase) {
  std::set<std::string> named;
  for (const llvm::json::Value &value : *fixture.getAsArray())
    named.insert(value.getAsObject()->getString("function")->str());
  for (auto &file : files)
    for (auto function : file.second->getOps<func::FuncOp>())
      EXPECT_TRUE(named.count(function.getName().str()))
          << function.getName().str();
}
} // namespace
