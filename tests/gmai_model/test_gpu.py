"""What a GPU alone can show (`make gpu`): attention, the stages beside the CPU's losses, resuming, ZeRO.

None of these had a GPU when they were written. They skip, and say so, where there is none.
"""

import json
import subprocess
import sys

import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: run `make gpu` on a GPU node"),
]
SETTINGS = {"activation_checkpointing": "false", "pack_tokens": 512, "global_batch_size": 2, "micro_batch_size": 1,
            "loader_workers": 1, "max_steps": 4, "save_every_steps": 2, "answers": 2}  # fmt: skip


def train(model, data, out, stage=3, **settings):
    flags = [f"--set={key}={value}" for key, value in {**SETTINGS, **settings}.items()]
    done = subprocess.run(
        [sys.executable, "-m", "gmai_cli", "train", f"--stage={stage}", f"--model={model}", f"--data={data}",
         f"--out={out}", *flags], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [line["loss"] for line in map(json.loads, (out / "metrics.jsonl").open()) if "loss" in line]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_packed_attention_is_that_of_each_segment(dtype):
    from gmai_model.attention import varlen_attention

    generator = torch.Generator("cuda").manual_seed(0)
    shapes = ((1, 8, 300, 64), (1, 2, 300, 64), (1, 2, 300, 64))
    inputs = [
        torch.randn(shape, generator=generator, device="cuda", dtype=dtype, requires_grad=True) for shape in shapes
    ]
    ends = torch.tensor([0, 7, 130, 300], dtype=torch.int32, device="cuda")
    found, _ = varlen_attention(torch.nn.Identity(), *inputs, None, cu_seq_lens_q=ends, max_length_q=170)
    upstream = torch.randn(found.shape, generator=generator, device="cuda", dtype=dtype)
    found.backward(upstream)
    gradients = [each.grad.float() for each in inputs]
    plain = [each.detach().float().requires_grad_() for each in inputs]
    due, _ = varlen_attention(torch.nn.Identity(), *plain, None, cu_seq_lens_q=ends, max_length_q=170)
    due.backward(upstream.float())
    tolerance = 3e-2 if dtype == torch.bfloat16 else 1e-4
    torch.testing.assert_close(found.float(), due, atol=tolerance, rtol=tolerance)
    for own, other in zip(gradients, plain, strict=True):
        torch.testing.assert_close(own, other.grad, atol=tolerance * 4, rtol=tolerance * 4)


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_each_stage_has_the_losses_of_the_cpu(checkpoint, samples, tmp_path, stage):
    on_gpu = train(checkpoint, samples, tmp_path / "gpu", stage, precision="fp32")
    on_cpu = train(checkpoint, samples, tmp_path / "cpu", stage, precision="fp32", device="cpu")
    assert on_gpu == pytest.approx(on_cpu, rel=1e-3)
    half = train(checkpoint, samples, tmp_path / "bf16", stage, precision="bf16")
    assert half == pytest.approx(on_cpu, rel=2e-2)


def test_compiled_layers_have_the_same_losses(checkpoint, samples, tmp_path):
    plain = train(checkpoint, samples, tmp_path / "plain", precision="bf16", activation_checkpointing="true")
    compiled = train(checkpoint, samples, tmp_path / "compiled", precision="bf16", activation_checkpointing="true",
                     compile="true")  # fmt: skip
    assert compiled == pytest.approx(plain, rel=2e-2)


@pytest.mark.parametrize("zero_stage", [2, 3])
def test_a_run_in_two_sessions_is_one_in_one(checkpoint, samples, tmp_path, zero_stage):
    whole = train(checkpoint, samples, tmp_path / "whole", precision="bf16", zero_stage=zero_stage)
    assert len(whole) == 4
    out = tmp_path / "parts"
    train(checkpoint, samples, out, precision="bf16", zero_stage=zero_stage)
    for name in ("model", "checkpoints/step-00000004"):
        (out / name).rename(tmp_path / name.replace("/", "-"))
    again = train(checkpoint, samples, out, precision="bf16", zero_stage=zero_stage)
    assert again == pytest.approx(whole, rel=1e-3)
