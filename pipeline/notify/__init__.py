"""The on-call loop: one message per incident, the clicks on it, and what the policy wants."""
