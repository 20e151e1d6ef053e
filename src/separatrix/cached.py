"""A property that is made when it is first asked for, then kept."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class cached_property(Generic[T]):
    """functools.cached_property as it is from Python 3.12 on, without a lock.

    Until then one lock serves all instances: fits on several threads wait for each other, and a process that is forked
    while another thread makes the property of whatever instance never gets its own.

    >>> class Circle:
    ...     radius = 2
    ...
    ...     @cached_property
    ...     def area(self):
    ...         print("made")
    ...         return 3 * self.radius**2
    >>> circle = Circle()
    >>> circle.area, circle.area
    made
    (12, 12)
    """

    def __init__(self, made: Callable[[Any], T]):
        self.made = made
        self.name = made.__name__
        self.__doc__ = made.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        value = self.made(instance)
        instance.__dict__[self.name] = value  # is found before this from now on
        return value
