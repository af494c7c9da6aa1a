// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The PTX executor: runs the final text of a GPU kernel on the CPU, and says
// what is wrong with it. C++ interface of the library attnc_ptx, which is no
// part of libattnc_runtime.
//
// The machine is adversarial: asynchronous results land as late as the PTX
// allows, shared memory begins as NaN, warps run in an order drawn from a seed.

#ifndef ATTNC_PTX_EXECUTOR_H
#define ATTNC_PTX_EXECUTOR_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace attnc {
namespace ptx {

/// What is wrong with a module or a launch. Line 0: not at any line.
struct Diagnostic {
  unsigned line = 0;
  std::string message;
};

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t(x) * y * z; }
};

/// One parameter of an entry function.
struct Parameter {
  std::string name;
  uint32_t size = 0;
  uint32_t alignment = 1;
};

/// What can be known of an entry function without running it.
struct EntryInfo {
  std::string name;
  std::vector<Parameter> parameters;
  uint64_t staticShared = 0;
  Dim3 requiredBlock{0, 0, 0}; ///< zeros: any
  uint64_t instructions = 0;   ///< after inlining of calls
};

/// A defect that does not stop the launch, once for each pair of lines.
struct Finding {
  enum Kind {
    Race,          ///< two warps, the same bytes, a write, no order between
    InFlight,      ///< shared memory read or written under an async copy
    Uninitialized, ///< shared memory read that nobody wrote
    MissingFence,  ///< generic write, async read, no proxy fence between
    Protocol,      ///< misuse of mbarriers, async groups or wgmma
  };
  Kind kind = Race;
  unsigned line = 0;
  unsigned otherLine = 0; ///< of the other access, 0 if there is none
  uint64_t count = 0;
  std::string message; ///< of the first occurrence
};

const char *nameOf(Finding::Kind kind);

/// Shared-memory wavefronts of one instruction, of all its executions.
struct BankUse {
  unsigned line = 0;
  uint64_t executions = 0; ///< by warps
  uint64_t wavefronts = 0;
  uint64_t ideal = 0; ///< what the same bytes need without conflicts
};

struct LaunchOptions {
  Dim3 grid, block;
  uint32_t dynamicShared = 0;
  uint64_t seed = 0;
  bool races = true; ///< race, in-flight and fence checks
  bool banks = true; ///< count bank conflicts
  /// Reads of unwritten shared memory become findings too. Without it they
  /// give NaN only, since compilers read lanes that they then ignore.
  bool uninitialized = false;
  /// Blocks between which execution switches when one waits for another.
  uint32_t residentBlocks = 64;
  /// Warp instructions after which the launch counts as endless.
  uint64_t maxWarpInstructions = uint64_t(1) << 40;
  /// Called now and then with finished and all blocks; false stops the launch.
  std::function<bool(uint64_t, uint64_t)> progress;
};

struct LaunchResult {
  bool completed = false;
  Diagnostic error; ///< why not, when it was not completed
  std::vector<Finding> findings;
  std::vector<BankUse> banks; ///< instructions with conflicts first
  uint64_t warpInstructions = 0;
  uint64_t threadInstructions = 0;

  bool clean() const { return completed && findings.empty(); }
  uint64_t extraWavefronts() const;
};

/// As CU_TENSOR_MAP_…: element types and swizzles by the driver's numbers.
struct TensorMapSpec {
  enum ElementType {
    U8,
    U16,
    U32,
    S32,
    U64,
    S64,
    F16,
    F32,
    F64,
    BF16,
    F32Ftz,
    TF32,
    TF32Ftz
  };
  enum Swizzle { None, Bytes32, Bytes64, Bytes128 };
  ElementType type = F16;
  uint32_t rank = 2;
  uint64_t address = 0;
  std::array<uint64_t, 5> sizes{};   ///< in elements, innermost first
  std::array<uint64_t, 4> strides{}; ///< in bytes, of dimensions 1 and up
  std::array<uint32_t, 5> box{};     ///< in elements
  std::array<uint32_t, 5> elementStrides{1, 1, 1, 1, 1};
  Swizzle swizzle = None;
  bool fillNaN = false; ///< what lies outside reads as NaN, not as zero
};

/// The opaque 128 bytes of a tensor map, in a format of the executor's own.
struct TensorMap {
  alignas(64) std::array<uint8_t, 128> bytes{};
};

/// False with a message where the driver would refuse the spec.
bool encodeTensorMap(const TensorMapSpec &spec, TensorMap &map,
                     std::string &message);

/// A module and the device memory that its kernels see.
class Executor {
public:
  Executor();
  ~Executor();
  Executor(const Executor &) = delete;
  Executor &operator=(const Executor &) = delete;

  /// Parses and checks a whole module; nothing runs. False with a diagnostic.
  bool load(std::string_view text, Diagnostic &error);
  std::vector<EntryInfo> entries() const;

  /// A region of its own with guard gaps around it, filled with NaN.
  /// Returns its device address, 0 if there is no memory.
  uint64_t allocate(size_t size);
  /// The same over the caller's memory, which must outlive the executor.
  uint64_t map(void *data, size_t size, bool writable = true);
  bool free(uint64_t address);
  bool write(uint64_t address, const void *data, size_t size);
  bool read(uint64_t address, void *data, size_t size) const;

  /// `arguments` holds the bytes of each parameter, in order.
  LaunchResult launch(std::string_view entry,
                      const std::vector<std::vector<uint8_t>> &arguments,
                      const LaunchOptions &options);

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// The bytes of a scalar argument.
template <class T>
std::vector<uint8_t> argument(const T &value) {
  const uint8_t *bytes = reinterpret_cast<const uint8_t *>(&value);
  return std::vector<uint8_t>(bytes, bytes + sizeof(T));
}

} // namespace ptx
} // namespace attnc

#endif // ATTNC_PTX_EXECUTOR_H
