"""The demo, and stand-ins for Slack and a gateway, which the tests use as well."""
