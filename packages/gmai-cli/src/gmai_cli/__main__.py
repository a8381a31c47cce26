"""`python -m gmai_cli` is `gmai`, for launchers that start Python modules."""

from gmai_cli.start import main

main()
