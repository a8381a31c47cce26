"""Samples ▶ tokens ▶ packed rows ▶ tensors: `mixture`, `tokens`, `packing`, `plan`, `collate`, in this order."""
