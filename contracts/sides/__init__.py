"""Both sides of a contract: what each promised, what became of it, and what follows (semantics §6 and §7)."""
