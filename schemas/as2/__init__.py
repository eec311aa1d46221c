"""Shapes of the wire (ActivityStreams 2.0), held to before anything of them is kept or sent."""
