"""What only the wire needs to remember, and what sends: streams, raw activities, receipts, lanes."""
