"""Peak memory of assembling GMAI-VL at its real size, from sparse files with the shapes of its parts.

`python benchmarks/model_assembly.py [--scratch DIR]` needs about 17 GB of disk for the output, which is removed. The
sources are InternLM2.5-7B (bf16, shards of 2 GB) and CLIP-L/14-336 (fp32), all zeros but for the first values of each
tensor, which are looked for in the output.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch  # noqa: TID253
from gmai_model.assembly.internlm2 import split_wqkv
from gmai_model.assembly.layout import vision_shapes
from gmai_model.assembly.tokenizer import train_tokenizer
from gmai_model.assembly.weights import WeightFiles
from torch import Tensor  # noqa: TID253

VISION = {
    "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
    "num_attention_heads": 16, "image_size": 336, "patch_size": 14, "projection_dim": 768,
}  # fmt: skip
LANGUAGE = {
    "model_type": "internlm2", "vocab_size": 92544, "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-5, "rope_theta": 1e6, "rope_scaling": {"type": "dynamic", "factor": 2.0}, "bias": False,
    "tie_word_embeddings": False,
}  # fmt: skip
BYTES = {"BF16": 2, "F32": 4}
DTYPES = {"BF16": torch.bfloat16, "F32": torch.float32}


def internlm2_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    size, inner, rows = 4096, 14336, (32 + 2 * 8) * 128
    yield "model.tok_embeddings.weight", (92544, size)
    for number in range(32):
        layer = f"model.layers.{number}"
        yield f"{layer}.attention.wqkv.weight", (rows, size)
        yield f"{layer}.attention.wo.weight", (size, size)
        yield f"{layer}.feed_forward.w1.weight", (inner, size)
        yield f"{layer}.feed_forward.w3.weight", (inner, size)
        yield f"{layer}.feed_forward.w2.weight", (size, inner)
        yield f"{layer}.attention_norm.weight", (size,)
        yield f"{layer}.ffn_norm.weight", (size,)
    yield "model.norm.weight", (size,)
    yield "output.weight", (92544, size)


def rows_of(name: str, shape: tuple[int, ...], kind: str) -> Tensor:
    """Return the first values of a tensor, which are not zero: as many as fit into 64 kB."""
    seed = sum(name.encode())
    count = min(2**14, torch.Size(shape).numel())
    return torch.randn(count, generator=torch.Generator().manual_seed(seed)).to(DTYPES[kind])


def write_sparse(path: Path, tensors: list[tuple[str, tuple[int, ...]]], kind: str) -> None:
    header: dict[str, object] = {}
    end = 0
    for name, shape in tensors:
        size = torch.Size(shape).numel() * BYTES[kind]
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        base = file.tell()
        file.truncate(base + end)
        for name, shape in tensors:
            file.seek(base + header[name]["data_offsets"][0])  # type: ignore[index]
            file.write(rows_of(name, shape, kind).view(torch.uint8).numpy().tobytes())


def write_sources(folder: Path) -> tuple[Path, Path]:
    vision, language = folder / "clip", folder / "internlm2"
    vision.mkdir()
    language.mkdir()
    (vision / "config.json").write_text(json.dumps(VISION))
    write_sparse(vision / "model.safetensors", list(vision_shapes(VISION).items()), "F32")
    (language / "config.json").write_text(json.dumps(LANGUAGE))
    train_tokenizer(["the liver is shown"] * 9, vocab_size=400).save_pretrained(language)
    shards: list[list[tuple[str, tuple[int, ...]]]] = [[]]
    filled = 0
    for name, shape in internlm2_shapes():
        size = torch.Size(shape).numel() * 2
        if filled + size > 2e9:
            shards.append([])
            filled = 0
        shards[-1].append((name, shape))
        filled += size
    weight_map: dict[str, str] = {}
    for number, tensors in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        write_sparse(language / name, tensors, "BF16")
        weight_map.update((tensor, name) for tensor, _ in tensors)
    (language / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return vision, language


def check_samples(out: Path) -> int:
    """Compare tensors of the output with what the sources held; returns how many."""
    due: dict[str, Tensor] = {}
    for name, shape in vision_shapes(VISION).items():
        due[f"vision_tower.{name}"] = rows_of(name, shape, "F32").to(torch.bfloat16)
    shapes = dict(internlm2_shapes())
    embedding, head = "model.tok_embeddings.weight", "output.weight"
    due["language_model.model.embed_tokens.weight"] = rows_of(embedding, shapes[embedding], "BF16")
    due["language_model.lm_head.weight"] = rows_of(head, shapes[head], "BF16")
    for number in (0, 31):
        name = f"model.layers.{number}.attention.wqkv.weight"
        fused = torch.zeros(shapes[name], dtype=torch.bfloat16)
        rows = rows_of(name, shapes[name], "BF16")
        fused.view(-1)[: len(rows)] = rows
        for letter, part in zip("qkv", split_wqkv(fused, heads=32, kv_heads=8), strict=True):
            due[f"language_model.model.layers.{number}.self_attn.{letter}_proj.weight"] = part.reshape(-1)
    weights = WeightFiles(out)
    for name, tensor in weights.tensors():
        if name in due:
            assert torch.equal(tensor.reshape(-1)[: due[name].numel()], due[name]), name
    return len(due)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scratch", type=Path)
    with tempfile.TemporaryDirectory(dir=parser.parse_args().scratch) as name:
        folder = Path(name)
        vision, language = write_sources(folder)
        began = time.monotonic()
        command = [str(Path(sys.executable).with_name("gmai")), "model", "init"]
        options = {"--vision": vision, "--language": language, "--out": folder / "out"}
        subprocess.run([*command, *(str(word) for pair in options.items() for word in pair)], check=True)
        seconds = time.monotonic() - began
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        shards = sorted((folder / "out").glob("model-*.safetensors"))
        size = sum(path.stat().st_size for path in shards)
        cpu = usage.ru_utime + usage.ru_stime
        print(f"output: {size / 1e9:.2f} GB in {len(shards)} shards, {seconds:.0f} s, {cpu:.0f} CPU s")
        print(f"peak resident memory: {usage.ru_maxrss * 1024 / 1e9:.2f} GB (asked: under 4)")
        print(f"{check_samples(folder / 'out')} tensors compared with the sources: equal")


if __name__ == "__main__":
    main()
