"""What is usual for a key: the memory that all detectors share, held as plain data."""
