"""What each stage brings: the demo's stages with one left out, on its phantoms, each asked the same held-out questions.

    gmai demo --out gmai-demo
    python benchmarks/train_ablation.py --demo gmai-demo --out ablation

Steps, learning rates and seeds are the demo's; the run with all three stages is the demo itself.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from gmai_cli.demo.run import steps
from gmai_cli.steps import Step

WAYS = {
    "all three": (1, 2, 3),
    "without stage I": (2, 3),
    "without stage II": (1, 3),
    "stages I and II only": (1, 2),
    "stage I only": (1,),
}


def main() -> None:
    """Train what the demo has not, ask, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--demo", type=Path, required=True, help="a finished `gmai demo`")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    demo, out = arguments.demo.resolve(), arguments.out.resolve()
    print(f"{'stages':22} {'held-out accuracy':>18} {'95 % interval':>18} {'validation loss':>14}")
    for name, stages in WAYS.items():
        model, loss, answers = Path("models/warm"), 0.0, out
        for position, stage in enumerate(stages):
            folder, answers = demo / "runs" / f"stage{stage}", demo / "bench" / f"stage{stage}"
            # The demo's own runs are stages 1, 2, 3 in this order.
            if stages[: position + 1] != (1, 2, 3)[: position + 1] or not (folder / "model").is_dir():
                folder = out / "-".join(map(str, stages[: position + 1]))
                answers = folder / "bench"
                _run(_step(f"runs/stage{stage}"), demo, model=model, out=folder)
            model, loss = folder / "model", _validation_loss(folder)
        if not (answers / "report.json").is_file():
            _run(_step("bench/stage3"), demo, model=model, out=answers)
        scored = json.loads((answers / "report.json").read_text("utf-8"))["benchmarks"][0]
        low, high = scored["interval"]
        print(f"{name:22} {scored['accuracy']:18.1%} {f'{low:.1%} to {high:.1%}':>18} {loss:14.3f}", flush=True)


def _step(output: str) -> Step:
    return next(step for step in steps() if step.output == output)


def _run(step: Step, demo: Path, *, model: Path, out: Path) -> None:
    """Run a command of the demo on another model, into another folder."""
    words = list(step.arguments)
    words[words.index("--model") + 1] = str(model)
    words[words.index("--out") + 1] = str(out)
    subprocess.run([sys.executable, "-m", "gmai_cli", *words], cwd=demo, check=True)


def _validation_loss(run: Path) -> float:
    history = json.loads((run / "model" / "gmai.json").read_text("utf-8"))
    return float(history["stages"][-1]["validation_loss"])


if __name__ == "__main__":
    main()
