"""Markdown tables, and figures as texts: medians with their spread."""

from collections.abc import Collection, Iterable, Sequence
from statistics import median
from typing import Any

Rows = Sequence[dict[str, Any]]


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, texts: Collection[int] = (0,)
) -> str:
    """Returns a table of figures; the columns named by their 0-based index are texts."""
    rule = ["---" if at in texts else "---:" for at in range(len(heads))]
    lines = [heads, rule, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def chosen(figures: Rows, scenario: str, server: str) -> Rows:
    """Returns the figures of a scenario on a server, in order of the iterations."""
    return [each for each in figures if each["scenario"] == scenario and each["server"] == server]


def names(figures: Rows) -> list[str]:
    """Returns the scenarios in order, each once."""
    return list(dict.fromkeys(figure["scenario"] for figure in figures))


def middle(figures: Rows, member: str) -> float:
    """Returns the median of a member."""
    return median(figure[member] for figure in figures)


def spread(values: Sequence[float], form: str) -> str:
    """Returns a median, with the lowest and the highest in brackets where there are several."""
    text = format(median(values), form)
    if len(values) == 1:
        return text
    return f"{text} [{format(min(values), form)}-{format(max(values), form)}]"


def of(figures: Rows, member: str, form: str) -> str:
    """Returns the spread of a member, or a dash where nothing was measured."""
    return spread([figure[member] for figure in figures], form) if figures else "-"


def reached(is_reached: bool) -> str:
    """Returns the word of the column."""
    return "yes" if is_reached else "**no**"
