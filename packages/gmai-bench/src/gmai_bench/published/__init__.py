"""Published tables as CSV with source, question set and n; reading, auditing and comparing with them."""
