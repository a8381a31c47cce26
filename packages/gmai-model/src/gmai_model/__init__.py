"""Samples ▶ checkpoint: assembles a GMAI-VL as a native LLaVA and trains it in the paper's three stages."""
