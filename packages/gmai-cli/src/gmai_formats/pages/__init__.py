"""Self-contained HTML pages: one shell with its policy, one style, one set of charts. Standard library only."""
