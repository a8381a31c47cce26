"""Shards ▶ the files of docs/reference/formats.md."""
