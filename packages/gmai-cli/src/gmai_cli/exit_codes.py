"""What the exit code of a gmai command means."""

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USER_ERROR = 2
EXIT_PARTIAL = 3
"""The run ended, but some input was dropped into the quarantine; the manifest says what and why."""
EXIT_REQUEUE = 75
"""The run was told to stop, saved its state and can be resumed by the same command (EX_TEMPFAIL of sysexits.h)."""
EXIT_INTERRUPTED = 130
