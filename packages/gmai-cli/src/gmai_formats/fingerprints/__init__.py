"""What tells that two pictures, or two questions, are the same one: hashes, the near search, and the list of both."""
