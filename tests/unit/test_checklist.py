"""CONFORMANCE.md counts the lines of the reference's checklist that have tests, and says which."""

import itertools
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT.parent / "shared" / "reference" / "azure-dicom-service.md"
_NAME = re.compile(r"def test_(?:lines?_)?((?:[0-9]{1,3}_)+)")


def numbered_lines() -> list[int]:
    """The numbers in the names of tests: `test_11_…`, `test_12_14_…`, `test_line_136_…`."""
    numbers: set[int] = set()
    for layer in ("e2e", "services", "dicomweb"):
        for file in (ROOT / "tests" / layer).glob("test_*.py"):
            for found in _NAME.findall(file.read_text(encoding="utf-8")):
                numbers |= set(map(int, found.strip("_").split("_")))
    return sorted(numbers)


def as_ranges(numbers: list[int]) -> str:
    """`1 to 6, 9`."""
    texts: list[str] = []
    for _, group in itertools.groupby(enumerate(numbers), key=lambda each: each[1] - each[0]):
        members = [number for _, number in group]
        first, last = members[0], members[-1]
        texts.append(f"{first}" if first == last else f"{first} to {last}")
    return ", ".join(texts)


def test_conformance_counts_the_lines_that_have_tests() -> None:
    section = REFERENCE.read_text(encoding="utf-8").split("\n## 15.")[1].split("\n## ")[0]
    lines = [int(number) for number in re.findall(r"^([0-9]+)\. ", section, re.MULTILINE)]
    tested = numbered_lines()
    assert set(tested) <= set(lines)
    sentence = f"{len(tested)} of its {len(lines)} lines: {as_ranges(tested)}."
    conformance = (ROOT / "CONFORMANCE.md").read_text(encoding="utf-8")
    assert sentence in " ".join(conformance.split()), sentence
