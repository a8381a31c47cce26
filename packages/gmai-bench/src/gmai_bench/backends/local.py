"""Any Hugging Face image-text-to-text checkpoint on this machine: greedy, batched by length with left padding."""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmai_cli.console import say
from gmai_formats.checkpoints import (
    is_of_its_files,
    naming_files,
    naming_template,
    require_bounded,
    require_processor,
)
from gmai_formats.errors import UserError
from gmai_formats.gpus import require_usable_gpu
from gmai_formats.installing import pip_install
from gmai_formats.weights import (
    changed_settings,
    damaged,
    model_digest,
    not_finite,
    require_as_written,
    require_checkpoint,
    require_filled,
    require_loaded,
    shaping_digests,
)

from gmai_bench.backends.asks import Answer, Ask, OpenImage


class Checkpoint:
    """A checkpoint folder, or a Hub id, by the name and digest that a report states."""

    def __init__(self, model: str) -> None:
        """Take the digest; raises what `digest_of` raises."""
        self.name = model
        """The folder or Hub id as it was given."""
        self._digest = digest_of(model)

    @property
    def digest(self) -> str:
        """SHA-256 over the checkpoint's files, or the Hub revision."""
        return self._digest

    @property
    def cacheable(self) -> bool:
        """Whether the digest is that of the files."""
        return not self._digest.endswith(":unknown")


class LocalModel(Checkpoint):
    """A checkpoint folder, or a Hub id; loaded on the first question, so that a finished run loads nothing."""

    def __init__(
        self, model: str, *, batch_size: int, max_new_tokens: int, temperature: float = 0, local_rank: int = 0
    ) -> None:
        """Check the checkpoint and take its digest.

        Args:
            model: Checkpoint folder or Hub id.
            batch_size: Questions in one batch.
            max_new_tokens: Longest answer, in tokens.
            temperature: Of every answer; 0 is greedy.
            local_rank: Which GPU of this machine to use, where there are any.

        Raises:
            UserError: torch or transformers is missing, or the folder is no safetensors checkpoint.
        """
        _require_libraries()
        super().__init__(model)
        self._batch_size, self._max_new_tokens = batch_size, max_new_tokens
        self._local_rank, self._temperature = local_rank, temperature
        self._loaded: tuple[Any, Any] | None = None

    @property
    def generation(self) -> Mapping[str, Any]:
        """Greedy decoding or the temperature, the token limit and the number format."""
        import torch

        dtype = "bfloat16" if torch.cuda.is_available() else "float32"
        sampling = {"do_sample": True, "temperature": self._temperature} if self._temperature else {"do_sample": False}
        return {**sampling, "max_new_tokens": self._max_new_tokens, "dtype": dtype}

    def answers(self, asks: Sequence[Ask], open_image: OpenImage) -> Iterator[Answer]:
        """Yield answers batch by batch, short prompts first, so that little of a batch is padding."""
        ordered = sorted(asks, key=lambda ask: (len(ask.images), len(ask.prompt), ask.id))
        for start in range(0, len(ordered), self._batch_size):
            batch = ordered[start : start + self._batch_size]
            weighed = [ask for ask in batch if ask.continuations]
            yield from (self._weigh(ask, open_image) for ask in weighed)
            asked = [ask for ask in batch if not ask.continuations]
            if asked:
                yield from self._generate(asked, open_image)

    def _weigh(self, ask: Ask, open_image: OpenImage) -> Answer:
        """Answer with the continuation of the lowest mean cross-entropy per token, the first of equals.

        Source: OmniMedVQA's prefix-based score, with the model's own chat template in front.
        """
        import torch

        processor, model = self._loaded or self._load()
        prompt = _render(processor, ask)
        length = _encode(processor, [prompt], [ask], open_image)["input_ids"].shape[1]
        texts = [prompt + continuation for continuation in ask.continuations]
        inputs = _encode(processor, texts, [ask] * len(texts), open_image).to(model.device, dtype=model.dtype)
        with naming_files(self.name), torch.inference_mode():
            logits = model(**inputs).logits[:, :-1].float()
        targets, mask = inputs["input_ids"][:, 1:], inputs["attention_mask"]
        lost = torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
        # counted from the first real token: the padding is on the left
        place = mask.cumsum(dim=1)[:, 1:]
        weight = ((place > length) & mask[:, 1:].bool()).to(lost.dtype)
        mean = (lost * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        return Answer(ask.id, ask.continuations[int(mean.argmin())], cut=False)

    def _generate(self, batch: Sequence[Ask], open_image: OpenImage) -> list[Answer]:
        import torch

        processor, model = self._loaded or self._load()
        inputs = encode(processor, batch, open_image).to(model.device, dtype=model.dtype)
        if self._temperature:
            torch.manual_seed(_seed(batch))
        try:
            with naming_files(self.name), torch.inference_mode():
                generated = model.generate(
                    **inputs,
                    max_new_tokens=self._max_new_tokens,
                    do_sample=bool(self._temperature),
                    num_beams=1,
                    temperature=self._temperature or None,
                    top_p=None,
                    top_k=None,
                    pad_token_id=processor.tokenizer.pad_token_id,
                )
        except torch.cuda.OutOfMemoryError as error:
            raise UserError(
                f"{self.name}: out of GPU memory with {len(batch)} questions at once. A batch must fit beside the "
                f"weights. Give a smaller --batch-size; the answers so far are kept."
            ) from error
        new: Any = generated[:, inputs["input_ids"].shape[1] :]
        ends = set(_end_tokens(model))
        texts = processor.batch_decode(new, skip_special_tokens=True)
        return [
            Answer(ask.id, str(text).strip(), cut=ends.isdisjoint(tokens))
            for ask, text, tokens in zip(batch, texts, new.tolist(), strict=True)
        ]

    def _load(self) -> tuple[Any, Any]:
        import torch

        transformers: Any = importlib.import_module("transformers")
        on_gpu = require_usable_gpu(torch)
        transformers.utils.logging.set_verbosity_error()
        if not sys.stderr.isatty():
            transformers.utils.logging.disable_progress_bar()
            say(f"loading {self.name}")
        if Path(self.name).is_dir():
            require_filled(Path(self.name))
        try:
            processor: Any = transformers.AutoProcessor.from_pretrained(self.name, trust_remote_code=False)
            model, loading = transformers.AutoModelForImageTextToText.from_pretrained(
                self.name,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.bfloat16 if on_gpu else torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
        except Exception as error:
            if not is_of_its_files(error):
                raise
            raise UserError(
                f"{self.name}: does not open as an image-text-to-text checkpoint ({_first_line(error)}). It must "
                f"load with AutoProcessor and AutoModelForImageTextToText without remote code. "
                f"`gmai model init` and `gmai train` write such folders."
            ) from error
        require_processor(self.name, processor)
        require_loaded(self.name, loading)
        if problem := not_finite(model.named_parameters()):
            raise UserError(f"{self.name}: {problem}")
        if getattr(processor, "chat_template", None) is None:
            raise UserError(
                f"{self.name}: has no chat template. Questions are asked as a chat turn. "
                f"Add chat_template.jinja to the folder."
            )
        tokenizer = processor.tokenizer
        tokenizer.padding_side = "left"  # the answers of a batch must start in one column
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        model.eval().to(f"cuda:{self._local_rank % torch.cuda.device_count()}" if on_gpu else "cpu")
        self._loaded = (processor, model)
        return self._loaded


def digest_of(model: str) -> str:
    """Return SHA-256 over a checkpoint's files, or the revision of a Hub id.

    Raises:
        UserError: The folder is no safetensors checkpoint.
    """
    folder = Path(model)
    if not (folder.exists() or model.startswith((".", "/", "~")) or model.count("/") != 1):
        return _revision_of(model)
    _check_folder(folder)
    require_bounded(folder)
    digests = shaping_digests(folder)
    require_as_written(folder, damaged(folder, digests=digests))
    if found := changed_settings(folder):
        say(found)
    return model_digest(digests)


def _seed(batch: Sequence[Ask]) -> int:
    """Return the seed of a batch's samples: the same questions together are answered the same."""
    drawn = " ".join(f"{ask.id} {ask.seed}" for ask in batch)
    return int.from_bytes(hashlib.sha256(drawn.encode(errors="replace")).digest()[:7])


def _end_tokens(model: Any) -> list[int]:
    ends: Any = model.generation_config.eos_token_id
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)


def encode(processor: Any, batch: Sequence[Ask], open_image: OpenImage) -> Any:
    """Return the model's inputs for a batch: `input_ids`, `attention_mask` (batch × tokens) and `pixel_values`."""
    return _encode(processor, [_render(processor, ask) for ask in batch], batch, open_image)


def _encode(processor: Any, texts: Sequence[str], batch: Sequence[Ask], open_image: OpenImage) -> Any:
    images = [[open_image(digest) for digest in ask.images] for ask in batch]
    begins = processor.tokenizer.bos_token
    with naming_files("the checkpoint"):
        return processor(
            images=images if any(images) else None,
            text=list(texts),
            padding=True,
            return_tensors="pt",
            # a template that writes the first token itself must not get a second one
            add_special_tokens=not (begins and texts[0].startswith(begins)),
        )


def _render(processor: Any, ask: Ask) -> str:
    content = [*({"type": "image"} for _ in ask.images), {"type": "text", "text": ask.prompt}]
    before = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in ask.turns]
    messages = [*before, {"role": "user", "content": content}]
    with naming_template("the checkpoint"):
        return str(processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _require_libraries() -> None:
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"{' and '.join(missing)} not installed. A local checkpoint needs torch and transformers. Install them "
            f"with `{pip_install('gmai-bench[local]')}`, or score a file of answers with `gmai bench score`."
        )


def _check_folder(folder: Path) -> None:
    require_checkpoint(folder, takes="--model takes a checkpoint folder or a Hub id (owner/name)")
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(path.name for path in [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")])
        found = f"only {', '.join(pickles[:3])}" if pickles else "no weights"
        raise UserError(
            f"{folder}: found {found}. Weights must be *.safetensors: a pickle can run code when it is opened. Convert "
            f"them with `save_pretrained` on a machine that trusts them."
        )


def _revision_of(model: str) -> str:
    transformers: Any = importlib.import_module("transformers")
    try:
        config: Any = transformers.AutoConfig.from_pretrained(model, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{model}: neither a folder here nor a readable Hub model ({_first_line(error)}). --model takes a "
            f"checkpoint folder or a Hub id. Correct the path, or download the model first on an offline machine."
        ) from error
    return f"revision:{getattr(config, '_commit_hash', None) or 'unknown'}"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
