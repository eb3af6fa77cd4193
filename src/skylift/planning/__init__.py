"""From what was seen to what would be done: pure, the same input gives the same bytes."""
