"""The keeper of tokens before a real authorisation server: one renewal at a time, in time, and nothing lost."""

from __future__ import annotations

import asyncio
import base64
import gzip
import re
import ssl
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from app.core.errors import GatewayError
from app.tools.auth.definition import Authorisation, OAuthLogin, Secret
from app.tools.auth.errors import (
    AuthorisationFailed,
    LoginRefused,
    LoginRevoked,
    SecretMissing,
    TokenAnswerInvalid,
    TokenServerFailing,
)
from app.tools.auth.protocol import TokenRequest, TokenResponse
from app.tools.auth.tokens import TokenKeeper
from tests.tools.auth.conftest import SECRETS, Desk
from tests.tools.auth.server import RefreshToken


def json_answer(status: int = 200, **data: Any) -> tuple[int, bytes, dict[str, str]]:
    return status, orjson.dumps(data), {"Content-Type": "application/json"}


# ---------------------------------------------------------------- getting one


async def test_a_token_is_fetched_once_and_used_by_all_tools(desk: Desk) -> None:
    first = await desk.token()
    assert first.value in desk.server.good
    assert (await desk.token()) is first
    assert desk.server.seen == [{"grant_type": "client_credentials"}]


@pytest.mark.parametrize(
    ("client", "secret", "way"),
    [("gateway", "gateway-secret", "basic"), ("poster", "poster-secret", "body"), ("odd:id", "odd-secret", "basic")],
)
async def test_the_client_authenticates_in_the_way_it_says(desk: Desk, client: str, secret: str, way: str) -> None:
    token = await desk.token(desk.login(client_id=client, client_secret=secret, client_auth=way))
    assert token.value in desk.server.good
    assert ("Authorization" in desk.server.headers[0]) == (way == "basic")
    assert ("client_secret" in desk.server.seen[0]) == (way == "body")


async def test_scope_and_further_fields_are_sent(desk: Desk) -> None:
    extra = (("audience", "https://api.example.com/?a=1&b=ü"), ("body", "x"), ("redirect_uri", "y"))
    await desk.token(desk.login(scope="read write", extra=extra))
    assert desk.server.seen == [{"grant_type": "client_credentials", "scope": "read write", **dict(extra)}]


async def test_a_public_client_refreshes_without_a_secret(desk: Desk) -> None:
    login = desk.refreshing(client_id="public", client_secret=None, refresh_token="public-refresh")
    assert (await desk.token(login)).value in desk.server.good
    assert desk.server.seen[0]["client_id"] == "public"
    assert "Authorization" not in desk.server.headers[0]


# ---------------------------------------------------------------- one at a time


async def test_fifty_calls_at_once_make_one_token_request(desk: Desk) -> None:
    desk.server.gate.clear()
    calls = [asyncio.create_task(desk.token()) for _ in range(50)]
    await desk.server.arrived.wait()
    desk.server.gate.set()
    tokens = await asyncio.gather(*calls)
    assert len({token.value for token in tokens}) == 1
    assert len(desk.server.seen) == 1


async def test_callers_who_hang_up_take_nothing_from_the_others(desk: Desk) -> None:
    desk.server.gate.clear()
    calls = [asyncio.create_task(desk.token()) for _ in range(10)]
    await desk.server.arrived.wait()
    for call in calls[:9]:  # also the one that began it
        call.cancel()
    await asyncio.wait(calls[:9])
    assert all(call.cancelled() for call in calls[:9])
    desk.server.gate.set()
    assert (await calls[9]).value in desk.server.good
    assert len(desk.server.seen) == 1
    assert desk.server.aborted == 0


async def test_a_renewal_whose_callers_all_hung_up_ends_and_the_next_begins_anew(desk: Desk) -> None:
    desk.server.gate.clear()
    calls = [asyncio.create_task(desk.token()) for _ in range(3)]
    await desk.server.arrived.wait()
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    later = asyncio.create_task(desk.token())
    async with asyncio.timeout(2):
        while desk.server.aborted < 1 or len(desk.server.seen) < 2:
            await asyncio.sleep(0.001)
    desk.server.gate.set()
    assert (await later).value in desk.server.good
    assert len(desk.server.seen) == 2


async def test_who_comes_in_the_moment_of_the_last_hang_up_does_not_wait_for_what_is_ending(desk: Desk) -> None:
    desk.server.gate.clear()
    call = asyncio.create_task(desk.token())
    await desk.server.arrived.wait()
    call.cancel()
    later = asyncio.create_task(desk.token())
    await asyncio.wait([call])
    desk.server.gate.set()
    assert (await later).value in desk.server.good


async def test_a_refresh_token_on_its_way_is_not_lost_when_all_hang_up(desk: Desk) -> None:
    desk.server.rotates = True
    desk.server.gate.clear()
    call = asyncio.create_task(desk.token(desk.refreshing()))
    await desk.server.arrived.wait()
    call.cancel()
    await asyncio.wait([call])
    desk.server.gate.set()
    await desk.store.stored.wait()
    token = await desk.token(desk.refreshing())
    assert token.value in desk.server.good
    assert len(desk.server.seen) == 1


async def test_different_logins_and_new_secrets_have_tokens_of_their_own(desk: Desk) -> None:
    one = await desk.token(desk.login())
    two = await desk.token(desk.login(scope="write"))
    three = await desk.token(desk.login(), {**desk.secrets, "gateway-secret": Secret("s3cret-of-gateway", 2)})
    assert len({one.value, two.value, three.value}) == 3
    assert (await desk.token(desk.login())) is one


# ---------------------------------------------------------------- age


async def test_a_token_is_renewed_before_it_expires(desk: Desk) -> None:
    first = await desk.token()
    desk.clock.now += 3_539
    assert (await desk.token()) is first
    desk.clock.now += 2
    second = await desk.token()
    assert second.value != first.value
    assert desk.clock.now < first.expires_at


async def test_the_margin_of_a_short_life_is_short(desk: Desk) -> None:
    desk.server.lifetime = 10
    first = await desk.token()
    desk.clock.now += 8.9
    assert (await desk.token()) is first
    desk.clock.now += 0.2
    assert (await desk.token()) is not first


async def test_an_expired_token_is_never_given(desk: Desk) -> None:
    first = await desk.token()
    desk.clock.now += 3_601
    desk.server.answers.append((500, b"", {}))
    with pytest.raises(TokenServerFailing):
        await desk.token()
    desk.clock.now += 3
    assert (await desk.token()).value != first.value


async def test_while_the_old_token_is_good_a_server_that_is_down_disturbs_nobody(desk: Desk) -> None:
    first = await desk.token()
    desk.clock.now += 3_550
    desk.server.answers.append((503, b"", {}))
    for _ in range(5):
        assert (await desk.token()) is first
    assert len(desk.server.seen) == 2  # and it is asked once, not by each call
    desk.clock.now += 3
    assert (await desk.token()) is not first


async def test_while_the_old_token_is_good_a_slow_server_costs_a_second_and_is_heard_out(desk: Desk) -> None:
    first = await desk.token()
    desk.clock.now += 3_550
    desk.server.gate.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await desk.token()) is first
    assert 0.9 < loop.time() - began < 2
    desk.server.gate.set()
    second = await desk.token()
    assert second is not first
    assert len(desk.server.seen) == 2


@pytest.mark.parametrize(
    ("said", "lifetime"),
    [
        (None, 3600),
        ("1800", 1800),
        (1800.5, 1800.5),
        ("soon", 3600),
        (True, 3600),
        ([], 3600),
        (-5, 0),
        (0, 0),
        (10**15, 31_536_000),
        ("9" * 30, 3600),
    ],
)
async def test_any_lifetime_is_understood(desk: Desk, said: object, lifetime: float) -> None:
    desk.server.answers.append(json_answer(access_token="abc", token_type="bearer", expires_in=said))
    token = await desk.token()
    assert token.expires_at - desk.clock.now == lifetime


async def test_a_token_without_life_serves_those_who_waited_for_it(desk: Desk) -> None:
    desk.server.answers += [json_answer(access_token=f"t{each}", expires_in=0) for each in range(2)]
    first = await asyncio.gather(*(desk.token() for _ in range(5)))
    assert {token.value for token in first} == {"t0"}
    assert (await desk.token()).value == "t1"


# ---------------------------------------------------------------- 401


async def test_many_calls_that_are_refused_at_once_make_one_renewal(desk: Desk) -> None:
    token = await desk.token()
    assert all(desk.keeper.refused(desk.login(), desk.secrets, token) for _ in range(10))
    renewed = await asyncio.gather(*(desk.token() for _ in range(10)))
    assert {each.value for each in renewed} != {token.value}
    # a late one, whose token was replaced in the meantime, takes the new one
    assert desk.keeper.refused(desk.login(), desk.secrets, token)
    assert (await desk.token()) is renewed[0]
    assert len(desk.server.seen) == 2


async def test_an_api_that_refuses_every_token_does_not_make_us_ask_again_and_again(desk: Desk) -> None:
    for _ in range(10):
        token = await desk.token()
        if desk.keeper.refused(desk.login(), desk.secrets, token):
            await desk.token()
    assert len(desk.server.seen) == 2
    desk.clock.now += 31
    assert desk.keeper.refused(desk.login(), desk.secrets, await desk.token())


async def test_a_refusal_long_ago_does_not_count_against_the_token_of_today(desk: Desk) -> None:
    assert desk.keeper.refused(desk.login(), desk.secrets, await desk.token())
    await desk.token()
    desk.clock.now += 3_601
    assert desk.keeper.refused(desk.login(), desk.secrets, await desk.token())


# ---------------------------------------------------------------- refresh tokens


async def test_a_refresh_token_that_is_replaced_is_handed_over_and_used_next_time(desk: Desk) -> None:
    desk.server.rotates = True
    before = desk.secrets
    for renewal in range(1, 4):
        # half of the turns still have the secrets of the beginning
        secrets = before if renewal % 2 else desk.secrets
        await desk.token(desk.refreshing(), secrets)
        await desk.store.stored.wait()
        await asyncio.sleep(0)
        desk.store.stored.clear()
        await desk.token(desk.refreshing(), desk.secrets)
        await desk.token(desk.refreshing(), before)
        assert len(desk.server.seen) == renewal
        desk.clock.now += 3_601
    assert [form["refresh_token"] for form in desk.server.seen] == [
        "refresh-of-gateway",
        *(value for _, value in desk.store.rotations[:-1]),
    ]


async def test_a_refresh_token_is_stored_even_when_the_database_is_away_for_a_moment(desk: Desk) -> None:
    desk.server.rotates = True
    desk.store.failures = 1
    with capture_logs() as logs:
        await desk.token(desk.refreshing())
        await desk.store.stored.wait()
    assert desk.store.secrets["refresh"].value == desk.store.rotations[0][1]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["tool_token.refresh_token_not_stored"]


async def test_closing_waits_until_a_refresh_token_is_stored(desk: Desk) -> None:
    desk.server.rotates = True
    desk.server.gate.clear()
    call = asyncio.create_task(desk.token(desk.refreshing()))
    await desk.server.arrived.wait()
    closing = asyncio.create_task(desk.keeper.aclose())
    await asyncio.sleep(0)
    desk.server.gate.set()
    await asyncio.gather(call, closing)
    assert len(desk.store.rotations) == 1


async def test_closing_ends_what_needs_no_end(desk: Desk) -> None:
    desk.server.gate.clear()
    call = asyncio.create_task(desk.token())
    await desk.server.arrived.wait()
    await desk.keeper.aclose()
    with pytest.raises(TokenServerFailing, match="stopping"):
        await call
    with pytest.raises(TokenServerFailing, match="stopping"):
        await desk.token()


async def test_what_an_operator_stored_meanwhile_is_not_overwritten(desk: Desk) -> None:
    desk.server.rotates = True
    desk.server.gate.clear()
    call = asyncio.create_task(desk.token(desk.refreshing()))
    await desk.server.arrived.wait()
    typed = desk.store.secrets["refresh"] = Secret("refresh-typed-by-hand", 7)
    desk.server.refresh_tokens[typed.value] = RefreshToken(typed.value, desk.server.clients["gateway"])
    desk.server.gate.set()
    await call
    await desk.token(desk.refreshing())
    assert [form["refresh_token"] for form in desk.server.seen] == ["refresh-of-gateway", "refresh-typed-by-hand"]
    await desk.keeper.aclose()
    assert [value for _, value in desk.store.rotations] == [desk.store.secrets["refresh"].value]
    assert (desk.store.secrets["refresh"].revision, desk.store.secrets["refresh"].rotation) == (7, 1)


async def test_a_revoked_refresh_token_is_clear_to_the_operator_and_harmless_to_the_model(desk: Desk) -> None:
    desk.server.refresh_tokens["refresh-of-gateway"].revoked = True
    with pytest.raises(LoginRevoked) as caught:
        await desk.token(desk.refreshing())
    assert re.search(r"accepts the refresh token no more \(invalid_grant", str(caught.value))
    assert "store the new refresh token as the secret refresh" in str(caught.value)
    assert caught.value.error == "invalid_grant"
    assert caught.value.for_model == (
        "look_up cannot be used at the moment, and nothing that you or the caller say can change it. "
        "Go on without it, and tell the caller so."
    )
    with pytest.raises(LoginRevoked):
        await desk.token(desk.refreshing())
    assert len(desk.server.seen) == 1  # it is not asked again at each turn
    # a new one, stored by the operator, is tried at once
    desk.server.refresh_tokens["refresh-of-gateway"].revoked = False
    desk.store.secrets["refresh"] = Secret("refresh-of-gateway", 2)
    assert (await desk.token(desk.refreshing())).value in desk.server.good


async def test_a_refresh_token_that_another_instance_replaced_is_read_again(desk: Desk) -> None:
    desk.server.rotates = True
    ours = desk.secrets
    desk.server.refresh_tokens["refresh-of-gateway"].revoked = True
    desk.server.refresh_tokens["theirs"] = RefreshToken("theirs", desk.server.clients["gateway"])
    desk.store.secrets["refresh"] = Secret("theirs", 1, rotation=5)
    assert (await desk.token(desk.refreshing(), ours)).value in desk.server.good
    assert [form["refresh_token"] for form in desk.server.seen] == ["refresh-of-gateway", "theirs"]
    await desk.store.stored.wait()
    assert (desk.store.secrets["refresh"].revision, desk.store.secrets["refresh"].rotation) == (1, 6)


async def test_a_token_stays_good_when_another_instance_replaces_the_refresh_token(desk: Desk) -> None:
    first = await desk.token(desk.refreshing())
    desk.server.refresh_tokens["theirs"] = RefreshToken("theirs", desk.server.clients["gateway"])
    desk.store.secrets["refresh"] = Secret("theirs", 1, rotation=1)
    # otherwise two instances would make each other renew without end
    assert (await desk.token(desk.refreshing())) is first
    desk.clock.now += 3_601
    assert (await desk.token(desk.refreshing())) is not first
    assert desk.server.seen[-1]["refresh_token"] == "theirs"


async def test_logins_that_share_a_refresh_token_take_turns(desk: Desk) -> None:
    desk.server.rotates = True
    logins = [desk.refreshing(scope=scope) for scope in ("read", "write", "read write", "")]
    tokens = await asyncio.gather(*(desk.token(login) for login in logins for _ in range(3)))
    assert len({token.value for token in tokens}) == 4
    assert len(desk.server.seen) == 4
    assert len({form["refresh_token"] for form in desk.server.seen}) == 4
    await desk.keeper.aclose()
    assert not desk.server.refresh_tokens[desk.store.secrets["refresh"].value].revoked


async def test_secrets_that_are_behind_do_not_bring_a_used_refresh_token_back(desk: Desk) -> None:
    desk.server.rotates = True
    desk.store.goes_on.clear()  # what is stored is there, but the keeper has not heard of it
    before = desk.secrets
    await desk.token(desk.refreshing(), before)
    await desk.store.stored.wait()
    desk.clock.now += 3_601
    await desk.token(desk.refreshing(), before)
    desk.clock.now += 3_601
    await desk.token(desk.refreshing(), desk.secrets)  # the first of the two new ones, which is used up
    assert len({form["refresh_token"] for form in desk.server.seen}) == 3
    desk.store.goes_on.set()
    await desk.keeper.aclose()
    assert not desk.server.refresh_tokens[desk.store.secrets["refresh"].value].revoked


async def test_without_a_store_replaced_refresh_tokens_live_as_long_as_the_keeper(desk: Desk) -> None:
    desk.server.rotates = True
    keeper = TokenKeeper(desk.keeper._transport, clock=desk.clock)
    for _ in range(3):
        deadline = asyncio.get_running_loop().time() + 5
        await keeper.token(desk.refreshing(), desk.secrets, tool="t", deadline=deadline)
        desk.clock.now += 3_601
    assert len(desk.server.seen) == 3
    await keeper.aclose()


async def test_a_refused_connection_is_told_in_the_guards_words(desk: Desk) -> None:
    class Guard:
        async def send(self, request: TokenRequest, *, tls: ssl.SSLContext | None) -> TokenResponse:
            raise GatewayError("10.0.0.7 is not on the list of allowed networks.")

    keeper = TokenKeeper(Guard())
    deadline = asyncio.get_running_loop().time() + 5
    with pytest.raises(AuthorisationFailed, match="not on the list of allowed networks") as caught:
        await keeper.token(desk.login(), desk.secrets, tool="t", deadline=deadline)
    assert "10.0.0.7" not in caught.value.for_model


# ---------------------------------------------------------------- errors

REFUSALS = [
    ({"client_secret": "wrong-secret"}, "does not know this client.*check client_id and the secret wrong-secret"),
    ({"client_id": "nobody"}, "does not know this client.*invalid_client"),
    ({"scope": "admin"}, "does not give the scope admin.*invalid_scope"),
    ({"client_auth": "body"}, r"sent in the header \(client_auth\)"),
]


@pytest.mark.parametrize(("changes", "words"), REFUSALS)
async def test_what_the_server_refuses_is_said_in_words(desk: Desk, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(LoginRefused, match=words) as caught:
        await desk.token(desk.login(**changes))
    assert str(caught.value).startswith(f"look_up was not called: the authorisation server {desk.server.url} ")
    assert not caught.value.retryable
    for value in SECRETS.values():
        assert value not in f"{caught.value} {caught.value!r} {caught.value.for_model}"
    with pytest.raises(LoginRefused):
        await desk.token(desk.login(**changes))
    assert len(desk.server.seen) == 1


async def test_a_client_without_the_grant_is_told_so(desk: Desk) -> None:
    desk.server.clients["gateway"].grants = ("refresh_token",)
    with pytest.raises(LoginRefused, match="does not allow this client the grant client_credentials"):
        await desk.token()


NONSENSE: list[tuple[tuple[int, bytes, dict[str, str]], type[AuthorisationFailed], str]] = [
    ((200, b"<html>Welcome</html>", {}), TokenAnswerInvalid, "no JSON"),
    ((200, b"", {}), TokenAnswerInvalid, "no JSON"),
    ((200, b"[]", {}), TokenAnswerInvalid, "no JSON"),
    ((200, b"[" * 50_000, {}), TokenAnswerInvalid, "no JSON"),
    (json_answer(), TokenAnswerInvalid, "holds no access_token"),
    (json_answer(access_token=""), TokenAnswerInvalid, "holds no access_token"),
    (json_answer(access_token=["x"]), TokenAnswerInvalid, "cannot stand in a header"),
    (json_answer(access_token="a\r\nX-Evil: 1"), TokenAnswerInvalid, "cannot stand in a header"),
    (json_answer(access_token="ü"), TokenAnswerInvalid, "cannot stand in a header"),
    (json_answer(access_token="x" * 20_000), TokenAnswerInvalid, "cannot stand in a header"),
    (json_answer(access_token="x", token_type="mac"), TokenAnswerInvalid, "only Bearer"),
    (json_answer(access_token="x", token_type=7), TokenAnswerInvalid, "only Bearer"),
    (json_answer(200, error="invalid_client"), LoginRefused, "does not know this client"),
    (json_answer(400, error="Sp\r\nace"), LoginRefused, "unknown error"),
    (json_answer(400, error={"code": 7}), LoginRefused, "HTTP 400, without a reason"),
    (json_answer(400, error="temporarily_unavailable"), TokenServerFailing, "at the moment"),
    (json_answer(429, error="rate_limited"), TokenServerFailing, "at the moment"),
    ((401, b"", {}), LoginRefused, "does not know this client"),
    ((404, b"not here", {}), LoginRefused, "no token endpoint there"),
    ((302, b"", {"Location": "https://elsewhere.example/"}), LoginRefused, "leads elsewhere"),
    ((503, b"", {}), TokenServerFailing, "HTTP 503"),
    ((200, b"x" * 70_000, {}), TokenServerFailing, "longer than 65,536 bytes"),
    ((200, gzip.compress(b"x" * 9_000_000), {"Content-Encoding": "gzip"}), TokenServerFailing, "longer than"),
    ((200, b"x", {"Content-Encoding": "br"}), TokenServerFailing, "was not asked for"),
]


@pytest.mark.parametrize(("answer", "kind", "words"), NONSENSE, ids=lambda value: ascii(value)[:30])
async def test_nonsense_is_an_error_in_words(
    desk: Desk, answer: tuple[int, bytes, dict[str, str]], kind: type[AuthorisationFailed], words: str
) -> None:
    desk.server.answers.append(answer)
    with pytest.raises(kind, match=words) as caught:
        await desk.token()
    assert type(caught.value) is kind
    assert str(caught.value).isprintable()
    assert len(desk.server.seen) == 1


async def test_a_server_that_is_down_is_said_to_be_and_tried_again_soon(desk: Desk, unused_tcp_port: int) -> None:
    login = desk.login(token_url=f"http://127.0.0.1:{unused_tcp_port}/token")
    with pytest.raises(TokenServerFailing, match="cannot be reached") as caught:
        await desk.token(login)
    assert caught.value.retryable


async def test_a_server_that_breaks_off_is_an_error_in_words(desk: Desk) -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TokenServerFailing, match="cannot be reached"):
            await desk.token(desk.login(token_url=f"http://127.0.0.1:{port}/token"))


async def test_a_slow_server_ends_the_call_at_the_turns_deadline_and_serves_the_next_turn(desk: Desk) -> None:
    desk.server.gate.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TokenServerFailing, match=r"no token within 0\.1 s"):
        await desk.token(seconds=0.1)
    assert loop.time() - began < 0.5
    desk.server.gate.set()
    assert (await desk.token()).value in desk.server.good
    assert len(desk.server.seen) == 1


async def test_a_server_that_never_answers_ends_a_renewal_after_the_logins_own_timeout(desk: Desk) -> None:
    desk.server.gate.clear()
    with pytest.raises(TokenServerFailing, match=r"no token within 0\.1 s"):
        await desk.token(desk.login(timeout=0.1))
    async with asyncio.timeout(2):
        while not desk.server.aborted:
            await asyncio.sleep(0.001)


async def test_a_turn_that_is_over_asks_for_nothing(desk: Desk) -> None:
    with pytest.raises(TokenServerFailing):
        await desk.token(seconds=-1)
    assert desk.server.seen == []


async def test_a_missing_or_empty_secret_is_named(desk: Desk) -> None:
    with pytest.raises(SecretMissing, match="the secret gateway-secret is not there"):
        await desk.token(desk.login(), {})
    with pytest.raises(SecretMissing, match="the secret gateway-secret is empty"):
        await desk.token(desk.login(), {"gateway-secret": Secret(" \n", 1)})


# ---------------------------------------------------------------- what must not be seen, and bounds


async def test_no_secret_is_in_an_error_a_log_or_a_repr(desk: Desk) -> None:
    desk.server.rotates = True
    header = base64.b64encode(b"gateway:s3cret-of-gateway").decode()
    said = f"client_secret s3cret-of-gateway or refresh token refresh-of-gateway or Basic {header} is bad\n\x1b[31m"
    said += "x" * 5_000
    desk.server.answers.append(json_answer(400, error="invalid_request", error_description=said))
    with capture_logs() as logs:
        with pytest.raises(LoginRefused) as caught:
            await desk.token(desk.refreshing())
        desk.clock.now += 31
        token = await desk.token(desk.refreshing())
        await desk.store.stored.wait()
    everything = " ".join(
        [
            str(caught.value),
            repr(caught.value),
            caught.value.for_model,
            repr(logs),
            repr(token),
            repr(desk.keeper._kept),
            repr(desk.secrets),
        ]
    )
    assert "client_secret *** or refresh token *** or Basic *** is bad" in str(caught.value)
    assert len(str(caught.value)) < 600
    for secret in (header, "s3cret-of-gateway", "refresh-of-gateway", token.value, desk.store.rotations[0][1]):
        assert secret not in everything


async def test_a_short_secret_silences_the_servers_words(desk: Desk) -> None:
    desk.server.answers.append(json_answer(400, error="invalid_request", error_description="bad secret abc"))
    with pytest.raises(LoginRefused) as caught:
        await desk.token(desk.login(), {"gateway-secret": Secret("abc", 1)})
    assert "abc" not in str(caught.value)


async def test_the_least_used_logins_are_forgotten_but_none_that_is_being_renewed(desk: Desk) -> None:
    arrived, hung_up = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        writer.close()
        hung_up.set()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        slow = desk.login(token_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token")
        waiting = asyncio.create_task(desk.token(slow))
        await arrived.wait()
        for each in range(20):
            desk.server.answers.append(json_answer(access_token=f"t{each}"))
            await desk.token(desk.login(scope=f"s{each}"))
        assert len(desk.keeper._kept) == 8
        assert (await desk.token(desk.login(scope="s19"))).value == "t19"
        assert slow in {authorisation for authorisation, _ in desk.keeper._kept}
        waiting.cancel()
        await asyncio.wait([waiting])
        await hung_up.wait()  # and its connection is closed
    assert len(desk.server.seen) == 20


async def test_the_same_login_by_another_object_is_the_same(desk: Desk) -> None:
    one, two = desk.login(), desk.login()
    assert one is not two
    assert (await desk.token(one)) is (await desk.token(two))
    assert isinstance(one, Authorisation)
    assert isinstance(one.login, OAuthLogin)
