"""The whole of it, used as the executor will: a login, a certificate, and one more try after a 401."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.tools.auth.authoriser import Authorised, Authoriser
from app.tools.auth.certificates import ClientCertificates
from app.tools.auth.definition import (
    Authorisation,
    BearerToken,
    ClientCertificate,
    NoLogin,
    OAuthLogin,
    Secret,
    Secrets,
)
from app.tools.auth.destinations import server_of, strangers
from app.tools.auth.errors import CertificateInvalid, SecretMissing, SecretNotForServer
from app.tools.auth.tokens import TokenKeeper
from app.tools.auth.transport import HttpTransport
from app.tools.render import RenderedRequest
from tests.tools.auth.conftest import Desk
from tests.tools.auth.server import authorisation_server


async def call(
    authoriser: Authoriser,
    session: aiohttp.ClientSession,
    authorisation: Authorisation,
    secrets: Secrets,
    url: str,
) -> int:
    """What the executor does."""
    deadline = asyncio.get_running_loop().time() + 5
    request = RenderedRequest("GET", url)

    async def exchange(sent: Authorised) -> int:
        tls: Any = True if sent.tls is None else sent.tls
        async with session.get(sent.request.url, headers=dict(sent.request.headers), ssl=tls) as response:
            return response.status

    sent = await authoriser.apply(authorisation, request, secrets, tool="look_up", deadline=deadline)
    status = await exchange(sent)
    if status == 401 and authoriser.try_again(sent):
        sent = await authoriser.apply(authorisation, request, secrets, tool="look_up", deadline=deadline)
        status = await exchange(sent)
    return status


# ---------------------------------------------------------------- 401


async def test_a_token_that_the_server_forgot_is_renewed_within_the_call(
    desk: Desk, session: aiohttp.ClientSession
) -> None:
    authoriser, url = Authoriser(desk.keeper, ClientCertificates()), f"{desk.server.url}/api"
    assert await call(authoriser, session, desk.login(), desk.secrets, url) == 200
    desk.server.good.clear()
    calls = (call(authoriser, session, desk.login(), desk.secrets, url) for _ in range(20))
    assert set(await asyncio.gather(*calls)) == {200}
    assert len(desk.server.seen) == 2  # twenty calls, one renewal


async def test_a_server_that_refuses_every_token_is_tried_once_more_and_no_more(
    desk: Desk, session: aiohttp.ClientSession
) -> None:
    authoriser = Authoriser(desk.keeper, ClientCertificates())
    desk.server.good = _Nothing()
    for _ in range(3):
        assert await call(authoriser, session, desk.login(), desk.secrets, f"{desk.server.url}/api") == 401
    assert len(desk.server.seen) == 2
    assert desk.server.api_calls == 4


class _Nothing(set[str]):
    def __contains__(self, _: object) -> bool:
        return False


async def test_a_token_that_an_operator_typed_is_not_tried_again(desk: Desk, session: aiohttp.ClientSession) -> None:
    authoriser = Authoriser(desk.keeper, ClientCertificates())
    typed, secrets = Authorisation(BearerToken("t")), {"t": Secret("typed-token", 1)}
    assert await call(authoriser, session, typed, secrets, f"{desk.server.url}/api") == 401
    assert desk.server.api_calls == 1
    desk.server.good.add("typed-token")
    assert await call(authoriser, session, typed, secrets, f"{desk.server.url}/api") == 200


async def test_what_was_put_in_is_told_for_masking_and_not_shown(desk: Desk) -> None:
    authoriser = Authoriser(desk.keeper, ClientCertificates())
    sent = await authoriser.apply(
        desk.login(), RenderedRequest("GET", "http://h/"), desk.secrets, tool="t", deadline=_soon()
    )
    assert sent.request.headers["Authorization"] == f"Bearer {sent.hidden[0]}"
    assert sent.hidden[0] not in repr(sent)


def _soon() -> float:
    return asyncio.get_running_loop().time() + 5


# ---------------------------------------------------------------- where secrets may go


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://API.example.com/x?y=z", "https://api.example.com:443"),
        ("http://h:8080/{{ x }}", "http://h:8080"),
        ("http://[::1]/", "http://[::1]:80"),
    ],
)
def test_a_server_is_written_in_one_form(url: str, server: str) -> None:
    assert server_of(url) == server


async def test_a_secret_goes_to_its_servers_only(desk: Desk) -> None:
    authoriser = Authoriser(desk.keeper, ClientCertificates())
    here = frozenset({server_of("https://api.example.com"), server_of(desk.server.url)})
    secrets = {"gateway-secret": replace(desk.secrets["gateway-secret"], servers=here)}
    request = RenderedRequest("GET", "https://api.example.com/x")
    await authoriser.apply(desk.login(), request, secrets, tool="t", deadline=_soon())
    assert strangers(desk.login(), request.url, secrets) == []
    for url in ("https://evil.example.com/", "http://api.example.com/", "https://api.example.com:444/"):
        # the token is worth as much as the secret
        with pytest.raises(SecretNotForServer, match="gateway-secret may not be sent to"):
            await authoriser.apply(desk.login(), replace(request, url=url), secrets, tool="t", deadline=_soon())
        assert [mistake.field for mistake in strangers(desk.login(), url, secrets)] == ["request.url"]
    elsewhere = desk.login(token_url="https://evil.example.com/token")
    with pytest.raises(SecretNotForServer, match=r"evil\.example\.com:443"):
        await authoriser.apply(elsewhere, request, secrets, tool="t", deadline=_soon())
    assert [mistake.field for mistake in strangers(elsewhere, request.url, secrets)] == ["authorisation.token_url"]


# ---------------------------------------------------------------- mutual TLS


@dataclass
class Pems:
    """A company that signs its own certificates."""

    authority: str
    server: str
    client: str
    key: str
    locked_key: str
    other_key: str


@pytest.fixture(scope="module")
def pems() -> Pems:
    authority_key, authority = _certificate("authority", None)
    server_key, server = _certificate("127.0.0.1", (authority_key, authority))
    client_key, client = _certificate("gateway", (authority_key, authority))
    return Pems(
        _pem(authority),
        _key_pem(server_key) + _pem(server),
        _pem(client),
        _key_pem(client_key),
        _key_pem(client_key, b"open sesame"),
        _key_pem(server_key),
    )


def _certificate(
    name: str, issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, by = (key, subject) if issuer is None else (issuer[0], issuer[1].subject)
    now = datetime.datetime.now(datetime.UTC)
    usage = x509.KeyUsage(True, False, False, False, False, issuer is None, issuer is None, False, False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(usage, critical=True)
    )
    return key, builder.sign(signer, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    locked = serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked).decode()


def _stored(**values: str) -> dict[str, Secret]:
    return {name: Secret(value, 1) for name, value in values.items()}


async def test_the_certificate_is_shown_to_the_tools_server_and_to_the_authorisation_server(
    pems: Pems, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    for name, text in (("server.pem", pems.server), ("ca.pem", pems.authority)):
        (tmp_path / name).write_text(text)
    wanted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    wanted.load_cert_chain(str(tmp_path / "server.pem"))
    wanted.verify_mode = ssl.CERT_REQUIRED
    secrets = _stored(
        crt=pems.client, key=pems.locked_key, password="open sesame", ca=pems.authority, oauth="s3cret-of-gateway"
    )
    shown = ClientCertificate("crt", "key", "password", "ca")
    keeper = TokenKeeper(HttpTransport(lambda: session))
    authoriser = Authoriser(keeper, ClientCertificates())
    async with authorisation_server(wanted) as server:
        login = OAuthLogin("client_credentials", f"{server.url}/token", "gateway", "oauth")
        assert await call(authoriser, session, Authorisation(login, shown), secrets, f"{server.url}/api") == 200
        names = [dict(pair[0] for pair in certificate["subject"]) for certificate in server.certificates]
        assert names == [{"commonName": "gateway"}] * 2
        with pytest.raises(aiohttp.ClientError):  # without one
            await call(authoriser, session, Authorisation(), {}, f"{server.url}/api")
        await keeper.aclose()


async def test_a_context_is_made_once_for_each_revision(pems: Pems) -> None:
    made = ClientCertificates(max_contexts=2)
    shown = ClientCertificate("pem", authority="ca")
    secrets = _stored(pem=pems.client + pems.key, ca=pems.authority)
    first = await made.context(shown, secrets, tool="t")
    assert await made.context(shown, secrets, tool="t") is first
    newer = {**secrets, "pem": replace(secrets["pem"], revision=2)}
    assert await made.context(shown, newer, tool="t") is not first
    await made.context(ClientCertificate("pem"), secrets, tool="t")
    assert len(made._contexts) == 2


BROKEN: list[tuple[dict[str, str], str]] = [
    ({"key": "other_key"}, r"the private key \(key\) does not belong to the certificate \(crt\)"),
    ({"key": "locked_key"}, "password"),
    ({"crt": "key"}, "the secret crt holds no certificate in PEM form"),
    ({"key": "client"}, "the secret key holds no private key in PEM form"),
    ({"ca": "key"}, "the secret ca holds no certificates in PEM form"),
]


@pytest.mark.parametrize(("wrong", "words"), BROKEN)
async def test_a_certificate_that_cannot_be_used_is_said_in_words(
    pems: Pems, wrong: dict[str, str], words: str
) -> None:
    parts = {"crt": "client", "key": "key", "ca": "authority", **wrong}
    secrets = _stored(**{name: getattr(pems, part) for name, part in parts.items()})
    with pytest.raises(CertificateInvalid, match=words) as caught:
        await ClientCertificates().context(ClientCertificate("crt", "key", None, "ca"), secrets, tool="look_up")
    assert "BEGIN PRIVATE" not in str(caught.value).replace("(-----BEGIN PRIVATE KEY-----)", "")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("part", ["crt", "key", "ca"])
async def test_garbage_between_the_right_lines_is_said_in_words(pems: Pems, part: str) -> None:
    secrets = _stored(crt=pems.client, key=pems.key, ca=pems.authority)
    first, *_, last = secrets[part].value.strip().splitlines()
    secrets[part] = Secret(f"{first}\nhunter2hunter2\n{last}\n", 1)
    with pytest.raises(CertificateInvalid) as caught:
        await ClientCertificates().context(ClientCertificate("crt", "key", None, "ca"), secrets, tool="look_up")
    assert "hunter2" not in str(caught.value)


async def test_a_wrong_password_is_said_and_nobody_is_asked_for_it_on_the_terminal(pems: Pems) -> None:
    secrets = _stored(crt=pems.client, key=pems.locked_key, password="open barley")
    with pytest.raises(CertificateInvalid, match="password") as caught:
        await ClientCertificates().context(ClientCertificate("crt", "key", "password"), secrets, tool="t")
    assert "barley" not in str(caught.value)


async def test_a_missing_part_is_named(pems: Pems) -> None:
    with pytest.raises(SecretMissing, match="the secret key is not there"):
        await ClientCertificates().context(ClientCertificate("crt", "key"), _stored(crt=pems.client), tool="t")


async def test_a_certificate_alone_needs_no_token(pems: Pems, desk: Desk) -> None:
    authoriser = Authoriser(desk.keeper, ClientCertificates())
    request = RenderedRequest("GET", "https://h/")
    secrets = _stored(pem=pems.client + pems.key)
    sent = await authoriser.apply(
        Authorisation(NoLogin(), ClientCertificate("pem")), request, secrets, tool="t", deadline=_soon()
    )
    assert sent.request is request
    assert sent.tls is not None
    assert desk.server.seen == []
