"""What the operator sees: a pure function from a value to lines of text or a JSON document."""
