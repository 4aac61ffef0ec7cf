"""What providers bill, asked of them hour by hour: the role `poll`."""
