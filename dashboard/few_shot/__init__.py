"""The parts of the page Few-shot set."""
