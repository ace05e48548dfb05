"""A synthetic firm to learn, test and measure with; no person or company in it exists."""

from data.world.files import write_truth, write_world
from data.world.world import World, make_world

__all__ = ["World", "make_world", "write_truth", "write_world"]
