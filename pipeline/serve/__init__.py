"""The HTTP server: intake for gateways, Slack's clicks, and the console."""
