"""From events to revoked keys: a pure engine, and the shell of I/O around it."""
