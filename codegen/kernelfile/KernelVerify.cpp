// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a description must satisfy to become a kernel file. The runtime checks
// the same of the bytes that it reads; a test keeps the two in step.

#include "codegen/kernelfile/KernelWriter.h"

#include "attnc/formula_eval.h"

#include <set>

using namespace attnc;

namespace {

bool isPowerOfTwo(uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

class Verifier {
public:
  Verifier(const KernelDesc &kernel, std::string &error)
      : kernel(kernel), error(error) {}

  bool run() {
    return name(kernel.name, "kernel name") &&
           name(kernel.producer, "producer") && args() && constraints() &&
           temps() && launches() && images() && metadata();
  }

private:
  const KernelDesc &kernel;
  std::string &error;

  bool fail(const std::string &message) {
    error = message;
    return false;
  }

  bool limit(size_t count, size_t most, const std::string &what) {
    return count <= most ||
           fail("too many " + what + ": " + std::to_string(count) +
                ", at most " + std::to_string(most));
  }

  bool text(const std::string &value, size_t most, const std::string &what) {
    if (value.size() > most)
      return fail(what + " is longer than " + std::to_string(most) + " bytes");
    return value.find('\0') == std::string::npos ||
           fail(what + " holds a zero byte");
  }

  bool name(const std::string &value, const std::string &what) {
    return text(value, ATTNC_MAX_NAME, what);
  }

  bool formula(const Formula &value, const std::string &what);
  bool arg(const ArgDesc &arg);
  bool args();
  bool constraints();
  bool temps();
  bool word(const WordDesc &word, const std::string &what);
  bool launch(const LaunchDesc &launch);
  bool launches();
  bool image(const ImageDesc &image);
  bool gpuImage(const ImageDesc &image, const std::string &what);
  bool images();
  bool metadata();

  bool dimExists(uint32_t tensor, uint32_t dim) const {
    return tensor < kernel.args.size() && dim < kernel.args[tensor].dims.size();
  }
};

bool Verifier::formula(const Formula &value, const std::string &what) {
  std::vector<attnc_formula_op> ops;
  for (const FormulaOp &op : value.ops) {
    if (op.opcode == FormulaOpcode::Dim && !dimExists(op.tensor, op.dim))
      return fail(what + " reads dimension " + std::to_string(op.dim) +
                  " of argument " + std::to_string(op.tensor) +
                  ", which does not exist");
    ops.push_back({static_cast<uint16_t>(op.opcode), 0, 0, op.imm});
  }
  return attnc_formula_check(ops.data(), ops.size()) == ATTNC_FORMULA_OK ||
         fail(what + " is not a postfix program within its limits");
}

bool Verifier::arg(const ArgDesc &arg) {
  std::string what = "argument '" + arg.name + "'";
  if (!name(arg.name, what))
    return false;
  if (arg.role != ArgRole::Input && arg.role != ArgRole::Output &&
      arg.role != ArgRole::InOut)
    return fail(what + " has an unknown role");
  if (attnc_dtype_size(arg.dtype) == 0)
    return fail(what + " has an unknown element type");
  if (!limit(arg.dims.size(), ATTNC_MAX_RANK, "dimensions of " + what))
    return false;
  for (int64_t size : arg.dims)
    if (size < kDynamicSize)
      return fail(what + " has a negative size");
  if (arg.alignment != 0 &&
      (!isPowerOfTwo(arg.alignment) || arg.alignment > ATTNC_MAX_ALIGNMENT))
    return fail(what + " has the alignment " + std::to_string(arg.alignment));
  return true;
}

bool Verifier::args() {
  if (!limit(kernel.args.size(), ATTNC_MAX_TENSORS, "arguments"))
    return false;
  std::set<std::string> names;
  for (const ArgDesc &desc : kernel.args) {
    if (!arg(desc))
      return false;
    if (desc.name.empty() || !names.insert(desc.name).second)
      return fail("argument '" + desc.name + "' has no name of its own");
  }
  return true;
}

bool Verifier::constraints() {
  if (!limit(kernel.constraints.size(), ATTNC_MAX_CONSTRAINTS, "constraints"))
    return false;
  for (const ConstraintDesc &constraint : kernel.constraints)
    if (!text(constraint.message, ATTNC_MAX_MESSAGE,
              "a constraint's message") ||
        !formula(constraint.mustBeZero,
                 "the constraint '" + constraint.message + "'"))
      return false;
  return true;
}

bool Verifier::temps() {
  if (!limit(kernel.temps.size(), ATTNC_MAX_TENSORS - kernel.args.size(),
             "temporaries"))
    return false;
  for (const TempDesc &temp : kernel.temps)
    if (!formula(temp.bytes, "the size of a temporary"))
      return false;
  return true;
}

bool Verifier::word(const WordDesc &word, const std::string &what) {
  switch (word.kind) {
  case WordDesc::Kind::Value:
    return formula(word.value, what);
  case WordDesc::Kind::TensorBase:
    return word.tensor < kernel.args.size() + kernel.temps.size() ||
           fail(what + " names tensor " + std::to_string(word.tensor) +
                ", which does not exist");
  case WordDesc::Kind::TensorSize:
  case WordDesc::Kind::TensorStride:
    return dimExists(word.tensor, word.dim) ||
           fail(what + " names dimension " + std::to_string(word.dim) +
                " of argument " + std::to_string(word.tensor) +
                ", which does not exist");
  }
  return fail(what + " has an unknown kind");
}

bool Verifier::launch(const LaunchDesc &launch) {
  std::string what = "launch '" + launch.name + "'";
  if (!name(launch.name, what) ||
      !limit(launch.grid.size(), ATTNC_MAX_GRID_RANK,
             "grid dimensions of " + what) ||
      !limit(launch.words.size(), ATTNC_MAX_WORDS, "words of " + what))
    return false;
  if (launch.flags != 0)
    return fail(what + " has unknown flags");
  if (launch.scratchBytes > ATTNC_MAX_SCRATCH_BYTES)
    return fail(what + " asks for too much scratch");
  for (const Formula &size : launch.grid)
    if (!formula(size, "the grid of " + what))
      return false;
  for (size_t i = 0; i < launch.words.size(); ++i)
    if (!word(launch.words[i], "word " + std::to_string(i) + " of " + what))
      return false;
  return true;
}

bool Verifier::launches() {
  if (!limit(kernel.launches.size(), ATTNC_MAX_LAUNCHES, "launches"))
    return false;
  for (const LaunchDesc &desc : kernel.launches)
    if (!launch(desc))
      return false;
  return true;
}

bool Verifier::image(const ImageDesc &image) {
  std::string what = "image '" + image.target + "'";
  if (!name(image.target, what) ||
      !limit(image.features.size(), ATTNC_MAX_FEATURES, "features of " + what))
    return false;
  for (const std::string &feature : image.features)
    if (!name(feature, "a feature of " + what))
      return false;
  if (!isPowerOfTwo(image.alignment) || image.alignment > ATTNC_MAX_ALIGNMENT)
    return fail(what + " has the alignment " + std::to_string(image.alignment));
  if (isGpuArch(image.arch))
    return gpuImage(image, what);
  if (image.entries.size() != kernel.launches.size())
    return fail(what + " has " + std::to_string(image.entries.size()) +
                " entries for " + std::to_string(kernel.launches.size()) +
                " launches");
  for (uint64_t entry : image.entries)
    if (entry >= image.code.size())
      return fail(what + " has an entry outside its code");
  return true;
}

bool Verifier::gpuImage(const ImageDesc &image, const std::string &what) {
  if (image.code.empty())
    return fail(what + " is empty");
  if (image.sm == 0 || image.sm > ATTNC_MAX_GPU_SM)
    return fail(what + " is for a chip numbered " + std::to_string(image.sm));
  if (image.smSuffix != 0 && image.smSuffix != 'a' && image.smSuffix != 'f')
    return fail(what + " has an unknown suffix");
  if (image.geometry.size() != kernel.launches.size())
    return fail(what + " has " + std::to_string(image.geometry.size()) +
                " geometries for " + std::to_string(kernel.launches.size()) +
                " launches");
  for (size_t i = 0; i < image.geometry.size(); ++i) {
    const GpuLaunchDesc &launch = image.geometry[i];
    if (launch.threads == 0 || launch.threads > ATTNC_MAX_GPU_THREADS ||
        launch.sharedBytes > ATTNC_MAX_GPU_SHARED ||
        launch.blocks > ATTNC_MAX_GPU_BLOCKS)
      return fail(what + " has a launch of " + std::to_string(launch.threads) +
                  " threads with " + std::to_string(launch.sharedBytes) +
                  " shared bytes in " + std::to_string(launch.blocks) +
                  " blocks");
    if (kernel.launches[i].words.size() > ATTNC_MAX_GPU_WORDS)
      return fail(what + " has too many words for a GPU's parameters");
  }
  return true;
}

bool Verifier::images() {
  if (!limit(kernel.images.size(), ATTNC_MAX_IMAGES, "images"))
    return false;
  for (const ImageDesc &desc : kernel.images)
    if (!image(desc))
      return false;
  return true;
}

bool Verifier::metadata() {
  if (!limit(kernel.metadata.size(), ATTNC_MAX_METADATA, "metadata entries"))
    return false;
  std::set<std::string> keys;
  for (const auto &entry : kernel.metadata) {
    if (!name(entry.first, "a metadata key"))
      return false;
    if (entry.second.size() > ATTNC_MAX_TEXT)
      return fail("the metadata of '" + entry.first + "' is too long");
    if (!keys.insert(entry.first).second)
      return fail("metadata key '" + entry.first + "' occurs twice");
  }
  return true;
}

} // namespace

bool attnc::verifyKernel(const KernelDesc &kernel, std::string &error) {
  return Verifier(kernel, error).run();
}
