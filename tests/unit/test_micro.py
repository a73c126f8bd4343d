"""The micro-benchmarks still run; how long they take is no test."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_benchmark_runs_once() -> None:
    command = [sys.executable, "-m", "pytest", "bench/test_micro_core.py", "--benchmark-disable"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "14 passed" in done.stdout
