"""READ THIS FIRST of stage 4: DPO or GRPO of TRL on a checkpoint of gmai, from an export to the next checkpoint.

settings ▶ questions ▶ model ▶ held-out answers before ▶ steps (TRL) ▶ held-out answers after ▶ checkpoint, report
"""

import contextlib
import json
import math
import os
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from gmai_cli.console import progress, say
from gmai_cli.run_lock import RunLock
from gmai_formats.errors import UserError
from gmai_formats.files import installed_versions, sha256_file
from gmai_formats.installing import pip_install
from gmai_formats.rewards import REWARDS
from gmai_formats.state import DamagedError, append_line, damage, read_lines, read_state, seal, write_state
from gmai_formats.weights import changed_settings, require_as_written, require_filled
from transformers import LlavaForConditionalGeneration, TrainerCallback

from gmai_model.batching.tokens import turn_marks
from gmai_model.opening import open_llava, open_processor
from gmai_model.training import distributed, export, lora, parts
from gmai_model.training.callbacks.metrics import MetricsFile, read_metrics
from gmai_model.training.given import check_folder
from gmai_model.training.identity import claim_run, device_name
from gmai_model.training.place import Place
from gmai_model.training.signals import StopAsked, StopRequest
from gmai_model.tuning import held_out
from gmai_model.tuning.config import MAY_CHANGE, TuneConfig
from gmai_model.tuning.report import verdict, write_report
from gmai_model.tuning.tasks import Tasks, drawn, read_tasks, report_left_out, task_files

NAMES = {"dpo": "preference_tuning", "grpo": "verifiable_rewards"}
COMPLETE = "gmai_complete.json"
"""File in a checkpoint's folder with the digests of all others, written last."""
_KEYS = {"grad_norm": "gradient_norm"}


def tune(config: TuneConfig, stop: StopRequest, *, model: Path, data: Path, out: Path) -> None:
    """Run stage 4; the same command on a half-done `out` goes on where the last checkpoint stands.

    Writes `run.json`, `sessions.jsonl`, `metrics.jsonl`, `held_out.json`, `checkpoints/` and, at the end, `report.html`
    and `model/`: a Hugging Face folder like the one it started from.

    Args:
        config: The resolved settings.
        stop: Listens to the signals that ask for an end.
        model: A LLaVA checkpoint folder, for example of stage 3.
        data: What `gmai data export --format dpo|grpo` wrote, or one Parquet file with its columns.
        out: The run's folder.

    Raises:
        UserError: TRL is not installed, unusable input, or `out` holds another run or is being worked on.
        StopAsked: After a signal, once the state is saved.
    """
    check_folder(model)
    files = task_files(data)
    trainers = _trl()
    launch = distributed.read_launch()
    if launch.world > 1:
        raise UserError(
            f"stage 4 was started in {launch.world} processes; it runs in one, on one GPU. Start one process."
        )
    on_gpu = distributed.choose_device(launch, device=config.device, precision=config.precision)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        os.environ.pop(name, None)  # else TRL's trainer wraps the model for several processes
    lock = RunLock(out)
    stop.before_exit.append(lambda _: lock.release())
    lock.acquire()
    try:
        content = [{"name": f"{split} {path.name}", "digest": sha256_file(path)}
                   for split, paths in files.items() for path in paths]  # fmt: skip
        settings = config.model_dump(mode="json")
        claim_run(settings, MAY_CHANGE, content, model=model, data=data, root=data, out=out, world=1, schema=TuneConfig)
        if export.is_whole(out / "model"):
            say(f"{out / 'model'} is complete; nothing to do")
            return
        _tune(config, stop, trainers, files, on_gpu=on_gpu, model=model, out=out)
    finally:
        lock.release()


def _trl() -> Any:
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(trl|transformers)\b.*")
    try:
        import datasets
        import peft
        import trl
    except ImportError as error:
        raise UserError(f"stage 4 needs TRL ({error}). Install it with `{pip_install('gmai-model[rl]')}`.") from error
    del peft
    datasets.disable_progress_bars()
    return trl


def _tune(
    config: TuneConfig, stop: StopRequest, trl: Any, files: dict[str, list[Path]], *, on_gpu: bool, model: Path,
    out: Path,
) -> None:  # fmt: skip
    processor = open_processor(model)
    marks = turn_marks(processor.tokenizer)
    tasks, asked = (read_tasks(files[split], config.method, marks) for split in ("train", "validation"))
    for split, each in (("train", tasks), ("validation", asked)):
        report_left_out(each, split)
    if not tasks.rows:
        raise UserError(
            f"{files['train'][0].parent}: no usable question to train on. The lines above say why; give others."
        )
    asked = drawn(asked, config.held_out_questions, config.seed)
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    latest = find_latest(out / "checkpoints")
    done = int(latest.name.rpartition("-")[2]) if latest else 0
    llava = _load(model, config, on_gpu=on_gpu)
    say(
        f"stage 4 ({NAMES[config.method]}) on {device_name()}: {len(tasks.rows):,} questions, {len(asked.rows)} held "
        f"out, {config.max_steps} steps of {config.global_batch_size} questions, {config.precision}"
        + (f", LoRA adapters of rank {config.lora_rank} in the language model" if config.lora_rank else "")
    )
    before = _answers_before(config, llava, processor, asked, out)
    if latest is not None and not config.lora_rank:
        # A Trainer looks for the names in memory, finds those on disk, and would go on from the first weights.
        llava.load_state_dict(_load(latest, config, on_gpu=on_gpu).state_dict())
    trainer = _trainer(config, trl, llava, processor, tasks, on_gpu=on_gpu, model=model, out=out)
    if done:
        say(f"resumed from step {done} of {config.max_steps} steps")
    append_line(out / "sessions.jsonl", {
        "started": time.strftime("%Y-%m-%d %H:%M:%S"), "from_step": done, "processes": 1, "launcher": "none",
        "device": device_name(), "micro_batch_size": config.micro_batch_size,
        "accumulation": config.at_once // config.micro_batch_size, "versions": installed_versions(),
    })  # fmt: skip
    metrics = MetricsFile(out / "metrics.jsonl", Place(steps=done))
    with progress("stage 4", config.max_steps - done, unit="steps") as bar:
        trainer.add_callback(_Beside(stop, metrics, lambda note: bar.advance(note=note)))
        with stop.saving():
            trainer.train(resume_from_checkpoint=str(latest) if latest else None)
            if stop.received is not None and trainer.state.global_step < config.max_steps:
                metrics.close()
                raise StopAsked(
                    f"stopped by {stop.received.name} after step {trainer.state.global_step} of {config.max_steps}; "
                    "the state is saved. The same command goes on.",
                    code=stop.code,
                )
    metrics.close()
    trained = _trained(trainer.model)
    export.assert_finite(trained)
    after = held_out.ask(trainer.model, processor, asked, answer_tokens=config.answer_tokens, title="held-out, after")
    scores = [held_out.scores(asked, answers) for answers in (before, after)]
    found = held_out.gains(asked, *scores, seed=config.seed) if asked.rows else []
    lines = [line for line in read_metrics(out / "metrics.jsonl") if "loss" in line]
    history = _history(config, tasks, lines, [vars(gain) for gain in found], out)
    export.export(model, out / "model", lora.merged(trained, config.lora_alpha), history=history)
    write_report(out, history, found, asked, before, after)
    if found:
        say(verdict(found[0]))
    say(f"wrote {out / 'model'}; the report is {out / 'report.html'}")


def _load(model: Path, config: TuneConfig, *, on_gpu: bool) -> LlavaForConditionalGeneration:
    require_as_written(model)
    if found := changed_settings(model):
        say(found)
    require_filled(model)
    # Weights that train stay fp32, so that small steps are not rounded away.
    whole = config.precision == "fp32" or not config.lora_rank
    llava: Any = open_llava(model, torch.float32 if whole else torch.bfloat16)
    parts.set_trainable(llava, () if config.lora_rank else config.trainable)
    return llava.to("cuda" if on_gpu else "cpu")


def _answers_before(config: TuneConfig, llava: Any, processor: Any, asked: Tasks, out: Path) -> list[str]:
    """Return the held-out answers of the weights that the stage starts from; a resumed run keeps those it has."""
    path, ids = out / "held_out.json", [row["id"] for row in asked.rows]
    with contextlib.suppress(FileNotFoundError):
        try:
            kept = read_state(path)
            if kept.get("ids") == ids and len(kept.get("before", ())) == len(ids):
                return list(kept["before"])
            say(f"{path} has the answers to other questions; they are asked again")
        except DamagedError as error:
            say(f"{error}; the questions are asked again")
    answers = held_out.ask(llava, processor, asked, answer_tokens=config.answer_tokens, title="held-out, before")
    write_state(path, {"ids": ids, "before": answers})
    return answers


def _trainer(
    config: TuneConfig, trl: Any, llava: LlavaForConditionalGeneration, processor: Any, tasks: Tasks, *, on_gpu: bool,
    model: Path, out: Path,
) -> Any:  # fmt: skip
    arguments: dict[str, Any] = {
        "output_dir": str(out / "checkpoints"), "max_steps": config.max_steps, "learning_rate": config.learning_rate,
        "lr_scheduler_type": "cosine", "warmup_steps": math.ceil(config.max_steps * config.warmup_ratio),
        "max_grad_norm": config.max_grad_norm, "weight_decay": 0.0, "beta": config.beta,
        "per_device_train_batch_size": config.micro_batch_size,
        "gradient_accumulation_steps": config.at_once // config.micro_batch_size,
        "gradient_checkpointing": config.activation_checkpointing, "bf16": config.precision == "bf16",
        "seed": config.seed, "data_seed": config.seed, "use_cpu": not on_gpu, "logging_steps": 1, "report_to": "none",
        "save_strategy": "steps", "save_steps": config.save_every_steps, "save_total_limit": config.keep_checkpoints,
        "disable_tqdm": True, "remove_unused_columns": False, "dataloader_num_workers": 0,
    }  # fmt: skip
    adapters = None
    if config.lora_rank:
        from peft import LoraConfig

        names = "|".join(lora.TARGETS)
        adapters = LoraConfig(
            r=config.lora_rank, lora_alpha=config.lora_alpha, lora_dropout=0.0,  # pyright: ignore[reportArgumentType]
            target_modules=rf".*language_model.*\.({names})",
        )  # fmt: skip
        torch.manual_seed(config.seed)
    shared: dict[str, Any] = {
        "model": llava, "processing_class": processor, "train_dataset": tasks.dataset(), "peft_config": adapters,
    }  # fmt: skip
    if config.method == "dpo":
        reference = None if config.lora_rank else _load(model, config, on_gpu=on_gpu).requires_grad_(False)
        made = trl.DPOTrainer(args=trl.DPOConfig(**arguments, max_length=None), ref_model=reference, **shared)
    else:
        settings = trl.GRPOConfig(
            **arguments, num_generations=config.answers_per_question, max_completion_length=config.answer_tokens,
            temperature=config.temperature,
        )  # fmt: skip
        kinds = sorted({row["reward"] for row in tasks.rows})
        made = trl.GRPOTrainer(args=settings, reward_funcs=[_judge(kind) for kind in kinds], **shared)
    from transformers.trainer_callback import PrinterCallback

    made.remove_callback(PrinterCallback)
    return made


def _judge(kind: str) -> Callable[..., list[float | None]]:
    """Return one reward as TRL calls it: nothing for questions of other kinds, so that each has its own curve."""

    def judge(completions: list[Any], reward: list[str], truth: list[str], **_: Any) -> list[float | None]:
        return [
            REWARDS[kind](json.loads(expected), completion[0]["content"]) if name == kind else None
            for completion, name, expected in zip(completions, reward, truth, strict=True)
        ]

    judge.__name__ = kind
    return judge


class _Beside(TrainerCallback):
    """What happens beside TRL's steps: numbers, the seal of a checkpoint, the end that a signal asks for."""

    def __init__(self, stop: StopRequest, metrics: MetricsFile, advance: Callable[[str], None]) -> None:
        self._stop, self._metrics, self._advance = stop, metrics, advance

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Save and end where a signal asked for it."""
        if self._stop.received is not None:
            control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Write the step's line."""
        values = {_KEYS.get(key, key): value for key, value in (logs or {}).items()
                  if isinstance(value, int | float) and math.isfinite(value)}  # fmt: skip
        if "loss" not in values:
            return  # the summary at the end
        self._metrics.write({"step": state.global_step, **values})
        best = values.get("reward", values.get("rewards/accuracies"))
        name = "reward" if "reward" in values else "pairs told apart"
        self._advance(f"loss {values['loss']:.4f}" + ("" if best is None else f", {name} {best:.3f}"))

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Seal the checkpoint: only a whole one is gone on from."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        sealed = {
            path.relative_to(folder).as_posix(): seal(path) for path in sorted(folder.rglob("*")) if path.is_file()
        }
        write_state(folder / COMPLETE, {"files": sealed})


def find_latest(folder: Path) -> Path | None:
    """Return the newest whole checkpoint; damaged and unfinished ones are named and removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    for checkpoint in found:
        problem = _damaged(checkpoint)
        if not problem:
            return checkpoint
        say(f"{checkpoint.name} is passed over: {problem}")
        shutil.rmtree(checkpoint)
    return None


def _damaged(checkpoint: Path) -> str:
    try:
        sealed: dict[str, dict[str, Any]] = read_state(checkpoint / COMPLETE)["files"]
    except FileNotFoundError:
        return "it was not written to its end"
    except (DamagedError, KeyError) as error:
        return str(error)
    return next((found for name, each in sealed.items() if (found := damage(checkpoint / name, each))), "")


def _trained(model: Any) -> dict[str, torch.Tensor]:
    """Return the trained tensors in fp32 by their name in a LLaVA, adapters beside their matrix."""
    found: dict[str, torch.Tensor] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            found[name.removeprefix("base_model.model.")] = parameter.detach().float().cpu().clone()
    return found


def _history(
    config: TuneConfig, tasks: Tasks, lines: list[dict[str, Any]], gains: list[dict[str, Any]], out: Path
) -> dict[str, Any]:
    questions = len(tasks.rows)
    return {
        "stage": 4,
        "name": NAMES[config.method],
        "trainable": ["language_model"] if config.lora_rank else sorted(config.trainable),
        "lora": {"rank": config.lora_rank, "alpha": config.lora_alpha, "merged": True} if config.lora_rank else None,
        "steps": config.max_steps,
        "steps_trained": config.max_steps,
        "steps_planned": config.max_steps,
        "samples": config.max_steps * config.global_batch_size,
        "tokens": int(lines[-1].get("num_tokens", 0)) if lines else 0,
        "unreadable": tasks.left_out.get("its image cannot be read", 0),
        "validation_loss": None,
        "loss_curve": [[line["step"], round(line["loss"], 4)] for line in lines],
        "validation_curve": [],
        "reward_curve": [[line["step"], round(line["reward"], 4)] for line in lines if "reward" in line],
        "held_out_reward": gains,
        "mixture": [{
            "name": "questions", "available": questions, "ratio": 1.0,
            "used": config.max_steps * config.global_batch_size, "left_out": sum(tasks.left_out.values()),
            "images": sum(len(row["images"]) for row in tasks.rows), "tokens": 0, "supervised_tokens": 0,
            "token_share": 1.0,
        }],
        "settings": config.model_dump(mode="json"),
        "sessions": read_lines(out / "sessions.jsonl")[0],
    }  # fmt: skip
