"""What is done about a key: the policy, the brakes, and the gateways that obey."""
