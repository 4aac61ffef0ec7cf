"""Registry entries and providers' bills, on their way to the partitions of their keys."""
