"""A checkpoint ▶ the two GGUF files that llama.cpp runs: language model, and vision encoder with projector."""
