"""One stage of training. Read `run.py` first."""
