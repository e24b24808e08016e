"""Who does the jobs: worker processes, their life, and whoever looks after what nobody works on."""

__all__: list[str] = []
