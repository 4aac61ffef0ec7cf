"""Recorded files through the same engine as the stream, in event time and as fast as it goes."""
