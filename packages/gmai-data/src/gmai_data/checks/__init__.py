"""Keep a sample or drop it with a reason."""
