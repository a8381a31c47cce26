"""What happens beside the steps, one behaviour per file: `callback.py` says how to add one."""
