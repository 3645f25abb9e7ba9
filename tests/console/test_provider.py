"""Signing in at an identity provider that somebody else wrote: npm's oidc-provider."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import KeySet, OKPKey, RSAKey
from yarl import URL

from alertd.cli import main
from alertd.console.app import add_console
from alertd.console.provider import CALLBACK
from alertd.core.errors import Conflict
from alertd.guard import Guard
from alertd.oidc import Expected, Provider, ProviderError, link_of, read_token
from alertd.pipeline import accountchanges as changes
from alertd.pipeline import identity, sessions
from alertd.pipeline.sessions import Factor, Stage
from alertd.settings import embedded
from alertd.tools import Actor, Tools
from alertd.watch.watcher import Watcher
from alertd.web import make_api_app
from tests.conftest import FakeClock
from tests.console.conftest import COOKIE, Browser, SignIn, enter
from tests.console.test_people import agree, two
from tests.ports import free_port
from tests.web.conftest import Person

PACKAGE = "oidc-provider@9"
HERE = Path(__file__).parent
SECRET = "an example/secret"
STRONG = {"acr": "two-factors", "amr": ["pwd", "otp"]}
WEAK = {"acr": "password", "amr": ["pwd"]}


@pytest.fixture(scope="session")
def package() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return fetch_provider(cache / "alertd-tests" / PACKAGE)


def fetch_provider(folder: Path) -> Path:
    """Give the folder that npm has put the provider in; without npm skip loudly, in CI fail."""
    if (folder / "node_modules").is_dir() and shutil.which("node"):
        return folder
    made = folder.with_name(f"{folder.name}.{os.getpid()}")
    made.mkdir(parents=True)
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", made]
    try:
        subprocess.run([*command, PACKAGE], check=True, capture_output=True, timeout=100)
    except (OSError, subprocess.SubprocessError):
        shutil.rmtree(made)
        if os.environ.get("CI"):
            raise
        pytest.skip("NO IDENTITY PROVIDER: install node and npm, which fetches oidc-provider")
    try:
        made.rename(folder)
    except OSError:  # another worker was quicker
        shutil.rmtree(made)
    return folder


def test_without_node_the_provider_is_skipped_loudly_and_missed_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "provider" / "node_modules").mkdir(parents=True)  # from when there was one
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="NO IDENTITY PROVIDER: install node and npm"):
        fetch_provider(tmp_path / "provider")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(FileNotFoundError):
        fetch_provider(tmp_path / "provider")


@dataclass
class Idp:
    """The provider, and a browser's visits there."""

    issuer: str

    async def sign_in(self, address: str, **login: Any) -> str:
        """Sign in there as `login` says, and give where that leads back to."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            await session.get(f"{self.issuer}/next", params={"login": json.dumps(login)})
            while address.startswith(self.issuer):
                async with session.get(URL(address, encoded=True), allow_redirects=False) as answer:
                    assert answer.status in {302, 303}, await answer.text()
                    address = str(URL(address).join(URL(answer.headers["Location"], encoded=True)))
        return str(URL(address, encoded=True).relative())


@pytest.fixture
async def idp(
    package: Path, tools: Tools, unused_tcp_port: int, request: pytest.FixtureRequest
) -> AsyncIterator[Idp]:
    """Run the provider; the tests' parameters say by what it signs."""
    redirect = tools.console_url + CALLBACK
    running = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "provider.mjs"),
        str(package),
        str(unused_tcp_port),
        redirect,
        getattr(request, "param", "RS256"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert running.stdout
        assert await asyncio.wait_for(running.stdout.readline(), 30) == b"listening\n"
        yield Idp(f"http://127.0.0.1:{unused_tcp_port}")
    finally:
        running.kill()
        await running.wait()


def provider_of(tools: Tools, idp: Idp, *, allow: str = "127.0.0.0/8", **more: Any) -> Provider:
    given = {"issuer": idp.issuer, "client_id": "alertd", "client_secret": SECRET, **more}
    settings = embedded({"oidc": given}).oidc
    return Provider(settings, Guard([allow]), tools.console_url + CALLBACK)


@pytest.fixture
async def console(
    tools: Tools, idp: Idp, clock: FakeClock, request: pytest.FixtureRequest
) -> AsyncIterator[TestClient[Any, Any]]:
    """Serve a console of whose provider the tests' parameters say what it accepts."""
    clock.now = clock.now + timedelta(seconds=time.time() - clock.now.timestamp())
    accepted = getattr(request, "param", {"accept_acr": ["two-factors"]})
    app = make_api_app(tools)
    provider = provider_of(tools, idp, **accepted)
    add_console(app, tools, {"watcher": Watcher(tools, embedded().watch), "provider": provider})
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


async def linked(tools: Tools, idp: Idp, subject: str, role: str = "submitter") -> int:
    number = await enter(tools, f"Example {subject} {role}", {role: False})
    actor = Actor(0, "test", frozenset())
    link = link_of(idp.issuer, subject)
    await tools.store.write(identity.link, actor, number, link, tools.clock())
    return number


async def go(browser: Browser, path: str = "/sign-in/provider?to=/account") -> str:
    await browser.get("/sign-in")
    answer = await browser.get(path)
    assert answer.status == 303, await answer.text()
    return answer.headers["Location"]


async def test_whoever_is_linked_and_gave_a_second_factor_there_is_in(
    tools: Tools, console: TestClient[Any, Any], idp: Idp
) -> None:
    await linked(tools, idp, "u-1")
    browser = Browser(console)
    assert idp.issuer.removeprefix("http://").split(":")[0] in await browser.read("/sign-in")
    back = await idp.sign_in(await go(browser), accountId="u-1", **STRONG)
    answer = await browser.get(back)
    assert answer.headers["Location"] == "/account"
    assert "Example u-1" in await browser.read("/account")
    session = await sessions.find(tools, browser.cookies[COOKIE])
    assert session.factor is Factor.PROVIDER


@pytest.mark.parametrize(
    ("console", "stage"),
    [({"accept_amr": ["otp"]}, Stage.FULL), ({}, Stage.ENROLLING)],
    indirect=["console"],
)
async def test_a_second_factor_there_counts_only_where_the_settings_say_so(
    tools: Tools, console: TestClient[Any, Any], idp: Idp, stage: Stage
) -> None:
    await linked(tools, idp, "u-1")
    browser = Browser(console)
    await browser.get(await idp.sign_in(await go(browser), accountId="u-1", **STRONG))
    session = await sessions.find(tools, browser.cookies[COOKIE])
    assert session.stage is stage


async def test_without_a_second_factor_there_our_own_is_asked_for(
    tools: Tools, console: TestClient[Any, Any], idp: Idp
) -> None:
    await linked(tools, idp, "u-1")
    browser = Browser(console)
    await browser.get(await idp.sign_in(await go(browser), accountId="u-1", **WEAK))
    assert (await browser.get("/account")).headers["Location"] == "/account/second-factor"


@pytest.mark.parametrize("idp", ["EdDSA"], indirect=True)
async def test_a_provider_that_signs_by_an_edwards_curve_lets_in(
    console: TestClient[Any, Any], tools: Tools, idp: Idp
) -> None:
    await linked(tools, idp, "u-1")
    browser = Browser(console)
    answer = await browser.get(await idp.sign_in(await go(browser), accountId="u-1", **STRONG))
    assert answer.headers["Location"] == "/account"


async def test_nobody_gets_an_account_by_signing_in_there(
    tools: Tools, console: TestClient[Any, Any], idp: Idp
) -> None:
    await linked(tools, idp, "u-1")
    browser = Browser(console)
    answer = await browser.get(await idp.sign_in(await go(browser), accountId="u-2", **STRONG))
    assert answer.status == 403
    assert "u-2" in await answer.text()
    assert COOKIE not in browser.cookies


async def test_what_the_provider_answers_serves_this_browser_alone_and_once(
    tools: Tools, console: TestClient[Any, Any], idp: Idp
) -> None:
    await linked(tools, idp, "u-1")
    mine, other = Browser(console), Browser(console)
    await other.get("/sign-in")
    back = await idp.sign_in(await go(mine), accountId="u-1", **STRONG)
    assert (await other.get(back)).status == 422
    assert COOKIE not in other.cookies
    again = await idp.sign_in(await go(mine), accountId="u-1", **STRONG)
    assert (await mine.get(again)).status == 303
    assert (await mine.get(again)).status == 422


@pytest.mark.parametrize("change", ["state=x", "iss=https://other.example.test", "code=forged"])
async def test_a_changed_answer_lets_nobody_in(
    tools: Tools, console: TestClient[Any, Any], idp: Idp, change: str
) -> None:
    await linked(tools, idp, "u-1")
    browser = Browser(console)
    back = await idp.sign_in(await go(browser), accountId="u-1", **STRONG)
    name, _, value = change.partition("=")
    with structlog.testing.capture_logs() as logs:
        answer = await browser.get(str(URL(back).update_query({name: value})))
    assert answer.status == 422
    assert "oidc.failed" in [line["event"] for line in logs]
    assert COOKIE not in browser.cookies


async def test_who_declines_there_is_back_at_the_form(
    console: TestClient[Any, Any], idp: Idp
) -> None:
    browser = Browser(console)
    answer = await browser.get(await idp.sign_in(await go(browser), accountId=""))
    assert answer.status == 422
    assert 'action="/sign-in"' in await answer.text()


async def test_an_answer_that_comes_late_lets_nobody_in(
    tools: Tools, console: TestClient[Any, Any], idp: Idp, clock: FakeClock
) -> None:
    await linked(tools, idp, "u-1")
    browser = Browser(console)
    back = await idp.sign_in(await go(browser), accountId="u-1", **STRONG)
    clock.tick(minutes=11)
    assert (await browser.get(back)).status == 422


async def test_the_factor_is_given_anew_there_by_the_same_person_alone(
    tools: Tools, console: TestClient[Any, Any], idp: Idp
) -> None:
    number = await linked(tools, idp, "u-1")
    browser = Browser(console)
    await browser.get(await idp.sign_in(await go(browser), accountId="u-1", **STRONG))
    await browser.get("/account")
    assert "anew=1" in await browser.read("/again?to=/account")
    path = "/sign-in/provider?to=/account&anew=1"
    for subject, how in (("u-2", STRONG), ("u-1", WEAK)):
        back = await idp.sign_in(await go(browser, path), accountId=subject, **how)
        assert (await browser.get(back)).status == 422
    assert (await browser.post("/account/recovery")).status == 303
    back = await idp.sign_in(await go(browser, path), accountId="u-1", **STRONG)
    assert (await browser.get(back)).headers["Location"] == "/account"
    assert (await browser.post("/account/recovery")).status == 200
    assert (await sessions.find(tools, browser.cookies[COOKIE])).person_id == number


async def test_a_provider_inside_is_reached_only_where_that_is_allowed(
    tools: Tools, idp: Idp
) -> None:
    provider = provider_of(tools, idp, allow="192.0.2.0/24")
    with pytest.raises(ProviderError, match="reached"):
        await provider.redeem("code", None, tools.clock())


async def test_linking_takes_two_administrators_and_serves_one_account(
    tools: Tools, console: TestClient[Any, Any], idp: Idp, signed_in: SignIn
) -> None:
    first, second = await two(signed_in, tools)
    reader = await signed_in("reader")
    path = f"/people/{reader.person_id}"
    assert (await first.post(path, {"kind": "person.link", "subject": "u-9"})).status == 303
    browser = Browser(console)
    back = await idp.sign_in(await go(browser), accountId="u-9", **STRONG)
    assert (await browser.get(back)).status == 403
    assert "u-9" in await second.read("/people/changes")
    await agree(tools, second)
    back = await idp.sign_in(await go(browser), accountId="u-9", **STRONG)
    assert (await browser.get(back)).status == 303
    with pytest.raises(Conflict):
        await linked(tools, idp, "u-9")
    await second.post(path, {"kind": "person.unlink"})
    await agree(tools, first, 2)
    assert (await browser.get("/account")).status == 303
    await linked(tools, idp, "u-9", "reader")


async def test_who_is_linked_decides_at_the_console_and_not_by_token(
    tools: Tools, idp: Idp, people: dict[str, Person]
) -> None:
    number = await linked(tools, idp, "u-1", "police")
    actor = Actor(number, "Example u-1", frozenset({"police"}))
    with pytest.raises(Exception, match="second factor"):
        await changes.refuse_token(tools, actor)


# --- what `alertd check` finds out ------------------------------------------------------------


async def checked(folder: Path, issuer: str, allow: str = "127.0.0.0/8") -> tuple[int, str]:
    """Give exit status and output of `alertd check` with this provider."""
    config = folder / "alertd.toml"
    oidc = f'[oidc]\nissuer = "{issuer}"\nclient_id = "alertd"\nclient_secret = "example"\n'
    outbound = f'[outbound]\nallow_addresses = ["{allow}"]\n'
    config.write_text(f'data_dir = "{folder}/var"\n{oidc}{outbound}')
    words = ["--config", str(config), "check"]
    done = await asyncio.to_thread(CliRunner().invoke, main, words)
    return done.exit_code, done.output


async def test_a_check_asks_the_provider(tmp_path: Path, idp: Idp) -> None:
    assert await checked(tmp_path, idp.issuer) == (0, "everything can be used\n")


async def test_a_check_names_field_and_remedy_of_a_provider_that_is_not_right(
    tmp_path: Path, idp: Idp, unused_tcp_port: int
) -> None:
    status, said = await checked(tmp_path, f"{idp.issuer}/")
    assert status == 78
    assert f"oidc.issuer: {idp.issuer}/: its discovery document names another issuer" in said
    assert f"write it as that does: {idp.issuer}" in said
    status, said = await checked(tmp_path, f"{idp.issuer}/realms/example")
    assert (status, "it answered 404; look whether" in said) == (78, True)
    status, said = await checked(tmp_path, idp.issuer, allow="192.0.2.0/24")
    assert (status, "outbound.allow_addresses" in said) == (78, True)


async def test_a_check_without_a_network_says_what_it_could_not_tell(tmp_path: Path) -> None:
    status, said = await checked(tmp_path, f"http://127.0.0.1:{free_port()}")
    assert status == 0
    assert "nothing of it was checked" in said
    assert "everything can be used" in said


async def test_a_check_asks_for_keys_that_can_be_had(tmp_path: Path) -> None:
    said: dict[str, Any] = {}

    async def discovery(_request: web.Request) -> web.Response:
        return web.json_response(said)

    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", discovery)
    async with TestServer(app) as server:
        issuer = str(server.make_url("")).rstrip("/")
        ways = dict.fromkeys(("authorization_endpoint", "token_endpoint"), f"{issuer}/way")
        said |= {"issuer": issuer, **ways}
        status, text = await checked(tmp_path, issuer)
        assert (status, "has no jwks_uri; alertd needs it" in text) == (78, True)
        said["jwks_uri"] = f"http://127.0.0.1:{free_port()}/keys"
        status, text = await checked(tmp_path, issuer)
        assert (status, "let this machine reach its jwks_uri" in text) == (78, True)
        said["jwks_uri"] = f"{issuer}/.well-known/openid-configuration"
        status, text = await checked(tmp_path, issuer)
        assert (status, "has to give a JSON Web Key Set" in text) == (78, True)
        said["id_token_signing_alg_values_supported"] = ["HS256"]
        status, text = await checked(tmp_path, issuer)
        assert (status, "let it sign ID tokens by one of RS256" in text) == (78, True)


# --- what an ID token has to be --------------------------------------------------------------

KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
KEYS = KeySet.import_key_set({"keys": [KEY.as_dict(private=False)]})
EXPECTED = Expected("https://id.example.org", "alertd", "a nonce")


def token(clock: FakeClock, key: Any = KEY, alg: str = "RS256", **changed: Any) -> str:
    now = int(clock().timestamp())
    claims = {
        "iss": EXPECTED.issuer,
        "aud": "alertd",
        "sub": "u-1",
        "nonce": EXPECTED.nonce,
        "iat": now,
        "exp": now + 300,
        **changed,
    }
    said = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": alg, "kid": "one"}, said, key, algorithms=[alg])


def test_an_id_token_of_ours_is_read(clock: FakeClock) -> None:
    assert read_token(token(clock), KEYS, EXPECTED, clock())["sub"] == "u-1"
    several = token(clock, aud=["alertd", "other"], azp="alertd")
    assert read_token(several, KEYS, EXPECTED, clock())["sub"] == "u-1"


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_an_id_token_signed_by_an_edwards_curve_is_read(clock: FakeClock, alg: str) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "one", "use": "sig"})
    keys = KeySet.import_key_set({"keys": [key.as_dict(private=False)]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        signed = token(clock, key, alg)
        foreign = token(clock, OKPKey.generate_key("Ed25519", {"kid": "one"}), alg)
    assert read_token(signed, keys, EXPECTED, clock())["sub"] == "u-1"
    with pytest.raises(ProviderError):
        read_token(foreign, keys, EXPECTED, clock())


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://other.example.org"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"aud": ["alertd", "other"]},
        {"azp": "other"},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": None},
        {"exp": None},
        {"exp": 1000},
        {"iat": None},
    ],
)
def test_an_id_token_for_others_or_of_another_time_is_refused(
    clock: FakeClock, changed: dict[str, Any]
) -> None:
    with pytest.raises(ProviderError):
        read_token(token(clock, **changed), KEYS, EXPECTED, clock())


def test_an_id_token_that_the_provider_did_not_sign_is_refused(clock: FakeClock) -> None:
    foreign = RSAKey.generate_key(2048, {"kid": "one"})
    header, claims, _ = token(clock).split(".")
    unsigned = "eyJhbGciOiJub25lIn0"  # {"alg":"none"}
    for forged in (token(clock, foreign), f"{header}.{claims}.", f"{unsigned}.{claims}.", "x"):
        with pytest.raises(ProviderError):
            read_token(forged, KEYS, EXPECTED, clock())
