#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs every test: unit tests, the lit suite, and the source checks.

The last line printed is "N passed, M failed", summed over all three; a check
counts as one test. Exits 1 when anything failed or when nothing ran.
"""

import argparse
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# lit's result codes by what they mean for the sum.
LIT_PASSED = {"PASS", "XFAIL", "FLAKYPASS"}
LIT_SKIPPED = {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}


class Totals:
    """What has passed, failed and been skipped so far."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = 0

    def add(self, what, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        note = f", {skipped} skipped" if skipped else ""
        print(f"-- {what}: {passed} passed, {failed} failed{note}", flush=True)


def cache_value(build, key):
    """The value of a CMake cache entry, or None."""
    try:
        with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as f:
            for line in f:
                match = re.match(re.escape(key) + r":[A-Z]+=(.*)$", line.rstrip("\n"))
                if match:
                    return match.group(1)
    except OSError:
        pass
    return None


def run_unit_tests(build, totals):
    for program in sorted(glob.glob(os.path.join(build, "bin", "attnc-*-tests"))):
        name = os.path.basename(program)
        with tempfile.TemporaryDirectory() as folder:
            report = os.path.join(folder, "report.json")
            status = subprocess.run(
                [program, f"--gtest_output=json:{report}", "--gtest_brief=1"],
                cwd=build,
            ).returncode
            counts = read_gtest_report(report)
        if counts is None:
            print(f"{name}: ended with status {status} and left no report")
            counts = (0, 1, 0)
        passed, failed, skipped = counts
        # A crash after the report, or a leak found at exit, is a failure too.
        if status != 0 and failed == 0:
            print(f"{name}: every test passed, but the exit status is {status}")
            failed = 1
        if passed + failed == 0:
            print(f"{name}: no test in it ran")
            failed = 1
        totals.add(name, passed, failed, skipped)


def read_gtest_report(path):
    """(passed, failed, skipped) of GoogleTest's JSON report, None without one."""
    try:
        with open(path, encoding="utf-8") as f:
            report = json.load(f)
    except (OSError, ValueError):
        return None
    passed = failed = skipped = 0
    for suite in report.get("testsuites", []):
        for test in suite.get("testsuite", []):
            if test.get("failures"):
                failed += 1
            elif test.get("result") == "SKIPPED" or test.get("status") == "NOTRUN":
                skipped += 1
            else:
                passed += 1
    return passed, failed, skipped


def run_lit(build, jobs, lit_filter, totals):
    lit = cache_value(build, "ATTNC_LIT")
    if not lit or not os.path.exists(lit):
        print("lit was not found when the build was configured: run `make setup`, "
              "then remove the build directory and build again")
        totals.add("lit", 0, 1)
        return
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.json")
        command = [lit, "-sv", "--no-progress-bar", "-j", str(jobs),
                   "--output", report]
        if lit_filter:
            command += ["--filter", lit_filter]
        status = subprocess.run(command + [os.path.join(build, "test")]).returncode
        try:
            with open(report, encoding="utf-8") as f:
                codes = [test["code"] for test in json.load(f)["tests"]]
        except (OSError, ValueError, KeyError):
            print(f"lit ended with status {status} and left no report")
            codes = ["UNRESOLVED"]
    passed = sum(code in LIT_PASSED for code in codes)
    skipped = sum(code in LIT_SKIPPED for code in codes)
    failed = len(codes) - passed - skipped
    if passed + failed == 0:
        print("lit ran no test")
        failed = 1
    if status != 0 and failed == 0:
        failed = 1
    totals.add("lit", passed, failed, skipped)


def run_checks(build, totals):
    scripts = os.path.join(ROOT, "scripts")
    checks = [
        ["python3", os.path.join(scripts, "check-includes.py")],
        ["bash", os.path.join(scripts, "check-docs.sh")],
        ["python3", os.path.join(scripts, "check-mirror.py")],
        ["bash", os.path.join(scripts, "check-format.sh")],
        ["python3", os.path.join(scripts, "check-sizes.py")],
    ]
    environment = dict(os.environ)
    mlir_dir = build and cache_value(build, "MLIR_DIR")
    if mlir_dir:
        environment["MLIR_DIR"] = mlir_dir
    passed = failed = skipped = 0
    for command in checks:
        status = subprocess.run(command, cwd=ROOT, env=environment).returncode
        if status == 0:
            passed += 1
        elif status == 77:  # the check says that it cannot run here
            skipped += 1
        else:
            failed += 1
    totals.add("source checks", passed, failed, skipped)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", help="the build directory")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--filter", help="run only the lit tests that match")
    parser.add_argument("--checks-only", action="store_true",
                        help="run the source checks and nothing else")
    args = parser.parse_args()
    if not args.build and not args.checks_only:
        parser.error("--build DIR is needed (or --checks-only)")

    build = args.build and os.path.abspath(args.build)
    totals = Totals()
    if not args.checks_only:
        run_unit_tests(build, totals)
        run_lit(build, args.jobs, args.filter, totals)
    if not args.filter:
        run_checks(build, totals)

    print(f"{totals.passed} passed, {totals.failed} failed", flush=True)
    return 1 if totals.failed or totals.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
