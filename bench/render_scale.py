"""The tables of the scale run: whether Store slows down, the index, and the readers."""

from typing import Any

from bench.render_short import waits
from bench.tables import reached, table

SECTION = """## {instances:,} instances

{studies:,} studies of {per_study} instances, with patients, dates, accession numbers and modalities
that vary, UIDs that are scattered, and an extended query tag that every instance has a value of;
{load}. Stored in {minutes:.1f} minutes. The index is all tables of the schema with all their
indexes.

{targets}

Rate over each {share} of the run, in instances per second: {stretches}.

Processor time per instance: workers {workers_us:.0f} µs, PostgreSQL {postgres_us:.0f} µs, client
{client_us:.0f} µs.

{searches}

The largest tables and indexes, in bytes per instance, without TOAST:

{relations}

### Readers of this index while Store is saturated

{waits}
"""


PARTS = ("PatientName", "extended query tag")
"""In the names of Searches that have the target of parts."""


def section(run: dict[str, Any]) -> str:
    """Returns the tables of a scale run."""
    count = run["instances"]
    return SECTION.format(
        instances=count,
        studies=run["studies"],
        per_study=count // run["studies"],
        minutes=run["seconds"] / 60,
        targets=targets(run),
        share=f"1/{len(run['stretches'])}",
        stretches=", ".join(f"{rate:,.0f}" for rate in run["stretches"]),
        workers_us=run["workers_us"],
        postgres_us=run["postgres_us"],
        client_us=run["client_us"],
        searches=searches(run),
        relations=table(
            ["relation", "bytes per instance"],
            [[name, f"{size / count:.1f}"] for name, size in run["index"]["relations"].items()],
        ),
        load=run["load"],
        waits=waits(run["waits"]),
    )


def targets(run: dict[str, Any]) -> str:
    """Returns each target with what was reached, but for those of Searches."""
    ratio = run["last_rate"] / run["first_rate"]
    size = run["index"]["bytes"] / run["instances"]
    bound = run["targets"]
    first, last = (f"{a:,} to {b:,}" for a, b in (run["first"], run["last"]))
    rows = [
        [f"rate, instance {first}", "-", f"{run['first_rate']:,.0f} /s", "-"],
        [f"rate, instance {last}", "-", f"{run['last_rate']:,.0f} /s", "-"],
        [
            "the latter / the former",
            f"at least {bound['store_ratio_min']}",
            f"{ratio:.2f}",
            reached(ratio >= bound["store_ratio_min"]),
        ],
        [
            "index, bytes per instance",
            f"at most {bound['index_bytes_max']}",
            f"{size:.0f}",
            reached(size <= bound["index_bytes_max"]),
        ],
        [
            "highest RSS of a worker, MiB",
            f"below {bound['rss_mib_max']}",
            f"{run['rss_mib']:.0f}",
            reached(run["rss_mib"] < bound["rss_mib_max"]),
        ],
    ]
    return table(["figure", "target", "measured", "reached"], rows)


def searches(run: dict[str, Any]) -> str:
    """Returns the Searches, with their targets."""
    rows: list[list[str]] = []
    for figure in run["searches"]:
        scenario = figure["scenario"]
        kind = (
            "page"
            if "page" in scenario
            else "part"
            if any(each in scenario for each in PARTS)
            else "search"
        )
        bounds = {part: run["targets"].get(f"{kind}_{part}_ms_max") for part in ("p50", "p95")}
        is_reached = all(
            bound is None or figure[f"{part}_ms"] <= bound for part, bound in bounds.items()
        )
        wanted = ", ".join(f"{part} {bound}" for part, bound in bounds.items() if bound)
        cells = [figure["scenario"], f"{figure['p50_ms']:.1f}", f"{figure['p95_ms']:.1f}"]
        rows.append([*cells, wanted, reached(is_reached)])
    return table(["Search, one connection", "p50 ms", "p95 ms", "at most, ms", "reached"], rows)
