"""How datasets lie on disk: one file for each layout, with its settings, its reader, and how a folder shows it."""
