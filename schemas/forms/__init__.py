"""Forms of the pages. Rule: a field that a page does not send is absent, never empty; unknown fields are ignored."""
