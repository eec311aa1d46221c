"""What a person is in a space, for doors, which know no protocol."""

from federation.ports import Role

__all__ = ["Role"]
