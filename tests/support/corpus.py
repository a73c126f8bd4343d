"""The shared corpus: real DICOM files with what is known of each."""

import csv
import functools
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"


@dataclass(frozen=True)
class CorpusFile:
    """One file and its line of the manifest."""

    name: str
    path: Path
    facts: dict[str, str]

    def read(self) -> bytes:
        return self.path.read_bytes()


@functools.cache
def corpus_files() -> tuple[CorpusFile, ...]:
    """Returns the files in manifest order; fails if the corpus is not there."""
    manifest = CORPUS / "manifest.csv"
    assert manifest.is_file(), "the corpus must lie in ../shared/corpus beside the project"
    with manifest.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return tuple(CorpusFile(row["file"], CORPUS / row["file"], row) for row in rows)
