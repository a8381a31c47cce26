"""One file a benchmark; `registry` finds them by name, `declared` reads a YAML file."""
