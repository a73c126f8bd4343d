"""The tables of the short run: service, limit and peer side by side, and what each costs."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.peer import ORTHANC
from bench.pictures import FIRST_TILES, TRANSCODE
from bench.readers import BUSY, IDLE
from bench.servers import LIMIT, SERVICE
from bench.tables import Rows, chosen, middle, names, of, reached, spread, table

SECTION = """## What each scenario shall reach

{targets}

## Service, limit{and_peer}: rates

{rates}

## Service, limit{and_peer}: latency of a request

{latencies}

## Where the time goes

Processor time per instance (or frame) in microseconds: of the processes that serve, in user mode
and in the kernel, of PostgreSQL, and of the load client, beside the time that passed. With {cores}
cores the first four cannot add up to more than {cores} times the last. A lone Store's time that
passed includes the pause before it.

{costs}

## Readers while Store is saturated

{waits}

**Why readers do not keep their idle p95.** With {cores} cores full, a process that is woken waits
for its turn at a core: the last line shows that for an answer of two bytes, without index or file,
beside the limit's own load. A reader of the service changes processes five times instead of twice
(client, worker, PostgreSQL, worker, client), and within the worker waits for turns of the Stores:
every callback of the event loop was timed under this load, and the longest took 1.4 ms of
processor time. Nobody starves: what saturates Store keeps no lock, no connection and no turn for
longer than that. A shorter switch interval of Python's threads changed nothing (four runs). It
would take a core that Stores do not use, or workers for readers alone, behind a proxy that sends
`GET` there.

## What a Store of one CT costs, step by step

One Store at a time, one worker, each step measured alone, in order. *Copies* is what Python's
allocator gave out meanwhile, as a multiple of the body: 0 means that the body's bytes stayed where
they were.

{steps}

**Why a lone Store takes more than twice the limit's time.** The limit waits for the disk once (one
write and sync of a file), a Store three times, one after the other: for its pack, for the folder
that names the pack, and for PostgreSQL's log. Marks in the code, in one process, on an otherwise
idle machine, gave this course of one Store, in ms from its first byte:

| ms | what ends then |
| ---: | --- |
| 0.2 | the body is read |
| 0.8 | beside the pack: the index is looked up |
| 1.2 | beside the pack: the rows are added, not committed |
| 1.6 | the pack is written and synced |
| 2.0 | it is linked to its name, its folder is synced |
| 2.6 | study, series and feed are brought up to date and committed |
| 2.7 | answered |

The socket adds what it adds to the limit. To reach twice the limit's time, a Store would have to
wait for the disk once less: by packs that have their names before they are written (then a name
would no longer mean that a pack is whole), or by locks on the feed that are held while a disk is
waited for (then all workers would wait for the slowest). Neither was worth it. To name the pack
before its sync, so that one commit of the file system's journal takes both, gained nothing that
could be told from noise. Beside the disk, a lone Store has a transaction of its own, which takes
more of the processors than all else together; behind 32 connections a dozen share one.

**Why the ratio of CT 527 kB, 1 x 32 moves from run to run.** It is the limit that moves: writing
and syncing a file of its own for each CT costs it 0.5 to 1.3 ms in the kernel, as the file
system's journal goes, while the service writes a dozen in one pack past the page cache and costs
about the same in each run (see *Where the time goes*). Samples of a worker under this load
(py-spy): 37 % granian and the routes, for one request each; 20 % the transaction; 16 % writing the
pack; 16 % the batch and its bookkeeping; 7 % the reader (CRC-32, data set, JSON, deflate); 2 % the
answer. Of small instances, 1 x 32, the limit stored 2,861 to 4,123 a second in five runs,
the service 2,012 to 2,258: the ratio went from 0.79 to 0.49 so. Both cores are full then;
0.65 ms of an instance's 0.83 are the workers', in no one place, since each has a request and its
answer of its own. It would take routes without Python.

**What a frame of a CT costs.** The bare app, which looks nothing up and knows no media type, sends
the same bytes about twice as fast, and both cores are full then, a third of them with the client.
Most of what the service needs more is Python between request and answer: routing, negotiation,
entity tag, plan, in pieces of some microseconds. The question to the index was the largest piece
until those of several requests went together, on connections that the event loop listens to all the
time: that brought 1.36 times the frames and 1.49 times the tiles (medians of eight turns with the
code before, in one run), and less than half of PostgreSQL's share. Two layers of Starlette that did
nothing here were 17 of 196 µs in the worker without a socket. Other ways of granian to run its
threads and tasks (`runtime_mode`, `task_impl`) changed nothing.

**Why transcoding costs more than the codec.** A frame is located, read, handed to a process with
limits of its own, handed back and sent. Beside 26 ms of JPEG 2000 that is little, beside 5 ms of
JPEG-LS much. In ms of both cores, a frame of JPEG-LS costs the library 5.0 to 5.2, pydicom's checks
and the way into and out of the process 0.3, the worker 1.6 to 1.8, the client 0.3, PostgreSQL 0.2.
The target leaves 1.0 for all but the library, and serving the frame as it is stored takes 0.5 to
0.8 of them. Where nothing is decoded (a codec that returns zeros), the worker alone, without a
socket, takes 0.75 ms for a frame: what describes the pixels, the frame's fragments, its way to the
process and back, the answer; no function takes more than 0.05. Beside a codec it takes 1.0, since
the caches are not its own. Tried: pickles and pipes instead of a file in memory (0.3 more); more
processes than cores; one listener to the process's socket for good; the answer as one message;
allocations kept between frames (none could be told from noise). Without Python in between, with
what the bare app and PostgreSQL take, the target could be met; without a process in between a
hostile codestream could end the worker.
"""


def section(run: dict[str, Any]) -> str:
    """Returns the tables of a short run."""
    return SECTION.format(
        targets=targets(run),
        rates=rates([each for each in run["figures"] if each["scenario"] not in run["lone"]]),
        latencies=latencies(run["figures"]),
        costs=costs(run["figures"]),
        waits=waits(run["waits"]),
        steps=steps(run["steps"]),
        cores=run["machine"]["cores"],
        and_peer=" and Orthanc" if _has_peer(run["figures"]) else "",
    )


def targets(run: dict[str, Any]) -> str:
    """Returns each target with what was reached."""
    return table(
        ["scenario", "figure", "target", "measured", "reached"],
        [_target(run["figures"], target) for target in run["targets"]],
        texts=(0, 1),
    )


def _target(figures: Rows, target: dict[str, Any]) -> Sequence[str]:
    scenario, bound = target["scenario"], target["value"]
    ours, limit = chosen(figures, scenario, SERVICE), chosen(figures, scenario, LIMIT)
    match target["bound"]:
        case "ratio_min":
            what, form, sign = "rate / limit's", ".2f", "at least"
            values = _ratios(ours, limit, "rate")
        case "rate_min":
            what, form, sign = ours[0]["unit"], ",.0f", "at least"
            values = [figure["rate"] for figure in ours]
        case "p50_ms_max":
            what, form, sign = "p50, ms", ".1f", "at most"
            values = [figure["p50_ms"] for figure in ours]
        case "part_of_first_min":
            what, form, sign = "rate / that of the first frames", ".2f", "at least"
            values = _ratios(ours, chosen(figures, FIRST_TILES, SERVICE), "rate")
        case "p50_ratio_max":
            what, form, sign = "p50 / limit's", ".2f", "at most"
            values = _ratios(ours, limit, "p50_ms")
        case _:
            what, form, sign = "highest RSS of a worker, MiB", ".0f", "below"
            values = [max(figure["rss_mib"] for figure in ours)]
    found = median(values)
    is_reached = found >= bound if sign == "at least" else found <= bound
    text = f"{sign} {format(bound, form)}"
    return [scenario, what, text, spread(values, form), reached(is_reached)]


def _ratios(ours: Rows, limit: Rows, member: str) -> list[float]:
    """Service and limit of one iteration belong together: they ran one after the other."""
    return [each[member] / other[member] for each, other in zip(ours, limit, strict=True)]


def rates(figures: Rows) -> str:
    """Returns the rates of all servers."""
    servers = _servers(figures)
    rows = [
        [
            scenario,
            *(of(chosen(figures, scenario, server), "rate", ",.0f") for server in servers),
            chosen(figures, scenario, SERVICE)[0]["unit"],
            of(chosen(figures, scenario, SERVICE), "megabytes_per_s", ",.0f"),
        ]
        for scenario in names(figures)
    ]
    return table(["scenario", *_heads(servers), "unit", "service, MB/s"], rows)


def latencies(figures: Rows) -> str:
    """Returns p50 and p95 of all servers."""
    servers = _servers(figures)
    heads = [f"{head}, {part}" for head in _heads(servers) for part in ("p50 ms", "p95 ms")]
    rows = [
        [
            scenario,
            *(
                of(chosen(figures, scenario, server), member, ".1f")
                for server in servers
                for member in ("p50_ms", "p95_ms")
            ),
        ]
        for scenario in names(figures)
    ]
    return table(["scenario", *heads], rows)


def costs(figures: Rows) -> str:
    """Returns where the processor's time goes, per instance."""
    members = ("workers_user_us", "workers_system_us", "postgres_us", "client_us")
    rows = [
        [
            scenario,
            head,
            *(f"{middle(found, member):,.0f}" for member in members),
            f"{1e6 / middle(found, 'rate'):,.0f}",
            _memory(found),
        ]
        for scenario in names(figures)
        for server, head in zip(_servers(figures), _heads(_servers(figures)), strict=True)
        if (found := chosen(figures, scenario, server))
    ]
    heads = ["scenario", "server", "user", "system", "PostgreSQL", "client", "passed", "RSS, MiB"]
    return table(heads, rows, texts=(0, 1))


def _memory(found: Rows) -> str:
    """Returns the highest RSS of a worker; codecs alone have none."""
    if found[0]["server"] == LIMIT and found[0]["scenario"] in TRANSCODE.values():
        return "-"
    return f"{max(figure['rss_mib'] for figure in found):.0f}"


def waits(figures: Rows) -> str:
    """Returns how long readers wait, and what they waited beside."""
    loads = [each for each in figures if each["server"] == SERVICE]
    rows = [
        [
            name,
            *(
                of(chosen(figures, name, state), member, ".1f")
                for state in (IDLE, BUSY)
                for member in ("p50_ms", "p95_ms")
            ),
        ]
        for name in names([each for each in figures if each["server"] in (IDLE, BUSY)])
    ]
    heads = ["idle, p50 ms", "idle, p95 ms", "saturated, p50 ms", "saturated, p95 ms"]
    text = (
        f"One connection asks, first of an idle service, then while instances ({names(loads)[0]}) "
        f"are stored, {of(loads, 'rate', ',.0f')} a second."
    )
    return "\n\n".join([text, table(["request", *heads], rows)])


def steps(found: Rows) -> str:
    """Returns the steps of a Store."""
    rows = [
        [
            step["name"],
            f"{step['us']:,.0f}",
            "-" if step["copies"] is None else f"{step['copies']:.2f}",
            step["bytes_text"],
        ]
        for step in found
    ]
    return table(["step", "µs", "copies", "what happens to the bytes"], rows, texts=(0, 3))


def _has_peer(figures: Rows) -> bool:
    return any(figure["server"] == ORTHANC for figure in figures)


def _servers(figures: Rows) -> list[str]:
    return [SERVICE, LIMIT, *([ORTHANC] if _has_peer(figures) else [])]


def _heads(servers: Sequence[str]) -> list[str]:
    heads = {SERVICE: "service", LIMIT: "limit", ORTHANC: "Orthanc"}
    return [heads[server] for server in servers]
