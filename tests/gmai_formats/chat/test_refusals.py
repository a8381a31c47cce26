"""What an answer that is no completion is about, in every form that servers give it."""

import json
import time
from email.utils import formatdate

import pytest
from gmai_formats.chat.refusals import Scrub, refusal_of, span_s, wait_s

QUOTA = "You exceeded your current quota, please check your plan and billing details."


def refusal(status, error, headers=None):
    content = error if isinstance(error, bytes) else json.dumps(error).encode()
    return refusal_of(status, headers or {}, content, Scrub("sk-secret"))


@pytest.mark.parametrize(
    ("document", "words", "param"),
    [
        ({"error": {"message": "no  such\nthing", "param": "seed"}}, "no such thing", "seed"),
        ({"error": "plain words"}, "plain words", ""),
        ({"message": "at the top", "code": 400}, "at the top", ""),
        ({"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs", "type": "x"}]}, "Extra inputs", "body.seed"),
        ({"detail": "of FastAPI"}, "of FastAPI", ""),
        ([{"error": {"message": "in a list"}}], "in a list", ""),
        (b"<html>busy</html>", "<html>busy</html>", ""),
        (b"", "", ""),
    ],
)
def test_the_server_s_own_words_are_read(document, words, param):
    found = refusal(400, document)
    assert (found.words, found.param) == (words, param)
    assert found.reason == (f"HTTP 400: {words}" if words else "HTTP 400")


@pytest.mark.parametrize(
    ("status", "error", "headers"),
    [
        (401, {"message": "bad key"}, {}),
        (402, {"message": "pay"}, {}),
        (403, {"message": "no access to the model"}, {}),
        (404, {"message": "no such model"}, {}),
        (429, {"message": QUOTA, "code": "insufficient_quota"}, {}),
        (429, {"message": QUOTA}, {}),
        (429, {"message": "quota", "type": "insufficient_quota", "code": None}, {}),
        (400, {"message": "Your credit balance is too low to access the API"}, {}),
        (400, {"message": "The model `x` does not exist", "code": "model_not_found"}, {}),
        (200, {"message": "Insufficient credits", "code": 402}, {}),
        (200, {"message": QUOTA, "code": "insufficient_quota"}, {}),
    ],
)
def test_key_money_and_model_are_of_the_account(status, error, headers):
    assert refusal(status, {"error": error}, headers).of_account


@pytest.mark.parametrize(
    ("status", "error", "headers"),
    [
        (429, {"message": "Rate limit reached for requests per minute", "code": "rate_limit_exceeded"}, {}),
        (429, {"message": QUOTA, "status": "RESOURCE_EXHAUSTED"}, {"retry-after": "20"}),
        (403, {"message": "Your input was flagged by moderation"}, {}),
        (400, {"message": "The response was filtered", "code": "content_filter"}, {}),
        (500, {"message": "boom"}, {}),
        (503, {"message": "loading"}, {}),
    ],
)
def test_what_may_pass_or_is_about_one_request_is_not(status, error, headers):
    assert not refusal(status, {"error": error}, headers).of_account


def test_what_passes_and_what_points_elsewhere():
    passing = {status for status in range(300, 600) if refusal(status, {}).passing}
    assert {408, 409, 425, 429, 500, 502, 503, 504, 529} <= passing
    assert not passing & {400, 401, 402, 403, 404, 413, 422}
    assert {status for status in range(200, 600) if refusal(status, {}).of_address} == set(range(300, 400))
    assert refusal(200, {"error": {"message": "upstream", "code": 529}}).status == 529


def test_secrets_and_images_that_a_server_echoes_are_taken_out():
    found = refusal(400, {"error": {"message": f"bad sk-secret data:image/png;base64,{'iVBORw0KGgo' * 40} end"}})
    assert found.words == "bad (key) data:image/png;base64,(image) end"
    assert Scrub("", "x")("axb") == "axb"


def test_waits_are_read_in_every_form():
    assert wait_s({"retry-after": "2.5"}) == 2.5
    assert wait_s({"retry-after-ms": "150", "retry-after": "9"}) == 0.15
    assert wait_s({"retry-after-ms": "soon", "retry-after": "9"}) == 9
    assert wait_s({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert wait_s({"retry-after": "-3"}) == 0
    assert wait_s({"retry-after": "soon"}) is None
    assert wait_s({}) is None
    assert 50 < (wait_s({"retry-after": formatdate(time.time() + 60, usegmt=True)}) or 0) <= 60


def test_spans_of_rate_limits():
    assert [span_s(text) for text in ("1s", "6m0s", "20ms", "1h2m", "7", "soon")] == [1, 360, 0.02, 3720, 7, 0]
    assert 50 < span_s(str(int(time.time()) + 60)) <= 60
    assert span_s("2015-10-21T07:28:00Z") == 0
