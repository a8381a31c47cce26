"""What the demo measured and wrote."""

from dataclasses import dataclass
from pathlib import Path

from gmai_formats.errors import UserError
from gmai_formats.json_text import parse_json

TARGET_ACCURACY = 0.80
"""Held-out accuracy after stage 3 below which the demo counts as failed."""


@dataclass(frozen=True)
class Measured:
    """One benchmark run."""

    name: str
    accuracy: float
    low: float
    high: float
    chance: float
    questions: int


NAMES = {
    "stage1": "stage 1",
    "stage2": "stage 2",
    "stage3": "stage 3",
    "stage3-noise": "stage 3, images replaced by noise",
}


def read_result(out: Path) -> list[Measured]:
    """Return what the benchmark runs measured, in the order of the steps."""
    result: list[Measured] = []
    for folder, name in NAMES.items():
        path = out / "bench" / folder / "report.json"
        try:
            scored = parse_json(path.read_bytes())["benchmarks"][0]
            low, high = scored["interval"]
            result.append(Measured(name, scored["accuracy"], low, high, scored["chance"], scored["n"]))
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise UserError(
                f"{path} is missing or damaged ({type(error).__name__}). Remove {path.parent} and give the same "
                f"command again, which measures it again."
            ) from error
    return result


def shortfall(result: list[Measured]) -> str:
    """Return what the demo promises and did not reach, or nothing."""
    stage1, _, stage3, noise = result
    if stage3.accuracy < TARGET_ACCURACY:
        return f"accuracy after stage 3 is {stage3.accuracy:.1%}, expected at least {TARGET_ACCURACY:.0%}"
    if stage3.accuracy <= stage1.accuracy:
        return f"stage 3 ({stage3.accuracy:.1%}) is no better than stage 1 ({stage1.accuracy:.1%})"
    if noise.accuracy > (stage3.accuracy + noise.chance) / 2:
        return f"with noise for images accuracy is still {noise.accuracy:.1%}: the model does not look at the image"
    return ""


def written(out: Path) -> list[tuple[str, Path]]:
    """Return what lies where."""
    return [
        ("samples", out / "build" / "samples"),
        ("questions", out / "build" / "benchmarks" / "held_out.yaml"),
        ("checkpoint", out / "runs" / "stage3" / "model"),
        ("report", out / "bench" / "stage3" / "report.html"),
    ]
