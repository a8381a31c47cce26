"""Samples of any source ▶ findings: which row breaks which rule, and what to do about it."""
