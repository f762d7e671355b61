"""vcred."""
