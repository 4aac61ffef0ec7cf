"""What an event does not say itself: what it cost, and where it came from."""
