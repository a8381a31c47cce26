"""Recipes (YAML cards of datasets) and one reader per layout: raw files ▶ items ▶ pictures."""
