"""The ground floor: what every capability stands on. Rule: knows no capability and no page."""
