"""A small page to ask a checkpoint in the browser; needs the extra `web`."""
