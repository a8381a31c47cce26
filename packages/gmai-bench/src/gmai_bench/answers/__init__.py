"""Answers on disk: asked for, kept line by line, shared between runs, imported from other programs' files."""
