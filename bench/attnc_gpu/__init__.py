# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Code for GPUs judged from its machine code: what `make bench-gpu` runs."""
