"""What a process keeps is not taken from the system again."""

import resource
import subprocess
import sys

import pytest
from gmai_formats.pictures.heap import keep_heap

FAULTS = """
import resource
from gmai_formats.pictures.heap import keep_heap
{first}
held = bytes(20 * 2**20)
del held
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    held = bytearray(b"x") * (20 * 2**20)
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_memory_is_kept_for_the_next_picture() -> None:
    def faults(first: str) -> int:
        return int(
            subprocess.run([sys.executable, "-c", FAULTS.format(first=first)], capture_output=True, check=True).stdout
        )

    pages = 20 * 2**20 // resource.getpagesize()
    assert faults("keep_heap()") < 3 * pages
    keep_heap()
    assert bytes(2**25) == b"\0" * 2**25
