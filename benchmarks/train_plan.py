"""Planning: packs for 12 million samples on one core, and the first step of a 10-million-sample run at any position.

    chrt -r 1 python benchmarks/train_plan.py [--samples 12000000] [--resume 10000000]

Lengths are drawn, for no such mixture lies here: the datasets of Table 7 with their shares, 576 tokens an image (336
px, patch 14), one image a sample but none in the text datasets, and lognormal texts as named below. The plan sees
lengths alone. The resumed run is a real one: 2,000 rows of Parquet taken 5,000 times, from the start of Python to its
first row.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from gmai_model.assembly.presets import init_preset
from gmai_model.batching.plan import make_plan
from gmai_model.batching.texts import iterate_texts
from gmai_model.training.config import resolve
from gmai_model.training.inputs import Inputs
from gmai_model.training.loader import MicroBatches, iterate
from PIL import Image

ROWS = 2000
# Table 7's group of each dataset ▶ (images a sample, median tokens of text, sigma of its logarithm).
KINDS = {
    "captioning": (1, 120, 0.8),
    "report": (1, 140, 0.5),
    "instruction": (1, 160, 0.9),
    "text": (0, 380, 0.9),
}
GROUPS = {"Captioning": "captioning", "Report": "report", "Instruction": "instruction", "Text": "text"}
TABLE = Path(__file__).parents[1] / "packages/gmai-model/src/gmai_model/mixtures/table7.yaml"


def groups() -> dict[str, dict[int, float]]:
    """Return kind ▶ stage ▶ samples of Table 7, read from the shipped mixture and its headings."""
    found: dict[str, dict[int, float]] = {kind: {1: 0.0, 2: 0.0, 3: 0.0} for kind in KINDS}
    kind = ""
    for line in TABLE.read_text("utf-8").splitlines():
        if line.startswith("  # "):
            kind = next(kind for word, kind in GROUPS.items() if word in line)
        elif line.startswith("  - "):
            (entry,) = yaml.safe_load(line)
            for stage, ratio in entry["ratio"].items():
                found[kind][stage] += ratio * entry["length"]
    return found


def draw_lengths(stage: int, count: int, *, pack_tokens: int) -> np.ndarray:
    rng = np.random.default_rng(stage)
    samples = {kind: of_stage[stage] for kind, of_stage in groups().items()}
    total = sum(samples.values())
    drawn: list[np.ndarray] = []
    for kind, (images, median, sigma) in KINDS.items():
        text = rng.lognormal(np.log(median), sigma, round(count * samples[kind] / total)).astype(np.int32)
        drawn.append(np.clip(576 * images + 12 + text, 1, pack_tokens))
    return np.concatenate(drawn).astype(np.int32)


def plan_table(count: int) -> None:
    print(f"| stage, {count / 1e6:g} M samples | pack | method | packs | fill | CPU s |\n|---|---:|---|---:|---:|---:|")
    for stage in (1, 3):
        for pack_tokens in (4096, 2048):
            tokens = draw_lengths(stage, count, pack_tokens=pack_tokens)
            for method in ("best_fit", "next_fit"):
                before = time.process_time()
                plan = make_plan(tokens, pack_tokens=pack_tokens, packs_per_step=512, method=method, epochs=1, seed=0)
                seconds = time.process_time() - before
                print(f"| {stage} | {pack_tokens} | {method} | {len(plan.packs):,} | {plan.fill:.3f} | {seconds:.1f} |")


def write_samples(folder: Path) -> Path:
    """Write 2,000 small samples, three quarters with an image, as one Parquet file."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for number in range(ROWS):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).resize((320, 240)).save(buffer, "JPEG")
        images = [{"bytes": buffer.getvalue(), "path": f"{number}.jpg"}] if number % 4 else []
        answer = "word " * int(np.clip(rng.lognormal(np.log(100), 0.8), 5, 600))
        messages = [{"role": "user", "content": "<image>" * len(images) + "Describe."},
                    {"role": "assistant", "content": answer}]  # fmt: skip
        rows.append({"id": str(number), "images": images, "messages": messages})
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000.parquet")
    return folder / "train-00000.parquet"


def open_inputs(folder: Path) -> Inputs:
    config = resolve(3, None, ["pack_tokens=1024"])
    return Inputs(config.samples, model=folder / "tiny", data=folder / "mix.yaml", out=folder / "run", is_main=False)


def first_step(folder: Path, position: float) -> None:
    """Do what a resumed run does until the first row is there, in a process of its own."""
    inputs = open_inputs(folder)
    step = int(position * (inputs.plan.steps - 1))
    rows = MicroBatches(inputs.plan, inputs.collator(inputs.source), rank=0, world=1, micro_batch_size=4,
                        accumulation=128)  # fmt: skip
    targets = int(inputs.lengths.supervised[np.concatenate(inputs.plan.step(step))].sum())
    row = next(iterate(rows, start=step * 128, workers=0))
    # Not getrusage: its peak goes back to the process that started this one.
    status = Path("/proc/self/status").read_text("utf-8")
    peak_mib = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(f"| {position:.0%} of {inputs.plan.steps:,} steps | {time.process_time():.1f} | "
          f"{time.time() - psutil.Process().create_time():.1f} | {peak_mib:.0f} | {row.input_ids.shape[1]} tokens of "
          f"{targets} targets in the step |", flush=True)  # fmt: skip


def resume_table(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parquet = write_samples(folder)
        init_preset("tiny", iterate_texts(parquet), folder / "tiny", image_mode="pad", seed=0)
        ratio = count / ROWS
        (folder / "mix.yaml").write_text(f"datasets: [{{name: a, path: {parquet}, ratio: {{3: {ratio}}}}}]\n")
        before = time.process_time()
        samples = len(open_inputs(folder).source)
        print(f"\nfirst start with {samples:,} samples ({ROWS} rows, {ratio:g} times): "
              f"{time.process_time() - before:.1f} CPU s until the plan is on disk\n")  # fmt: skip
        print(
            "| resumed at | CPU s | s from the start of Python | peak MiB | first row |\n|---|---:|---:|---:|---|",
            flush=True,
        )
        for position in (0.0, 0.5, 1.0):
            subprocess.run([sys.executable, __file__, "--first-step", name, str(position)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=12_000_000)
    parser.add_argument("--resume", type=int, default=10_000_000)
    parser.add_argument("--first-step", nargs=2, metavar=("FOLDER", "POSITION"))
    arguments = parser.parse_args()
    if arguments.first_step:
        first_step(Path(arguments.first_step[0]), float(arguments.first_step[1]))
        return
    plan_table(arguments.samples)
    resume_table(arguments.resume)


if __name__ == "__main__":
    main()
