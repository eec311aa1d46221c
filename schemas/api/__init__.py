"""Shapes of the JSON API. Names are camelCase on the wire, as in ActivityStreams; moments RFC 3339 in UTC."""
