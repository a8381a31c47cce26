"""Answers ▶ verdicts ▶ the numbers of a benchmark; one scorer a file, found by name in `scorers`."""
