// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Built into programs of the asan preset. LLVM's allocators poison memory that
// the packaged, uninstrumented libMLIR then uses without unpoisoning it: user
// poisoning has to be off where both live in one process.

extern "C" __attribute__((used, visibility("default"))) const char *
__asan_default_options() {
  return "allow_user_poisoning=0";
}
