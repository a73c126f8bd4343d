"""Keeps stop signals back while something begins that must be ended again."""

import signal

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class HeldSignals:
    """Holds stop signals of this thread back, and lets them come when asked.

    A handler that raises may strike between the start of a process and the block that ends it;
    then nobody would. What came while they were held comes at `release`.
    """

    def __init__(self) -> None:
        self._before: set[signal.Signals] | None = None

    def hold(self) -> None:
        """Holds them back from now on."""
        if self._before is None:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            self._before = {signal.Signals(each) for each in before}

    def release(self) -> None:
        """Lets them come, those that waited first."""
        if self._before is not None:
            before, self._before = self._before, None
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
