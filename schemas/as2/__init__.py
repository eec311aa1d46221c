"""Documents of the wire (ActivityStreams 2.0 and the profile of PROTOCOL part 2), as they are taken in."""
