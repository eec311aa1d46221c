"""What every door shares: who looks, what is refused, and how an answer leaves the house."""
