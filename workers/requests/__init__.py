"""What a user asks for becomes a spec: checked, with every default in one place."""

__all__: list[str] = []
