"""`python -m bench`: measures, prints, and keeps the figures."""

import argparse
import json
from pathlib import Path
from typing import Any

from bench import peer, render, scale, short

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def main() -> None:
    """Measures, or renders what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("run", nargs="?", choices=["short", "scale"], default="short")
    parser.add_argument("--iterations", type=int, default=3, help="of the short run")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="of each Store scenario and server, about"
    )
    parser.add_argument("--peer", action="store_true", help="measure Orthanc too")
    parser.add_argument(
        "--instances", type=int, default=scale.INSTANCES, help="that the scale run stores"
    )
    parser.add_argument("--render", action="store_true", help="write bench/README.md, no more")
    arguments = parser.parse_args()
    if arguments.render:
        (HERE / "README.md").write_text(render.page(kept()))
        return
    if arguments.peer:
        peer.require()
    if arguments.run == "scale":
        figures = scale.measure(arguments.instances)
    else:
        figures = short.measure(arguments.iterations, arguments.seconds, with_peer=arguments.peer)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{arguments.run}.json").write_text(json.dumps(figures, indent=1))
    print(render.summary({arguments.run: figures}))


def kept() -> dict[str, Any]:
    """Returns the results that there are, by name."""
    return {file.stem: json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))}


main()
