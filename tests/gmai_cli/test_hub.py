"""Push and pull with the real client, in a process of its own, against the Hub of `tests/servers/hub.py`."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gmai_cli import hub
from gmai_formats.errors import UserError

OWNER, READER = "hf_owner00000000", "hf_reader0000000"

PROGRAM = """
import json, sys, time
from pathlib import Path
from gmai_cli import hub
from gmai_formats.errors import UserError

action, speed, arguments = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
sleep = time.sleep
time.sleep = lambda seconds: sleep(seconds / speed)
for name in ("folder", "to"):
    if name in arguments:
        arguments[name] = Path(arguments[name])
if action == "add_files":
    files = arguments.pop("files")
    arguments["edit"] = lambda read: {path: (read(path) or "") + text for path, text in files.items()}
try:
    print(getattr(hub, action)(**arguments))
except UserError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""

Act = Callable[..., SimpleNamespace]


@pytest.fixture
def act(hub_server: Any, tmp_path: Path) -> Act:
    """Call a function of `gmai_cli.hub` in a fresh process."""

    def call(
        action: str, *, token: str | None = OWNER, speed: int = 50, env: dict[str, str] | None = None, **arguments: Any
    ) -> SimpleNamespace:
        environment = {name: text for name, text in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        environment |= hub_server.environment(tmp_path / "hf-home", token=token) | (env or {})
        command = [sys.executable, "-c", PROGRAM, action, str(speed), json.dumps(arguments, default=str)]
        start = time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        for secret in (OWNER, READER, "hf_unknown000000", "signature=secret"):
            assert secret not in done.stdout + done.stderr
        return SimpleNamespace(
            code=done.returncode,
            out=done.stdout.strip(),
            news=done.stderr,
            refusal=done.stderr.strip().splitlines()[-1] if done.returncode else "",
            seconds=time.monotonic() - start,
        )

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = random.Random(8)
    made = tmp_path / "folder"
    (made / "data").mkdir(parents=True)
    (made / "README.md").write_text("---\nlicense: mit\n---\n# A folder\n", encoding="utf-8")
    for number in range(3):
        (made / f"data/part-{number}.parquet").write_bytes(draw.randbytes(1000 + number))
    (made / "data/large.parquet").write_bytes(draw.randbytes(9_000_000))  # sent in three parts
    return made


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: content for name, content in names.items() if not name.startswith(".")}


def push(act: Act, folder: Path, **options: Any) -> SimpleNamespace:
    asked = {"repo_id": "me/set", "repo_type": "dataset", "message": "Publish"} | options
    return act("push_folder", folder=folder, **asked)


def pull(act: Act, to: Path, **options: Any) -> SimpleNamespace:
    return act("pull", to=to, **{"repo_id": "me/set", "repo_type": "dataset", "revision": None} | options)


def test_a_folder_comes_back_the_same(act: Act, folder: Path, tmp_path: Path, hub_server: Any) -> None:
    pushed = push(act, folder)
    assert pushed.code == 0, pushed.news
    repository = hub_server.repositories["dataset", "me/set"]
    assert pushed.out == f"{hub_server.url}/datasets/me/set/commit/{repository.head.id}"
    assert repository.private
    assert [commit.title for commit in repository.commits] == ["initial commit", "Publish"]
    pulled = pull(act, tmp_path / "pulled")
    assert pulled.code == 0, pulled.news
    assert contents(tmp_path / "pulled") == contents(folder)
    assert f"files of commit {repository.head.id[:12]}, digests checked" in pulled.news
    assert json.loads((tmp_path / "pulled/.gmai-pull.json").read_text())["commit"] == repository.head.id
    assert hub_server.leaked == [], "a token belongs to the Hub, not to the storage it sends the client to"


def test_a_model_repository_works_as_well(act: Act, folder: Path, tmp_path: Path, hub_server: Any) -> None:
    model = {"repo_id": "me/model", "repo_type": "model", "files": ["README.md", "data/part-0.parquet"]}
    assert push(act, folder, **model).out.startswith(f"{hub_server.url}/me/model/commit/")
    model.pop("files")
    assert pull(act, tmp_path / "pulled", **model).code == 0
    assert set(contents(tmp_path / "pulled")) == {"README.md", "data/part-0.parquet"}


def test_the_second_push_sends_what_changed(act: Act, folder: Path, hub_server: Any) -> None:
    first = push(act, folder)
    sent = len(hub_server.asked("PUT", "/lfs/*"))
    assert sent == 3 + 3
    again = push(act, folder)
    assert again.out == first.out
    assert "all 5 files are there already" in again.news
    (folder / "data/part-0.parquet").write_bytes(b"new")
    (folder / "data/part-2.parquet").unlink()
    third = push(act, folder)
    assert "1 files written, 3 unchanged, 1 removed" in third.news
    repository = hub_server.repositories["dataset", "me/set"]
    assert len(repository.commits) == 3
    assert len(hub_server.asked("PUT", "/lfs/*")) == sent + 1
    files = {path: content for path, content in repository.files.items() if not path.startswith(".")}
    assert files == contents(folder)


def test_a_push_that_was_cut_goes_on(act: Act, folder: Path, hub_server: Any) -> None:
    hub_server.fault("PUT", "/lfs/*/2", "reset", times=1000)  # the middle of the large file
    cut = push(act, folder)
    assert cut.code == 2
    assert "cannot be reached" in cut.refusal
    assert "goes on where it stopped" in cut.refusal
    assert len(hub_server.repositories["dataset", "me/set"].commits) == 1, "no half commit"
    hub_server.faults.clear()
    before = len(hub_server.requests)
    assert push(act, folder).code == 0
    puts = [path for method, path, _ in hub_server.requests[before:] if method == "PUT"]
    assert len(puts) == 3, "the parts of the large file; the small ones were there"
    assert contents(folder).items() <= hub_server.repositories["dataset", "me/set"].files.items()


def test_one_dropped_connection_is_mended_by_itself(act: Act, folder: Path, hub_server: Any) -> None:
    hub_server.fault("PUT", "/lfs/*", "reset", times=2)
    hub_server.fault("GET", "/api/datasets/me/set", "reset")
    hub_server.fault("POST", "*/preupload/*", 500)
    done = push(act, folder)
    assert done.code == 0, done.news
    assert contents(folder).items() <= hub_server.repositories["dataset", "me/set"].files.items()


def test_a_lost_answer_makes_no_second_commit(act: Act, folder: Path, hub_server: Any) -> None:
    hub_server.fault("POST", "*/commit/main", "lost")
    done = push(act, folder)
    assert done.code == 0, done.news
    repository = hub_server.repositories["dataset", "me/set"]
    assert [commit.title for commit in repository.commits] == ["initial commit", "Publish"]
    assert done.out.endswith(repository.head.id)


@pytest.mark.parametrize("path", ["/api/repos/create", "*/preupload/main", "*/commit/main"])
def test_retry_after_is_waited_for(act: Act, folder: Path, hub_server: Any, path: str) -> None:
    hub_server.fault("POST", path, 429, headers={"Retry-After": "2"})
    done = push(act, folder, speed=1, files=["README.md"])
    assert done.code == 0, done.news
    assert done.seconds >= 2
    assert "429" in done.news


def test_a_pull_waits_too_and_says_so(act: Act, folder: Path, tmp_path: Path, hub_server: Any) -> None:
    hub_server.create("dataset", "me/set", contents(folder))
    hub_server.fault("GET", "/api/datasets/me/set", 429, headers={"Retry-After": "2"})
    # The client asks for a file a second time at once and waits from then on.
    hub_server.fault("HEAD", "*/resolve/*/README.md", 429, times=2, headers={"Retry-After": "1"})
    done = pull(act, tmp_path / "pulled", speed=1)
    assert done.code == 0, done.news
    assert done.seconds >= 3
    assert "pull me/set: the Hub answered 429; trying again in 2 s" in done.news
    assert contents(tmp_path / "pulled") == contents(folder)


def test_a_hub_that_never_relents_ends_the_command(act: Act, folder: Path, hub_server: Any) -> None:
    hub_server.fault("POST", "/api/repos/create", 429, times=9, headers={"Retry-After": "7200"})
    done = push(act, folder)
    assert done.code == 2
    assert done.refusal.startswith(
        "push me/set: the Hub asks for fewer requests (429) (on purpose). Run the same command"
    )
    assert "in 7200 s" in done.refusal
    assert len(hub_server.asked("POST", "/api/repos/create")) == 1


@pytest.mark.parametrize(
    ("token", "repo_id", "due"),
    [
        (None, "me/set", "dataset me/set needs a token and there is none"),
        ("hf_unknown000000", "me/set", "the Hub does not accept the token"),
        (READER, "me/set", "the token may not do this with dataset me/set"),
        (OWNER, "you/set", "the token may not do this with dataset you/set"),
    ],
)
def test_a_refusal_is_one_line(act: Act, folder: Path, token: str | None, repo_id: str, due: str) -> None:
    done = push(act, folder, token=token, repo_id=repo_id)
    assert done.code == 2
    assert done.refusal.startswith(f"push {repo_id}: {due}"), done.refusal
    assert len(done.news.splitlines()) == 2, "how the digests went, and the refusal"


@pytest.mark.parametrize(
    "record",
    [
        b'{"pushed": [1',
        b"\xff\xfe",
        b'{"pushed": 3, "added": null}',
        b'{"pushed": {"a": {"x": 1}}, "added": {}}',
        b"[]",
    ],
)
def test_a_damaged_record_of_pushes_is_one_line(act: Act, folder: Path, record: bytes, hub_server: Any) -> None:
    hub_server.create("dataset", "me/set", {".gmai-push.json": record}, private=True)
    done = push(act, folder)
    assert done.code == 2
    assert "push me/set: .gmai-push.json of the repository is n" in done.refusal
    assert len(hub_server.repositories["dataset", "me/set"].commits) == 2, "those that were there"


def test_what_is_not_there_is_one_line(act: Act, folder: Path, tmp_path: Path, hub_server: Any) -> None:
    hub_server.create("dataset", "me/set", contents(folder))
    hub_server.create("dataset", "you/closed", {"a.txt": b"a"}, private=True)
    for options, due in (
        ({"repo_id": "me/nothing"}, "the Hub knows no dataset me/nothing"),
        ({"repo_id": "you/closed"}, "the Hub knows no dataset you/closed, or the token may not see it"),
        ({"revision": "v9"}, "dataset me/set has no such revision"),
        ({"repo_type": "model"}, "the Hub knows no model me/set"),
    ):
        done = pull(act, tmp_path / "pulled", **options)
        assert done.code == 2
        assert due in done.refusal, done.refusal
        assert not (tmp_path / "pulled").exists()


def test_no_hub_is_one_line(act: Act, folder: Path, hub_server: Any) -> None:
    gone = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    done = push(act, folder, env=gone, speed=1000)
    assert "the Hub at http://127.0.0.1:9 cannot be reached (ConnectionRefusedError" in done.refusal
    offline = push(act, folder, env={"HF_HUB_OFFLINE": "1"})
    assert offline.refusal.startswith("push me/set: HF_HUB_OFFLINE is set, so nothing goes to the Hub.")
    assert hub_server.requests == []


def test_what_others_wrote_is_never_overwritten(act: Act, folder: Path, hub_server: Any) -> None:
    theirs = hub_server.create("dataset", "me/set", {"README.md": b"theirs", "b.txt": b"b"}, private=True)
    done = push(act, folder)
    assert done.code == 2
    assert "the dataset holds README.md and 1 more, which gmai did not put there" in done.refusal
    assert theirs.files["README.md"] == b"theirs"
    assert hub_server.asked("PUT", "*") == []
    same = {name: content for name, content in contents(folder).items() if name.startswith("data/part")}
    hub_server.create("dataset", "me/set", same, private=True)
    assert push(act, folder).code == 0, "the same content is nobody's loss"


def test_an_edit_on_the_page_stops_the_next_push(act: Act, folder: Path, hub_server: Any) -> None:
    assert push(act, folder).code == 0
    repository = hub_server.repositories["dataset", "me/set"]
    edited = type(repository.head.files["README.md"])(b"corrected by hand")
    repository.commit("Edit", {**repository.head.files, "README.md": edited})
    assert "holds README.md, which gmai did not put there" in push(act, folder).refusal


def test_a_public_repository_gets_nothing_private(act: Act, folder: Path, hub_server: Any) -> None:
    hub_server.create("dataset", "me/set")
    refused = push(act, folder)
    assert "exists and everybody can read it, and a private one was asked for" in refused.refusal
    assert push(act, folder, private=False).code == 0


def test_files_added_later_are_ours(act: Act, folder: Path, hub_server: Any) -> None:
    assert push(act, folder).code == 0
    repository = hub_server.repositories["dataset", "me/set"]
    addition = {"repo_id": "me/set", "repo_type": "dataset", "message": "Add results"}
    added = act("add_files", files={"README.md": "## Results\n", ".eval_results/a.yaml": "- 1\n"}, **addition)
    assert added.code == 0, added.news
    assert repository.files["README.md"].endswith(b"# A folder\n## Results\n")
    (folder / "data/part-0.parquet").write_bytes(b"new")
    assert push(act, folder).code == 0
    assert repository.files[".eval_results/a.yaml"] == b"- 1\n", "a push of the folder keeps what was added beside it"
    assert repository.files["README.md"] == (folder / "README.md").read_bytes()


def test_an_addition_looks_again_when_somebody_was_faster(act: Act, hub_server: Any) -> None:
    repository = hub_server.create("model", "me/m", {"README.md": b"one\n"})
    hub_server.fault("POST", "*/commit/main", 412)
    done = act("add_files", repo_id="me/m", repo_type="model", files={"README.md": "two\n"}, message="Add")
    assert done.code == 0, done.news
    assert repository.files["README.md"] == b"one\ntwo\n"
    assert "the Hub answered 412; trying again" in done.news
    missing = act("add_files", repo_id="me/none", repo_type="model", files={"a": "b"}, message="Add")
    assert "the Hub knows no model me/none" in missing.refusal


def test_a_cut_download_is_mended_and_a_false_one_refused(
    act: Act, folder: Path, tmp_path: Path, hub_server: Any
) -> None:
    hub_server.create("dataset", "me/set", contents(folder))
    hub_server.fault("GET", "/cdn/*", "truncated", times=2)
    hub_server.fault("GET", "*/resolve/*/README.md", "corrupt")
    false = pull(act, tmp_path / "pulled")
    assert false.code == 2
    assert "README.md differs from the Hub's digest. Every file must be the one of commit" in false.refusal
    (tmp_path / "pulled/README.md").unlink()
    again = pull(act, tmp_path / "pulled")
    assert again.code == 0, again.news
    assert contents(tmp_path / "pulled") == contents(folder)
    assert len([1 for each in hub_server.asked("GET", "/cdn/*") if each[2] == 200]) == 4, "each large file came once"


def test_one_folder_holds_one_commit(act: Act, folder: Path, tmp_path: Path, hub_server: Any) -> None:
    repository = hub_server.create("dataset", "me/set", contents(folder))
    assert pull(act, tmp_path / "pulled").code == 0
    repository.commit("More", repository.head.files)
    assert "One folder holds one commit. Pull into another." in pull(act, tmp_path / "pulled").refusal
    assert pull(act, tmp_path / "pulled", revision=repository.commits[-2].id).code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    assert "is not empty" in pull(act, tmp_path / "mine").refusal


def test_nothing_leaves_or_enters_beside_the_folder(act: Act, folder: Path, tmp_path: Path, hub_server: Any) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    assert f"link.txt leads out of {folder}" in push(act, folder).refusal
    assert "leads out of" in push(act, folder, files=["../secret.txt"]).refusal
    (folder / "link.txt").unlink()
    (folder / ".env").write_text("HF_TOKEN=x")
    assert "1 hidden files are left out, .env first" in push(act, folder).news
    assert ".env" not in hub_server.repositories["dataset", "me/set"].files
    hub_server.create("dataset", "you/evil", {"../../evil.txt": b"evil"})
    evil = pull(act, tmp_path / "deep/er/pulled", repo_id="you/evil")
    assert "names '../../evil.txt', which leads out of" in evil.refusal
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_token_in_the_hubs_own_words_is_not_printed(act: Act, folder: Path, hub_server: Any) -> None:
    text = f"bad header: Authorization: Bearer {OWNER}"
    hub_server.fault("POST", "/api/repos/create", 403, times=9, message=text, headers={"X-Error-Message": text})
    done = push(act, folder, env={"HF_DEBUG": "1"})
    assert done.code == 2
    assert "Authorization: Bearer <token>" in done.refusal  # `act` looks for the token itself
    assert "curl" in done.news, "HF_DEBUG logs every request"


@pytest.mark.parametrize(
    "name",
    ["", "me", "me/", "/set", "me/my set", "me/set@branch", "me/../set", "me/a--b", "me/set.git", "me/" + "x" * 97,
     "https://huggingface.co/me/set", "datasets/me/set", "me/größe", "me/set/tree/main"],
)  # fmt: skip
def test_a_name_that_no_repository_can_have_is_refused_before_anything_is_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no repository id\. It must read owner/name"):
        hub.push_folder(tmp_path / "nowhere", name, repo_type="model", message="x")


def test_a_name_of_a_repository_is_taken() -> None:
    hub.require_repo_id("my-lab/gmai_vl.8b")
