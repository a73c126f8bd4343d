"""`longshore`: picks the command, reads the settings, turns errors into one line.

Exit codes: 0 done, 1 it cannot be done (the line says what to do), 2 the call was wrong.
"""

import argparse
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from longshore.errors import LongshoreError
from longshore.settings import SettingError, Settings, kinds, option, settings_from, variable


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its module below `longshore.cli`, imported when it is called, and a phrase."""

    module: str
    summary: str


COMMANDS: Mapping[str, Command] = {
    "serve": Command("serve", "starts the service and stops it on Ctrl-C or SIGTERM"),
    "migrate": Command("migrate", "brings the index to the schema of this version"),
    "rebuild-index": Command("rebuild_index", "makes the index anew from the packs alone"),
    "compact": Command("compact", "merges small packs now, and gives space back"),
    "sweep": Command("sweep", "gives the space of deleted and forgotten instances back now"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code. `arguments` are those behind the program's name."""
    given = vars(_parser().parse_args(arguments))
    command = COMMANDS[cast("str", given.pop("command"))]
    return reported(lambda: _load(command)(settings_from(os.environ, given)))


def reported(work: Callable[[], int]) -> int:
    """Does some work; prints an error meant for people as one line; returns the exit code."""
    try:
        return work()
    except SettingError as error:
        return _complain(error, 2)
    except LongshoreError as error:
        return _complain(error, 1)
    except ImportError as error:
        if error.name != "longshore._native":
            raise
        return _complain("the extension is not built, or for another Python; run `make build`", 1)
    except KeyboardInterrupt:
        return 130  # as a shell reports a command that Ctrl-C ended


def _load(command: Command) -> Callable[[Settings], int]:
    return importlib.import_module(f"longshore.cli.{command.module}").run


def _complain(error: object, code: int) -> int:
    print(f"longshore: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="longshore",
        description="A self-hosted DICOM service: store, search and retrieve over DICOMweb.",
        allow_abbrev=False,
    )
    version = importlib.metadata.version("longshore")
    parser.add_argument("--version", action="version", version=f"longshore {version}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, command in COMMANDS.items():
        _add_settings(
            commands.add_parser(
                name,
                help=command.summary,
                description=f"longshore {name} {command.summary}.",
                epilog="Each option is also read from the environment: "
                f"{option('port')} is {variable('port')}. Secrets belong there.",
                allow_abbrev=False,
            )
        )
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    defaults = settings_from({})
    for name, kind in kinds().items():
        default = kind.default_text or kind.write(getattr(defaults, name))
        meaning = f"{kind.meaning} [{default}]" if default else kind.meaning
        parser.add_argument(
            option(name),
            metavar=name.rpartition("_")[2].upper() if name.endswith(("_s", "_ms")) else "VALUE",
            help=meaning.replace("%", "%%"),
            default=argparse.SUPPRESS,
        )
