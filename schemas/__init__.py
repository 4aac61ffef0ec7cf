"""What crosses a boundary: the shapes of records, the topics they travel on, and their codecs.

Nothing in this package does I/O, but for a look whether a time zone exists, and one at what its own
source says of fields; and nothing in it knows how a record is used.
"""
