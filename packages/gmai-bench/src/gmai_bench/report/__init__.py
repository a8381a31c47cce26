"""Scores ▶ report.json, report.md and one self-contained report.html."""
