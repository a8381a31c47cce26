"""`dataset_info.json` has the keys that LLaMA-Factory documents, for each split of each sub-dataset."""

from types import SimpleNamespace

from gmai_data.publishing.dataset_info import dataset_info
from gmai_data.vocabulary import Split, SubDataset


def test_each_split_has_an_entry_that_names_its_columns_and_roles():
    samples = {SubDataset.CAPTION: {Split.TRAIN: 3, Split.VALIDATION: 1}, SubDataset.TEXT_MULTI: {Split.TRAIN: 2}}
    found = dataset_info(SimpleNamespace(samples=samples))
    assert list(found) == ["GMAI-MM-Caption", "GMAI-MM-Caption-validation", "GMAI-Text-Multi"]
    entry = found["GMAI-MM-Caption-validation"]
    assert entry == {
        "script_url": ".", "subset": "GMAI-MM-Caption", "split": "validation", "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": {
            "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
            "system_tag": "system",
        },
    }  # fmt: skip
    assert [each["split"] for each in found.values()] == ["train", "validation", "train"]
