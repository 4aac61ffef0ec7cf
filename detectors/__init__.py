"""Questions about one key, answered with evidence: one module per detector, no clock and no I/O."""
