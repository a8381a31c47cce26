import resource
import subprocess
import sys
import time

import pytest
from gmai_formats import limits

RUN = "from gmai_formats import limits; limits.CPU_S = 1; limits.MEMORY_BYTES = 2**28; limits.begin({size}); {work}"


def run(work: str, size: int = 0) -> int:
    command = [sys.executable, "-c", RUN.format(size=size, work=work)]
    return subprocess.run(command, capture_output=True, timeout=600).returncode


def test_time_of_a_processor_is_counted_from_picture_to_picture() -> None:
    import signal

    assert run("\nwhile True: pass") == -signal.SIGXCPU
    # Half of the limit a time: the system counts by ticks, which a loaded machine may charge to the wrong process.
    busy = "\n s = time.process_time()\n while time.process_time() < s + 0.5: pass\n limits.beat()"
    assert run(f"\nimport time\nfor _ in range(6):{busy}") == 0
    assert run("import time; time.sleep(3)") == 0  # to wait for a file server costs nothing


@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")
def test_memory_is_counted_beside_what_the_process_has() -> None:
    assert run("bytearray(2**27)") == 0
    assert run("bytearray(2**29)") == 1
    assert run("bytearray(2**29)", size=2**27) == 0  # a large file may take a multiple of its size


def test_work_in_python_is_ended_by_an_error() -> None:
    import threading

    def loop() -> None:
        with limits.raising_after(0.1, LookupError("too long")):
            while True:
                pass

    for _ in range(2):
        with pytest.raises(LookupError, match="too long"):
            loop()
    with limits.raising_after(0.1, LookupError("too long")):
        time.sleep(0.3)  # to wait costs nothing
    until = time.process_time() + 0.3
    while time.process_time() < until:  # the limit is lifted
        pass
    reached: list[int] = []

    def elsewhere() -> None:
        with limits.raising_after(10, LookupError("too long")):
            reached.append(1)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert reached == [1]


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
        used, deadline = 0.0, time.monotonic() + 300
        while (now := limits.used_s(process.pid) or 0) < 0.05 or now != used:
            used = now
            assert time.monotonic() < deadline
            time.sleep(0.5)
        process.communicate(b"\n")
    assert limits.used_s(process.pid) is None


def test_an_end_is_laid_to_the_item_only_where_the_item_brought_it_about() -> None:
    import signal

    assert limits.of_its_item(-signal.SIGSEGV, stood_still=False) == (
        limits.CRASHED, "its process ended with SIGSEGV; the file is damaged, or made to do harm: leave it out"
    )  # fmt: skip
    rule, detail = limits.of_its_item(-signal.SIGXCPU, stood_still=False) or ("", "")
    assert (rule, detail.partition(";")[0]) == (limits.TOO_LONG, "more than 20 s and 2 s/MB of a processor")
    rule, detail = limits.of_its_item(-signal.SIGKILL, stood_still=True) or ("", "")
    assert (rule, detail.partition(";")[0]) == (limits.TOO_LONG, "no answer for 600 s")
    for code in (-signal.SIGKILL, -signal.SIGTERM, 1, 0, None):
        assert limits.of_its_item(code, stood_still=False) is None
    assert limits.too_much() == "more than 4 GiB and 6 times its files; leave it out"
    words = [limits.how_it_ended(code) for code in (-signal.SIGKILL, -64, 3, None)]
    assert words == ["SIGKILL", "SIGRTMAX", "exit code 3", "exit code None"]
