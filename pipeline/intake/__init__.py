"""Takes usage events from gateways: every format becomes `UsageEvent`s and refusals."""
