"""`python -m bench`: measures, prints, and keeps the figures."""

import argparse
import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import instances, machine, render, scenarios, servers

HERE = Path(__file__).parent
LATEST = HERE / "results" / "latest.json"


def main() -> None:
    """Measures, or renders what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--render", action="store_true", help="write bench/README.md")
    arguments = parser.parse_args()
    if arguments.render:
        (HERE / "README.md").write_text(render.render(json.loads(LATEST.read_text())))
        return
    run = measure(arguments.iterations)
    LATEST.parent.mkdir(exist_ok=True)
    LATEST.write_text(json.dumps(run, indent=1))
    print("\n".join(f"{name}: {value}" for name, value in run["machine"].items()))
    print(render.table(run["figures"]))


def measure(iterations: int) -> dict[str, Any]:
    """Runs every scenario, service and limit by turns."""
    workers = len(os.sched_getaffinity(0))
    folder = Path(tempfile.mkdtemp(prefix="longshore-bench-"))
    folder.chmod(0o755)
    figures: list[scenarios.Figure] = []
    try:
        file = folder / "series"
        length = write_series(file)
        with (
            servers.service(folder, workers) as service,
            servers.limit(folder, workers, file) as limit,
        ):
            series, numbers = scenarios.store_series(service)
            for iteration in range(iterations):
                print(f"iteration {iteration + 1} of {iterations}", flush=True)
                figures += [
                    scenarios.store(scenario, server)
                    for scenario in scenarios.STORES
                    for server in (service, limit)
                ]
                empty(folder / "limit")
                figures += [
                    retrieve() for retrieve in scenarios.retrieves(service, series, numbers)
                ]
                figures.append(scenarios.send_file(limit, length))
        facts = machine.facts(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "iterations": iterations,
        "ct_kb": round(len(instances.template(instances.CT)) / 1000),
        "small_kb": round(len(instances.template(instances.SMALL)) / 1000),
        "machine": facts,
        "figures": [asdict(figure) for figure in figures],
    }


def write_series(file: Path) -> int:
    """Writes as many bytes as the series has; returns how many."""
    content = instances.template(instances.CT)
    with file.open("wb") as out:
        for _ in range(scenarios.SERIES_COUNT):
            out.write(content)
    return file.stat().st_size


def empty(folder: Path) -> None:
    """Removes what the limit has written."""
    for path in folder.iterdir():
        path.unlink()


main()
