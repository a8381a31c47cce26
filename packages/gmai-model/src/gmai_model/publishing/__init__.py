"""A checkpoint ▶ a model repository on the Hub with its card. Read `push.py` first."""
