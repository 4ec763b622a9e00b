"""Tables, sessions, queries and migrations, and the image store."""
