"""The shell: everything is text, and nothing but the page's own style and script may run."""

import base64
import hashlib
import re

import pytest
from gmai_formats.pages.shell import STYLE, image, page, policy, table, text

HOSTILE = "<script>alert('x')</script> & \""


def digest(content):
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


@pytest.mark.parametrize("value", [HOSTILE, "' onload='x", 3, None])
def test_text_holds_no_markup_and_no_quotes(value):
    assert not re.search(r"[<>\"']", text(value))


@pytest.mark.parametrize(
    ("style", "script"), [("", ""), (".a { color: red }", ""), ("", "let a = 1;"), (".a {}", "b()")]
)
def test_the_policy_names_the_digests_of_what_stands_in_the_page(style, script):
    whole = page(HOSTILE, ["<p>x</p>"], style=style, script=script)
    allowed = re.search(r'Content-Security-Policy" content="([^"]*)"', whole)[1]
    inside = re.search(r"<style>(.*?)</style>", whole, re.S)[1]
    assert inside == STYLE + style
    assert f"style-src '{digest(inside)}'" in allowed
    assert (f"script-src '{digest(script)}'" if script else "script-src 'none'") in allowed
    assert allowed.startswith("default-src 'none'")
    assert "unsafe" not in allowed
    assert whole.count("<script") == bool(script)


def test_title_and_heading_are_escaped():
    whole = page(HOSTILE, [], heading="<b>h</b>")
    assert "<h1>&lt;b&gt;h&lt;/b&gt;</h1>" in whole
    assert "<title>&lt;script&gt;" in whole


def test_cells_of_a_table_are_text():
    assert table(("a", "<i>"), [(1, HOSTILE)]).startswith('<div class="scroll"><table><tr><th>a</th><th>&lt;i&gt;</th>')
    assert "<script" not in table((), [(HOSTILE,)])
    assert table((), [("x", 2)]) == '<div class="scroll"><table><tr><td>x</td><td>2</td></tr></table></div>'


def test_an_image_is_named_by_its_bytes():
    assert image(b"\xff\xd8abc", 'a"b') == '<img src="data:image/jpeg;base64,/9hhYmM=" alt="a&quot;b">'
    assert image(b"\x89PNG").startswith('<img src="data:image/png;base64,')


def test_nothing_is_fetched():
    assert "://" not in page("t", [image(b"x")])
    assert policy("") == policy("", "")
