"""What the gmai packages must agree on, each thing once: rows, pictures, fingerprints, the client for models, pages."""
