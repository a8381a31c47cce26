"""Whether a card names a licence."""

NOT_STATED = "not stated"
"""What a card says where no licence was found."""


def is_stated(licence: str) -> bool:
    """Return whether what a card says of its licence is the name of one."""
    return licence.strip().lower() not in (NOT_STATED, "unknown", "none")
