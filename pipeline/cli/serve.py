"""`leakline serve`: the HTTP server."""

from pipeline.cli.options import ConfigFile, load_config, tell_exposed
from pipeline.stopping import ending_at_once


def serve(*, config: ConfigFile = None) -> None:
    """Serve HTTP until stopped: intake for gateways, Slack's clicks, the console.

    Examples:

    - `leakline serve --config leakline.toml`
    - `curl -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/x-ndjson"
      --data-binary @events.jsonl http://127.0.0.1:8787/v1/intake/events`
    """
    with ending_at_once():
        settings = load_config(config)
        tell_exposed(settings)
        from pipeline.serve.server import run_server

        run_server(settings)
