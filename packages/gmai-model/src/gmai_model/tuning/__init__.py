"""Stage 4, which the paper has not: preferences and verifiable rewards, through TRL."""
