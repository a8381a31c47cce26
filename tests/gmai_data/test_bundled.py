"""The bundled YAML files: read by libyaml as Python reads them."""

from pathlib import Path

import gmai_data
import pytest
import yaml
from gmai_data.bundled import bundled_yaml, trusted_yaml

FOLDER = Path(gmai_data.__file__).parent
FILES = sorted(
    path.relative_to(FOLDER)
    for path in FOLDER.rglob("*.yaml")
    if path.parent.name in ("checks", "lexicons", "templates")
)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_both_parsers_read_the_same(file):
    found = bundled_yaml("gmai_data", *file.parts)
    assert repr(found) == repr(yaml.safe_load((FOLDER / file).read_text(encoding="utf-8")))


def test_a_text_gives_plain_values():
    assert trusted_yaml("a: [1, no, x]") == {"a": [1, False, "x"]}
    with pytest.raises(yaml.YAMLError):
        trusted_yaml("a: !!python/object:os.system {}")
