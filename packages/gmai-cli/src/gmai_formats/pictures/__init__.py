"""Picture files of any kind ▶ 8-bit grey or RGB, and what was done to get there: one definition for all packages."""
