"""Frames of a video by their numbers."""

import sys

import numpy as np
import pytest
from gmai_data.ledger import SourceError
from gmai_data.phantoms.files import write_video
from gmai_data.sources.files.video_frames import frames_numbered, sampled_frames
from gmai_formats.errors import UserError


def test_only_the_frames_that_are_asked_for(tmp_path):
    write_video(tmp_path / "v.avi", [np.full((24, 32), 5 * number, np.uint8) for number in range(12)], 10)
    found = list(frames_numbered(tmp_path, "v.avi", {2, 7, 99}))
    assert [number for number, _ in found] == [2, 7]
    assert [(pixels == 5 * number).all() for number, pixels in found] == [True, True]
    assert list(frames_numbered(tmp_path, "v.avi", set())) == []
    assert [number for number, _, _ in sampled_frames(tmp_path, "v.avi", 0.5, 10)] == [0, 5, 10]


def test_a_file_that_is_no_video(tmp_path):
    (tmp_path / "v.avi").write_bytes(b"no video")
    with pytest.raises(SourceError, match="video unreadable"):
        list(frames_numbered(tmp_path, "v.avi", {1}))


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    (tmp_path / "v.avi").write_bytes(b"RIFF")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"v\.avi: videos need PyAV\. Run `.*gmai-data\[video\]"):
        list(frames_numbered(tmp_path, "v.avi", {1}))
