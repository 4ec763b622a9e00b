"""`linewatch demo`: the whole way on one machine, with real images and every part as in a plant."""
