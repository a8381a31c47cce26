"""Does a checkpoint open everywhere? Read `check.py` first."""
