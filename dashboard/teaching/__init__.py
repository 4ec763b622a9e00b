"""The parts of the page Teach a line."""
