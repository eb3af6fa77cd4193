"""A second opinion on every plan: reads its JSON alone, and shares no code with what wrote it.

Each rule is stated here again, from the sources, so that one mistake in the planner is not believed twice.
"""
