"""Renders `bench/README.md` from the results that there are. No figure is ever typed."""

from collections.abc import Mapping
from typing import Any

from bench import render_micro, render_scale, render_short

SECTIONS = {
    "short": render_short.section,
    "scale": render_scale.section,
    "micro": render_micro.section,
}
HEAD = """# Bench

**Question.** How close does the service come to what the machine can do at all, does it stay so
with a million instances, and how long does one request take?

**Method.** `make bench` starts the service (`longshore serve`, embedded PostgreSQL, local packs,
fsync and synchronous commit on) and the machine's limit: a bare granian app with as many workers
that drains a body into a file and fsyncs it before it answers, or sends one file or a piece of it;
of transcoding, the codec's library alone, in as many processes as cores. The load client
runs on the same machine, over kept-alive HTTP/1.1 connections of blocking sockets; its requests are
made before the clock runs, and share their pixel data. Service and limit take turns within an
iteration, each time begun by another one; each iteration begins with empty servers, and each
scenario with some requests that do not count. Every answer is checked, and after each Store
scenario the service is asked how many instances the study has.

Instances are synthetic and deterministic: a CT with over 100 attributes, sequences and private
elements, and a small one. *a x b* means a instances per request over b connections. *1 x 1* is a
lone Store, with a pause of some milliseconds before each.

**How to read it.** Figures are medians over the iterations, with the lowest and the highest in
brackets. The ratios are what counts: service and limit of one iteration, of this run. Absolute
figures belong to this machine, and hardly compare to those of another run. Memory is the highest
resident set of any one worker, as the kernel keeps it (VmHWM), over all iterations.
"""
NOTHING = """## Figures

None yet: they are rendered from runs, and none was kept since what is measured has changed.
"""
MACHINE = """## Machine and versions

{machine}
"""
PEER = """## The peer

Orthanc from Debian's packages, on the same machine in the same run, with the same client and the
same files. It syncs its files, and its SQLite index less often. Where it is slow it gets fewer
requests, so that a scenario takes about as long. It ends the answer of a series by closing the
connection.

{facts}
"""
TAIL = """## Again

- `make bench` takes some five minutes, prints the tables and keeps the figures in
  `bench/results/short.json`. `make bench ITERATIONS=1` takes a good minute; `make bench PEER=1`
  measures Orthanc too, and installs it where it may.
- `make bench-scale` stores a million instances (some 30 GB, removed afterwards) and keeps the
  figures in `bench/results/scale.json`; `make bench-scale INSTANCES=100000` stores fewer.
- `python -m bench --render` writes this page from the results that there are.
"""


def page(results: Mapping[str, dict[str, Any]]) -> str:
    """Returns the page."""
    parts = [HEAD, *(_sections(results) or [NOTHING])]
    peer = results.get("short", {}).get("peer")
    if peer:
        parts.append(PEER.format(facts=_listed(peer)))
    # One machine, which both runs describe.
    machines = [results[name]["machine"] for name in ("short", "scale") if name in results]
    parts += [MACHINE.format(machine=_listed(machine)) for machine in machines[:1]]
    return "\n".join([*parts, TAIL])


def summary(results: Mapping[str, dict[str, Any]]) -> str:
    """Returns the tables alone."""
    return "\n".join(_sections(results))


def _sections(results: Mapping[str, dict[str, Any]]) -> list[str]:
    return [render(results[name]) for name, render in SECTIONS.items() if name in results]


def _listed(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())
