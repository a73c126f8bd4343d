"""What can go wrong with the embedded PostgreSQL."""

from longshore.errors import LongshoreError


class EmbeddedError(LongshoreError):
    """The embedded PostgreSQL cannot run; the text is one line that says what to do."""
