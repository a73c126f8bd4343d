"""`longshore migrate`: brings the index to the schema of this version."""

from longshore.cli.database import answering, held_data, migrated
from longshore.settings import Settings


def run(settings: Settings) -> int:
    """Prints the name of each migration that was applied."""
    with held_data(settings), answering(settings) as ready:
        applied = migrated(settings, ready)
    print("\n".join(applied) if applied else "nothing to do")
    return 0
