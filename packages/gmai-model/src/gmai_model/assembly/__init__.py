"""CLIP + projector + language model ▶ one native LLaVA checkpoint. Read `assemble.py` first."""
