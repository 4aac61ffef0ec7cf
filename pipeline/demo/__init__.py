"""Stand-ins for Slack and a gateway, for the demo and the tests alone."""
