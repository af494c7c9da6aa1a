# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What attnc's benchmarks share: set-up, kernels, checks, timing, reports."""
