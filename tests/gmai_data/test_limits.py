import resource
import subprocess
import sys
import time

import pytest
from gmai_data import limits

RUN = "from gmai_data import limits; limits.CPU_S = 1; limits.MEMORY_BYTES = 2**28; limits.begin({size}); {work}"


def run(work: str, size: int = 0) -> int:
    command = [sys.executable, "-c", RUN.format(size=size, work=work)]
    return subprocess.run(command, capture_output=True, timeout=60).returncode


def test_time_of_a_processor_is_counted_from_picture_to_picture() -> None:
    import signal

    assert run("\nwhile True: pass") == -signal.SIGXCPU
    busy = "\n s = time.process_time()\n while time.process_time() < s + 0.8: pass\n limits.beat()"
    assert run(f"\nimport time\nfor _ in range(4):{busy}") == 0
    assert run("import time; time.sleep(3)") == 0  # to wait for a file server costs nothing


@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")
def test_memory_is_counted_beside_what_the_process_has() -> None:
    assert run("bytearray(2**27)") == 0
    assert run("bytearray(2**29)") == 1
    assert run("bytearray(2**29)", size=2**27) == 0  # a large file may take a multiple of its size


def test_the_limits_are_lifted() -> None:
    before = resource.getrlimit(resource.RLIMIT_CPU)
    limits.end()
    assert not limits.is_limited()
    limits.begin(10**6)
    try:
        assert limits.is_limited()
        assert resource.getrlimit(resource.RLIMIT_CPU)[0] > limits.CPU_S
    finally:
        limits.end()
    assert not limits.is_limited()
    assert resource.getrlimit(resource.RLIMIT_CPU) == before


def test_the_processor_time_of_another_process_grows_only_while_it_works() -> None:
    with subprocess.Popen([sys.executable, "-c", "sum(range(10**7)); input()"], stdin=subprocess.PIPE) as process:
        used, deadline = 0.0, time.monotonic() + 60
        while (now := limits.used_s(process.pid) or 0) < 0.05 or now != used:
            used = now
            assert time.monotonic() < deadline
            time.sleep(0.5)
        process.communicate(b"\n")
    assert limits.used_s(process.pid) is None
