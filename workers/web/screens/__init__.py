"""The screens, one file each: what is asked for in a URL or a form, and the page that answers."""

from typing import Final

__all__: Final[list[str]] = []
