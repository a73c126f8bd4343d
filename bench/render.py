"""Renders `bench/README.md` from a run's figures. No figure is ever typed."""

from collections.abc import Sequence
from statistics import median
from typing import Any

TEXT = """# Bench

**Question.** How close does the service come to what the machine can do at all, and how long does
one request take?

**Method.** `make bench` starts the service (`longshore serve`, embedded PostgreSQL, local packs,
fsync and synchronous commit on) and the machine's limit: a bare granian app with as many workers
that drains a body into a file and fsyncs it before it answers, or sends one file. The load client
runs on the same machine, over kept-alive HTTP/1.1 connections of blocking sockets with prepared
requests. Service and limit take turns within an iteration; the figures are medians over
{iterations} iterations, with the lowest and highest in brackets. Every answer is checked, and after
each Store the service is asked how many instances the study has. Instances are synthetic and
deterministic: a CT of {ct_kb} kB with over 100 attributes, sequences and private elements, and a
small one of {small_kb} kB. *a x b* means a instances per request over b connections.

**How to read it.** The ratio is what counts: rate of the service ÷ rate of the limit, both from
this run. Absolute figures belong to this machine.

## Figures

{figures}

## Machine and versions

{machine}

## Again

`make bench` prints the figures and writes them to `bench/results/latest.json`;
`make bench ITERATIONS=1` takes a minute. `python -m bench --render` writes this page from them.
"""


def render(run: dict[str, Any]) -> str:
    """Returns the page."""
    return TEXT.format(
        iterations=run["iterations"],
        ct_kb=run["ct_kb"],
        small_kb=run["small_kb"],
        figures=table(run["figures"]),
        machine="\n".join(f"- {name}: {value}" for name, value in run["machine"].items()),
    )


def table(figures: Sequence[dict[str, Any]]) -> str:
    """Returns the figures as a table, one row per scenario."""
    lines = [
        "| scenario | service | limit | ratio | p50 | p95 | MB/s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for scenario in dict.fromkeys(figure["scenario"] for figure in figures):
        ours = [f for f in figures if f["scenario"] == scenario and f["server"] == "longshore"]
        limit = [f for f in figures if f["scenario"] == scenario and f["server"] == "limit"]
        ratio = _of(ours, "rate") / _of(limit, "rate") if limit else None
        lines.append(
            f"| {scenario} | {_rate(ours)} | {_rate(limit) if limit else '-'} "
            f"| {f'{ratio:.2f}' if ratio is not None else '-'} "
            f"| {_of(ours, 'p50_ms'):.1f} ms | {_of(ours, 'p95_ms'):.1f} ms "
            f"| {_of(ours, 'megabytes_per_s'):.0f} |"
        )
    return "\n".join(lines)


def _of(figures: Sequence[dict[str, Any]], member: str) -> float:
    return median(figure[member] for figure in figures)


def _rate(figures: Sequence[dict[str, Any]]) -> str:
    rates = [figure["rate"] for figure in figures]
    spread = f" [{min(rates):,.0f}-{max(rates):,.0f}]" if len(rates) > 1 else ""
    return f"{median(rates):,.0f}{spread} {figures[0]['unit']}"
