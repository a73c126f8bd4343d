"""The table of the core's micro-benchmarks, as pytest-benchmark keeps them."""

from typing import Any

from bench.tables import table

SECTION = """## The core alone

Micro-benchmarks of the extension, one call each, without sockets or disks.

{benchmarks}
"""


def section(run: dict[str, Any]) -> str:
    """Returns the table of a result of pytest-benchmark."""
    rows = [
        [
            each["name"],
            f"{1e6 * each['stats']['median']:,.1f}",
            f"{1e6 * each['stats']['iqr']:,.1f}",
        ]
        for each in run["benchmarks"]
    ]
    heads = ["benchmark", "median, µs", "interquartile range, µs"]
    return SECTION.format(benchmarks=table(heads, rows))
