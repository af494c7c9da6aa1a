# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bf16 for NumPy, which has no such type: arrays of its bit patterns."""

import numpy as np


class BFloat16(np.ndarray):
    """Bit patterns of bf16 numbers (uint16), marked as such by the class."""


def to_bf16(values):
    """f32 to bf16, to nearest even; NaN stays NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    quiet = (bits >> 16) | 0x40
    return np.where(np.isnan(values), quiet, rounded).astype(np.uint16).view(BFloat16)


def to_f32(values):
    """The f32 values of an array of either type."""
    if isinstance(values, BFloat16):
        return (values.view(np.ndarray).astype(np.uint32) << 16).view(np.float32)
    return np.asarray(values, np.float32)


def rounded(values, dtype):
    """f32 values as the type holds them."""
    return to_f32(to_bf16(values)) if dtype == "bf16" else np.asarray(values, np.float32)


def stored(values, dtype):
    """An f32 array as the type's array."""
    return to_bf16(values) if dtype == "bf16" else np.ascontiguousarray(values, np.float32)
