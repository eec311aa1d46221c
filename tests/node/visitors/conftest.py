"""Houses with spaces."""

from tests.node.spaces.world import aubier, clock, compiled, leroux, make_house, net, nord, partners

__all__ = ["aubier", "clock", "compiled", "leroux", "make_house", "net", "nord", "partners"]
