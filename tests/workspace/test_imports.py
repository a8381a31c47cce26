import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HELP_CPU_S = 0.3
BEST_OF = 3


def run_python(program: str) -> object:
    """Return what a fresh interpreter prints as JSON."""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def test_import_contracts_hold(root: Path) -> None:
    tool = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run([str(tool), "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("module", ["gmai_data.cli", "gmai_model.cli", "gmai_model.model_cli", "gmai_bench.cli"])
def test_a_command_line_imports_typer_and_the_standard_library_only(module: str) -> None:
    loaded = run_python(
        "import json, sys, typer, gmai_cli.main\n"
        "before = set(sys.modules)\n"
        f"import {module}\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    )
    assert isinstance(loaded, list)
    foreign = (
        set(loaded)
        - set(sys.stdlib_module_names)
        - {"gmai_cli", "gmai_formats", "typer", "click", module.partition(".")[0]}
    )
    assert not foreign, f"{module} imports {sorted(foreign)} before a command runs"


def test_help_imports_no_plugin() -> None:
    loaded = run_python(
        "import json, sys, contextlib, io\n"
        "sys.argv = ['gmai', '--help']\n"
        "from gmai_cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main()\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    assert isinstance(loaded, list)
    assert not set(loaded) & {"gmai_data", "gmai_model", "gmai_bench", "numpy", "torch", "pydantic", "yaml"}


def test_help_is_quick() -> None:
    """CPU seconds of the process itself, the least of three: what else the machine does hardly counts."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    seconds: list[float] = []
    for _ in range(BEST_OF + 1):  # the first one may compile bytecode
        process = subprocess.Popen(
            [sys.executable, "-c", "from gmai_cli.main import main; main()", "--help"],
            stdout=subprocess.DEVNULL,
            env=environment,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        seconds.append(usage.ru_utime + usage.ru_stime)
    assert min(seconds) < HELP_CPU_S, f"`gmai --help` took {min(seconds):.2f} s of CPU"
