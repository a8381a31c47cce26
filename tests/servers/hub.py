"""A small server that speaks as much of the Hugging Face Hub's HTTP API as the real client uses, with faults on demand.

Everything is in memory: repositories with git's ids, large files as LFS objects checked by SHA-256, users with a token
each. The client reads HF_ENDPOINT and HF_TOKEN when it is imported, so a test runs it in a process of its own with
`Hub.environment()`.
"""

import base64
import contextlib
import fnmatch
import hashlib
import json
import re
import socket
import struct
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath

LFS_SUFFIXES = (".parquet", ".safetensors", ".bin", ".png", ".tar", ".zip")
LFS_SIZE_BYTES = 1_000_000
OWNER, READER = "hf_owner00000000", "hf_reader0000000"
"""Tokens of one user that may write and that may only read."""
PAGE = 4
"""Files on one page of a listing, so that a folder of a few has several."""


@dataclass
class File:
    """One path at one commit."""

    content: bytes
    lfs: bool = False

    @property
    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pointer(self):
        return (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.content)}\n".encode()
        )

    @property
    def blob_id(self):
        return git_id("blob", self.pointer if self.lfs else self.content)

    def listed(self, path):
        entry = {"type": "file", "path": path, "oid": self.blob_id, "size": len(self.content)}
        lfs = {"oid": self.sha256, "size": len(self.content), "pointerSize": len(self.pointer)}
        return {**entry, "lfs": lfs} if self.lfs else entry


@dataclass
class Commit:
    id: str
    title: str
    files: dict[str, File]
    parent: str = ""


@dataclass
class Repository:
    kind: str
    name: str
    private: bool
    commits: list[Commit] = field(default_factory=list)

    @property
    def head(self):
        return self.commits[-1]

    @property
    def files(self):
        return {path: file.content for path, file in self.head.files.items()}

    def at(self, revision):
        if revision == "main":
            return self.head
        return next((commit for commit in self.commits if commit.id == revision), None)

    def commit(self, title, files):
        parent = self.commits[-1].id if self.commits else ""
        tree = "\n".join(f"{path} {file.blob_id}" for path, file in sorted(files.items()))
        content = f"tree {git_id('tree', tree.encode())}\nparent {parent}\n\n{title}\n"
        self.commits.append(Commit(git_id("commit", content.encode()), title, dict(files), parent))


def git_id(kind, content):
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


@dataclass
class Fault:
    """What happens to the next requests that match.

    `kind`: a status; `reset` (cut before anything is done); `lost` (done, then cut before the answer); `truncated`
    (half of the body, then cut); `corrupt` (a bit of the body is another).
    """

    method: str
    path: str
    kind: int | str
    times: int = 1
    skip: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "on purpose"


class Hub:
    """The server's state; `with Hub() as hub:` runs it on a free port."""

    def __init__(self):
        self.tokens = {OWNER: ("me", True), READER: ("me", False)}
        """token ▶ (user, may write)"""
        self.repositories = {}
        self.objects = {}
        self.parts = {}
        self.faults = []
        self.requests = []
        """(method, path, status or what cut it), in order."""
        self.leaked = []
        """Requests to the storage that carried a token, which belongs to the Hub alone."""
        self.lock = threading.Lock()

    def __enter__(self):
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.storage = f"http://localhost:{self._server.server_port}"  # another host, as a bucket or CDN is
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home, *, token=OWNER):
        """Return what a process needs in its environment to take this server for the Hub."""
        names = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
        return {**names, "HF_HUB_DISABLE_TELEMETRY": "1", **({"HF_TOKEN": token} if token else {})}

    def create(self, kind, name, files=None, *, private=False):
        """Add a repository with one commit."""
        repository = Repository(kind, name, private)
        repository.commit("initial commit", {".gitattributes": File(b"*.parquet filter=lfs\n")})
        if files:
            entries = {path: File(content, _is_large(path, len(content))) for path, content in files.items()}
            repository.commit("by hand", {**repository.head.files, **entries})
        self.repositories[kind, name] = repository
        return repository

    def fault(self, method, path, kind, **options):
        """Let the next requests of a method whose path matches a glob fail; see `Fault`."""
        self.faults.append(Fault(method, path, kind, **options))

    def asked(self, method, path):
        """Return the requests of a method whose path matches a glob."""
        return [each for each in self.requests if each[0] == method and fnmatch.fnmatch(each[1], path)]

    def take_fault(self, method, path):
        with self.lock:
            for fault in self.faults:
                if fault.method == method and fnmatch.fnmatch(path, fault.path) and fault.times:
                    if fault.skip:
                        fault.skip -= 1
                        return None
                    fault.times -= 1
                    return fault
        return None


def _entries(files):
    """Return the files and folders of a commit, as the Hub lists them."""
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}
    listed = [{"type": "directory", "oid": git_id("tree", path.encode()), "size": 0, "path": path} for path in folders]
    return sorted([*listed, *(file.listed(path) for path, file in files.items())], key=lambda entry: entry["path"])


def _is_large(path, size):
    return path.endswith(LFS_SUFFIXES) or size > LFS_SIZE_BYTES


class _Answer(Exception):  # noqa: N818
    def __init__(self, status, value=None, content=None, **headers):
        self.status, self.value, self.content = status, value, content
        self.headers = {name.replace("_", "-"): text for name, text in headers.items()}


ROUTES = (
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/validate-yaml", "validate"),
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/(?P<kind>model|dataset)s/(?P<name>[^/]+/[^/]+)/preupload/(?P<rev>[^/]+)", "preupload"),
    ("POST", r"/api/(?P<kind>model|dataset)s/(?P<name>[^/]+/[^/]+)/commit/(?P<rev>[^/]+)", "commit"),
    ("POST", r"/api/(?P<kind>model|dataset)s/(?P<name>[^/]+/[^/]+)/paths-info/(?P<rev>[^/]+)", "paths_info"),
    ("GET", r"/api/(?P<kind>model|dataset)s/(?P<name>[^/]+/[^/]+)/tree/(?P<rev>[^/]+)(?:/(?P<path>.+))?", "tree"),
    ("GET", r"/api/(?P<kind>model|dataset)s/(?P<name>[^/]+/[^/]+)(?:/revision/(?P<rev>[^/]+))?", "info"),
    ("POST", r"/(?P<kind>datasets/)?(?P<name>[^/]+/[^/]+)\.git/info/lfs/objects/batch", "lfs_batch"),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})(?:/(?P<part>\d+))?", "lfs_put"),
    ("POST", r"/lfs/(?P<oid>[0-9a-f]{64})/complete", "lfs_complete"),
    ("POST", r"/lfs/(?P<oid>[0-9a-f]{64})/verify", "lfs_verify"),
    ("GET", r"/cdn/(?P<oid>[0-9a-f]{64})", "cdn"),
    ("GET", r"/(?P<kind>datasets/)?(?P<name>[^/]+/[^/]+)/resolve/(?P<rev>[^/]+)/(?P<path>.+)", "resolve"),
)
CHUNK_BYTES = 4_000_000
"""Larger LFS objects are sent in parts of this size."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        return

    def do_GET(self):
        self._serve()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _serve(self):
        path, _, self.query = self.path.partition("?")
        path = urllib.parse.unquote(path)
        method = "GET" if self.command == "HEAD" else self.command
        if path.startswith(("/lfs/", "/cdn/")) and not path.endswith("/verify") and "Authorization" in self.headers:
            self.hub.leaked.append((self.command, path))
        fault = self.hub.take_fault(self.command, path)
        if fault and fault.kind == "reset":
            return self._cut(path, "reset")
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if fault and isinstance(fault.kind, int):
            return self._send(path, _Answer(fault.kind, {"error": fault.message}, **fault.headers))
        with self.hub.lock:
            answer = self._route(method, path)
        if fault and fault.kind == "lost":
            return self._cut(path, "lost")
        if fault and fault.kind == "corrupt":
            answer.content = bytes([answer.content[0] ^ 1]) + answer.content[1:]
        return self._send(path, answer, truncated=bool(fault) and fault.kind == "truncated")

    def _route(self, method, path):
        for due, pattern, name in ROUTES:
            match = re.fullmatch(pattern, path)
            if due == method and match:
                try:
                    getattr(self, name)(**match.groupdict())
                except _Answer as answer:
                    return answer
        return _Answer(404, {"error": f"no route {method} {path}"})

    def _cut(self, path, how):
        self.hub.requests.append((self.command, path, how))
        self.close_connection = True
        with contextlib.suppress(OSError):  # linger 0: the client sees a reset, not an end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _send(self, path, answer, truncated=False):
        content = answer.content if answer.content is not None else json.dumps(answer.value).encode()
        self.hub.requests.append((self.command, path, "truncated" if truncated else answer.status))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(answer.status)
            for name, text in {"Content-Length": str(len(content)), **answer.headers}.items():
                self.send_header(name, text)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if truncated else content)
        self.close_connection |= truncated

    # Who asks, and for what

    def _user(self):
        header = self.headers.get("Authorization")
        if header is None:
            return None, False
        known = self.hub.tokens.get(header.removeprefix("Bearer "))
        if known is None:
            text = "Invalid credentials in Authorization header"
            raise _Answer(401, {"error": text}, X_Error_Message=text)
        return known

    def _repository(self, kind, name, *, write=False):
        user, may_write = self._user()
        repository = self.hub.repositories.get((kind, name))
        owner = user is not None and user == name.partition("/")[0]
        if repository is None or (repository.private and not owner):
            text = "Repository not found"
            raise _Answer(404 if user else 401, {"error": text}, X_Error_Code="RepoNotFound", X_Error_Message=text)
        if write and user is None:
            raise _Answer(401, {"error": "Invalid username or password."})
        if write and not (owner and may_write):
            text = "you must use a write token to write to this repository"
            raise _Answer(403, {"error": text}, X_Error_Message=text)
        return repository

    def _commit(self, repository, revision):
        commit = repository.at(urllib.parse.unquote(revision or "main"))
        if commit is None:
            text = f"Invalid rev id: {revision}"
            raise _Answer(404, {"error": text}, X_Error_Code="RevisionNotFound", X_Error_Message=text)
        return commit

    # The API

    def whoami(self):
        user, _ = self._user()
        raise _Answer(200, {"name": user}) if user else _Answer(401, {"error": "Invalid username or password."})

    def validate(self):
        raise _Answer(200, {"errors": [], "warnings": []})

    def create(self):
        user, may_write = self._user()
        asked = json.loads(self.body)
        name = f"{asked['organization'] or user}/{asked['name']}"
        kind = asked.get("type", "model")
        url = f"{self.hub.url}/{'datasets/' if kind == 'dataset' else ''}{name}"
        if user is None:
            raise _Answer(401, {"error": "Invalid username or password."})
        if not may_write or user != name.partition("/")[0]:
            raise _Answer(403, {"error": f'You don\'t have the rights to create a {kind} under the namespace "{name}"'})
        if (kind, name) in self.hub.repositories:
            raise _Answer(409, {"error": f"You already created this {kind} repo", "url": url})
        self.hub.create(kind, name, private=asked.get("visibility") == "private" or bool(asked.get("private")))
        raise _Answer(200, {"url": url})

    def info(self, kind, name, rev):
        repository = self._repository(kind, name)
        commit = self._commit(repository, rev)
        siblings = [{"rfilename": path} for path in sorted(commit.files)]
        raise _Answer(
            200, {"id": name, "sha": commit.id, "private": repository.private, "siblings": siblings, "tags": []}
        )

    def tree(self, kind, name, rev, path):
        commit = self._commit(self._repository(kind, name), rev)
        asked = urllib.parse.parse_qs(self.query)
        prefix = f"{path}/" if path else ""
        found = [entry for entry in _entries(commit.files) if entry["path"].startswith(prefix)]
        if path and not found:
            raise _Answer(404, {"error": "not found"}, X_Error_Code="EntryNotFound")
        recursive = asked.get("recursive", ["false"])[0].lower()
        if recursive != "true":
            found = [entry for entry in found if "/" not in entry["path"].removeprefix(prefix)]
        start = int(asked.get("cursor", ["0"])[0])
        url = f"{self.hub.url}{self.path.partition('?')[0]}?recursive={recursive}&cursor={start + PAGE}"
        more = {"Link": f'<{url}>; rel="next"'} if start + PAGE < len(found) else {}
        raise _Answer(200, found[start : start + PAGE], **more)

    def paths_info(self, kind, name, rev):
        commit = self._commit(self._repository(kind, name), rev)
        # `get_paths_info` sends a form, the file system of `datasets` JSON; both reach the same address.
        is_json = self.headers.get("Content-Type", "").startswith("application/json")
        paths = (json.loads(self.body) if is_json else urllib.parse.parse_qs(self.body.decode()))["paths"]
        raise _Answer(200, [entry for entry in _entries(commit.files) if entry["path"] in paths])

    def preupload(self, kind, name, rev):
        commit = self._commit(self._repository(kind, name, write=True), rev)
        answers = []
        for asked in json.loads(self.body)["files"]:
            known = commit.files.get(asked["path"])
            mode = "lfs" if _is_large(asked["path"], asked["size"]) else "regular"
            oid = (known.sha256 if known.lfs else known.blob_id) if known else None
            answers.append({"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        raise _Answer(200, {"files": answers})

    def lfs_batch(self, kind, name):
        self._repository("dataset" if kind else "model", name, write=True)
        objects = []
        for asked in json.loads(self.body)["objects"]:
            oid, size = asked["oid"], asked["size"]
            url, header = f"{self.hub.storage}/lfs/{oid}", {}
            if size > CHUNK_BYTES:
                parts = range(1, -(-size // CHUNK_BYTES) + 1)
                header = {"chunk_size": str(CHUNK_BYTES), **{str(part): f"{url}/{part}" for part in parts}}
            upload = {"href": f"{url}/complete" if header else url, "header": header}
            actions = {"upload": upload, "verify": {"href": f"{url}/verify", "header": {}}}
            objects.append({"oid": oid, "size": size, **({} if oid in self.hub.objects else {"actions": actions})})
        raise _Answer(200, {"transfer": "basic", "objects": objects})

    def lfs_put(self, oid, part):
        etag = hashlib.md5(self.body, usedforsecurity=False).hexdigest()
        if part:
            self.hub.parts[oid, int(part)] = (etag, self.body)
        elif hashlib.sha256(self.body).hexdigest() != oid:
            raise _Answer(400, {"error": "the content has another SHA-256"})
        else:
            self.hub.objects[oid] = self.body
        raise _Answer(200, {}, ETag=f'"{etag}"')

    def lfs_complete(self, oid):
        sent = [self.hub.parts[oid, part["partNumber"]] for part in json.loads(self.body)["parts"]]
        content = b"".join(content for _, content in sent)
        if hashlib.sha256(content).hexdigest() != oid:
            raise _Answer(400, {"error": "the content has another SHA-256"})
        self.hub.objects[oid] = content
        raise _Answer(200, {})

    def lfs_verify(self, oid):
        size = json.loads(self.body)["size"]
        known = len(self.hub.objects.get(oid, b"")) == size
        raise _Answer(200, {}) if known else _Answer(404, {"error": "no such object"})

    def commit(self, kind, name, rev):
        repository = self._repository(kind, name, write=True)
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, repository.head.id):
            raise _Answer(412, {"error": "A commit has happened since. Please refresh and try again."})
        files = dict(repository.head.files)
        for line in lines[1:]:
            path = line["value"]["path"]
            if line["key"] == "file":
                files[path] = File(base64.b64decode(line["value"]["content"]))
            elif line["key"] == "lfsFile":
                if line["value"]["oid"] not in self.hub.objects:
                    raise _Answer(400, {"error": f"{path}: its LFS object was never uploaded"})
                files[path] = File(self.hub.objects[line["value"]["oid"]], lfs=True)
            elif files.pop(path, None) is None:
                raise _Answer(
                    404, {"error": f"A file with this name doesn't exist: {path}"}, X_Error_Code="EntryNotFound"
                )
        repository.commit(header["summary"], files)
        prefix = "datasets/" if kind == "dataset" else ""
        url = f"{self.hub.url}/{prefix}{name}/commit/{repository.head.id}"
        raise _Answer(200, {"success": True, "commitOid": repository.head.id, "commitUrl": url})

    def resolve(self, kind, name, rev, path):
        commit = self._commit(self._repository("dataset" if kind else "model", name), rev)
        file = commit.files.get(path)
        if file is None:
            raise _Answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=commit.id)
        if not file.lfs:
            raise self._content(file.content, X_Repo_Commit=commit.id, ETag=f'"{file.blob_id}"')
        self.hub.objects[file.sha256] = file.content
        linked = {"X_Linked_Size": str(len(file.content)), "X_Linked_ETag": f'"{file.sha256}"'}
        raise _Answer(
            302,
            {},
            Location=f"{self.hub.storage}/cdn/{file.sha256}?signature=secret",
            X_Repo_Commit=commit.id,
            **linked,
        )

    def cdn(self, oid):
        raise self._content(self.hub.objects[oid], ETag=f'"{oid}"')

    def _content(self, content, **headers):
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not asked:
            return _Answer(200, content=content, Accept_Ranges="bytes", **headers)
        start, end = int(asked[1]), int(asked[2] or len(content) - 1)
        span = f"bytes {start}-{end}/{len(content)}"
        return _Answer(206, content=content[start : end + 1], Content_Range=span, **headers)
