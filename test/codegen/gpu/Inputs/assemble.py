# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""assemble.py EXAMPLES DIRECTORY: one example for every chip that attnc knows,
every example for two of them. ptxas must take all."""

import glob
import os
import re
import subprocess
import sys

examples, directory = sys.argv[1:]
wrong = subprocess.run(
    ["attnc", "compile", "-", "--target=sm_0", "--emit=ptx"],
    input="", capture_output=True, text=True)
chips = re.findall(r"sm_\w+", wrong.stderr.split("known are")[1])
assert len(chips) > 20, wrong.stderr

jobs = [(os.path.join(examples, "causal.mlir"), chip) for chip in chips]
jobs += [(spec, chip) for spec in sorted(glob.glob(examples + "/*.mlir"))
         for chip in ("sm_80", "sm_90a")]
failed = 0
for spec, chip in jobs:
    result = subprocess.run(
        ["attnc", "compile", spec, f"--target={chip}", "--emit=cubin", "-o",
         os.path.join(directory, "k.cubin")], capture_output=True, text=True)
    if "is not defined for option 'gpu-name'" in result.stderr:
        print(f"{chip}: this ptxas does not know it")
    elif result.returncode:
        failed += 1
        print(f"{spec} for {chip}: {result.stderr}")
print(len(jobs), "jobs,", failed, "failed")
sys.exit(failed != 0)
