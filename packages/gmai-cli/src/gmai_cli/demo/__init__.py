"""`gmai demo`: the whole loop on a laptop, as the commands a user would type."""
