import os

from gmai_cli import exit_codes


def test_exit_codes_are_those_of_the_system_and_the_shell() -> None:
    assert (exit_codes.EXIT_OK, exit_codes.EXIT_BUG, exit_codes.EXIT_USER_ERROR, exit_codes.EXIT_PARTIAL) == (
        0,
        1,
        2,
        3,
    )
    assert exit_codes.EXIT_REQUEUE == os.EX_TEMPFAIL
    assert exit_codes.EXIT_INTERRUPTED == 128 + 2
