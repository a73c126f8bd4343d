"""The documents agree with the code."""

import re
import tomllib
from pathlib import Path

from longshore.settings import kinds, option, settings_from

ROOT = Path(__file__).parents[2]


def settings_table() -> str:
    """The settings as README shows them."""
    defaults = settings_from({})
    lines = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name, kind in kinds().items():
        default = kind.default_text or f"`{kind.write(getattr(defaults, name))}`"
        default = "empty" if default == "``" else default
        lines.append(f"| `{option(name)}` | {default} | {kind.meaning} |")
    return "\n".join(lines)


def test_readme_has_every_setting() -> None:
    table = settings_table()
    readme = (ROOT / "README.md").read_text()
    assert table in readme, f"README's table of settings should be:\n{table}"


def test_readme_names_every_target_it_tells_people_to_use() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text()))
    named |= set(re.findall(r"`make ([a-z]+)", (ROOT / "CONTRIBUTING.md").read_text()))
    assert named <= targets
    assert {"run", "test"} <= named


def test_changelog_begins_with_this_version() -> None:
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    versions = [heading for heading in headings if heading != "Unreleased"]
    assert versions[0] == cargo["workspace"]["package"]["version"]


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        wanted += extra
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    names = {re.split(r"[\[>=<]", each)[0].lower() for each in wanted}
    assert names <= pinned
    assert all(re.fullmatch(r"#.*|[A-Za-z0-9_.-]+==[A-Za-z0-9_.+!-]+", line) for line in lines)
