"""`dataset_info.json` of a release, by which LLaMA-Factory finds its sub-datasets and reads their columns.

Its keys are those of https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md. `script_url` names a folder
that `datasets` loads, here the release itself: its README.md knows the files of each sub-dataset and split. A folder
under `file_name` would be read with all its files, those of validation among them.
"""

from typing import Any

from gmai_data.publishing.facts import ReleaseFacts
from gmai_data.publishing.sub_datasets import TABLE_6
from gmai_data.vocabulary import Split

NAME = "dataset_info.json"
_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}


def dataset_info(facts: ReleaseFacts) -> dict[str, Any]:
    """Return name ▶ entry for each split of each sub-dataset: `GMAI-MM-Caption`, `GMAI-MM-Caption-validation`."""
    return {
        TABLE_6[name][0] + ("" if split == Split.TRAIN else f"-{split}"): {
            "script_url": ".",
            "subset": TABLE_6[name][0],
            "split": str(split),
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "images": "images"},
            "tags": _TAGS,
        }
        for name, splits in facts.samples.items()
        for split in splits
    }
