"""The command line. One file per command; each has `run(settings) -> exit code`."""
