"""Requests to others: one guarded HTTP request, where it may go, and what its status means."""
