"""The command line. `main` is the entry point of the `leakline` script."""

from pipeline.cli.app import main as main
