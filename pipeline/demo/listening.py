"""How stand-ins come to have an address."""

from collections.abc import Iterable

from aiohttp import web


async def listen(routes: Iterable[web.RouteDef], port: int) -> tuple[web.AppRunner, str]:
    """Serve on this machine, at any free port for 0: what stops it, and its base address."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    host, bound = runner.addresses[0][:2]
    return runner, f"http://{host}:{bound}"
