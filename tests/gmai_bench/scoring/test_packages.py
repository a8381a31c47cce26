import pytest
from gmai_bench.scoring.packages import package, texts
from gmai_formats.errors import UserError


def test_a_missing_package_is_named_with_what_installs_it() -> None:
    with pytest.raises(UserError, match=r'scoring "bleu" needs .* no_such_module .*pip install .*gmai-bench\[texts\]'):
        package("no_such_module", scoring="bleu", command=texts())
    assert package("json", scoring="bleu", command=texts()).__name__ == "json"
