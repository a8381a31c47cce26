"""`python -m gmai_cli` is `gmai`, for launchers that start Python modules."""

import sys

try:
    from gmai_cli.main import main
except KeyboardInterrupt:  # Ctrl-C while Python still loads: nothing was begun
    print("gmai: interrupted before it began. Run the same command again.", file=sys.stderr)
    sys.exit(130)

main()
