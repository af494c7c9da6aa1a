// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Small kernels and conveniences for the runtime's tests.

#ifndef ATTNC_TEST_RUNTIME_TESTKERNELS_H
#define ATTNC_TEST_RUNTIME_TESTKERNELS_H

#include "attnc/runtime.h"
#include "codegen/kernelfile/KernelWriter.h"

#include <gtest/gtest.h>

#include <memory>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ATTNC_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ATTNC_TEST_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define ATTNC_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ATTNC_TEST_TSAN 1
#endif
#endif

namespace attnc::test {

struct KernelDeleter {
  void operator()(attnc_kernel *kernel) const { attnc_kernel_destroy(kernel); }
};
using KernelPtr = std::unique_ptr<attnc_kernel, KernelDeleter>;

/// The bytes of a kernel that is expected to verify.
std::vector<uint8_t> serialize(const KernelDesc &desc);

/// Recomputes size and checksum, as an attacker would.
void fixChecksum(std::vector<uint8_t> &file);

/// A kernel of the given functions, which is expected to load.
KernelPtr createKernel(const KernelDesc &desc,
                       const std::vector<attnc_workgroup_fn> &functions);

/// A kernel from bytes with images, which is expected to load.
KernelPtr loadKernel(const std::vector<uint8_t> &file);

/// One that must not load, with this code; returns the message.
std::string failToLoad(const std::vector<uint8_t> &file, attnc_result code);

/// x86-64 code of `increment` at offset 0 and `check` at offset 64.
/// increment(q, out, n): out[i] = q[i] + 1 for its 64 elements of i32.
/// check(q): flags a bad index where q[workgroup] is negative.
const std::vector<uint8_t> &incrementCode();

/// out[n] = q[n] + 1 on i32, in workgroups of 64, with one image that any
/// x86-64 runs and one for a machine that does not exist in front of it.
KernelDesc incrementDesc();

/// A kernel with a bit of everything: dynamic and static sizes, constraints,
/// temporaries, two launches, scratch, metadata; no images.
///   q: f32[?x?x64] in, k: f32[?x?x64] in, out: f32[?x?x64] out aligned to 64
///   q.dim0 == k.dim0 and q and out agree
KernelDesc richDesc();

/// An attnc_tensor that owns its shape and strides.
struct Tensor {
  attnc_dtype dtype = ATTNC_DTYPE_F32;
  void *data = nullptr;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides; ///< empty for dense

  attnc_tensor view() const {
    return {sizeof(attnc_tensor),   dtype,
            uint32_t(shape.size()), data,
            shape.data(),           strides.empty() ? nullptr : strides.data(),
            /*device_type=*/0,      /*device_id=*/0};
  }
};

std::vector<attnc_tensor> views(const std::vector<Tensor> &tensors);

} // namespace attnc::test

#endif // ATTNC_TEST_RUNTIME_TESTKERNELS_H
