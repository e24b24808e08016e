"""What identifies a model, and the senders and receivers that its configuration gives it."""

__all__: list[str] = []
