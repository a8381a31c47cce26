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


OF_PROVIDERS = (
    # Alibaba: https://github.com/hsliuping/TradingAgents-CN/issues/170 and, flat, tencentmusic/supersonic/issues/1572
    (400, {"error": {"code": "Arrearage", "type": "Arrearage", "message": "Access denied, your account …"}}, "account"),
    (400, {"statusCode": 400, "code": "Arrearage", "message": "Please make sure your account is in good standing."},
     "account"),
    (403, {"error": {"message": "Access denied due to overdue account"}}, "account"),
    (400, {"error": {"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}},
     "request"),
    # Moonshot: https://github.com/MoonshotAI/kimi-code/pull/1857, harry0703/MoneyPrinterTurbo/issues/339
    (429, {"error": {"message": "Your account org-1 <ak-1> is suspended, please check your plan and billing details",
                     "type": "exceeded_current_quota_error"}}, "account"),
    (429, {"error": {"message": "request reached max request: 3, please try again after 1 seconds",
                     "type": "rate_limit_reached_error"}}, "later"),
    # The same behind a gateway: https://github.com/anomalyco/opencode/issues/25458
    (429, {"error": {"message": "Error from provider: Provider returned error", "code": 429, "metadata": {
        "raw": json.dumps({"error": {"message": "suspended due to insufficient balance"}})}}}, "account"),
    # Zhipu: https://github.com/langgenius/dify/issues/5850, zhayujie/CowAgent/issues/2910
    (429, {"error": {"code": "1113", "message": "您的账户已欠费，请充值后重试。"}}, "account"),
    (429, {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}, "account"),
    (429, {"type": "error", "error": {"type": "1113", "message": "Insufficient balance or no resource package."}},
     "account"),
    # SiliconFlow: https://github.com/FoundationAgents/OpenManus/issues/438, anyme123/Any-code/issues/1
    (403, {"code": 30011, "message": "Your paid balance is insufficient. Please top up.", "data": None}, "account"),
    (400, {"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": None}, "account"),
    # Gemini: https://github.com/continuedev/continue/issues/9570: quota words, but a wait beside them
    (429, [{"error": {"code": 429, "message": "You exceeded your current quota, please check it. Please retry in "
                      "45.578569677s.", "status": "RESOURCE_EXHAUSTED"}}], "later"),
    (429, {"error": {"code": 429, "message": "Resource has been exhausted (e.g. check quota).",
                     "status": "RESOURCE_EXHAUSTED"}}, "later"),
    # OpenRouter: https://openrouter.ai/docs/api/reference/errors-and-debugging
    (402, {"error": {"code": 402, "message": "Insufficient credits"}}, "account"),
    (403, {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": []}}}, "request"),
    (200, {"error": {"code": 502, "message": "Provider returned error"}}, "later"),
    # new-api and its kin: https://github.com/666ghj/BettaFish/issues/414
    (403, {"error": {"message": "Please recharge", "code": "insufficient_user_quota"}}, "account"),
    # LiteLLM: https://github.com/BerriAI/litellm/issues/14144
    (400, {"error": {"message": "Budget has been exceeded! Current cost: 1.0, Max budget: 1.0",
                     "type": "budget_exceeded", "code": "400"}}, "account"),
    (429, {"error": {"message": "Rate limit reached on tokens per day. Please try again in 7m12.5s."}}, "later"),
    # xAI: https://github.com/continuedev/continue/issues/10373
    (429, {"error": {"message": "Your team has used all available credits or reached its monthly spending limit."}},
     "account"),
    (400, {"error": {"message": "This model's maximum context length is 4096 tokens."}}, "request"),
    # A server that repeats what it was sent says nothing about the account.
    (400, {"error": {"message": "'Follow-up CT is overdue.' is no valid content."}}, "request"),
    (429, {"error": {"message": "Too many requests. Your spending limit is not affected."}}, "later"),
    (429, {"error": {"message": "Your account team-1 is overdue, please pay."}}, "account"),
    (413, b"<html><h1>413 Request Entity Too Large</h1></html>", "request"),
)  # fmt: skip
"""Errors as users of these services report them, the words shortened ▶ what they are about."""


@pytest.mark.parametrize(("status", "document", "about"), OF_PROVIDERS)
def test_the_errors_of_services_are_told_apart(status, document, about):
    found = refusal(status, document)
    told = "account" if found.of_account else "later" if found.passing else "request"
    assert told == about, found


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Please try again in 20ms.", 0.02),
        ("Please try again in 1.2s.", 1.2),
        ("Please try again in 7m12.5s.", 432.5),
        ("Please retry after 86400 seconds.", 86400),
        ("please try again after 1 seconds", 1),
        ("Retry your request in 2 minutes", 120),
        ("Please try again in 6 minutes and 12 seconds.", 372),
        ("Try again in 1 hr, 2 min", 3720),
        ("Retry after 5 months", None),
        ("Try again in a while", None),
        ("retry after the maintenance", None),
    ],
)
def test_a_wait_in_the_words_counts_where_no_header_has_one(words, seconds):
    document = {"error": {"message": words}}
    assert refusal(429, document).wait_s == (None if seconds is None else pytest.approx(seconds))
    assert refusal(429, document, {"retry-after": "3"}).wait_s == 3
