"""Where the lines of workers and of the server go: to stderr, as all that is no answer."""

import sys

import structlog


def log_to_stderr() -> None:
    """Write what stages log there; as it is, it would go to stdout."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
