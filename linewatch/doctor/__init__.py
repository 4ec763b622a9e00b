"""`linewatch doctor`: is everything there that linewatch needs, and what to do if not."""
