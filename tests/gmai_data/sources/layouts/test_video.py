"""Videos: which frames are shown, and which labels hold for each."""

import numpy as np
import pytest
from gmai_data.phantoms.files import write_video
from gmai_data.sources.files.folder import Folder
from gmai_data.sources.files.video_frames import COMPLETE_SHARE, sampled_frames
from gmai_data.sources.layouts.video import Video
from pydantic import ValidationError

LAYOUT = {"kind": "video", "files": "v/*.avi"}
OPEN = ("alpha", "beta", "gamma", "delta")


@pytest.fixture
def video(tmp_path):
    """Return a function of a number of frames (10 a second) that writes a video; its frames differ by brightness."""

    def write(frames=30, name="v/one.avi"):
        write_video(tmp_path / name, [np.full((24, 32), 5 * number, np.uint8) for number in range(frames)], 10)
        return tmp_path

    return write


@pytest.mark.parametrize(
    ("every_s", "max_frames", "numbers"),
    [(1.0, 100, [0, 10, 20]), (0.5, 100, [0, 5, 10, 15, 20, 25]), (0.1, 3, [0, 10, 20]), (9.0, 100, [0])],
)
def test_frames_at_even_distances(video, every_s, max_frames, numbers):
    found = list(sampled_frames(video(), "v/one.avi", every_s, max_frames))
    assert [number for number, _, _ in found] == numbers
    assert [seconds for _, seconds, _ in found] == pytest.approx([number / 10 for number in numbers])
    assert all((pixels == 5 * number).all() and pixels.shape == (24, 32) for number, _, pixels in found)


def test_a_label_holds_until_the_next_row_and_before_the_first_all_is_open(video, put, read, toy):
    video()
    put("one.txt", "Frame\tPhase\n20\tb\n10\ta\n20\tc\n")
    card = toy(layout={**LAYOUT, "table": "{stem}.txt", "frame_column": "Frame", "label_column": "Phase",
                       "every_s": 0.5})  # fmt: skip
    ((*pictures,),) = read(card)[0].values()
    assert [(each.geometry["frame"], each.labels, each.uncertain) for each in pictures] == [
        (0, (), OPEN), (5, (), OPEN), (10, ("alpha",), ()), (15, ("alpha",), ()), (20, ("beta", "gamma"), ()),
        (25, ("beta", "gamma"), ()),
    ]  # fmt: skip
    assert pictures[1].name == "one.avi_frame000005"
    assert pictures[1].geometry["seconds"] == 0.5


def test_a_table_for_all_videos_and_folders_as_labels(video, put, read, toy):
    video()
    video(name="v/two.avi")
    put("t.csv", "file,label\none,a\none.avi,b\n")
    card = toy(layout={**LAYOUT, "table": "t.csv", "video_column": "file"})
    pictures, reasons = read(card)
    assert {picture.labels for picture in pictures["v/one.avi"]} == {("alpha", "beta")}
    assert reasons == {"v/two.avi": "video without labels: t.csv has no row for it"}
    video(name="c/three.avi")
    pictures, _ = read(toy(layout={"kind": "video", "files": "c/*.avi", "label_folder": True}))
    assert {picture.labels for picture in pictures["c/three.avi"]} == {("gamma",)}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Frame,Fase\n0,a\n", 'table unreadable: no column "Phase", which recipe toy reads. Did you mean "Fase"?'),
        ("Frame,Phase\nx,a\n", "table unreadable: invalid literal for int() with base 10: 'x': frames are numbered"),
        ("Frame,Phase\n0,z\n", 'label not in the map: "z"'),
        ("Frame,Phase\n", "video without labels: one.csv has no row for it"),
    ],
)
def test_tables_that_say_nothing(video, put, read, toy, text, reason):
    video()
    put("one.csv", text)
    card = toy(layout={**LAYOUT, "table": "{stem}.csv", "frame_column": "Frame", "label_column": "Phase"})
    assert read(card)[1]["v/one.avi"].startswith(reason)


def test_a_file_that_is_no_video(put, read, toy):
    put("v/one.avi", b"not a video at all")
    assert read(toy(layout=LAYOUT))[1]["v/one.avi"].startswith("video unreadable: ")
    assert COMPLETE_SHARE == 0.95
    for fields in ({"every_s": 0}, {"max_frames": 0}):
        with pytest.raises(ValidationError):
            Video(**LAYOUT, **fields)


def test_what_looks_like_it(video, put, tmp_path):
    assert Video.recognise(Folder(tmp_path)) is None
    video()
    guess = Video.recognise(Folder(tmp_path))
    assert guess.layout == {"kind": "video", "files": "**/*.avi", "label_folder": "TODO"}
    video(name="w/two.avi")
    guess = Video.recognise(Folder(tmp_path))
    assert guess.layout == {"kind": "video", "files": "**/*.avi", "label_folder": True}
    assert guess.labels == ["v", "w"]
    put("t.csv", "name,frame,dx\none,0,a\none,5,b\n")
    guess = Video.recognise(Folder(tmp_path))
    assert guess.layout == {
        "kind": "video", "files": "**/*.avi", "table": "t.csv", "video_column": "name", "frame_column": "frame",
        "label_column": "dx",
    }  # fmt: skip
    assert guess.labels == ["a", "b"]


def test_the_split_of_a_table_is_taken_and_rates_are_no_labels(video, put, tmp_path):
    for name in "abc":
        video(name=f"v/{name}.avi")
    rows = "".join(
        f"{name},{rate},{split}\n"
        for name, rate, split in zip("abc", (30, 50, 50), ("TRAIN", "VAL", "TEST"), strict=True)
    )
    put("FileList.csv", f"FileName,FPS,Split\n{rows}")
    guess = Video.recognise(Folder(tmp_path))
    assert guess.split == {
        "table": {"table": "FileList.csv", "key": "FileName", "value": "Split"},
        "names": {"TEST": "held_out", "TRAIN": "train", "VAL": "validation"},
    }
    assert guess.layout["label_column"] == "TODO"


def test_measures_of_a_video_are_no_labels(video, put, tmp_path):
    video()  # the columns of EchoNet-Dynamic (https://echonet.github.io/dynamic/)
    put("FileList.csv", "FileName,EF,FrameHeight,NumberOfFrames,Split\none,78.4,112,174,VAL\none,59.1,112,215,TRAIN\n")
    guess = Video.recognise(Folder(tmp_path))
    assert guess.layout["label_column"] == "TODO"
    assert "frame_column" not in guess.layout


@pytest.mark.parametrize(("encoding", "setting"), [("cp1252", {"encoding": "cp1252"}), ("utf-16", {})])
def test_tables_of_videos_in_other_encodings(video, put, read, toy, encoding, setting):
    video(name="v/größe.avi")
    put("t.csv", "file;label\ngröße;a\n".encode(encoding))
    card = toy(layout={**LAYOUT, "table": "t.csv", "video_column": "file", **setting})
    assert {picture.labels for picture in read(card)[0]["v/größe.avi"]} == {("alpha",)}
    put("t.csv", b"file,label\ngr\xf6\xdfe,a\n")
    (reason,) = read(toy(layout={**LAYOUT, "table": "t.csv", "video_column": "file"}))[1].values()
    assert reason.startswith("table unreadable: not UTF-8 text")
