"""Every crate that is built in may be given away under Apache-2.0, and comes in one version."""

import json
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    cargo = shutil.which("cargo")
    assert cargo is not None
    command = [cargo, "metadata", "--locked", "--format-version", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def built_in(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """The packages that reach the extension: none of tests, of builds or of macros."""
    macros = {
        package["id"]
        for package in metadata["packages"]
        if any("proc-macro" in target["kind"] for target in package["targets"])
    }
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found: set[str] = set()
    waiting = list(metadata["workspace_members"])
    while waiting:
        each = waiting.pop()
        if each in found or each in macros:
            continue
        found.add(each)
        waiting += [
            dep["pkg"]
            for dep in nodes[each]["deps"]
            if any(kind["kind"] is None for kind in dep["dep_kinds"])
        ]
    return [package for package in metadata["packages"] if package["id"] in found]


def is_allowed(expression: str) -> bool:
    """Whether an SPDX expression of AND, OR and parentheses can be met."""
    text = re.sub(r"[A-Za-z0-9.+-]+( WITH [A-Za-z0-9.+-]+)?|/", _claim, expression)
    assert re.fullmatch(r"(True|False|and|or|[() ])+", text), expression
    return eval(text)  # noqa: S307  # nothing but True, False, and, or, parentheses


def _claim(match: re.Match[str]) -> str:
    word = match[0]
    operators = {"AND": "and", "OR": "or", "/": " or "}
    return operators.get(word) or str(word in ALLOWED)


def test_licences(metadata: dict[str, Any]) -> None:
    refused = {
        f"{package['name']} {package['version']}": package["license"]
        for package in built_in(metadata)
        if not is_allowed(package["license"] or "none")
    }
    assert refused == {}


def test_no_crate_comes_twice(metadata: dict[str, Any]) -> None:
    versions: dict[str, set[str]] = defaultdict(set)
    for package in built_in(metadata):
        versions[package["name"]].add(package["version"])
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT OR Apache-2.0", True),
        ("MIT/Apache-2.0", True),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only", False),
        ("none", False),
    ],
)
def test_expressions(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed
