"""Keeps the output ours: what a library says at its start is said by us where it matters."""

import os


def quiet() -> None:
    """Keep the libraries' own bars and notices out of our output; what matters is said by us."""
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else DeepSpeed warns that it found no GPU
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
