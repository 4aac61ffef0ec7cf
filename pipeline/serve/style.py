"""The console's style sheet, and the policy that lets a browser use it and nothing else."""

import base64
import hashlib
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2530; --quiet: #5a6675; --paper: #f6f7f9;
  --card: #ffffff; --line: #dde2e8; --link: #1554b0; --page: #b3161b; --ticket: #8a5a00;
  --info: #2a5f8f; --calm: #1d7044; --bar: #9db4cf; --hot: #d2383d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --quiet: #9aa7b6; --paper: #11161c;
  --card: #1a2129; --line: #2d3742; --link: #7fb2ff; --page: #ff8d90; --ticket: #f0b95a;
  --info: #8cc1f0; --calm: #74d3a0; --bar: #4d6580; --hot: #f0686c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header, main { max-width: 68rem; margin: 0 auto; padding: 1rem 1.25rem; }
header { display: flex; gap: 1rem; align-items: baseline; }
header strong { font-size: 1.15rem; letter-spacing: .01em; }
a { color: var(--link); } a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; }
h1 { font-size: 1.35rem; margin: .25rem 0 .75rem; }
h2 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
.quiet { color: var(--quiet); } .id { font: 13px ui-monospace, monospace; word-break: break-all; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
table { border-collapse: collapse; width: 100%; } caption { position: absolute; left: -99rem; }
th, td { text-align: left; padding: .55rem .8rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
tr:last-child td { border-bottom: 0; }
th { font-weight: 600; color: var(--quiet); font-size: 13px; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.badge { display: inline-block; padding: 0 .55rem; border: 1px solid currentColor;
  border-radius: 99px; font-size: 13px; font-weight: 600; }
.page { color: var(--page); } .ticket { color: var(--ticket); } .info { color: var(--info); }
.open { color: var(--page); } .resolved { color: var(--calm); } .suppressed { color: var(--quiet); }
.figures { display: flex; flex-wrap: wrap; gap: .75rem; margin: 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .6rem .9rem; min-width: 8.5rem; }
.figures dt { color: var(--quiet); font-size: 13px; } .figures dd { margin: 0; font-size: 1.1rem;
  font-variant-numeric: tabular-nums; }
.chart { width: 100%; height: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; } .chart text { fill: var(--quiet); font-size: 11px; }
.chart line { stroke: var(--line); } .chart .opened { stroke: var(--hot); stroke-dasharray: 4 3; }
.chart .before { fill: var(--bar); } .chart .after { fill: var(--hot); }
"""

_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of every answer."""
