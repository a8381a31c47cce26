"""What endpoints bear, and how slots are shared out."""

import asyncio
import time

import pytest
from gmai_formats.chat.addresses import Address
from gmai_formats.chat.client import Client
from gmai_formats.chat.pool import Endpoint, Pool
from gmai_formats.errors import UserError


def endpoint(name="a", weight=1.0, **more):
    return Endpoint(Client(Address(url=f"http://{name}/v1", weight=weight), "m"), **more)


def test_the_limit_grows_with_answers_and_halves_with_refusals_once_a_second():
    one = endpoint(most=100)
    start = one.size
    for _ in range(10):
        one.succeeded()
    assert one.size == start + 10
    for _ in range(5):
        one.refused(None)
    assert one.size == (start + 10) // 2
    for _ in range(5):
        one.succeeded()
    assert one.size == (start + 10) // 2, "one more only per round trip now"


def test_rate_limit_headers_are_heeded():
    one = endpoint()
    one.heed({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1s"})
    assert (one.allowance, one.paused_until_s) == (3, 0)
    one.heed({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"})
    assert 350 < one.paused_until_s - time.monotonic() <= 360
    one.heed({"x-ratelimit-remaining-tokens": "many"})


def test_slots_follow_the_weights_and_a_paused_endpoint_gets_none():
    async def run():
        light, heavy, paused = endpoint("l"), endpoint("h", 3.0), endpoint("p")
        pool = Pool([light, heavy, paused], 20)
        paused.refused(60)
        taken = [await pool.acquire() for _ in range(8)]
        assert [sum(each is one for each in taken) for one in (light, heavy, paused)] == [2, 6, 0]
        for one in (light, heavy):
            one.most = one.in_flight
        waiting = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        pool.release(heavy)
        assert await waiting is heavy

    asyncio.run(run())


def test_freed_slots_are_called_out_in_order_and_never_to_one_who_left():
    async def run():
        one = endpoint(size_at_start=1)
        pool = Pool([one], 4)
        got: list[str] = []

        async def take(name):
            await pool.acquire()
            got.append(name)

        await take("first")
        waiting = {name: asyncio.create_task(take(name)) for name in "abcde"}
        await asyncio.sleep(0)
        waiting["a"].cancel()
        await asyncio.sleep(0)
        one.succeeded()  # room for one more
        pool.release(one)
        waiting["b"].cancel()  # called, and gone before it could take the slot
        await asyncio.sleep(0.01)
        pool.release(one)
        await asyncio.sleep(0.01)
        assert got == ["first", "c", "d", "e"]
        assert pool.most_in_flight == 2

    asyncio.run(run())


@pytest.mark.parametrize("how", ["retry-after", "reset"])
def test_hours_are_not_waited_for_unless_another_endpoint_works(how):
    def tire(one):
        if how == "reset":
            one.heed({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "24h0m0s"})
        else:
            one.refused(86400, "HTTP 429: daily limit")

    async def run():
        one, other = endpoint("a"), endpoint("b")
        pool = Pool([one, other], 4)
        tire(one)
        assert await pool.acquire() is other
        tire(other)
        said = "its limit of requests is used up" if how == "reset" else "HTTP 429: daily limit"
        with pytest.raises(UserError, match=rf"http://a/v1: {said}\. It asks for a wait of 24 h 00 min.*same command"):
            await pool.acquire()

    asyncio.run(run())


def test_a_run_that_ends_gives_out_no_slot():
    async def run():
        pool = Pool([endpoint()], 4)
        pool.stopped = UserError("over")
        with pytest.raises(UserError, match="over"):
            await pool.acquire()

    asyncio.run(run())
