"""Every state file of a build, cut, zeroed or with one bit turned: the same command ends with the same bytes."""

import contextlib
import io
import random
import shutil
from pathlib import Path

import pytest
from gmai_data.build import BuildSettings, RunOptions, build
from gmai_data.sources.cards.catalogue import resolve
from gmai_formats.errors import UserError

DAMAGES = ("cut", "emptied", "zeroed", "one bit", "longer", "deleted", "of another build")


def damage(path: Path, kind: str, chance: random.Random, other: Path) -> None:
    content = path.read_bytes()
    if kind == "deleted":
        path.unlink()
        return
    if kind == "of another build":
        shutil.copyfile(other, path)
        return
    place = chance.randrange(len(content))
    turned = content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
    longer = content + chance.randbytes(30)
    path.write_bytes({"cut": content[:place], "emptied": b"", "zeroed": bytes(len(content)), "one bit": turned,
                      "longer": longer}[kind])  # fmt: skip


def content_of(out: Path) -> dict[str, bytes]:
    files = (path for path in out.rglob("*") if path.is_file() and path.name != "run.json")
    return {str(path.relative_to(out)): path.read_bytes() for path in files if path.suffix != ".lock"}


@pytest.fixture(scope="module")
def whole(phantoms, tmp_path_factory):
    """Return a build in two states: its shards stand, but nothing is published; and complete."""
    made = tmp_path_factory.mktemp("whole")
    sources = resolve([f"phantom-fundus={phantoms / 'phantom-fundus'}"], phantoms)
    assert build(sources, made / "half", BuildSettings(), RunOptions(share=(0, 1))) == 0
    shutil.copytree(made / "half", made / "complete")
    assert build(sources, made / "complete", BuildSettings()) == 0
    assert build(sources, made / "other-half", BuildSettings(seed=1), RunOptions(share=(0, 1))) == 0
    shutil.copytree(made / "other-half", made / "other-complete")
    assert build(sources, made / "other-complete", BuildSettings(seed=1)) == 0
    return made, sources


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("state", ["half", "complete"])
def test_damaged_state_is_said_and_made_again(whole, tmp_path, state, kind):
    made, sources = whole
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    expected = content_of(made / "complete")
    files = [path for path in sorted((made / state).rglob("*")) if path.is_file() and path.stat().st_size]
    files = [path for path in files if path.name not in ("run.json", "mix.yaml")]
    shards = [path for path in files if "shards" in path.parts]
    # One shard stands for the others, and the files that are not of a shard stand for themselves.
    files = [path for path in files if path not in shards or path.parent in (shards[0].parent, shards[-1].parent)]
    for number, file in enumerate(files):
        out = tmp_path / str(number)
        shutil.copytree(made / state, out)
        name = file.relative_to(made / state)
        other = made / f"other-{state}" / name
        if kind == "of another build" and (not other.is_file() or other.read_bytes() == file.read_bytes()):
            continue
        damage(out / name, kind, chance, other)
        said = io.StringIO()
        if kind == "of another build" and name.name == "build.json":
            with pytest.raises(UserError, match=r"built with other values of settings\.seed"):
                build(sources, out, BuildSettings())
            continue
        with contextlib.redirect_stderr(said):
            assert build(sources, out, BuildSettings()) == 0, (seed, name)
        assert content_of(out) == expected, (seed, name)
        if kind in ("deleted", "of another build"):
            continue  # a mark that is gone says "not done yet"; one of another build names the files that differ
        if not name.name.startswith("task-") and name.name != "plan.json":  # read by `gmai data status` alone
            assert name.name in said.getvalue(), (seed, name, said.getvalue())
        shutil.rmtree(out)


def test_without_any_record_of_the_build_it_is_refused(whole, tmp_path):
    made, sources = whole
    out = tmp_path / "out"
    shutil.copytree(made / "half", out)
    for record in out.glob(".build/build*.json"):
        record.write_bytes(bytes(record.stat().st_size))
    with pytest.raises(UserError, match=r"damaged, and so is its copy.*`mv .*--cache"):
        build(sources, out, BuildSettings())
