"""What is not exported, in one form of words."""

from gmai_formats.errors import UserError


def refusal(what: str, why: str, remedy: str = "Serve", *, where: str = "") -> UserError:
    """Return the error for what llama.cpp would compute otherwise.

    Args:
        what: Of the checkpoint.
        why: What llama.cpp does instead.
        remedy: What to do with the checkpoint, before " the checkpoint with vLLM or …".
        where: The file or the part of it that says so.
    """
    place = f"{where}: " if where else ""
    return UserError(
        f"{place}{what} cannot be exported to llama.cpp: {why}. {remedy} the checkpoint with vLLM or "
        "`transformers serve`."
    )
