"""Rows of samples, in the formats that the field publishes: one reader for every command."""
