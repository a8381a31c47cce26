"""READ THIS FIRST of the training: one stage from a checkpoint and a mixture to the next checkpoint.

settings ▶ device ▶ the ranks meet ▶ lock ▶ samples ▶ plan ▶ preflight ▶ model ▶ engine ▶ (resume) ▶ steps (`loop`, and
beside them `callbacks/`) ▶ checkpoint
"""

import contextlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from signal import SIGINT
from typing import Any

import torch
import torch.distributed as dist
from gmai_cli.console import say, say_next
from gmai_cli.exit_codes import EXIT_INTERRUPTED, EXIT_REQUEUE
from gmai_cli.run_lock import RunLock
from gmai_formats.errors import UserError
from gmai_formats.files import write_json
from gmai_formats.weights import changed_settings, refusal, seals_of
from transformers import LlavaForConditionalGeneration

from gmai_model import attention, attention_choice
from gmai_model.batching.caches import cache_folder
from gmai_model.opening import open_llava
from gmai_model.packed import PackedLlava, compile_layers
from gmai_model.training import checkpoints, distributed, estimate, export, lora, parts, preflight, quantized
from gmai_model.training.callbacks import speed
from gmai_model.training.callbacks.answers import Answers
from gmai_model.training.callbacks.benchmark import Benchmark, require_bench
from gmai_model.training.callbacks.callback import Callback, Run, load_callbacks
from gmai_model.training.callbacks.guard import Guard
from gmai_model.training.callbacks.metrics import Metrics, MetricsFile
from gmai_model.training.callbacks.notices import Notices
from gmai_model.training.callbacks.profile import Profile
from gmai_model.training.callbacks.save import Save
from gmai_model.training.callbacks.validate import Validate
from gmai_model.training.callbacks.watchdog import Watch, Watchdog
from gmai_model.training.config import TrainConfig
from gmai_model.training.distributed import Launch
from gmai_model.training.failures import AGAIN, explained
from gmai_model.training.given import check_inputs
from gmai_model.training.identity import claim, device_name
from gmai_model.training.inputs import Inputs
from gmai_model.training.loader import iterate
from gmai_model.training.loop import Loop
from gmai_model.training.meeting import Meeting
from gmai_model.training.place import Place
from gmai_model.training.record import announce, begin_session, history_of, name_lost_lines
from gmai_model.training.report import write_report
from gmai_model.training.schedule import learning_rate
from gmai_model.training.signals import StopAsked, StopRequest
from gmai_model.training.trackers import open_trackers


def train(config: TrainConfig, stop: StopRequest, *, model: Path, data: Path, out: Path) -> None:
    """Run one stage; the same command on a half-done `out` goes on where the last checkpoint stands.

    The number of processes may be another one each time. Writes `run.json`, `sessions.jsonl`, `mixture.json`,
    `metrics.jsonl`, `answers.jsonl`, `checkpoints/` and, at the end, `report.html` and `model/`: a Hugging Face folder
    like the one it started from.

    Args:
        config: The resolved settings.
        stop: Listens to the signals that ask for an end; made early, since starting takes a while.
        model: A LLaVA checkpoint folder, for example from `gmai model init` or from the stage before.
        data: A `mix.yaml`, a folder of `train-*.parquet`, or a Parquet file.
        out: The run's folder.

    Raises:
        UserError: Unusable input, `out` holds a run with other settings or is being worked on, or what the run needs
            is gone: room on the disk, another rank, a finite loss.
        StopAsked: After a signal, once every rank has saved.
    """
    check_inputs(model, data)
    others = load_callbacks(config.callbacks)
    if config.quantize != "none":
        quantized.require()
    if config.benchmark:
        require_bench()
    launch = distributed.read_launch()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    on_gpu = distributed.choose_device(launch, device=config.device, precision=config.precision)
    preflight.check_versions()
    accumulation = _accumulation(config, launch.world)
    lock = RunLock(out)
    stop.before_exit.append(lambda _: lock.release())
    shapes = estimate.load_on_meta(model)  # before DeepSpeed takes part in the making of models
    trainable = sum(train for _, train in estimate.trained_parameters(shapes, config).values())
    gpu = distributed.device_identity() if on_gpu else ""
    meeting = Meeting(launch, timeout_s=config.startup_timeout_s, gpu=gpu)
    watchdog = Watchdog(
        meeting.connect(), rank=launch.rank, world=launch.world, silence_s=config.startup_timeout_s,
        stall_s=config.stall_timeout_s, on_exit=lock.release,
    )  # fmt: skip
    stop.before_exit.insert(0, watchdog.leave)
    with watchdog, _ending(stop, watchdog, lock):
        watchdog.begin("connecting with the other ranks", limited=True)
        meeting.join("nccl" if on_gpu else "gloo")
        accelerator = distributed.start(
            launch,
            distributed.deepspeed_config(
                zero_stage=config.zero_stage, precision=config.precision, micro_batch_size=config.micro_batch_size,
                accumulation=accumulation, max_grad_norm=config.max_grad_norm, offload=config.offload,
                bucket_elements=estimate.bucket_elements(trainable),
            ),
            on_gpu=on_gpu,
        )  # fmt: skip

        def begin() -> bool:
            lock.acquire()
            claim(config.model_dump(mode="json"), model=model, data=data, out=out, world=launch.world)
            return export.is_whole(out / "model")

        with explained(out):
            if distributed.on_main(begin):
                if launch.rank == 0:
                    say(f"{out / 'model'} is complete; nothing to do")
                    name_lost_lines(out)
            else:
                _train(config, launch, accelerator, accumulation, stop, watchdog, others, shapes,
                       model=model, data=data, out=out)  # fmt: skip
            dist.barrier()
    dist.destroy_process_group()


@contextmanager
def _ending(stop: StopRequest, watchdog: Watchdog, lock: RunLock) -> Generator[None]:
    """Let every rank end alike: the lock is given back, and a signal wins over the errors that it brings about."""
    try:
        yield
    except (StopAsked, UserError, SystemExit) as end:
        # The threads of gloo may abort a process that ends while they run, and the exit code is lost. NCCL may wait for
        # ranks that have not come to this end; after a stop all have.
        if dist.is_initialized() and (isinstance(end, StopAsked) or dist.get_backend() == "gloo"):
            dist.destroy_process_group()
        if isinstance(end, StopAsked):
            raise
        who = stop.received.name if stop.received else watchdog.left()
        if not who:
            raise
        code = EXIT_INTERRUPTED if who.startswith(SIGINT.name) else EXIT_REQUEUE
        raise StopAsked(f"stopped by {who}. {AGAIN} (It was found by this: {end})", code=code) from None
    finally:
        lock.release()


def _train(
    config: TrainConfig, launch: Launch, accelerator: Any, accumulation: int, stop: StopRequest, watchdog: Watchdog,
    others: list[Callback], shapes: LlavaForConditionalGeneration, *, model: Path, data: Path, out: Path,
) -> None:  # fmt: skip
    is_main = launch.rank == 0
    watchdog.begin("reading the samples", limited=False)
    latest = checkpoints.find_latest(out / "checkpoints")
    inputs = Inputs(config.samples, model=model, data=data, out=out, is_main=is_main)
    try:
        estimate.require_size(model, shapes.config, inputs.image_size)
    except UserError as error:
        distributed.end_together(str(error))
    if latest is not None:
        checkpoints.require_same_samples(latest, inputs.digest)
    watchdog.begin("loading the model", limited=True)
    workers, ahead = preflight.check(config, inputs, shapes, model=model, out=out, world=launch.world, is_main=is_main)
    llava = _load_model(model, config.precision)
    beyond = parts.set_trainable(llava, config.trainable)
    meter = speed.of_model(
        llava, trainable=config.trained_whole, pack_tokens=config.pack_tokens, device_name=device_name(),
        world=launch.world,
    )  # fmt: skip
    if accelerator.device.type == "cuda" and config.precision == "bf16":
        _choose_attention(llava, accelerator.device, config.pack_tokens * config.micro_batch_size, is_main=is_main)
    if config.quantize != "none":
        quantized.quantize(llava, accelerator.device)
    if config.lora_rank:
        lora.add_adapters(llava, config.lora_parts, rank=config.lora_rank, alpha=config.lora_alpha, seed=config.seed)
    if config.activation_checkpointing:
        llava.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    if config.compile and accelerator.device.type == "cuda":
        compile_layers(llava)
    elif config.compile and is_main:
        say("compile is for a GPU; the CPU's attention asks for the segments' lengths, which breaks a layer's graph")
    if is_main:
        write_json(out / "mixture.json", inputs.record())
        announce(config, inputs, llava, beyond, launch=launch, accumulation=accumulation)
    engine = _make_engine(config, accelerator, llava)
    if latest is not None:
        checkpoints.load(engine, latest)
    planned = min(inputs.plan.steps, config.max_steps or inputs.plan.steps)
    place = latest.place if latest is not None else Place()

    def open_metrics() -> MetricsFile:
        begin_session(config, launch, place, out=out, accumulation=accumulation, steps=planned)
        settings = config.model_dump(mode="json")
        return MetricsFile(
            out / "metrics.jsonl", place, open_trackers(config.trackers, out, config=settings, steps_done=place.steps)
        )

    answers = Answers(inputs, count=config.answers, seed=config.seed, max_tokens=config.answer_tokens,
                      path=out / "answers.jsonl")  # fmt: skip
    # What others add comes after what a step has measured, and before its line and its checkpoint are written.
    callbacks: list[Callback] = [
        Watch(watchdog), Guard(config.max_bad_fraction), speed.Meter(meter), *others, Metrics(open_metrics), answers,
        Notices(),
        Validate(every_steps=config.validate_every_steps,
                 patience=config.patience if config.select_by == "validation_loss" else None),
        *([Benchmark(config, model)] if config.benchmark else []),
        Save(every_steps=config.save_every_steps, keep=config.keep_checkpoints, best=config.export == "best",
             select_by=config.select_by),
        *([Profile(config.profile_steps)] if config.profile_steps else []),
    ]  # fmt: skip
    run = Run(engine, inputs, rank=launch.rank, world=launch.world, micro_batch_size=config.micro_batch_size,
              accumulation=accumulation, out=out, place=place, last_step=planned, stop=stop,
              callbacks=callbacks)  # fmt: skip
    rows = iterate(run.rows(inputs.plan, inputs.source), start=place.steps * accumulation, workers=workers, ahead=ahead)
    rate = partial(learning_rate, steps=planned, peak=config.learning_rate, warmup_ratio=config.warmup_ratio)
    with stop.saving(), contextlib.closing(rows):
        Loop(run, rows, rate).run(f"stage {config.stage}")
    watchdog.begin("writing the model", limited=False)
    exported = place.steps
    best = place.best(config.select_by)
    if config.export == "best" and best not in {None, place.steps}:
        exported = best or 0
        checkpoints.load(engine, checkpoints.find_step(out / "checkpoints", exported))
    trained = export.gather_trained(llava, precision=config.precision, zero_stage=config.zero_stage, keep=is_main)
    if is_main:
        export.assert_finite(trained)
        history = history_of(config, inputs, place, out, exported=exported)
        write_report(out, history, images={question.id: question.encoded_images for question in answers.questions})
        if config.lora_adapter:
            lora.write_adapter(out / "adapter", trained, base=model, rank=config.lora_rank, alpha=config.lora_alpha)
        export.export(model, out / "model", lora.merged(trained, config.lora_alpha), history=history)
        say(f"wrote {out / 'model'}; the report is {out / 'report.html'}")
        say_next(*_next(config.stage, data, out))


def _choose_attention(
    llava: LlavaForConditionalGeneration, device: torch.device, tokens: int, *, is_main: bool
) -> None:
    both: Any = llava.config
    text = both.text_config
    heads = attention_choice.Heads(
        tokens, text.num_attention_heads, text.num_key_value_heads,
        getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
    )  # fmt: skip

    def measure(backend: str) -> float | None:
        return attention_choice.milliseconds(
            backend, heads, device, attend=attention.attend_packed, synchronize=torch.cuda.synchronize
        )

    machine = attention_choice.machine_of(device)
    choice = distributed.on_main(lambda: attention_choice.choose(heads, machine, measure, cache_folder()))
    attention.use(choice.backend)
    if is_main:
        say(choice.line())


def _next(stage: int, data: Path, out: Path) -> tuple[object, ...]:
    """Return what follows a stage: the one after it, or a benchmark of the build's held-out questions."""
    if stage < 3:
        following = out.with_name(f"{out.name.replace(str(stage), '') or 'stage'}{stage + 1}")
        return ("train", "--stage", stage + 1, "--model", out / "model", "--data", data, "--out", following)
    held_out = (data if data.is_dir() else data.parent) / "benchmarks" / "held_out.yaml"
    of = ("--benchmarks", held_out) if held_out.is_file() else ("--benchmark", "NAME")
    return ("bench", "--model", out / "model", *of, "--out", "result")


def _make_engine(config: TrainConfig, accelerator: Any, llava: LlavaForConditionalGeneration) -> Any:
    packed = PackedLlava(llava)
    optimizer = torch.optim.AdamW(
        [parameter for parameter in packed.parameters() if parameter.requires_grad],
        lr=config.learning_rate, betas=config.adam_betas, weight_decay=config.weight_decay,
        # On a GPU one kernel for all parameters needs no temporary copy of them.
        fused=torch.distributed.get_backend() == "nccl" and config.offload == "none",
    )  # fmt: skip
    engine, _ = accelerator.prepare(packed, optimizer)
    return engine


def _accumulation(config: TrainConfig, world: int) -> int:
    at_once = world * config.micro_batch_size
    if config.global_batch_size % at_once:
        each, rest = divmod(config.global_batch_size, world)
        remedy = f"Set micro_batch_size to a divisor of {each}" if not rest else (
            f"Start a number of processes that divides {config.global_batch_size}"
        )  # fmt: skip
        raise UserError(
            f"global_batch_size {config.global_batch_size} is no multiple of {world} processes × micro_batch_size "
            f"{config.micro_batch_size} = {at_once}. Every process must compute equally many packs per step. {remedy}."
        )
    return config.global_batch_size // at_once


def _load_model(model: Path, precision: str) -> LlavaForConditionalGeneration:
    found = checkpoints.first_damage(model, distributed.on_main(lambda: seals_of(model)))
    if found:
        distributed.end_together(refusal(model, found))
    if dist.get_rank() == 0 and (found := changed_settings(model)):
        say(found)
    if not any(model.glob("*.safetensors")):
        distributed.end_together(
            f"{model}: no *.safetensors. Pickled weights can run code when they are opened, so they never are. Give a "
            f"checkpoint that `gmai model init` or `gmai train` wrote."
        )
    try:
        llava = open_llava(model, torch.bfloat16 if precision == "bf16" else torch.float32)
    except UserError as error:
        distributed.end_together(str(error))
    llava.train()
    return llava
