"""Outgoing requests do not reach into networks that nobody opened."""

from ipaddress import ip_network

import pytest
from aiohttp import web

from pipeline.outgoing.egress import why_forbidden
from pipeline.outgoing.http import ForbiddenAddressError, Request, UnreachableError, send

REFUSED = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a00:1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2001:0:53aa:64c::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "fec0::1",
    "::ffff:0:7f00:1",
    "5f00::1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_refused_unless_opened(address: str) -> None:
    assert why_forbidden(address, ()) is not None


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "2606:4700:4700::1111"]
)
def test_public_addresses_are_open(address: str) -> None:
    assert why_forbidden(address, ()) is None


def test_an_opened_network_is_open_and_its_neighbours_are_not() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert why_forbidden("10.1.2.3", allowed) is None
    assert why_forbidden("::ffff:10.1.2.3", allowed) is None
    assert why_forbidden("fd00::1", allowed) is None
    assert why_forbidden("fec0::1", (ip_network("fec0::/10"),)) is None
    assert why_forbidden("10.2.0.1", allowed) is not None


async def test_plain_http_goes_to_opened_networks_alone() -> None:
    allowed = (ip_network("10.1.0.0/16"),)
    assert why_forbidden("10.1.2.3", allowed, plain=True) is None
    assert why_forbidden("8.8.8.8", allowed, plain=True) is not None
    with pytest.raises(ForbiddenAddressError, match="plain http"):
        await send(Request("GET", "HTTP://8.8.8.8:9/"), timeout_seconds=5, allowed=allowed)


@pytest.mark.parametrize("address", ["224.0.0.1", "0.0.0.0", "64:ff9b::8.8.8.8", "2002:808:808::1"])
def test_no_allow_list_opens_these(address: str) -> None:
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert why_forbidden(address, everything) is not None


class Listener:
    """A server on this machine that must not be reached."""

    def __init__(self) -> None:
        self.requests = 0
        self.port = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if request.path == "/away":
            raise web.HTTPFound("http://127.0.0.1:9/elsewhere")
        return web.Response(body=b"x" * 200_000)

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        return runner


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "127.1", "0x7f000001", "[::ffff:127.0.0.1]"]
)
async def test_neither_literals_nor_names_get_through(host: str) -> None:
    listener = Listener()
    runner = await listener.start()
    try:
        request = Request("GET", f"http://{host}:{listener.port}/")
        with pytest.raises((ForbiddenAddressError, UnreachableError)) as caught:
            await send(request, timeout_seconds=5, allowed=())
        if host in {"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"}:
            assert isinstance(caught.value, ForbiddenAddressError)
    finally:
        await runner.cleanup()
    assert listener.requests == 0


async def test_redirects_are_not_followed_and_answers_are_bounded() -> None:
    listener = Listener()
    runner = await listener.start()
    allowed = (ip_network("127.0.0.0/8"),)
    try:
        base = f"http://127.0.0.1:{listener.port}"
        away = await send(Request("GET", f"{base}/away"), timeout_seconds=5, allowed=allowed)
        long = await send(Request("GET", f"{base}/"), timeout_seconds=5, allowed=allowed)
    finally:
        await runner.cleanup()
    assert away.status == 302
    assert len(long.body) == 64 * 1024
    assert listener.requests == 2


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/planted", "not a url planted", "ftp://planted"]
)
async def test_errors_hold_no_address(url: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        await send(Request("GET", url), timeout_seconds=2, allowed=None)
    assert "planted" not in repr(caught.value)
    assert "planted" not in repr(Request("GET", url))
