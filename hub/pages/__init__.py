"""What people see: records become views (pure functions), views become HTML (one renderer)."""
