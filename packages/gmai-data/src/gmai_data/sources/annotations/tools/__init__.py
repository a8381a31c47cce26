"""Export formats of labelling tools: each file reads one tool, and gives pictures with shapes."""
