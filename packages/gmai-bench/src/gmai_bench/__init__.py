"""Checkpoint or endpoint ▶ scored table: ask a model benchmark questions and score the answers. Start at `run.py`."""
