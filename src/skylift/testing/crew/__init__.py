"""Real workers on a real PostgreSQL and a fake cloud that outlives them: to be killed and measured."""
