"""`python -m pipeline.cli` is `leakline`."""

from pipeline.cli.app import main

main()
